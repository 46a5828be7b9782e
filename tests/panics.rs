//! Panics in workers and factories: what they fail, what becomes of the worker, who hears of it. S26.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

use common::books::{assert_balanced, failures_of, ledger};
use common::deaths::{Deaths, watched};
use common::probe::{run_between, run_to};
use common::staff::Staff;
use common::{Count, EVERY_WAY, MEANT, hush_meant_panics, within_a_minute};
use ringtract::{
    BoxError, Ending, Envelope, Factory, FailureKind, NoInput, OnPanic, Outcome, Placement, Report,
    Tract, Worker, collect, fan_out, feed, final_output, flat_map, source, worker,
};

/// Runs a test in every way, quietly, and not for ever.
fn in_every_way(test: impl Fn(Placement) + Send + 'static) {
    hush_meant_panics();
    within_a_minute(move || EVERY_WAY.into_iter().for_each(test));
}

fn meant(text: &str) -> String {
    format!("{MEANT}{text}")
}

#[test]
fn s26_a_panic_fails_the_request_in_hand_and_nothing_else() {
    in_every_way(|way| {
        for size in [1, 3] {
            let (staff, deaths) = (Staff::default(), Deaths::default());
            let numbers = watched(0..1_000, &deaths);
            let no_threes = |n: u64| if n % 10 == 3 { panic!("{MEANT}a three") } else { n };
            let tract = source("numbers", 1, move || numbers.clone()).then(worker(
                "pool",
                size,
                staff.of(no_threes),
            ));
            let (output, values) = collect();
            let report = run_to(&tract, way, output).expect("a sound tract");

            let mut values = values.take();
            values.sort_unstable();
            assert!(values.into_iter().eq((0..1_000).filter(|n| n % 10 != 3)), "{way:?}");
            deaths.assert_each_once(0..1_000, |n| n % 10 != 3);
            let workers = size as u64 + 100;
            assert_eq!(staff.counts(), [workers, 1_000, workers, 0], "{way:?}: replaced");
            let expected = [(FailureKind::Panicked, meant("a three"), 100)];
            assert_eq!(failures_of(&report, "pool"), expected, "{way:?}");
            let ledger = ledger(&report, "pool");
            assert_eq!((ledger.failed, ledger.panics), (100, 100), "{way:?}");
            assert!(report.is_complete(), "{way:?}: {report}");
            assert_eq!(report.ending, Ending::Natural);
        }
    });
}

/// What a worker panics with, and what panics itself when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{MEANT}the payload");
    }
}

#[test]
fn s26_a_panic_is_reported_with_what_it_said_and_where() {
    in_every_way(|way| {
        let made = Count::default();
        let telling = move || {
            let number = made.up();
            move |n: u64| match n {
                0 => panic!("meant: plain text"),
                1 => panic!("{MEANT}{n} formatted"),
                2 => panic_any(7),
                3 => panic_any(Bomb),
                n => n + number,
            }
        };
        let tract = source("numbers", 1, || 0..6).then(worker("telling", 1, telling));
        let report = run_to(&tract, way, final_output()).expect("a sound tract");
        let messages =
            [("meant: plain text", 1), ("meant: 1 formatted", 1), ("a panic without a message", 2)];
        let expected =
            messages.map(|(message, count)| (FailureKind::Panicked, message.to_owned(), count));
        assert_eq!(failures_of(&report, "telling"), expected, "{way:?}");
        assert!(report.failures.iter().all(|failure| failure.worker == 0), "{way:?}");
    });
}

#[test]
fn s26_the_report_names_the_worker_that_panicked() {
    in_every_way(|way| {
        let made = Count::default();
        let tract = source("numbers", 1, || 0..300).then(worker("pool", 3, move || {
            let number = made.up();
            move |_: u64| -> u64 { panic!("{MEANT}worker {number}") }
        }));
        let report = run_to(&tract, way, final_output()).expect("a sound tract");
        for failure in &report.failures {
            let number =
                failure.message.strip_prefix("meant: worker ").and_then(|n| n.parse().ok());
            if let Some(number @ 0..3) = number {
                assert_eq!(failure.worker, number, "{way:?}: {failure}");
            }
        }
        let pool = report.stage("pool").expect("a stage");
        assert!(pool.workers.iter().all(|worker| worker.panics == worker.taken), "{way:?}");
    });
}

