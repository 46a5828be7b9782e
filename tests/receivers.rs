//! Receivers: what came out of a tract, read from other threads.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::probe::{Journal, Topology, eventually, numbers, run_to, topologies};
use common::{A_MINUTE, Count, EVERY_THREADED_WAY, EVERY_WAY, within_a_minute};
use ringtract::{
    Ending, Envelope, Idle, NoInput, Outcome, Placement, Tract, TryRecvError, outcome, receiver,
    source, worker,
};

/// What became of requests.
#[derive(Clone, Default)]
struct Endings {
    begun: Count,
    succeeded: Count,
    failed: Count,
}

/// A source of these numbers, and a stage that counts how they end.
fn tracked(
    numbers: impl Iterator<Item = u64> + Clone + Send + 'static,
) -> (Tract<NoInput, u64>, Endings) {
    let endings = Endings::default();
    let counts = endings.clone();
    let track = worker("track", 1, move || {
        let counts = counts.clone();
        outcome(move |n: u64, request: &mut Envelope| {
            let Endings { begun, succeeded, failed } = counts.clone();
            begun.up();
            request.on_end(move |success| if success { succeeded.add(1) } else { failed.add(1) });
            Outcome::Emit(n)
        })
    });
    (source("numbers", 1, move || numbers.clone()).then(track), endings)
}

#[test]
fn nothing_yet_and_nothing_ever_again_are_told_apart() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let (output, mut receiver) = receiver();
            let tract = source("numbers", 1, || 0..2_u64);
            assert_eq!(receiver.try_recv().expect_err("no run yet"), TryRecvError::Empty);
            let ready = tract.setup().placement(way).init(output).expect("initialises");
            assert_eq!(receiver.try_recv().expect_err("not started"), TryRecvError::Empty);
            ready.start().expect("starts").wait();
            assert_eq!(*receiver.try_recv().expect("the first"), 0);
            assert_eq!(*receiver.try_recv().expect("the second"), 1);
            for _ in 0..2 {
                assert_eq!(receiver.try_recv().expect_err("it is over"), TryRecvError::Closed);
                assert!(receiver.recv().is_none());
                let late = receiver.recv_timeout(A_MINUTE);
                assert_eq!(late.expect_err("it is over"), TryRecvError::Closed);
            }
            assert_eq!(TryRecvError::Empty.to_string(), "nothing to receive yet");
            assert_eq!(TryRecvError::Closed.to_string(), "the tract has ended");
        }
    });
}

#[test]
fn waiting_for_a_request_ends_at_the_time_limit() {
    within_a_minute(|| {
        let (_output, mut receiver) = receiver::<u64>();
        for limit in [Duration::ZERO, Duration::from_millis(20)] {
            let start = Instant::now();
            let late = receiver.recv_timeout(limit).expect_err("nobody sends");
            assert!(start.elapsed() >= limit);
            assert_eq!(late, TryRecvError::Empty);
        }
    });
}

#[test]
fn a_receiver_is_an_iterator_over_everything_that_comes_out() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            for Topology { name, tract, copies, .. } in topologies(&Journal::default()) {
                let (output, receiver) = receiver();
                let tract = numbers("numbers", 400, &Journal::default()).then(tract);
                let setup = tract.setup().placement(way).capacity(3);
                let running = setup.init(output).expect("initialises").start().expect("starts");
                let reader = thread::spawn(move || receiver.map(|n| *n).sum::<u64>());
                assert_eq!(reader.join().expect("reads"), 79_800 * copies, "{name}");
                assert!(running.wait().is_complete(), "{name}");
            }
        }
    });
}

#[test]
fn waiting_with_a_limit_gets_everything_too() {
    within_a_minute(|| {
        let (output, mut receiver) = receiver();
        let tract = source("numbers", 1, || 0..1000_u64);
        let running = tract.init(output).expect("initialises").start().expect("starts");
        let next = || receiver.recv_timeout(Duration::MAX).ok().map(|request| *request);
        assert_eq!(std::iter::from_fn(next).sum::<u64>(), 499_500);
        running.wait();
    });
}

#[test]
fn an_inline_run_is_read_between_its_turns() {
    within_a_minute(|| {
        for seed in 0..10 {
            let (output, mut receiver) = receiver();
            let tract = source("numbers", 1, || 0..100_u64).then(worker("pool", 3, || |n: u64| n));
            let setup = tract.setup().placement(Placement::Inline { seed }).capacity(2);
            let mut run = setup.init_inline(output).expect("initialises");
            let mut sum = 0;
            while !run.is_finished() {
                run.turn();
                while let Ok(n) = receiver.try_recv() {
                    sum += *n;
                }
            }
            assert_eq!(sum, 4950);
            assert!(run.finish().is_complete());
        }
    });
}

#[test]
fn what_is_unread_when_the_run_ends_can_still_be_read() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (tract, endings) = tracked(0..20);
            let (output, receiver) = receiver();
            let report = run_to(&tract, way, output).expect("starts");
            assert!(report.is_complete(), "{report}");
            assert_eq!(report.lanes.iter().map(|lane| lane.unread).sum::<u64>(), 20);
            assert_eq!(endings.succeeded.get(), 0, "they are still to be read");
            assert!(receiver.map(ringtract::Request::into_value).eq(0..20));
            assert_eq!((endings.succeeded.get(), endings.failed.get()), (20, 0));
        }
    });
}

