//! The models of parking and waking. A lost wake-up shows as a deadlock: in a model no timeout ever comes.
//!
//! Whoever parks has a thread to itself that is spawned: to loom, a wake-up that comes late would look like the end of
//! whatever the first thread joins.

use std::sync::Arc;
use std::task::Waker;

use loom::thread;

use super::{explore, request};
use crate::contract::input::{Input, Next};
use crate::contract::request::Envelope;
use crate::lane::feed::feed;
use crate::lane::ring_lane::{Doorbells, LaneRx, LaneSpec, LaneTx, lane};
use crate::measure::tally::LaneTally;
use crate::step::control::Control;
use crate::sync::{AtomicBool, Ordering};
use crate::wait::doorbell::Doorbell;
use crate::wait::idle::Idle;
use crate::wait::sleeper::Sleeper;

/// A lane of one request, and the doorbells of its ends.
struct Parked {
    tx: LaneTx<u32>,
    rx: LaneRx<u32>,
    producer: Arc<Doorbell>,
    consumer: Arc<Doorbell>,
}

fn parked_lane() -> Parked {
    let (producer, consumer) = (Doorbell::new(), Doorbell::new());
    let doorbells =
        Doorbells { producer: Some(Arc::clone(&producer)), consumer: Some(Arc::clone(&consumer)) };
    let (tx, rx) = lane(LaneSpec {
        capacity: 1,
        batch: 1,
        split: false,
        load: None,
        tally: Arc::new(LaneTally::default()),
        doorbells,
    });
    Parked { tx, rx, producer, consumer }
}

/// Parks until there is an answer.
fn park<R>(bell: &Arc<Doorbell>, ask: impl FnMut() -> Option<R>) -> R {
    Sleeper::new(Idle::Park, bell).until(None, ask).expect("there is no deadline")
}

fn put_parked(tx: &mut LaneTx<u32>, bell: &Arc<Doorbell>, value: u32) {
    park(bell, || tx.has_room().then_some(()));
    tx.put(request(value));
}

/// Takes everything until the lane is closed.
fn take_parked(rx: &mut LaneRx<u32>, bell: &Arc<Doorbell>) -> Vec<u32> {
    let mut taken = Vec::new();
    loop {
        let next = park(bell, || match rx.pop() {
            Some(request) => Some(Some(request.value)),
            None => rx.is_closed().then_some(None),
        });
        let Some(value) = next else { return taken };
        taken.push(value);
    }
}

/// A consumer that parks on an empty lane is woken by a put, and a producer that parks before a full one by a take; the
/// last one's leaving wakes as well.
pub fn both_ends_park() {
    explore(|| {
        let Parked { mut tx, mut rx, producer, consumer } = parked_lane();
        let putting = thread::spawn(move || {
            put_parked(&mut tx, &producer, 1);
            put_parked(&mut tx, &producer, 2);
        });
        let taking = thread::spawn(move || take_parked(&mut rx, &consumer));
        putting.join().expect("puts");
        assert_eq!(taking.join().expect("takes"), [1, 2]);
    });
}

/// A consumer that is about to park sees its producer leave.
pub fn close_while_parking() {
    explore(|| {
        let Parked { tx, mut rx, producer: _, consumer } = parked_lane();
        let taking = thread::spawn(move || take_parked(&mut rx, &consumer));
        drop(tx);
        assert!(taking.join().expect("takes").is_empty());
    });
}

/// A producer parked before a full lane sees its consumer leave without having taken anything.
pub fn consumer_leaves_a_parked_producer() {
    explore(|| {
        let Parked { mut tx, rx, producer, consumer: _ } = parked_lane();
        tx.put(request(1));
        let putting = thread::spawn(move || put_parked(&mut tx, &producer, 2));
        drop(rx);
        putting.join().expect("puts");
    });
}

/// A stop reaches everybody who is parked, at either end of a lane.
pub fn stop_while_parked() {
    explore(|| {
        let (one, two) = (Doorbell::new(), Doorbell::new());
        let control = Arc::new(Control::new(vec![Arc::clone(&one), Arc::clone(&two)]));
        let threads = [one, two].map(|bell| {
            let control = Arc::clone(&control);
            thread::spawn(move || park(&bell, || control.is_stopping().then_some(())))
        });
        control.stop();
        for thread in threads {
            thread.join().expect("stops");
        }
    });
}

/// An input that parks is woken by a send into its feed, and by the last handle's drop.
pub fn parked_input() {
    explore(|| {
        let (mut feed, mut input) = feed::<u32>(1);
        input.set_stamping(false);
        let bell = Doorbell::new();
        input.attach(&Waker::from(Arc::clone(&bell)));
        let giving = thread::spawn(move || {
            let mut given = Vec::new();
            let mut envelope = Envelope::BARE;
            while let Some(value) = park(&bell, || match input.poll(&mut envelope) {
                Next::Value(value) => Some(Some(value)),
                Next::Ended => Some(None),
                Next::Nothing | Next::UntilWoken | Next::NotBefore(_) => None,
            }) {
                given.push(value);
            }
            given
        });
        assert!(feed.try_send(7).is_ok());
        drop(feed);
        assert_eq!(giving.join().expect("gives"), [7]);
    });
}

/// A thread whose token was taken by somebody else's park does not sleep through a ring.
pub fn stolen_token() {
    explore(|| {
        let (bell, change) = (Doorbell::new(), Arc::new(AtomicBool::new(false)));
        let (ringer, changed) = (Arc::clone(&bell), Arc::clone(&change));
        let sleeping = thread::spawn(move || {
            while bell.arm() && !changed.load(Ordering::Relaxed) {
                // User code, in the last look: it meant to wait for an unpark of its own, and takes any.
                thread::current().unpark();
                thread::park();
                bell.sleep(None);
            }
        });
        change.store(true, Ordering::Relaxed);
        ringer.ring();
        sleeping.join().expect("wakes");
    });
}