/// Why a stage gives up.
#[derive(Debug, Clone, Copy)]
enum Cause {
    /// A worker panicked, and the stage is to stop then.
    Policy,
    /// The factory returned an error where it should have replaced a worker.
    FactoryFails,
    /// The factory panicked there.
    FactoryPanics,
}

const CAUSES: [Cause; 3] = [Cause::Policy, Cause::FactoryFails, Cause::FactoryPanics];

impl Cause {
    fn policy(self) -> OnPanic {
        if matches!(self, Self::Policy) { OnPanic::Stop } else { OnPanic::Replace }
    }

    /// What the report has beyond the panic itself.
    fn adds(self, path: &str) -> Option<String> {
        let factory = format!("the factory of `{path}`");
        match self {
            Self::Policy => None,
            Self::FactoryFails => {
                Some(format!("{factory} could not make worker 0: out of workers"))
            }
            Self::FactoryPanics => {
                Some(format!("{factory} panicked making worker 0: {MEANT}no more"))
            }
        }
    }
}

/// A factory that makes so many, and then does not.
struct Limited<F> {
    left: usize,
    cause: Cause,
    inner: F,
}

impl<F: Factory> Factory for Limited<F> {
    type Product = F::Product;

    fn make(&mut self) -> Result<F::Product, BoxError> {
        match (self.left, self.cause) {
            (0, Cause::FactoryFails) => Err("out of workers".into()),
            (0, Cause::FactoryPanics) => panic!("{MEANT}no more"),
            _ => {
                self.left = self.left.saturating_sub(1);
                self.inner.make()
            }
        }
    }
}

/// Panics at this number, in a stage that does not survive it.
fn fatal_at(at: u64, cause: Cause, size: usize, staff: &Staff) -> Tract<u64, u64> {
    let inner = staff.of(move |n: u64| if n == at { panic!("{MEANT}fatal") } else { n });
    let factory = Limited { left: size, cause, inner };
    worker("fatal", size, factory).on_panic(cause.policy())
}

fn assert_stopped_by(cause: Cause, path: &str, report: &Report) {
    let mut expected = vec![(FailureKind::Panicked, meant("fatal"), 1)];
    expected.extend(cause.adds(path).map(|text| (FailureKind::NotReplaced, text, 1)));
    assert_eq!(failures_of(report, path), expected);
    assert_eq!(report.failures.len(), expected.len());
    assert_eq!(report.ending, Ending::Stopped);
    assert_balanced(report);
}

/// Sources without an end: only a stop can end the run.
fn endless(staff: &Staff, deaths: &Deaths) -> Tract<NoInput, u64> {
    source("endless", 1, staff.of(watched(0..u64::MAX, deaths)))
}

#[test]
fn s26_a_stage_that_gives_up_releases_its_neighbours_on_both_sides() {
    for cause in CAUSES {
        in_every_way(move |way| {
            for capacity in [1, 64] {
                let (staff, deaths) = (Staff::default(), Deaths::default());
                let tract = endless(&staff, &deaths)
                    .then(worker("before", 2, staff.of(|n: u64| n)))
                    .then(fatal_at(500, cause, 1, &staff))
                    .then(worker("after", 2, staff.of(|n: u64| n)))
                    .capacity(capacity);
                let (output, values) = collect();
                let report = run_to(&tract, way, output).expect("a sound tract");

                assert_stopped_by(cause, "fatal", &report);
                let [made, _, closed, _] = staff.counts();
                assert_eq!((made, closed), (6, 6), "{way:?}");
                let (sent, delivered) =
                    (ledger(&report, "endless").emitted, values.take().len() as u64);
                assert_eq!(deaths.totals(), (delivered, sent - delivered), "{way:?}");
                assert!(deaths.all().values().all(|told| told.len() == 1), "{way:?}");
                assert_eq!(sent, delivered + 1 + report.dropped_in_lanes(), "{way:?}");
            }
        });
    }
}

