//! The models. Each has one claim, and asserts it in every order of events that loom finds.

#[path = "calls.rs"]
pub mod calls;
#[path = "conformance.rs"]
pub mod conformance;
#[path = "owning.rs"]
pub mod owning;
#[path = "steps.rs"]
pub mod steps;
#[path = "waking.rs"]
pub mod waking;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use loom::thread;

use crate::contract::cleanup::Panics;
use crate::contract::input::{Input, Next};
use crate::contract::request::{Envelope, Request};
use crate::lane::feed::{TrySendError, feed};
use crate::lane::inlet::Inlet;
use crate::lane::ring_lane::{Doorbells, Drained, LaneRx, LaneSpec, LaneTx, lane};
use crate::lane::{Giver, Taker};
use crate::measure::tally::LaneTally;

fn small_lane<T>(capacity: usize, batch: usize, split: bool) -> (LaneTx<T>, LaneRx<T>) {
    lane(LaneSpec {
        capacity,
        batch,
        split,
        load: None,
        tally: std::sync::Arc::new(LaneTally::default()),
        doorbells: Doorbells::default(),
    })
}

/// The most preemptions, or as many as `LOOM_MAX_PREEMPTIONS` says.
const PREEMPTIONS: usize = 4;

/// Explores a model, and prints in how many executions: the command that runs all of them reads that.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    explore_with(0, model);
}

/// Explores a model of three threads beside the first, or of whole steps, with two preemptions less than the others.
fn explore_crowd(model: impl Fn() + Send + Sync + 'static) {
    explore_with(2, model);
}

fn explore_with(fewer: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let preemptions = builder.preemption_bound.unwrap_or(PREEMPTIONS);
    builder.preemption_bound = Some(preemptions.saturating_sub(fewer));
    let executions = std::sync::Arc::new(AtomicU64::new(0));
    let count = std::sync::Arc::clone(&executions);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let (test, executions) = (std::thread::current(), executions.load(Ordering::Relaxed));
    println!("explored {executions} executions of {}", test.name().unwrap_or("a model"));
}

/// Explores a lane with envelopes beside their values, and one with both apart.
fn in_either_track(model: fn(bool)) {
    for split in [false, true] {
        explore(move || model(split));
    }
}

/// Takes everything, always ready.
#[derive(Default)]
struct Bag(Vec<u32>);

impl Taker<u32> for Bag {
    fn ready(&mut self) -> bool {
        true
    }

    fn take_each<const METERED: bool>(&mut self, requests: impl Iterator<Item = Request<u32>>) {
        self.0.extend(requests.map(|request| request.value));
    }
}

fn request(value: u32) -> Request<u32> {
    Request::new(value)
}

fn put(tx: &mut LaneTx<u32>, value: u32) {
    while !tx.has_room() {
        thread::yield_now();
    }
    tx.put(Request::new(value));
    tx.flush();
}

/// Drains a lane to its end.
fn drain(rx: &mut LaneRx<u32>) -> Vec<u32> {
    let mut bag = Bag::default();
    while rx.drain(8, &mut bag).1 != Drained::Closed {
        thread::yield_now();
    }
    bag.0
}

/// A lane that says it is closed has given everything that was pushed.
pub fn last_push_then_drop() {
    in_either_track(|split| {
        let (mut tx, mut rx) = small_lane(1, 1, split);
        let producer = thread::spawn(move || {
            put(&mut tx, 1);
            put(&mut tx, 2);
        });
        assert_eq!(drain(&mut rx), [1, 2]);
        producer.join().expect("puts");
    });
}

/// What is staged and not yet published when a producer goes is published by its drop.
pub fn staged_batch_then_drop() {
    in_either_track(|split| {
        let (mut tx, mut rx) = small_lane(2, 2, split);
        let producer = thread::spawn(move || {
            assert!(tx.has_room());
            tx.put(Request::new(1));
        });
        assert_eq!(drain(&mut rx), [1]);
        producer.join().expect("puts");
    });
}

