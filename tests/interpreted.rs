//! Runs that are small enough for Miri, one for each protocol: `cargo run -p loom-tests -- --sanitizers miri`.
//!
//! Miri takes a thousand times as long, so a few requests go through lanes of one, and nothing is measured. The values own
//! memory: one that is lost, dropped twice or read in two places at once is seen by Miri, whatever the counts say.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::books::assert_balanced;
use common::{Count, MEANT, hush_meant_panics, within_a_minute};
use ringtract::{
    Envelope, Feed, Idle, Measure, NoInput, Outcome, Placement, Setup, Tract, collect, fan_out,
    feed, final_output, outcome, receiver, source, worker,
};

/// Two threads, a thread for all, and the caller's.
const WAYS: [Placement; 3] =
    [Placement::Threads(2), Placement::Threads(1), Placement::Inline { seed: 3 }];

type Value = Box<u64>;

fn numbers(count: u64) -> Tract<NoInput, Value> {
    source("numbers", 1, move || (0..count).map(Box::new))
}

fn add_one(name: &str, size: usize) -> Tract<Value, Value> {
    worker(name, size, || |n: Value| Box::new(*n + 1))
}

/// Threads that park as soon as they can, and nothing is measured.
fn small<I: Send + 'static>(tract: &Tract<I, Value>) -> Setup<'_, I, Value> {
    tract.setup().capacity(1).idle(Idle::Park).measure(Measure::Off)
}

#[test]
fn what_goes_into_a_chain_with_a_pool_comes_out() {
    within_a_minute(|| {
        for way in WAYS {
            let tract = numbers(6).then(add_one("pool", 2));
            let (mut sum, mut count) = (0, 0);
            let ran = small(&tract).placement(way).run(|n| {
                sum += *n;
                count += 1;
            });
            assert!(ran.expect("a sound tract").is_complete());
            assert_eq!((sum, count), (21, 6), "{way:?}");
        }
    });
}

#[test]
fn a_request_is_cleaned_up_once_when_the_last_copy_dies() {
    within_a_minute(|| {
        hush_meant_panics();
        let (died, well) = (Count::default(), Arc::new(AtomicU64::new(0)));
        let counts = (died.clone(), Arc::clone(&well));
        let marked = worker("marked", 1, move || {
            let counts = counts.clone();
            outcome(move |n: Value, request: &mut Envelope| {
                let (died, well) = counts.clone();
                request.on_end(move |success| {
                    died.up();
                    well.fetch_add(u64::from(success), Ordering::Relaxed);
                });
                Outcome::Emit(n)
            })
        });
        let risky = || {
            |n: Value| {
                assert!(*n != 2, "{MEANT}two");
                n
            }
        };
        let tract = numbers(4)
            .then(marked)
            .then(fan_out("both", [add_one("safe", 1), worker("risky", 1, risky)]));
        let setup = small(&tract).placement(Placement::Threads(2));
        setup.init(final_output()).expect("sound").start().expect("starts").wait();
        assert_eq!((died.get(), well.load(Ordering::Relaxed)), (4, 3));
    });
}

#[test]
fn what_was_sent_is_delivered_and_the_last_drop_ends_the_run() {
    within_a_minute(|| {
        let (first, input) = feed::<Value>(1);
        let (output, out) = collect();
        let tract = add_one("stage", 1);
        let ready = small(&tract).placement(Placement::Threads(1)).init_fed(input, output);
        let running = ready.expect("sound").start().expect("starts");
        let send = |mut feed: Feed<Value>, from: u64| {
            move || (from..from + 3).for_each(|n| feed.send(Box::new(n)).expect("open"))
        };
        let second = std::thread::spawn(send(first.clone(), 10));
        send(first, 0)();
        second.join().expect("it sends");
        running.wait();
        let mut values: Vec<u64> = out.take().into_iter().map(|n| *n).collect();
        values.sort_unstable();
        assert_eq!(values, [1, 2, 3, 11, 12, 13]);
    });
}

#[test]
fn a_stop_while_lanes_are_full_drops_nothing_uncounted() {
    within_a_minute(|| {
        let (output, mut receiver) = receiver();
        let tract = numbers(u64::MAX).then(add_one("stage", 1));
        let ready = small(&tract).placement(Placement::Threads(2)).init(output);
        let running = ready.expect("sound").start().expect("starts");
        let first = receiver.recv().map(|request| **request);
        running.stop();
        let rest = receiver.count() as u64;
        let report = running.wait();
        assert_eq!(first, Some(1));
        let given = report.stage("numbers").expect("a stage").ledger.emitted;
        assert_eq!(given, 1 + rest);
        assert_balanced(&report);
    });
}

#[test]
fn calls_from_two_threads_have_their_own_answers() {
    within_a_minute(|| {
        let tract = add_one("inner", 1);
        let setup = small(&tract).placement(Placement::Threads(1));
        let mut service = setup.service().start().expect("sound");
        let mut other = service.clone();
        let answers = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&answers);
        let caller = std::thread::spawn(move || {
            for n in 10..12 {
                let answer = *other.call(Box::new(n)).expect("open");
                theirs.lock().expect("whole").push(answer);
            }
        });
        assert_eq!(*service.call(Box::new(1)).expect("open"), 2);
        // One that nobody waits for.
        drop(service.submit(Box::new(2)).expect("open"));
        caller.join().expect("it calls");
        assert_eq!(*answers.lock().expect("whole"), [11, 12]);
        service.close();
    });
}