#[test]
fn s26_when_one_of_a_pool_gives_up_the_others_finish_what_they_hold() {
    for cause in CAUSES {
        in_every_way(move |way| {
            let (staff, deaths) = (Staff::default(), Deaths::default());
            let tract = endless(&staff, &deaths).then(fatal_at(500, cause, 3, &staff));
            let (output, values) = collect();
            let report = run_to(&tract, way, output).expect("a sound tract");

            let failed = ledger(&report, "fatal").failed;
            assert_eq!((failed, report.ending), (1, Ending::Stopped), "{way:?}");
            assert_balanced(&report);
            let (sent, delivered) =
                (ledger(&report, "endless").emitted, values.take().len() as u64);
            assert_eq!(deaths.totals(), (delivered, sent - delivered), "{way:?}");
            assert!(deaths.all().values().all(|told| told.len() == 1), "{way:?}");
            let lanes = report.lanes.iter().filter(|lane| lane.dropped > 0).count();
            assert!(lanes <= 1, "{way:?}: only what waited for it alone is dropped");
        });
    }
}

#[test]
fn s26_a_worker_that_is_gone_is_given_nothing_more() {
    const WIDEST_WINDOW: u64 = 32;
    in_every_way(|way| {
        let (mut feed, input) = feed(1_000);
        (0..1_000).for_each(|n| feed.send(n).expect("open"));
        drop(feed);
        let pool = fatal_at(100, Cause::Policy, 3, &Staff::default());
        let (output, values) = collect();
        let report = run_between(&pool, way, input, output).expect("a sound tract");

        let (delivered, dropped) = (values.take().len() as u64, report.dropped_in_lanes());
        assert_eq!(delivered + dropped + 1, 1_000, "{way:?}: what was accepted drains");
        assert!(dropped <= WIDEST_WINDOW, "{way:?}: {dropped}");
    });
}

#[test]
fn s26_when_one_branch_gives_up_the_others_drain() {
    for cause in CAUSES {
        in_every_way(move |way| {
            let (staff, deaths) = (Staff::default(), Deaths::default());
            let lives = worker("lives", 1, staff.of(|n: u64| n));
            let branches = [fatal_at(100, cause, 1, &staff), lives];
            let tract = endless(&staff, &deaths).then(fan_out("both", branches));
            let report = run_to(&tract, way, final_output()).expect("a sound tract");

            assert_stopped_by(cause, "both/fatal", &report);
            let sent = ledger(&report, "endless").emitted;
            assert_eq!(ledger(&report, "lives").emitted, sent, "{way:?}");
            assert_eq!(ledger(&report, "fatal").emitted, 100, "{way:?}");
            deaths.assert_each_once(0..sent, |n| n < 100);
        });
    }
}

#[test]
fn s26_a_panic_between_the_values_of_one_request_fails_it_after_those_given() {
    in_every_way(|way| {
        for given in 0..3 {
            let deaths = Deaths::default();
            let numbers = watched(0..50, &deaths);
            let values = move |n: u64| {
                (0..4).map(move |at| if at == given { panic!("{MEANT}torn") } else { n })
            };
            let tract =
                source("numbers", 1, move || numbers.clone())
                    .then(worker("torn", 1, move || flat_map(values)));
            let report = run_to(&tract, way, final_output()).expect("a sound tract");

            let expected = [(FailureKind::Panicked, meant("torn"), 50)];
            assert_eq!(failures_of(&report, "torn"), expected, "{way:?}");
            let ledger = ledger(&report, "torn");
            assert_eq!((ledger.failed, ledger.emitted), (50, 50 * given), "{way:?}");
            deaths.assert_each_once(0..50, |_| false);
            assert!(report.is_complete(), "{way:?}: {report}");
        }
    });
}