/// In a lane that keeps them apart, an envelope arrives with its own value, whichever values have one.
pub fn letter_finds_its_value() {
    explore(|| {
        let (mut tx, mut rx) = small_lane(1, 1, true);
        let producer = thread::spawn(move || {
            for value in 0..3 {
                let mut request = Request::new(value);
                if value > 0 {
                    request.envelope.on_end(|_| {});
                }
                while !tx.has_room() {
                    thread::yield_now();
                }
                tx.put(request);
            }
        });
        let mut arrived = Vec::new();
        while !rx.is_closed() {
            match rx.pop() {
                Some(request) => arrived.push((request.value, request.envelope.cleanups())),
                None => thread::yield_now(),
            }
        }
        assert_eq!(arrived, [(0, 0), (1, 1), (2, 1)]);
        producer.join().expect("puts");
    });
}

/// A producer that finds the lane full is not left waiting for a consumer that is gone, and the request it then
/// puts dies with failure, once.
pub fn full_lane_then_consumer_leaves() {
    in_either_track(|split| {
        let (mut tx, rx) = small_lane(1, 1, split);
        let consumer = thread::spawn(move || drop(rx));
        put(&mut tx, 1);
        let endings = std::sync::Arc::new(Mutex::new(Vec::new()));
        let mut request = Request::new(2);
        let ended = std::sync::Arc::clone(&endings);
        request.envelope.on_end(move |success| ended.lock().expect("whole").push(success));
        while !tx.has_room() {
            thread::yield_now();
        }
        tx.put(request);
        drop(tx);
        consumer.join().expect("leaves");
        assert_eq!(*endings.lock().expect("whole"), [false]);
    });
}

/// A value whose drop panics, without a word to the panic hook.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::panic::resume_unwind(Box::new("dropped"));
        }
    }
}

/// What is put while the consumer leaves dies with failure, each once and contained, whichever end goes last.
pub fn consumer_leaves_beside_puts() {
    in_either_track(|split| {
        let (mut tx, rx) = small_lane::<Fragile>(2, 1, split);
        let consumer = thread::spawn(move || drop(rx));
        let endings = std::sync::Arc::new(Mutex::new(Vec::new()));
        for _ in 0..2 {
            let mut request = Request::new(Fragile);
            let ended = std::sync::Arc::clone(&endings);
            request.envelope.on_end(move |success| ended.lock().expect("whole").push(success));
            assert!(tx.has_room());
            tx.put(request);
        }
        drop(tx);
        consumer.join().expect("leaves");
        assert_eq!(*endings.lock().expect("whole"), [false; 2]);
    });
}

/// What is staged for room that was seen is published whole, and nothing of it dies, as long as the consumer is there.
pub fn batch_finds_room() {
    in_either_track(|split| {
        let (mut tx, mut rx) = small_lane(2, 2, split);
        let producer = thread::spawn(move || {
            for value in 0..4 {
                while !tx.has_room() {
                    thread::yield_now();
                }
                tx.put(Request::new(value));
            }
        });
        assert_eq!(drain(&mut rx), [0, 1, 2, 3]);
        producer.join().expect("puts");
    });
}

/// Gives these requests.
struct Gift(std::vec::IntoIter<Request<u32>>);

impl Gift {
    fn of(requests: impl IntoIterator<Item = Request<u32>>) -> Self {
        Self(requests.into_iter().collect::<Vec<_>>().into_iter())
    }
}

impl Giver<u32> for Gift {
    fn give(&mut self) -> Option<Request<u32>> {
        self.0.next()
    }

    fn putting(&mut self) {}

    fn has_put(&mut self, panics: Panics) {
        assert!(panics.is_empty());
    }

    fn goes_on(&self) -> bool {
        true
    }
}

