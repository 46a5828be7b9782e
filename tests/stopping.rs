//! Stopping, S19. Where user code is stuck, see `stuck.rs`.

mod common;

use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use common::probe::{Journal, Topology, eventually, send_tracked, topologies};
use common::{A_MINUTE, Count, EVERY_THREADED_WAY, within_a_minute};
use ringtract::{
    BoxError, Ending, Envelope, Input, InputEnd, Next, Outcome, Output, OutputEnd, Overdue, Ready,
    Report, Request, Room, collect, feed, final_output, for_each, input, outcome, output, source,
    worker,
};

/// A deadline that something stuck will miss.
const SOON: Duration = Duration::from_millis(20);

#[test]
fn s19_a_stop_from_any_thread_ends_sources_and_drains_the_rest() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            for Topology { name, tract, copies, .. } in topologies(&Journal::default()) {
                let (arrived, arrives) = mpsc::channel();
                let output = for_each(move |_| arrived.send(()).expect("the test listens"));
                let tract = source("endless", 2, || 0_u64..).then(tract);
                let ready = tract.setup().placement(way).init(output).expect("initialises");
                let running = ready.start().expect("starts");
                arrives.recv_timeout(A_MINUTE).expect("it runs");
                let stopper = running.stopper();
                thread::spawn(move || stopper.stop()).join().expect("asks");
                let report = running.wait();
                assert_eq!(report.ending, Ending::Stopped);
                assert!(report.is_complete(), "{name}: {report}");
                let arrived = 1 + arrives.iter().count() as u64;
                assert_eq!(report.stages[0].ledger.emitted * copies, arrived, "{name}");
            }
        }
    });
}

#[test]
fn s19_a_run_on_the_callers_thread_is_stopped_from_any_thread() {
    within_a_minute(|| {
        for Topology { name, tract, copies, .. } in topologies(&Journal::default()) {
            let (output, values) = collect();
            let tract = source("endless", 2, || 0_u64..).then(tract);
            let mut run = tract.setup().init_inline(output).expect("initialises");
            (0..10).for_each(|_| assert!(run.turn(), "{name}: there is always more"));
            let stopper = run.stopper();
            thread::spawn(move || stopper.stop()).join().expect("asks");
            let report = run.finish();
            assert_eq!(report.ending, Ending::Stopped);
            assert!(report.is_complete(), "{name}: {report}");
            let made = report.stages[0].ledger.emitted;
            assert!(made > 0);
            assert_eq!(values.take().len() as u64, made * copies, "{name}");
        }
    });
}

#[test]
fn s19_asking_twice_or_after_the_end_is_fine() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let tract = source("endless", 1, || 0_u64..);
            let ready = tract.setup().placement(way).init(final_output()).expect("initialises");
            let running = ready.start().expect("starts");
            let stopper = running.stopper();
            running.stop();
            stopper.stop();
            assert!(running.wait().is_complete());
            stopper.stop();
        }
    });
}

/// Has accepted some numbers already when it is told to stop, and hands them over first.
struct Backlog {
    left: u64,
    stopping: bool,
}

impl Input for Backlog {
    type Item = u64;

    fn poll(&mut self, _request: &mut Envelope) -> Next<u64> {
        match (self.stopping, self.left) {
            (false, _) => Next::Nothing,
            (true, 0) => Next::Ended,
            (true, _) => {
                self.left -= 1;
                Next::Value(self.left)
            }
        }
    }

    fn stop(&mut self) -> bool {
        self.stopping = true;
        true
    }
}

#[test]
fn s19_a_stopped_input_hands_over_what_it_had_accepted() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            for Topology { name, tract, copies, .. } in topologies(&Journal::default()) {
                let backlog = input(|| Ok::<_, BoxError>(Backlog { left: 300, stopping: false }));
                let (output, values) = collect();
                let ready = tract.setup().placement(way).init_fed(backlog, output);
                let running = ready.expect("initialises").start().expect("starts");
                let report = running.stop_within(A_MINUTE).expect("it drains");
                assert!(report.is_complete(), "{name}: {report}");
                assert_eq!(values.take().len() as u64, 300 * copies, "{name}");
            }
        }
    });
}

/// An output that never has room. Tells when a request has come to it.
struct Wall(Sender<()>);

impl Output<u64> for Wall {
    fn room(&mut self) -> Room {
        // Nobody listens any more after the first.
        let _ = self.0.send(());
        Room::Full
    }

    fn put(&mut self, _request: Request<u64>) {
        panic!("there was no room");
    }
}

