//! Panics in what travels: in clean-ups, in copying a value, in dropping one. S26.

mod common;

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use common::books::{assert_balanced, failures_of, ledger};
use common::deaths::{Deaths, marked};
use common::probe::run_to;
use common::{EVERY_WAY, MEANT, hush_meant_panics, within_a_minute};
use ringtract::{
    Envelope, FailureKind, Measure, NoInput, OnPanic, Outcome, Placement, Report, Tract, Worker,
    collect, fan_out, final_output, for_each, outcome, receiver, sim, source, worker,
};

/// Runs a test in every way, quietly, and not for ever.
fn in_every_way(test: impl Fn(Placement) + Send + 'static) {
    hush_meant_panics();
    within_a_minute(move || EVERY_WAY.into_iter().for_each(test));
}

/// Ten requests with three clean-ups each, the second of which panics.
fn with_bad_cleanups(deaths: &Deaths) -> Tract<NoInput, u64> {
    let deaths = deaths.clone();
    let numbers = marked(0..10, move |n, request: &mut Envelope| {
        deaths.watch(n, request);
        request.on_end(|_| panic!("{MEANT}clean-up"));
        deaths.watch(n, request);
    });
    source("numbers", 1, move || numbers.clone())
}

/// Both good clean-ups of each request have run, and the bad ones are in the report, under this stage.
fn assert_cleanups(report: &Report, deaths: &Deaths, stage: &str, success: bool) {
    deaths.assert_are((0..10).map(|n| (n, vec![success; 2])).collect());
    let of_cleanups: Vec<_> = failures_of(report, stage)
        .into_iter()
        .filter(|(kind, ..)| *kind == FailureKind::CleanupPanicked)
        .collect();
    assert_eq!(of_cleanups.iter().map(|(.., count)| count).sum::<u64>(), 10, "{of_cleanups:?}");
    assert_balanced(report);
}

#[test]
fn s26_a_clean_up_that_panics_keeps_no_other_from_running() {
    type Ending = fn(u64) -> Outcome<u64>;
    let endings: [(Ending, bool); 4] = [
        (Outcome::Emit, true),
        (|_| Outcome::Discard, false),
        (|_| Outcome::fail("failed"), false),
        (|_| panic!("{MEANT}worker"), false),
    ];
    for (ending, success) in endings {
        in_every_way(move |way| {
            let deaths = Deaths::default();
            let tract = with_bad_cleanups(&deaths)
                .then(worker("end", 1, move || outcome(move |n, _: &mut Envelope| ending(n))));
            let report = run_to(&tract, way, final_output()).expect("a sound tract");
            assert_cleanups(&report, &deaths, "end", success);
            assert_eq!(ledger(&report, "end").cleanup_panics, 10, "{way:?}");
        });
    }
}

#[test]
fn s26_a_clean_up_that_panics_after_the_sink_is_reported() {
    in_every_way(|way| {
        let deaths = Deaths::default();
        let tract = with_bad_cleanups(&deaths);
        let mut seen = 0;
        let report = tract.setup().placement(way).run(|_| seen += 1).expect("a sound tract");
        assert_eq!(seen, 10, "{way:?}");
        assert_cleanups(&report, &deaths, "output", true);
    });
}

#[test]
fn s26_a_clean_up_that_panics_in_the_hands_of_an_output_harms_nothing() {
    in_every_way(|way| {
        let deaths = Deaths::default();
        let (output, values) = collect();
        let report = run_to(&with_bad_cleanups(&deaths), way, output).expect("a sound tract");
        assert_eq!(values.take().len(), 10, "{way:?}");
        deaths.assert_are((0..10).map(|n| (n, vec![true; 2])).collect());
        assert!(report.is_complete(), "{way:?}: {report}");
    });
}

#[test]
fn s26_a_clean_up_that_panics_is_reported_with_what_it_said() {
    in_every_way(|way| {
        let tract = with_bad_cleanups(&Deaths::default()).then(worker("end", 1, || |n: u64| n));
        let report = run_to(&tract, way, final_output()).expect("a sound tract");
        let expected = [(FailureKind::CleanupPanicked, format!("{MEANT}clean-up"), 10)];
        assert_eq!(failures_of(&report, "end"), expected, "{way:?}");
    });
}

/// A value of which some copy cannot be made, if its number ends in 3.
struct Copied {
    number: u64,
    made: Cell<u32>,
    bad: u32,
}

impl Clone for Copied {
    fn clone(&self) -> Self {
        if self.number % 10 == 3 && self.made.get() == self.bad {
            panic!("{MEANT}copy");
        }
        self.made.set(self.made.get() + 1);
        Self { number: self.number, made: Cell::new(0), bad: u32::MAX }
    }
}

/// A hundred watched requests with values made from their numbers.
fn values<T: Send + 'static>(
    deaths: &Deaths,
    value: impl Fn(u64) -> T + Clone + Send + 'static,
) -> Tract<NoInput, T> {
    let deaths = deaths.clone();
    let watched = move || {
        let (deaths, value) = (deaths.clone(), value.clone());
        outcome(move |n, request: &mut Envelope| {
            deaths.watch(n, request);
            Outcome::Emit(value(n))
        })
    };
    source("numbers", 1, || 0..100).then(worker("values", 1, watched))
}

