//! What becomes of a request in a worker, and who hears of it when that is a failure. S24.

mod common;

use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use common::books::ledger;
use common::probe::run_to;
use common::{Count, EVERY_WAY, MEANT, hush_meant_panics, within_a_minute};
use ringtract::{
    Envelope, Failure, FailureKind, Ledger, NoInput, Outcome, Tract, Worker, collect, final_output,
    flat_map, outcome, serial, source, try_map, worker,
};

/// Comes to a different end with each request: by its number, emitted, discarded, failed, or made into two.
struct Moody {
    second: Option<u64>,
}

impl Worker<u64> for Moody {
    type Out = u64;

    fn work(&mut self, n: u64, _request: &mut Envelope) -> Outcome<u64> {
        match n % 4 {
            0 => Outcome::Emit(n),
            1 => Outcome::Discard,
            2 => Outcome::fail("even, but not enough"),
            _ => {
                self.second = Some(n);
                Outcome::EmitAll
            }
        }
    }

    fn next(&mut self) -> Option<u64> {
        let n = self.second?;
        self.second = (n < 10_000).then_some(n + 10_000);
        Some(n)
    }
}

#[test]
fn s24_a_worker_says_what_becomes_of_each_request() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for (size, capacity) in [(1, 1), (1, 64), (3, 2)] {
                let tract = source("numbers", 1, || 0..400)
                    .then(worker("moody", size, || Moody { second: None }))
                    .capacity(capacity);
                let (output, values) = collect();
                let report = run_to(&tract, way, output).expect("a sound tract");

                let mut values = values.take();
                values.sort_unstable();
                let several = (3..400).step_by(4);
                let mut expected: Vec<u64> = (0..400).step_by(4).chain(several.clone()).collect();
                expected.sort_unstable();
                expected.extend(several.map(|n| n + 10_000));
                assert_eq!(values, expected, "{way:?}");

                let Ledger { taken, emitted, extra, discarded, failed, dropped, .. } =
                    ledger(&report, "moody");
                assert_eq!((taken, emitted, extra), (400, 300, 100), "{way:?}");
                assert_eq!((discarded, failed, dropped), (100, 100, 0), "{way:?}");
                assert!(report.is_complete(), "{way:?}: {report}");
            }
        }
    });
}

#[test]
fn s24_however_many_values_a_request_becomes_each_is_put_and_counted() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for (several, capacity) in [(2, 1), (300, 7), (256, 1_024), (300, 1_024)] {
                let tract = source("numbers", 1, || 0..3)
                    .then(worker("several", 1, move || flat_map(move |_: u64| 0..several)))
                    .capacity(capacity);
                let (output, values) = collect();
                let report = run_to(&tract, way, output).expect("a sound tract");
                assert_eq!(values.take().len() as u64, 3 * several, "{way:?}, {several}");
                let Ledger { taken, emitted, extra, .. } = ledger(&report, "several");
                let expected = (3, 3 * several, 3 * (several - 1));
                assert_eq!((taken, emitted, extra), expected, "{way:?}, {several}");
                assert!(report.is_complete(), "{way:?}: {report}");
            }
        }
    });
}

/// What happened to a request, and on which thread.
type Event = (&'static str, u64, ThreadId);

#[test]
fn s24_a_request_that_ends_in_a_worker_is_cleaned_up_there_before_the_next() {
    hush_meant_panics();
    within_a_minute(|| {
        for way in EVERY_WAY {
            let events = Arc::new(Mutex::new(Vec::<Event>::new()));
            let log = Arc::clone(&events);
            let ending = move || {
                let log = Arc::clone(&log);
                let note = move |what, n| {
                    let event = (what, n, thread::current().id());
                    log.lock().expect("no panic in here").push(event);
                };
                outcome(move |n: u64, request: &mut Envelope| {
                    note("work", n);
                    let note = note.clone();
                    request.on_end(move |success| note(if success { "ok" } else { "gone" }, n));
                    match n % 3 {
                        0 => Outcome::<u64>::Discard,
                        1 => Outcome::fail("odd"),
                        _ => panic!("{MEANT}panic"),
                    }
                })
            };
            let tract = source("numbers", 1, || 0..30).then(worker("ending", 1, ending));
            run_to(&tract, way, final_output()).expect("a sound tract");

            let events = events.lock().expect("no panic in there");
            let here = events.first().expect("an event").2;
            let expected = (0..30).flat_map(|n| [("work", n, here), ("gone", n, here)]);
            assert_eq!(*events, expected.collect::<Vec<_>>(), "{way:?}");
        }
    });
}

/// A chain of two stages that find fault with some numbers, with paths of two names.
fn faultfinders() -> Tract<NoInput, u64> {
    let no_fives = try_map(|n: u64| if n.is_multiple_of(5) { Err("a five") } else { Ok(n) });
    let no_big_ones = try_map(|n: u64| match n {
        98 => Err("too big"),
        99 => Err("far too big"),
        n => Ok(n),
    });
    let faults =
        worker("fives", 3, move || no_fives.clone())
            .then(worker("big ones", 1, move || no_big_ones.clone()));
    serial("all", source("numbers", 1, || 0..100).then(serial("faults", faults)))
}

#[test]
fn s24_failures_are_in_the_report_once_for_each_message_with_their_count() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let report = run_to(&faultfinders(), way, final_output()).expect("a sound tract");
            let heard: Vec<_> = report
                .failures
                .iter()
                .map(|failure| (failure.stage.as_str(), failure.message.as_str(), failure.count))
                .collect();
            let (fives, big_ones) = ("all/faults/fives", "all/faults/big ones");
            assert_eq!(heard[0], (fives, "a five", 20), "{way:?}");
            let mut rest = heard[1..].to_vec();
            rest.sort_unstable();
            assert_eq!(rest, [(big_ones, "far too big", 1), (big_ones, "too big", 1)], "{way:?}");
            assert!(report.failures.iter().all(|failure| failure.kind == FailureKind::Failed));
            assert_eq!((ledger(&report, fives).failed, ledger(&report, big_ones).failed), (20, 2));
            assert!(report.is_complete(), "{way:?}: {report}");
        }
    });
}

