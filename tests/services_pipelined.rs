//! A stage with many calls to a service under way.

mod common;

use std::sync::{Arc, Mutex};
use std::thread;

use ringtract::{
    Envelope, Error, Outcome, Placement, Service, Tract, collect, filter_map, outcome, pipelined,
    source, try_map, worker,
};

use common::service::emitted;
use common::{Count, EVERY_THREADED_WAY, within_a_minute};

/// A start that keeps a handle, so that whoever keeps it can close the service and read its ledger.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Option<Service<u64, u64>>>>);

impl Kept {
    fn start(
        &self,
        inner: Tract<u64, u64>,
        window: usize,
    ) -> impl FnMut() -> Result<Service<u64, u64>, Error> + use<> {
        let kept = self.clone();
        move || {
            let service = inner.setup().service().window(window).start()?;
            *kept.0.lock().expect("whole") = Some(service.clone());
            Ok(service)
        }
    }

    fn take(&self) -> Service<u64, u64> {
        self.0.lock().expect("whole").take().expect("started")
    }
}

fn plus_one(size: usize) -> Tract<u64, u64> {
    worker("inner", size, || |n: u64| n + 1)
}

#[test]
fn s41_one_worker_has_as_many_calls_under_way_as_the_window_holds() {
    within_a_minute(|| {
        // The inner worker lets nobody through until so many calls are under way.
        const TOGETHER: usize = 8;
        let (arrive, arrivals) = std::sync::mpsc::channel();
        let mut arrivals = Some(arrivals);
        let gate = worker("gate", 1, move || {
            let arrivals = arrivals.take().expect("made once");
            move |n: u64| {
                if n == 0 {
                    (0..TOGETHER).for_each(|_| arrivals.recv().expect("they come"));
                }
                n
            }
        });
        let announcing = worker("announcing", 1, move || {
            let arrive = arrive.clone();
            move |n: u64| {
                let _ = arrive.send(());
                n
            }
        });
        let inner = announcing.then(gate);
        let start = move || inner.setup().placement(Placement::PerWorker).service().start();
        let mut answers = Vec::new();
        source("numbers", 1, || 0..100_u64)
            .then(pipelined("outer", 1, start))
            .setup()
            .placement(Placement::PerWorker)
            .run(|n| answers.push(n))
            .expect("a sound tract");
        assert_eq!(answers, (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn s41_with_one_worker_requests_leave_in_the_order_in_which_they_came() {
    within_a_minute(|| {
        for placement in EVERY_THREADED_WAY {
            for (window, capacity) in [(1, 1), (1, 64), (3, 2), (64, 64)] {
                let uneven = worker("uneven", 4, || {
                    let mut random = fastrand::Rng::with_seed(7);
                    move |n: u64| {
                        (0..random.u32(0..8)).for_each(|_| thread::yield_now());
                        n
                    }
                });
                let start = move || uneven.setup().service().window(window).start();
                let tract = source("numbers", 1, || 0..300_u64).then(pipelined("outer", 1, start));
                let mut answers = Vec::new();
                let setup = tract.setup().placement(placement).capacity(capacity);
                setup.run(|n| answers.push(n)).expect("a sound tract");
                assert!(answers.iter().copied().eq(0..300), "{placement:?}, window {window}");
            }
        }
    });
}

#[test]
fn s42_s43_what_happens_inside_comes_back_and_clean_ups_are_kept_apart() {
    within_a_minute(|| {
        let (inside, outside) = (Count::default(), Count::default());
        let count = inside.clone();
        let odd = worker("odd", 2, || filter_map(|n: u64| (n % 2 == 1).then_some(n)));
        let small = worker("small", 2, || {
            try_map(|n: u64| if n.is_multiple_of(3) { Err("a third") } else { Ok(n) })
        });
        let cleaning = worker("cleaning", 1, move || {
            let count = count.clone();
            outcome(move |n: u64, request: &mut Envelope| {
                assert_eq!(request.cleanups(), 0, "an outer clean-up came in");
                let count = count.clone();
                request.on_end(move |_| count.add(1));
                Outcome::Emit(n)
            })
        });
        let inner = cleaning.then(odd).then(small);
        let count = outside.clone();
        let marking = worker("marking", 1, move || {
            let count = count.clone();
            outcome(move |n: u64, request: &mut Envelope| {
                let count = count.clone();
                request.on_end(move |success| count.add(u64::from(success)));
                Outcome::Emit(n)
            })
        });
        let (seen, all) = (inside.clone(), outside.clone());
        let checking = worker("checking", 1, move || {
            let (inside, outside) = (seen.clone(), all.clone());
            outcome(move |n: u64, request: &mut Envelope| {
                assert_eq!(request.cleanups(), 1, "the outer clean-up is gone");
                // Its own inner clean-up has run, and those of all before it.
                assert!(inside.get() > n, "an inner clean-up was late");
                assert!(outside.get() <= n);
                Outcome::Emit(n)
            })
        });
        let start = move || inner.setup().service().start();
        let report = source("numbers", 1, || 0..600_u64)
            .then(marking)
            .then(pipelined("outer", 1, start))
            .then(checking)
            .run(|n| assert!(n % 2 == 1 && n % 3 != 0))
            .expect("a sound tract");
        let ledger = &report.stage("outer/answers").expect("a stage").ledger;
        assert_eq!((ledger.emitted, ledger.discarded, ledger.failed), (200, 300, 100));
        assert_eq!(emitted(&report, "outer/calls"), 600);
        assert_eq!(report.failures[0].message, "a third");
        assert_eq!((inside.get(), outside.get()), (600, 200));
    });
}

#[test]
fn s45_a_stop_with_calls_in_flight_loses_nothing() {
    within_a_minute(|| {
        for round in 0..40_u64 {
            let kept = Kept::default();
            let start = kept.start(plus_one(2), 16);
            let tract = source("numbers", 1, || 0..u64::MAX).then(pipelined("outer", 2, start));
            let (output, answers) = collect();
            let running = tract.init(output).expect("sound").start().expect("starts");
            while running.snapshot().stages.iter().map(|stage| stage.ledger.emitted).sum::<u64>()
                < 50 * round
            {
                thread::yield_now();
            }
            running.stop();
            let report = running.wait();
            assert!(report.is_complete());
            let given = emitted(&report, "numbers");
            let mut answers = answers.take();
            answers.sort_unstable();
            assert!(answers.iter().copied().eq(1..=given), "{} of {given}", answers.len());
            let inner = kept.take().close().expect("closed once");
            assert!(inner.is_complete());
            assert_eq!(emitted(&inner, "inner"), emitted(&report, "outer/answers"));
        }
    });
}

#[test]
fn s45_closing_the_service_with_calls_in_flight_loses_nothing() {
    within_a_minute(|| {
        for round in 0..40_u64 {
            let kept = Kept::default();
            let start = kept.start(plus_one(1), 16);
            let tract = source("numbers", 1, || 0..4_000_u64).then(pipelined("outer", 1, start));
            let (output, answers) = collect();
            let running = tract.init(output).expect("sound").start().expect("starts");
            for _ in 0..round * round {
                thread::yield_now();
            }
            let inner = kept.take().close().expect("closed once");
            let report = running.wait();
            let calls = &report.stage("outer/calls").expect("a stage").ledger;
            assert_eq!(calls.emitted + calls.failed, 4_000);
            let accepted = calls.emitted;
            assert!(answers.take().into_iter().eq(1..=accepted), "of {accepted}");
            assert_eq!(emitted(&inner, "inner"), accepted);
            assert_eq!(emitted(&report, "outer/answers"), accepted);
            if calls.failed > 0 {
                assert_eq!(report.failures[0].message, "the service is closed");
            }
        }
    });
}

#[test]
fn s47_pipelined_stages_nest() {
    within_a_minute(|| {
        let inner = plus_one(1);
        let middle = pipelined("middle", 2, move || inner.setup().service().start());
        let outer = pipelined("outer", 2, move || middle.setup().service().start());
        let mut service = outer.into_service().expect("a sound tract");
        let tickets: Vec<_> = (0..50).map(|n| service.submit(n).expect("a place")).collect();
        for (n, ticket) in (0..50).zip(tickets) {
            assert_eq!(ticket.wait(), Ok(n + 1));
        }
    });
}