#[test]
fn s26_a_copy_that_panics_fails_its_request_and_nothing_else() {
    for bad in [0, 1] {
        in_every_way(move |way| {
            let deaths = Deaths::default();
            let copied = move |number| Copied { number, made: Cell::new(0), bad };
            let branch = |name| worker(name, 1, || |value: Copied| value.number);
            let branches = fan_out("all", [branch("a"), branch("b"), branch("c")]);
            let (output, numbers) = collect();
            let report =
                run_to(&values(&deaths, copied).then(branches), way, output).expect("sound");

            let numbers = numbers.take();
            let good = numbers.iter().filter(|&n| n % 10 != 3).count();
            assert_eq!((good, numbers.len() - good), (270, 10 * bad as usize), "{way:?}");
            let expected = [(FailureKind::ValuePanicked, format!("{MEANT}copy"), 10)];
            assert_eq!(failures_of(&report, "values"), expected, "{way:?}");
            let ledger = ledger(&report, "values");
            assert_eq!((ledger.emitted, ledger.failed, ledger.panics), (90, 10, 10), "{way:?}");
            deaths.assert_each_once(0..100, |n| n % 10 != 3);
            assert!(report.stages.iter().all(|stage| stage.ledger.is_balanced()), "{way:?}");
        });
    }
}

/// A value whose drop panics, if it is to.
struct Fragile(bool);

impl Drop for Fragile {
    fn drop(&mut self) {
        if self.0 && !std::thread::panicking() {
            panic!("{MEANT}drop");
        }
    }
}

#[test]
fn s26_a_value_that_panics_when_dropped_at_the_end_fails_its_request_and_nothing_else() {
    in_every_way(|way| {
        let deaths = Deaths::default();
        let tract = values(&deaths, |n| Fragile(n % 10 == 3));
        let report = run_to(&tract, way, final_output()).expect("a sound tract");

        let expected = [(FailureKind::ValuePanicked, format!("{MEANT}drop"), 10)];
        assert_eq!(failures_of(&report, "values"), expected, "{way:?}");
        let ledger = ledger(&report, "values");
        assert_eq!((ledger.taken, ledger.panics), (100, 10), "{way:?}");
        assert!(report.is_complete(), "{way:?}: {report}");
        let told = deaths.totals();
        assert_eq!(told, (ledger.emitted, ledger.failed), "{way:?}: the ledger tells the same");
    });
}

#[test]
fn s26_values_that_panic_when_dropped_in_a_lane_keep_no_clean_up_from_running() {
    in_every_way(|way| {
        let deaths = Deaths::default();
        let dies = worker("dies", 1, || {
            outcome(|value: Fragile, _: &mut Envelope| -> Outcome<u64> {
                std::mem::forget(value);
                panic!("{MEANT}dies")
            })
        });
        let tract = values(&deaths, |_| Fragile(true)).then(dies.on_panic(OnPanic::Stop));
        let report = run_to(&tract, way, final_output()).expect("a sound tract");
        let sent = ledger(&report, "values").emitted;
        deaths.assert_each_once(0..sent, |_| false);
        let defects = report.failures.iter().filter(|f| f.kind == FailureKind::Defect).count();
        assert_eq!(defects, 0, "{way:?}: {:?}", report.failures);
    });
}

#[test]
fn s26_values_that_panic_when_dropped_behind_a_receiver_that_left_keep_no_clean_up_from_running() {
    for how in [Measure::Off, Measure::ALL] {
        in_every_way(move |way| {
            let deaths = Deaths::default();
            let (output, receiver) = receiver();
            let receiver = Arc::new(Mutex::new(Some(receiver)));
            // In the middle of a turn, so that the values after it go into a lane that nobody reads any more.
            let leaves = move |n| {
                let leaving = if n == 3 { receiver.lock().expect("whole").take() } else { None };
                drop(leaving);
                Fragile(true)
            };
            let tract = values(&deaths, leaves);
            let setup = tract.setup().placement(way).measure(how).capacity(8);
            let report = match way {
                Placement::Inline { .. } => setup.init_inline(output).expect("sound").finish(),
                _ => setup.init(output).expect("sound").start().expect("sound").wait(),
            };
            let sent = ledger(&report, "values").emitted;
            assert!(sent > 3, "{way:?}, {how:?}: only {sent} were sent");
            deaths.assert_each_once(0..sent, |_| false);
            assert!(report.failures.is_empty(), "{way:?}, {how:?}: {:?}", report.failures);
        });
    }
}

/// Becomes 2 values, and then breaks.
#[derive(Default)]
struct Broken(u64);

impl Worker<u64> for Broken {
    type Out = u64;

    fn work(&mut self, _value: u64, _request: &mut Envelope) -> Outcome<u64> {
        self.0 = 2;
        Outcome::EmitAll
    }

    fn next(&mut self) -> Option<u64> {
        self.0 = self.0.checked_sub(1).unwrap_or_else(|| panic!("{MEANT}broken off"));
        Some(self.0)
    }
}

#[test]
fn s26_a_worker_that_broke_off_in_a_turn_of_its_own_goes_on_with_the_next_request() {
    hush_meant_panics();
    // Simulated, since a thread that took this for rest would be woken by its watchdog, only late.
    sim::check(200, |case| {
        let broken = worker("broken", 2, Broken::default);
        let tract = source("numbers", 1, || 0..50_u64).then(broken);
        let report = case.run(tract.setup().capacity(1), for_each(drop))?;
        assert_balanced(&report);
        let ledger = ledger(&report, "broken");
        assert_eq!((ledger.emitted, ledger.failed, ledger.panics), (100, 50, 50));
        Ok(())
    });
}
