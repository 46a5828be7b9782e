//! The models of how an owner and the threads of a run agree: making, starting, the first failure, what is measured.

use std::sync::Arc;

use loom::thread;

use super::{explore, explore_crowd};
use crate::error::Error;
use crate::measure::pages::{Pages, Sheet};
use crate::run::gate::{Done, Gate};
use crate::sync::{AtomicBool, Ordering};

/// A thread of a run, with one step that is made or not; whether it got to run.
fn crew(gate: &Gate, number: usize, step: Result<(), Error>) -> bool {
    let _done = Done(gate);
    if gate.await_turn(number) {
        gate.made(step);
    }
    gate.await_start()
}

fn refusal(worker: usize) -> Error {
    Error::FactoryFailed { path: "stage".to_owned(), worker, source: "no".into() }
}

/// No thread runs before the owner has started the run, and all of them do after it.
pub fn start_barrier() {
    explore_crowd(|| {
        let (gate, started) = (Arc::new(Gate::new()), Arc::new(AtomicBool::new(false)));
        let threads = [0, 1].map(|number| {
            let (gate, started) = (Arc::clone(&gate), Arc::clone(&started));
            thread::spawn(move || {
                let runs = crew(&gate, number, Ok(()));
                assert!(runs && started.load(Ordering::Relaxed), "nobody runs before the start");
            })
        });
        let owner = thread::spawn(move || {
            assert!(gate.await_made(2).is_ok());
            started.store(true, Ordering::Relaxed);
            gate.open(2);
        });
        owner.join().expect("starts");
        threads.into_iter().for_each(|thread| thread.join().expect("runs"));
    });
}

/// The first failure is what the owner gets; what would come after it is not made, and nobody runs.
pub fn first_failure_wins() {
    explore_crowd(|| {
        let gate = Arc::new(Gate::new());
        // Were the second one made as well, its failure might be the one that is told.
        let threads = [0, 1].map(|number| {
            let gate = Arc::clone(&gate);
            thread::spawn(move || crew(&gate, number, Err(refusal(number))))
        });
        let owner = thread::spawn(move || {
            let error = gate.await_made(2).expect_err("nothing could be made");
            assert!(matches!(error, Error::FactoryFailed { worker: 0, .. }), "{error}");
            assert!(gate.await_done(2, None));
        });
        owner.join().expect("is told");
        for thread in threads {
            assert!(!thread.join().expect("leaves"));
        }
    });
}

/// Numbers written down.
#[derive(Default)]
struct Numbers(Vec<u64>);

impl Sheet for Numbers {
    fn take_from(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }
}

/// What a reader takes while it is written holds everything once, however often it is taken: so it is with histograms.
pub fn epoch_swap() {
    explore(|| {
        let pages = Arc::new(Pages::new(Numbers::default));
        let written = Arc::clone(&pages);
        let writer = thread::spawn(move || {
            (0..2).for_each(|number| written.write(|numbers| numbers.0.push(number)));
        });
        let mut total = None;
        (0..2).for_each(|_| pages.drain(&mut total, Numbers::default));
        writer.join().expect("writes");
        pages.drain_all(&mut total, Numbers::default);
        let mut numbers = total.expect("something was written").0;
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1]);
    });
}