/// What is made in the loop of its maker, in batches, arrives whole as well.
pub fn filled_batch_finds_room() {
    in_either_track(|split| {
        let (mut tx, mut rx) = small_lane(2, 2, split);
        let producer = thread::spawn(move || {
            let mut gift = Gift::of((0..4).map(Request::new));
            while gift.0.len() > 0 {
                tx.fill(8, &mut gift);
                thread::yield_now();
            }
        });
        assert_eq!(drain(&mut rx), [0, 1, 2, 3]);
        producer.join().expect("puts");
    });
}

/// Room that a producer has seen is still there at its put, whatever the consumer does meanwhile.
pub fn room_stays() {
    in_either_track(|split| {
        let (mut tx, mut rx) = small_lane(1, 1, split);
        put(&mut tx, 1);
        let consumer = thread::spawn(move || drain(&mut rx));
        let seen = tx.has_room();
        if seen {
            assert!(tx.has_room());
            tx.put(Request::new(2));
        }
        drop(tx);
        assert_eq!(consumer.join().expect("drains").len(), 1 + usize::from(seen));
    });
}

/// An inlet is closed when both its producers are, whoever closes first, and has given what both put.
pub fn two_producers_close() {
    in_either_track(|split| {
        let (mut first, from_first) = small_lane(1, 1, split);
        let (mut second, from_second) = small_lane(1, 1, split);
        let producers =
            [thread::spawn(move || put(&mut first, 1)), thread::spawn(move || put(&mut second, 2))];
        let mut inlet = Inlet::new(vec![from_first, from_second], None);
        let mut bag = Bag::default();
        while inlet.drain(8, &mut bag) != Drained::Closed {
            thread::yield_now();
        }
        assert_eq!(bag.0.iter().sum::<u32>(), 3);
        producers.into_iter().for_each(|producer| producer.join().expect("puts"));
    });
}

/// Asks an input until it has ended.
fn ask_out(input: &mut impl Input<Item = u32>) -> Vec<u32> {
    let mut given = Vec::new();
    loop {
        let mut envelope = Envelope::BARE;
        match input.poll(&mut envelope) {
            Next::Value(value) => given.push(value),
            Next::Nothing | Next::UntilWoken | Next::NotBefore(_) => thread::yield_now(),
            Next::Ended => return given,
        }
    }
}

/// A send that said `Ok` is delivered, and one that said `Closed` is not, in a race with the stop.
pub fn send_against_stop() {
    explore(|| {
        let (mut feed, mut input) = feed::<u32>(1);
        input.set_stamping(false);
        let sender = thread::spawn(move || match feed.try_send(7) {
            Ok(()) => 1,
            Err(TrySendError::Closed(_)) => 0,
            Err(TrySendError::Full(_)) => panic!("an empty lane has room"),
        });
        assert!(input.stop());
        let given = ask_out(&mut input).len();
        drop(input);
        assert_eq!(sender.join().expect("sends"), given);
    });
}

/// What the last handle sent before it was dropped is delivered before the input ends.
pub fn send_then_drop() {
    explore(|| {
        let (mut feed, mut input) = feed::<u32>(1);
        input.set_stamping(false);
        let sender = thread::spawn(move || feed.try_send(7).is_ok());
        assert_eq!(ask_out(&mut input), [7]);
        assert!(sender.join().expect("sends"));
    });
}

/// A clean-up from before a fan-out runs once, after both copies have died, with success only if both succeeded.
pub fn cleanup_after_fan_out() {
    for endings in [[true, true], [true, false], [false, true], [false, false]] {
        explore(move || {
            let runs = std::sync::Arc::new(Mutex::new(Vec::new()));
            let ran = std::sync::Arc::clone(&runs);
            let mut envelope = Envelope::BARE;
            envelope.on_end(move |success| ran.lock().expect("whole").push(success));
            let mut shared = envelope.share();
            let copy = shared.copy();
            let last = shared.into_last();
            let other = thread::spawn(move || assert!(copy.finish(endings[0]).is_empty()));
            assert!(last.finish(endings[1]).is_empty());
            other.join().expect("finishes");
            assert_eq!(*runs.lock().expect("whole"), [endings[0] && endings[1]]);
        });
    }
}
