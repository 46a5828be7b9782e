//! Stopping, S19, where user code is stuck past the deadline.

mod common;

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use common::probe::send_tracked;
use common::{A_MINUTE, Count, EVERY_THREADED_WAY, within_a_minute};
use ringtract::{
    BoxError, Ending, Envelope, Error, Feed, Outcome, Overdue, Phase, Placement, Ready, Running,
    Worker, feed, for_each, source, worker,
};

/// A deadline that something stuck will miss.
const SOON: Duration = Duration::from_millis(20);

/// A place in user code where a thread gets stuck until the test lets it go.
struct Trap {
    caught: Sender<()>,
    release: Receiver<()>,
}

/// The test's side of a [`Trap`].
struct Trapper {
    caught: Receiver<()>,
    release: Sender<()>,
}

fn trap() -> (Trap, Trapper) {
    let (caught, is_caught) = mpsc::channel();
    let (release, is_released) = mpsc::channel();
    (Trap { caught, release: is_released }, Trapper { caught: is_caught, release })
}

impl Trap {
    fn enter(&self) {
        self.caught.send(()).expect("the test listens");
        // The trapper is gone only if the test has failed already.
        let _ = self.release.recv_timeout(A_MINUTE);
    }
}

impl Trapper {
    fn await_catch(&self) {
        self.caught.recv_timeout(A_MINUTE).expect("somebody got stuck");
    }

    fn release(&self) {
        // Who was stuck may be gone.
        let _ = self.release.send(());
    }
}

/// Gets stuck at its third request, or in `close`.
struct Clumsy {
    trap: Trap,
    worked: Count,
    at_close: bool,
    gone: Sender<()>,
}

impl Worker<u64> for Clumsy {
    type Out = u64;

    fn work(&mut self, value: u64, _request: &mut Envelope) -> Outcome<u64> {
        if self.worked.up() == 2 && !self.at_close {
            self.trap.enter();
        }
        Outcome::Emit(value)
    }

    fn close(&mut self) {
        if self.at_close {
            self.trap.enter();
        }
    }
}

impl Drop for Clumsy {
    fn drop(&mut self) {
        // The test may have seen enough.
        let _ = self.gone.send(());
    }
}

/// A run whose only worker gets stuck, with a number of requests before it.
struct Stuck {
    running: Running,
    feed: Feed<u64>,
    trapper: Trapper,
    worked: Count,
    is_gone: Receiver<()>,
    /// The numbers whose clean-ups ran, and how.
    ended: Receiver<(u64, bool)>,
}

fn stuck(way: Placement, count: u64, at_close: bool) -> Stuck {
    let (trap, trapper) = trap();
    let (gone, is_gone) = mpsc::channel();
    let worked = Count::default();
    let mut clumsy = Some(Clumsy { trap, worked: worked.clone(), at_close, gone });
    let tract = worker("clumsy", 1, move || clumsy.take().ok_or("there is one")).blocking();
    let (mut feed, input) = feed(16);
    let ended = send_tracked(&mut feed, count);
    let (arrived, arrives) = mpsc::channel();
    let output = for_each(move |_| {
        // The test listens for the first two.
        let _ = arrived.send(());
    });
    let ready = tract.setup().placement(way).init_fed(input, output);
    let running = ready.expect("initialises").start().expect("starts");
    if at_close {
        feed.close();
    }
    trapper.await_catch();
    for _ in 0..2 {
        arrives.recv_timeout(A_MINUTE).expect("two come before the one that gets stuck");
    }
    Stuck { running, feed, trapper, worked, is_gone, ended }
}

#[test]
fn s19_who_is_stuck_past_the_deadline_is_named() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let Stuck { running, trapper, is_gone, feed: _feed, .. } = stuck(way, 5, false);
            let overdue = running.stop_within(SOON).expect_err("somebody is stuck");
            let [late] = &overdue.report.unfinished[..] else { panic!("{}", overdue.report) };
            assert_eq!((late.stage.as_str(), late.worker), ("clumsy", 0));
            assert_eq!((late.phase, late.taken), (Phase::Working, 3));
            assert!(late.since >= SOON, "it was stuck all the time");
            let text = overdue.to_string();
            assert!(text.contains(" clumsy[0] (Working at request 3 for "), "{text}");
            let text = overdue.report.to_string();
            assert!(text.contains("unfinished: clumsy[0], Working at request 3 for "), "{text}");
            assert_eq!(overdue.report.ending, Ending::GivenUp);
            assert!(!overdue.report.is_complete());
            trapper.release();
            is_gone.recv_timeout(A_MINUTE).expect("its thread ends when the call returns");
        }
    });
}