#[test]
fn what_is_never_read_fails_with_the_receiver() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (tract, endings) = tracked(0..20);
            let (output, mut receiver) = receiver();
            run_to(&tract, way, output).expect("starts");
            drop(receiver.recv());
            drop(receiver);
            assert_eq!((endings.succeeded.get(), endings.failed.get()), (1, 19));
        }
    });
}

#[test]
fn dropping_a_receiver_closes_the_tract_from_behind() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let journal = Journal::default();
            for Topology { tract, .. } in topologies(&journal) {
                let (output, mut receiver) = receiver();
                let tract = source("endless", 2, || 0_u64..).then(tract);
                let ready = tract.setup().placement(way).init(output).expect("initialises");
                let running = ready.start().expect("starts");
                receiver.recv().expect("it runs");
                drop(receiver);
                assert_eq!(running.wait().ending, Ending::Natural);
            }
            journal.assert_all_closed();
        }
    });
}

#[test]
fn what_a_dropped_receiver_left_behind_is_counted_as_dropped() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let (tract, endings) = tracked(0..);
            let (output, mut receiver) = receiver();
            let ready = tract.setup().placement(way).init(output).expect("initialises");
            let running = ready.start().expect("starts");
            receiver.by_ref().take(3).for_each(drop);
            drop(receiver);
            let report = running.wait();
            let made = report.stages[0].ledger.emitted;
            assert_eq!(endings.succeeded.get(), 3);
            let in_hand: u64 = report.stages.iter().map(|stage| stage.ledger.dropped).sum();
            assert_eq!(report.dropped_in_lanes() + in_hand, made - 3, "{report}");
            assert_eq!(report.is_complete(), made == 3, "{report}");
            assert_eq!(endings.failed.get(), endings.begun.get() - 3);
        }
    });
}

#[test]
fn a_receiver_dropped_before_the_run_closes_it() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (output, receiver) = receiver();
            drop(receiver);
            let report = run_to(&source("endless", 1, || 0_u64..), way, output).expect("starts");
            assert_eq!(report.ending, Ending::Natural);
        }
    });
}

#[test]
fn the_receiver_of_a_run_that_could_not_be_initialised_is_closed() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (output, mut receiver) = receiver();
            let broken = worker("broken", 1, || Err::<fn(u64) -> u64, _>("no luck"));
            let tract = source("numbers", 1, || 0..3_u64).then(broken);
            run_to(&tract, way, output).expect_err("no luck");
            assert!(receiver.recv().is_none());
        }
    });
}

#[test]
fn the_receiver_of_an_output_that_is_never_used_is_closed() {
    let (output, mut receiver) = receiver::<u64>();
    drop(output);
    assert_eq!(receiver.try_recv().expect_err("no run"), TryRecvError::Closed);
}

#[test]
fn the_receiver_of_a_run_that_is_dropped_before_its_start_is_closed() {
    within_a_minute(|| {
        let (output, mut receiver) = receiver();
        let tract = source("numbers", 1, || 0..3_u64);
        drop(tract.init(output).expect("initialises"));
        assert!(receiver.recv().is_none());
    });
}

/// Starts a tract between an endless source and a receiver that nobody reads, drops the run once the source is held
/// back, and reads what had come to the receiver, up to the end.
fn drop_unread(tract: Tract<u64, u64>, way: Placement, idle: Idle) {
    let count = Count::default();
    let counting = count.clone();
    let endless = move || {
        let counting = counting.clone();
        (0_u64..).inspect(move |_| counting.add(1))
    };
    let (output, receiver) = receiver();
    let tract = source("endless", 1, endless).then(tract);
    let setup = tract.setup().placement(way).capacity(2).idle(idle);
    let running = setup.init(output).expect("initialises").start().expect("starts");
    let mut made = 0;
    eventually("the source is held back", || {
        (0..1000).for_each(|_| thread::yield_now());
        std::mem::replace(&mut made, count.get()) == count.get() && made > 0
    });
    drop(running);
    assert!(receiver.count() > 0);
}

#[test]
fn a_run_that_is_dropped_while_its_receiver_is_full_and_unread_does_not_hang() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            for Topology { tract, .. } in topologies(&Journal::default()) {
                drop_unread(tract, way, Idle::default());
            }
        }
    });
}

/// Two threads with many stages each, which spin: looked at from outside, somebody is always having a turn.
#[test]
fn a_run_of_many_spinning_stages_that_is_dropped_unread_does_not_hang() {
    within_a_minute(|| {
        let stage = |_| worker("pass", 1, || |n: u64| n);
        let chain = (0..199).map(stage).fold(worker("first", 1, || |n: u64| n), Tract::then);
        drop_unread(chain, Placement::Threads(2), Idle::Spin);
    });
}

#[test]
fn a_run_that_is_dropped_while_its_receiver_is_full_fails_what_is_in_flight() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let (tract, endings) = tracked(0..);
            let (output, mut receiver) = receiver();
            let setup = tract.then(worker("pass", 1, || |n: u64| n));
            let ready = setup.setup().placement(way).capacity(2).init(output);
            let running = ready.expect("initialises").start().expect("starts");
            receiver.recv().expect("it runs");
            drop(running);
            let unread = receiver.count() as u64;
            assert_eq!(endings.succeeded.get(), 1 + unread);
            assert_eq!(endings.failed.get(), endings.begun.get() - 1 - unread);
        }
    });
}