/// Starts a run against a wall, gives it up, and tells what it came to, unless the machine was so busy that a
/// thread could not drop what it held within the grace that it has. Then it tries again.
fn give_up(ready: impl Fn(OutputEnd<u64>) -> Ready) -> Box<Report> {
    loop {
        let (reached, is_reached) = mpsc::channel();
        let wall = output(move || Ok::<_, BoxError>(Wall(reached)));
        let running = ready(wall).start().expect("starts");
        is_reached.recv_timeout(A_MINUTE).expect("the wall is reached");
        let Overdue { report, .. } = running.stop_within(SOON).expect_err("it cannot drain");
        if report.unfinished.is_empty() {
            return report;
        }
    }
}

#[test]
fn s19_the_ledger_shows_what_was_dropped() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            for Topology { name, tract, copies, .. } in topologies(&Journal::default()) {
                let failed = Count::default();
                let tract = source("endless", 2, || 0_u64..).then(marking(&failed)).then(tract);
                let report = give_up(|wall| {
                    tract.setup().placement(way).capacity(4).init(wall).expect("initialises")
                });
                assert_eq!(report.ending, Ending::GivenUp);
                assert!(report.imbalances.is_empty(), "{name}: {report}");
                assert!(!report.is_complete(), "{name}: {report}");
                let in_hand: u64 = report.stages.iter().map(|stage| stage.ledger.dropped).sum();
                assert!(report.dropped_in_lanes() + in_hand > 0, "{name}: {report}");
                assert_eq!(report.stages.last().expect("the output").ledger.taken, 0, "{name}");
                if copies == 1 {
                    let made = report.stages[0].ledger.emitted;
                    assert_eq!(report.dropped_in_lanes() + in_hand, made, "{name}: {report}");
                }
                eventually("every clean-up has run", || {
                    failed.get() >= report.stage("mark").expect("a stage").ledger.emitted
                });
            }
        }
    });
}

/// A stage that puts a clean-up on every request, which counts those that fail.
fn marking(failed: &Count) -> ringtract::Tract<u64, u64> {
    let failed = failed.clone();
    worker("mark", 1, move || {
        let failed = failed.clone();
        outcome(move |n, request: &mut Envelope| {
            let failed = failed.clone();
            request.on_end(move |success| failed.add(u64::from(!success)));
            Outcome::Emit(n)
        })
    })
}

#[test]
fn s19_what_a_feed_accepted_and_a_deadline_dropped_is_in_the_report() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let report = give_up(|wall| {
                let (mut feed, input) = feed(32);
                send_tracked(&mut feed, 32);
                let tract = worker("narrow", 1, || |n: u64| n);
                let setup = tract.setup().placement(way).capacity(2);
                setup.init_fed(input, wall).expect("initialises")
            });
            assert!(!report.is_complete(), "{report}");
            let in_hand: u64 = report.stages.iter().map(|stage| stage.ledger.dropped).sum();
            assert_eq!(report.dropped_in_lanes() + in_hand, 32, "{report}");
        }
    });
}

#[test]
fn s19_a_run_that_drains_in_time_is_not_overdue() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let tract = source("endless", 1, || 0_u64..);
            let ready = tract.setup().placement(way).init(for_each(drop)).expect("initialises");
            let report = ready.start().expect("starts").stop_within(A_MINUTE).expect("it drains");
            assert!(report.is_complete(), "{report}");
            assert!(report.unfinished.is_empty());
        }
    });
}

#[test]
fn s19_an_inline_run_that_is_dropped_fails_what_is_in_flight() {
    within_a_minute(|| {
        let (mut feed, input) = feed(16);
        let ended = send_tracked(&mut feed, 16);
        let tract = worker("a", 1, || |n: u64| n).then(worker("b", 1, || |n: u64| n));
        let wall = output(|| Ok::<_, BoxError>(Wall(mpsc::channel().0)));
        let mut run = tract.setup().init_inline_fed(input, wall).expect("initialises");
        while run.turn() {}
        drop(run);
        assert!(feed.is_closed());
        let mut endings: Vec<_> = ended.try_iter().collect();
        endings.sort_unstable();
        assert_eq!(endings, (0..16).map(|n| (n, false)).collect::<Vec<_>>());
    });
}

#[test]
fn s19_a_stop_does_not_reach_another_run_of_the_same_tract() {
    within_a_minute(|| {
        let tract = worker("a", 2, || |n: u64| n);
        let first = |input: InputEnd<u64>| tract.setup().init_fed(input, final_output());
        let (_feed, input) = feed(4);
        let stopped = first(input).expect("initialises").start().expect("starts");
        let (mut feed, input) = feed(4);
        let going_on = first(input).expect("initialises").start().expect("starts");
        stopped.stop();
        stopped.wait();
        feed.send(1).expect("the other run goes on");
        drop(feed);
        assert_eq!(going_on.wait().ending, Ending::Natural);
    });
}
