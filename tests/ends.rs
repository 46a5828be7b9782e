//! The ends of a run: inputs and outputs of the user's own, and those that come with the library.

mod common;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error as _;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use common::probe::{
    Journal, Topology, noted_input, noted_output, numbers, probes, run_between, run_to, topologies,
};
use common::{A_MINUTE, Count, EVERY_WAY, within_a_minute};
use ringtract::{
    BoxError, Envelope, Error, Input, Next, Outcome, Output, Placement, Request, Room, Tract,
    collect, final_output, for_each, input, outcome, output, receiver, source, worker,
};

fn pass() -> Tract<u64, u64> {
    worker("pass", 1, || |n: u64| n)
}

/// Answers from a script, and counts how often it is asked beyond its end.
struct Scripted {
    script: VecDeque<Next<u64>>,
    asked_too_often: Count,
}

impl Input for Scripted {
    type Item = u64;

    fn poll(&mut self, _request: &mut Envelope) -> Next<u64> {
        self.script.pop_front().unwrap_or_else(|| {
            self.asked_too_often.up();
            Next::Ended
        })
    }
}

#[test]
fn an_input_is_asked_until_its_end_and_never_again() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let asked_too_often = Count::default();
            let count = asked_too_often.clone();
            let scripted = input(move || {
                let in_a_moment = Next::NotBefore(Instant::now() + Duration::from_millis(1));
                let script = [
                    Next::Nothing,
                    Next::Value(1),
                    in_a_moment,
                    Next::Nothing,
                    Next::Value(2),
                    Next::NotBefore(Instant::now()),
                    Next::Value(3),
                    Next::Ended,
                ];
                Ok::<_, Infallible>(Scripted { script: script.into(), asked_too_often: count })
            });
            let (output, values) = collect();
            let report = run_between(&pass(), way, scripted, output).expect("starts");
            assert_eq!(values.take(), [1, 2, 3]);
            assert_eq!(report.stages[0].ledger.taken, 3);
            assert_eq!(asked_too_often.get(), 0);
        }
    });
}

/// A conversation: every number but the first is given in answer to the one before, which must have come out. A batch
/// is never waited for, not even by a source that blocks.
#[test]
fn a_source_that_blocks_does_not_hold_back_what_it_gave() {
    within_a_minute(|| {
        for batch in [1, 8] {
            let (answer, answers) = mpsc::channel();
            let mut answers = Some(answers);
            let asking = source("asking", 1, move || {
                let answers = answers.take().ok_or("there is one")?;
                let wait = move |n: &u64| {
                    if *n > 0 {
                        answers.recv_timeout(A_MINUTE).expect("an answer to the last");
                    }
                };
                Ok::<_, BoxError>((0..5).inspect(wait))
            });
            let (output, values) = receiver();
            let setup = asking.blocking().batch(batch);
            let running = setup.init(output).expect("initialises").start().expect("starts");
            let mut sum = 0;
            for value in values {
                sum += *value;
                // The source hangs up after the last.
                let _ = answer.send(());
            }
            assert_eq!(sum, 10, "batch {batch}");
            running.wait();
        }
    });
}

/// On which threads an end was called for what.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<(&'static str, ThreadId)>>>);

impl Calls {
    fn note(&self, call: &'static str) {
        self.0.lock().expect("not poisoned").push((call, thread::current().id()));
    }

    fn count(&self, call: &str) -> usize {
        self.0.lock().expect("not poisoned").iter().filter(|(noted, _)| *noted == call).count()
    }

    /// It was opened first, closed last and once, all on one thread; which is this thread in an inline run.
    fn assert_a_life_on_one_thread(&self, way: Placement) {
        let calls = self.0.lock().expect("not poisoned");
        assert_eq!(calls.first().map(|call| call.0), Some("open"));
        assert_eq!(calls.last().map(|call| call.0), Some("close"));
        for once in ["open", "close"] {
            assert_eq!(calls.iter().filter(|(call, _)| *call == once).count(), 1, "{once}");
        }
        assert!(calls.iter().all(|(_, thread)| *thread == calls[0].1));
        let here = calls[0].1 == thread::current().id();
        assert_eq!(here, matches!(way, Placement::Inline { .. }), "{way:?}");
    }
}

/// Gives nothing until it has had a few idle turns, and then five numbers.
struct Sleepy {
    calls: Calls,
    idle_turns: u64,
    left: u64,
}

impl Input for Sleepy {
    type Item = u64;

    fn poll(&mut self, _request: &mut Envelope) -> Next<u64> {
        self.calls.note("next");
        if self.idle_turns < 3 {
            return Next::Nothing;
        }
        if self.left == 0 {
            return Next::Ended;
        }
        self.left -= 1;
        Next::Value(self.left)
    }

    fn idle(&mut self) {
        self.calls.note("idle");
        self.idle_turns += 1;
    }

    fn close(&mut self) {
        self.calls.note("close");
    }
}

#[test]
fn an_input_lives_on_one_thread_and_has_idle_turns() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let calls = Calls::default();
            let noted = calls.clone();
            let sleepy = input(move || {
                noted.note("open");
                Ok::<_, Infallible>(Sleepy { calls: noted, idle_turns: 0, left: 5 })
            });
            let (output, values) = collect();
            run_between(&pass(), way, sleepy, output).expect("starts");
            assert_eq!(values.take().len(), 5);
            assert!(calls.count("idle") >= 3);
            calls.assert_a_life_on_one_thread(way);
        }
    });
}

/// Has no room, then nobody at the other end, until it has had a few idle turns of each.
struct Reluctant {
    calls: Calls,
    idle_turns: u64,
    free: bool,
    values: Arc<Mutex<Vec<u64>>>,
}

