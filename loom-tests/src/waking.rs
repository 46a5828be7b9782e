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
use crate::lane::feed::{Feed, FeedInput, feed};
use crate::lane::ring_lane::{Doorbells, LaneRx, LaneSpec, LaneTx, lane};
use crate::measure::tally::LaneTally;
use crate::step::control::Control;
use crate::sync::{AtomicBool, Ordering};
use crate::wait::doorbell::Doorbell;
use crate::wait::idle::Idle;
use crate::wait::sleeper::Sleeper;

/// A lane of one request, and the doorbells of its ends.
pub(super) struct Parked {
    pub(super) tx: LaneTx<u32>,
    pub(super) rx: LaneRx<u32>,
    pub(super) producer: Arc<Doorbell>,
    pub(super) consumer: Arc<Doorbell>,
}

fn parked_lane() -> Parked {
    lane_between(Doorbell::new(), Doorbell::new())
}

/// A lane between threads with these doorbells.
pub(super) fn lane_between(producer: Arc<Doorbell>, consumer: Arc<Doorbell>) -> Parked {
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
pub(super) fn park<R>(bell: &Arc<Doorbell>, ask: impl FnMut() -> Option<R>) -> R {
    Sleeper::new(Idle::Park, bell).until(None, ask).expect("there is no deadline")
}

pub(super) fn put_parked(tx: &mut LaneTx<u32>, bell: &Arc<Doorbell>, value: u32) {
    park(bell, || tx.has_room().then_some(()));
    tx.put(request(value));
}

/// Takes everything until the lane is closed.
pub(super) fn take_parked(rx: &mut LaneRx<u32>, bell: &Arc<Doorbell>) -> Vec<u32> {
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

/// Parks until an input gives a value, or ends.
fn ask_parked(input: &mut FeedInput<u32>, bell: &Arc<Doorbell>) -> Option<u32> {
    let mut envelope = Envelope::BARE;
    park(bell, || match input.poll(&mut envelope) {
        Next::Value(value) => Some(Some(value)),
        Next::Ended => Some(None),
        Next::Nothing | Next::UntilWoken | Next::NotBefore(_) => None,
    })
}

/// A feed, with its input on a thread that parks until it has an answer.
fn parked_feed() -> (Feed<u32>, thread::JoinHandle<Option<u32>>) {
    let (feed, mut input) = feed::<u32>(1);
    input.set_stamping(false);
    let bell = Doorbell::new();
    input.attach(&Waker::from(Arc::clone(&bell)));
    (feed, thread::spawn(move || ask_parked(&mut input, &bell)))
}

/// An input that parks is woken by a send into its feed.
pub fn parked_input() {
    explore(|| {
        let (mut feed, giving) = parked_feed();
        assert!(feed.try_send(7).is_ok());
        assert_eq!(giving.join().expect("gives"), Some(7));
        drop(feed);
    });
}

/// An input that parks is woken by the end of the last handle of its feed.
pub fn orphaned_input() {
    explore(|| {
        let (feed, giving) = parked_feed();
        drop(feed);
        assert_eq!(giving.join().expect("ends"), None);
    });
}

/// A thread whose token was taken by somebody else's park does not sleep through a ring.
pub fn stolen_token() {
    explore(|| {
        let (bell, change) = (Doorbell::new(), Arc::new(AtomicBool::new(false)));
        let (ringer, changed) = (Arc::clone(&bell), Arc::clone(&change));
        // For loom, which takes no park for something that others take part in: the ring may come before the theft.
        let rung = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&rung);
        let sleeping = thread::spawn(move || {
            while bell.arm() && !changed.load(Ordering::Relaxed) {
                // User code, in the last look: it meant to wait for an unpark of its own, and takes any.
                seen.load(Ordering::Relaxed);
                thread::current().unpark();
                thread::park();
                bell.sleep(None);
            }
        });
        change.store(true, Ordering::Relaxed);
        ringer.ring();
        rung.store(true, Ordering::Relaxed);
        sleeping.join().expect("wakes");
    });
}