/// A failure handler that keeps what it hears, with the thread it is called on.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<(Failure, ThreadId)>>>);

impl Ear {
    fn handler(&self) -> impl Fn(&Failure) + Send + Sync + 'static {
        let heard = Arc::clone(&self.0);
        move |failure| {
            let event = (failure.clone(), thread::current().id());
            heard.lock().expect("no panic in here").push(event);
        }
    }

    fn heard(&self) -> Vec<(Failure, ThreadId)> {
        self.0.lock().expect("no panic in there").clone()
    }
}

#[test]
fn s24_a_failure_is_handed_to_the_handler_of_its_stage_as_it_happens() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let ear = Ear::default();
            let made = Count::default();
            let picky = move || {
                let number = made.up();
                try_map(move |n: u64| match n % 10 {
                    9 => Err(format!("{number} on {:?}", thread::current().id())),
                    _ => Ok(n),
                })
            };
            let picky = worker("picky", 3, picky).on_failure(ear.handler());
            let tract = source("numbers", 1, || 0..100).then(picky);
            run_to(&tract, way, final_output()).expect("a sound tract");

            let heard = ear.heard();
            assert_eq!(heard.len(), 10, "{way:?}");
            for (failure, thread) in heard {
                let message = format!("{} on {thread:?}", failure.worker);
                let stage = "picky".to_owned();
                let kind = FailureKind::Failed;
                let expected = Failure { stage, kind, message, count: 1, ..failure };
                assert_eq!(failure, expected, "{way:?}");
            }
        }
    });
}

#[test]
fn s24_a_handler_of_a_group_hears_every_stage_without_one_of_its_own() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (outer, inner) = (Ear::default(), Ear::default());
            let fail = |name, at| {
                worker(name, 1, move || {
                    try_map(move |n: u64| if n == at { Err("here") } else { Ok(n) })
                })
            };
            let group = fail("first", 1).then(fail("second", 2).on_failure(inner.handler()));
            let group = group.then(fail("third", 3)).on_failure(outer.handler());
            run_to(&source("numbers", 1, || 0..5).then(group), way, final_output()).expect("sound");

            let stages = |ear: &Ear| {
                let mut stages: Vec<_> =
                    ear.heard().into_iter().map(|(failure, _)| failure.stage).collect();
                stages.sort();
                stages
            };
            assert_eq!(stages(&outer), ["first", "third"], "{way:?}");
            assert_eq!(stages(&inner), ["second"], "{way:?}");
        }
    });
}

#[test]
fn s24_a_handler_that_panics_harms_nothing() {
    hush_meant_panics();
    within_a_minute(|| {
        for way in EVERY_WAY {
            let tract = faultfinders().on_failure(|_| panic!("{MEANT}handler"));
            let (output, values) = collect();
            let report = run_to(&tract, way, output).expect("a sound tract");
            assert_eq!(values.take().len(), 78, "{way:?}");
            assert_eq!(report.failures.iter().map(|failure| failure.count).sum::<u64>(), 22);
            assert!(report.is_complete(), "{way:?}: {report}");
        }
    });
}

#[test]
fn s24_no_failure_goes_uncounted_however_many_messages_there_are() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let fail = || try_map(|n: u64| Err::<u64, _>(format!("number {}", n % 500)));
            let tract = source("numbers", 1, || 0..1_000).then(worker("failing", 2, fail));
            let report = run_to(&tract, way, final_output()).expect("a sound tract");
            assert_eq!(report.failures.iter().map(|failure| failure.count).sum::<u64>(), 1_000);
            assert!(report.failures.len() < 100, "memory stays bounded");
            assert_eq!(ledger(&report, "failing").failed, 1_000, "{way:?}");
        }
    });
}

#[test]
fn s24_a_failure_reads_as_a_sentence() {
    let failure = Failure {
        stage: "orders/parse".to_owned(),
        worker: 2,
        kind: FailureKind::Failed,
        message: "no price".to_owned(),
        count: 3,
    };
    assert_eq!(failure.to_string(), "orders/parse[2] failed: no price (3 times)");
}