#[test]
fn s19_who_is_stuck_closing_is_named() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let Stuck { running, trapper, is_gone, .. } = stuck(way, 5, true);
            let Overdue { report, .. } = running.stop_within(SOON).expect_err("somebody is stuck");
            let late = report.unfinished.iter().find(|late| late.stage == "clumsy");
            let late = late.unwrap_or_else(|| panic!("{report}"));
            assert_eq!((late.phase, late.taken), (Phase::Closing, 5));
            trapper.release();
            is_gone.recv_timeout(A_MINUTE).expect("its thread ends when the call returns");
        }
    });
}

/// Starts a run that walks into a trap, and tells who is late at the deadline.
fn late(ready: impl FnOnce(Trap) -> Result<Ready, Error>) -> Vec<(String, Phase, u64)> {
    let (trap, trapper) = trap();
    let running = ready(trap).expect("initialises").start().expect("starts");
    trapper.await_catch();
    let Overdue { report, .. } = running.stop_within(SOON).expect_err("somebody is stuck");
    trapper.release();
    report.unfinished.into_iter().map(|late| (late.stage, late.phase, late.taken)).collect()
}

#[test]
fn s19_a_source_that_is_stuck_is_named() {
    within_a_minute(|| {
        let late = late(|trap| {
            let mut trap = Some(trap);
            let sticky = source("sticky", 1, move || {
                let trap = trap.take().ok_or("there is one")?;
                Ok::<_, BoxError>((0..5_u64).inspect(move |n| {
                    if *n == 2 {
                        trap.enter();
                    }
                }))
            });
            sticky.setup().placement(Placement::PerWorker).init(for_each(drop))
        });
        assert!(late.contains(&("sticky".to_owned(), Phase::Working, 2)), "{late:?}");
    });
}

#[test]
fn s19_an_output_that_is_stuck_is_named() {
    within_a_minute(|| {
        let late = late(|trap| {
            let endless = source("endless", 1, || 0_u64..);
            endless.setup().placement(Placement::PerWorker).init(for_each(move |_| trap.enter()))
        });
        assert!(late.contains(&("output".to_owned(), Phase::Working, 1)), "{late:?}");
    });
}

#[test]
fn s19_workers_held_up_by_one_that_is_stuck_are_named_as_waiting() {
    within_a_minute(|| {
        let late = late(|trap| {
            let endless = source("endless", 1, || 0_u64..);
            endless.setup().placement(Placement::Threads(1)).init(for_each(move |_| trap.enter()))
        });
        let [(first, Phase::Waiting, _), (second, Phase::Working, 1)] = &late[..] else {
            panic!("{late:?}");
        };
        assert_eq!([first, second], ["endless", "output"]);
    });
}

#[test]
fn s19_at_the_deadline_what_is_in_flight_fails() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let Stuck { running, trapper, ended, feed: _feed, .. } = stuck(way, 10, false);
            running.stop_within(SOON).expect_err("somebody is stuck");
            trapper.release();
            let mut endings: Vec<_> = (0..10)
                .map(|_| ended.recv_timeout(A_MINUTE).expect("every request ends"))
                .collect();
            endings.sort_unstable();
            let expected: Vec<_> = (0..10).map(|n| (n, n < 2)).collect();
            assert_eq!(endings, expected, "two were delivered before, and none after");
            assert!(ended.try_recv().is_err(), "none ends twice");
        }
    });
}

#[test]
fn s19_who_was_stuck_takes_nothing_more() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let Stuck { running, trapper, worked, is_gone, feed: _feed, .. } =
                stuck(way, 10, false);
            running.stop_within(SOON).expect_err("somebody is stuck");
            trapper.release();
            is_gone.recv_timeout(A_MINUTE).expect("its thread ends when the call returns");
            assert_eq!(worked.get(), 3, "the call that was stuck is the last");
        }
    });
}