impl Output<u64> for Reluctant {
    fn room(&mut self) -> Room {
        self.calls.note("room");
        self.free = self.idle_turns >= 6;
        match self.idle_turns {
            0..3 => Room::Full,
            3..6 => Room::Absent,
            _ => Room::Free,
        }
    }

    fn put(&mut self, request: Request<u64>) {
        self.calls.note("put");
        assert!(std::mem::take(&mut self.free), "every put is asked for first");
        self.values.lock().expect("not poisoned").push(request.into_value());
    }

    fn idle(&mut self) {
        self.calls.note("idle");
        self.idle_turns += 1;
    }

    fn close(&mut self) {
        self.calls.note("close");
    }
}

#[test]
fn an_output_lives_on_one_thread_and_is_asked_for_room_before_every_put() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for Topology { name, tract, copies, .. } in topologies(&Journal::default()) {
                let (calls, values) = (Calls::default(), Arc::new(Mutex::new(Vec::new())));
                let (noted, target) = (calls.clone(), Arc::clone(&values));
                let reluctant = output(move || {
                    noted.note("open");
                    Ok::<_, Infallible>(Reluctant {
                        calls: noted,
                        idle_turns: 0,
                        free: false,
                        values: target,
                    })
                });
                let tract = source("numbers", 1, || 0..100_u64).then(tract);
                let report = run_to(&tract, way, reluctant).expect("starts");
                assert!(report.failures.is_empty() && report.is_complete(), "{name}: {report}");
                let values = values.lock().expect("not poisoned");
                assert_eq!(values.iter().sum::<u64>(), 4950 * copies, "{name}");
                calls.assert_a_life_on_one_thread(way);
            }
        }
    });
}

fn assert_not_opened(error: &Error, end: &str) {
    match error {
        Error::FactoryFailed { path, worker: 0, source } => {
            assert_eq!((path.as_str(), source.to_string().as_str()), (end, "no such port"));
            assert!(error.source().is_some());
        }
        Error::FactoryPanicked { path, worker: 0, message } => {
            assert_eq!((path.as_str(), message.as_str()), (end, "no such port"));
        }
        other => panic!("{other}"),
    }
}

/// What an opener meets with: an error, or a panic.
type Trouble = fn() -> Result<std::ops::Range<u64>, BoxError>;
const TROUBLES: [Trouble; 2] = [|| Err("no such port".into()), || panic!("no such port")];

#[test]
fn an_input_that_cannot_be_opened_fails_the_initialisation() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for trouble in TROUBLES {
                let journal = Journal::default();
                let tract = probes("a", 3, &journal);
                let error = run_between(&tract, way, input(trouble), noted_output(&journal));
                assert_not_opened(&error.expect_err("no input"), "input");
                assert_eq!(journal.count("make a"), 3);
                assert_eq!(journal.count("make output"), 0, "the output comes after the input");
                journal.assert_all_closed();
            }
        }
    });
}

#[test]
fn an_output_that_cannot_be_opened_fails_the_initialisation() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for trouble in TROUBLES {
                let journal = Journal::default();
                let tract = probes("a", 3, &journal);
                let broken = output(move || trouble().map(|_| drop::<Request<u64>>));
                let error = run_between(&tract, way, noted_input(3, &journal), broken);
                assert_not_opened(&error.expect_err("no output"), "output");
                assert_eq!(journal.count("ask"), 0);
                assert_eq!(journal.count("make"), 4, "three workers and the input");
                journal.assert_all_closed();
            }
        }
    });
}

#[test]
fn collect_keeps_everything_until_it_is_taken() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (output, values) = collect();
            assert_eq!(values.take(), [0; 0], "nothing has run");
            let tract = numbers("numbers", 5, &Journal::default()).then(pass());
            run_to(&tract, way, output).expect("starts");
            assert_eq!(values.take(), [0, 1, 2, 3, 4]);
            assert_eq!(values.take(), [0; 0], "it was taken");
        }
    });
}

/// A stage that counts how requests end: with success, with failure.
fn counting(ended: &[Count; 2]) -> Tract<u64, u64> {
    let ended = ended.clone();
    worker("counting", 1, move || {
        let ended = ended.clone();
        outcome(move |n, request: &mut Envelope| {
            let ended = ended.clone();
            request.on_end(move |success| ended[usize::from(!success)].add(1));
            Outcome::Emit(n)
        })
    })
}

#[test]
fn every_output_ends_its_requests_with_success() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let sum = Count::default();
            let adding = sum.clone();
            for output in [
                final_output(),
                for_each(move |n| adding.add(n)),
                collect().0,
                output(|| Ok::<_, Infallible>(drop::<Request<u64>>)),
            ] {
                let ended = <[Count; 2]>::default();
                let tract = source("numbers", 2, || 0..50_u64).then(counting(&ended));
                let report = run_to(&tract, way, output).expect("starts");
                assert!(report.is_complete(), "{report}");
                assert_eq!(ended.map(|count| count.get()), [100, 0]);
            }
            assert_eq!(sum.get(), 2 * 1225, "what `for_each` was given");
        }
    });
}

#[test]
fn the_final_output_has_no_stage_and_no_lane() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let tract = source("numbers", 1, || 0..50_u64).then(pass());
            let report = run_to(&tract, way, final_output()).expect("starts");
            assert_eq!((report.stages.len(), report.lanes.len()), (2, 1));
            assert_eq!(report.stage("pass").expect("a stage").ledger.emitted, 50);
        }
    });
}