/// A worker whose `close` panics.
#[derive(Clone)]
struct BadEnd;

impl Worker<u64> for BadEnd {
    type Out = u64;

    fn work(&mut self, n: u64, _request: &mut Envelope) -> Outcome<u64> {
        if n == 5 { panic!("{MEANT}work") } else { Outcome::Emit(n) }
    }

    fn close(&mut self) {
        panic!("{MEANT}close");
    }
}

#[test]
fn s26_a_worker_that_panics_in_close_is_closed_all_the_same() {
    in_every_way(|way| {
        let staff = Staff::default();
        let tract = source("numbers", 1, || 0..10)
            .then(worker("bad end", 3, staff.of(BadEnd)))
            .then(worker("after", 1, staff.of(|n: u64| n)));
        let (output, values) = collect();
        let report = run_to(&tract, way, output).expect("a sound tract");

        assert_eq!(values.take().len(), 9, "{way:?}");
        assert_eq!((staff.made.get(), staff.closed.get()), (5, 5), "{way:?}");
        let mut failures = failures_of(&report, "bad end");
        failures.sort_by_key(|failure| failure.2);
        let expected = [
            (FailureKind::Panicked, meant("work"), 1),
            (FailureKind::ClosePanicked, meant("close"), 4),
        ];
        assert_eq!(failures, expected, "{way:?}");
        assert!(report.is_complete() && report.ending == Ending::Natural, "{way:?}: {report}");
    });
}

/// A worker whose drop panics.
struct BadDrop;

impl Worker<u64> for BadDrop {
    type Out = u64;

    fn work(&mut self, n: u64, _request: &mut Envelope) -> Outcome<u64> {
        Outcome::Emit(n)
    }
}

impl Drop for BadDrop {
    fn drop(&mut self) {
        panic!("{MEANT}drop");
    }
}

#[test]
fn s26_a_worker_that_panics_when_dropped_harms_nothing() {
    in_every_way(|way| {
        let tract = source("numbers", 1, || 0..10).then(worker("bad drop", 2, || BadDrop));
        let (output, values) = collect();
        let report = run_to(&tract, way, output).expect("a sound tract");
        assert_eq!(values.take().len(), 10, "{way:?}");
        let expected = [(FailureKind::ValuePanicked, meant("drop"), 2)];
        assert_eq!(failures_of(&report, "bad drop"), expected, "{way:?}");
        assert!(report.is_complete(), "{way:?}: {report}");
    });
}

/// A factory whose `close` panics.
struct BadFactory;

impl Factory for BadFactory {
    type Product = fn(u64) -> u64;

    fn make(&mut self) -> Result<fn(u64) -> u64, BoxError> {
        Ok(|n| n)
    }

    fn close(&mut self) {
        panic!("{MEANT}factory");
    }
}

#[test]
fn s26_a_factory_that_panics_in_close_is_in_the_report() {
    in_every_way(|way| {
        let staff = Staff::default();
        let tract = source("numbers", 1, staff.of(0..10_u64)).then(worker("bad", 2, BadFactory));
        let report = run_to(&tract.close_factory(), way, final_output()).expect("a sound tract");
        let expected = [(FailureKind::ClosePanicked, meant("factory"), 1)];
        assert_eq!(failures_of(&report, "bad"), expected, "{way:?}");
        assert_eq!(staff.counts(), [1, 10, 1, 1], "{way:?}");
        assert!(report.is_complete(), "{way:?}: {report}");
    });
}

#[test]
fn s26_a_factory_that_panics_in_close_keeps_no_other_open() {
    hush_meant_panics();
    let staff = Staff::default();
    let tract = source("numbers", 1, staff.of(0..10_u64))
        .then(worker("bad", 2, BadFactory))
        .then(worker("after", 1, staff.of(|n: u64| n)));
    // Whether the caller sees the panic is left open.
    let _ = catch_unwind(AssertUnwindSafe(|| tract.close()));
    assert_eq!(staff.factories_closed.get(), 2);
}
