//! Events for `tracing`: what a subscriber hears of a run's life and of its failures.
#![cfg(feature = "tracing")]

mod common;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use common::EVERY_WAY;
use ringtract::{BoxError, Envelope, Outcome, Placement, final_output, outcome, source, worker};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// An event as it was heard.
#[derive(Debug, Clone)]
struct Heard {
    level: Level,
    message: String,
    fields: BTreeMap<&'static str, String>,
}

static HEARD: Mutex<Vec<Heard>> = Mutex::new(Vec::new());

/// Keeps what the crate tells.
struct Ear;

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "ringtract"
    }

    fn event(&self, event: &Event<'_>) {
        let mut heard = Heard {
            level: *event.metadata().level(),
            message: String::new(),
            fields: BTreeMap::new(),
        };
        event.record(&mut heard);
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).push(heard.clone());
        assert!(!heard.field("failure").contains("deafening"), "a subscriber that panics");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        unreachable!("the crate opens no spans")
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Heard {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "message" => self.message = value,
            name => drop(self.fields.insert(name, value)),
        }
    }
}

impl Heard {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// The events since it was made. One test at a time, since subscribers are one for the process.
struct Session(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Session {
    fn new() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        static LISTEN: Once = Once::new();
        LISTEN.call_once(|| tracing::subscriber::set_global_default(Ear).expect("the only one"));
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Self(turn)
    }

    fn all(&self) -> Vec<Heard> {
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn of(&self, message: &str) -> Vec<Heard> {
        self.all().into_iter().filter(|heard| heard.message == message).collect()
    }

    fn messages(&self) -> Vec<String> {
        self.all().into_iter().map(|heard| heard.message).collect()
    }
}

#[test]
fn a_run_that_goes_well_tells_its_life_and_no_request() {
    let session = Session::new();
    for placement in EVERY_WAY {
        let before = session.all().len();
        let tract = source("feed", 1, || 0..10_000_u64).then(worker("half", 2, || |n: u64| n / 2));
        let report = tract.setup().placement(placement).run(drop).unwrap();
        let told = session.all().split_off(before);
        let messages: Vec<&str> = told.iter().map(|heard| heard.message.as_str()).collect();
        assert_eq!(messages, ["initialised", "started", "ledger", "ledger", "ended"]);
        assert!(told.iter().all(|heard| heard.level == Level::INFO));
        let [made, _, feed, half, ended] = &told[..] else { unreachable!("five") };
        assert_eq!((made.field("workers"), made.field("lanes")), ("4", "4"), "{made:?}");
        assert_eq!(made.field("threads"), report.plan.threads.len().to_string());
        assert_eq!((feed.field("stage"), feed.field("taken")), ("feed", "10000"));
        assert_eq!((half.field("stage"), half.field("emitted")), ("half", "10000"));
        assert_eq!((ended.field("ending"), ended.field("complete")), ("Natural", "true"));
    }
}

#[test]
fn failures_and_replacements_are_told_each_with_its_stage() {
    let session = Session::new();
    for placement in EVERY_WAY {
        let before = session.all().len();
        let picky = || {
            outcome(|n: u64, _: &mut Envelope| match n % 10 {
                3 => Outcome::Fail(BoxError::from(format!("no {n}"))),
                7 => panic!("seven in {n}"),
                _ => Outcome::Emit(n),
            })
        };
        let tract = source("feed", 1, || 0..100_u64).then(worker("picky", 1, picky));
        tract.setup().placement(placement).run(drop).unwrap();
        let told = session.all().split_off(before);
        let of = |message: &'static str| told.iter().filter(move |heard| heard.message == message);
        assert_eq!((of("failure").count(), of("worker replaced").count()), (20, 10));
        assert!(of("worker replaced").all(|heard| heard.field("stage") == "picky"));
        let first: Vec<_> = of("failure").take(2).map(|h| (h.level, h.field("failure"))).collect();
        assert_eq!(first, [(Level::WARN, "no 3"), (Level::ERROR, "seven in 7")]);
        let kinds: Vec<_> = of("failure").take(2).map(|heard| heard.field("kind")).collect();
        assert_eq!(kinds, ["failed", "panicked"]);
        let picky = of("ledger").next_back().expect("the ledger of the last stage");
        assert_eq!((picky.field("failed"), picky.field("panics")), ("20", "10"));
    }
}

#[test]
fn a_subscriber_that_panics_undoes_nothing() {
    let session = Session::new();
    let fails = || outcome(|_: u64, _: &mut Envelope| Outcome::<u64>::Fail("deafening".into()));
    let tract = source("feed", 1, || 0..5_u64).then(worker("fails", 1, fails));
    let report = tract.run(drop).unwrap();
    assert_eq!(session.of("failure").len(), 5);
    assert_eq!(report.failures.len(), 1);
    assert_eq!((report.failures[0].count, report.stages[1].ledger.failed), (5, 5));
    assert!(report.is_complete());
}

#[test]
fn what_cannot_start_says_why() {
    let session = Session::new();
    let no_disk = || -> Result<fn(u64) -> u64, BoxError> { Err("no disk".into()) };
    let broken = worker("broken", 1, no_disk);
    let tract = source("feed", 1, || 0..5_u64).then(broken);
    assert!(tract.run(drop).is_err());
    assert!(tract.setup().capacity(0).run(drop).is_err());
    let told = session.of("not initialised");
    assert_eq!(session.messages(), ["not initialised"; 2]);
    assert!(told[0].field("error").contains("no disk"), "{told:?}");
    assert!(told[1].field("error").contains("capacity"), "{told:?}");
}

#[test]
fn a_stop_is_told_once_and_a_dropped_run_too() {
    let session = Session::new();
    let tract = source("feed", 1, || 0_u64..).then(worker("half", 1, || |n: u64| n / 2));
    let running = tract.init(final_output()).unwrap().start().unwrap();
    running.stop();
    running.stopper().stop();
    running.wait();
    let stopped = ["initialised", "started", "stop asked", "ledger", "ledger", "ended"];
    assert_eq!(session.messages(), stopped);
    assert_eq!(session.of("ended")[0].field("ending"), "Stopped");
    drop(tract.init(final_output()).unwrap().start().unwrap());
    assert_eq!(session.messages(), [stopped, stopped].concat());
}

#[test]
fn a_deadline_that_passes_names_the_culprit() {
    static HELD: AtomicBool = AtomicBool::new(true);
    static INSIDE: AtomicBool = AtomicBool::new(false);
    let session = Session::new();
    let stuck = || {
        |n: u64| {
            INSIDE.store(true, SeqCst);
            while HELD.load(SeqCst) {
                std::thread::yield_now();
            }
            n
        }
    };
    let tract = source("feed", 1, || 0..5_u64).then(worker("stuck", 1, stuck));
    let setup = tract.setup().placement(Placement::PerWorker);
    let running = setup.init(final_output()).unwrap().start().unwrap();
    while !INSIDE.load(SeqCst) {
        std::thread::yield_now();
    }
    running.stop_within(Duration::from_millis(1)).expect_err("it is stuck");
    HELD.store(false, SeqCst);
    assert_eq!((session.of("stop asked").len(), session.of("given up").len()), (1, 1));
    let late = session.of("unfinished at the deadline");
    assert_eq!(late.len(), 1, "{late:?}");
    assert_eq!((late[0].field("stage"), late[0].field("worker")), ("stuck", "0"));
    assert_eq!((late[0].field("phase"), late[0].level), ("Working", Level::ERROR));
    assert_eq!(session.of("ended")[0].field("ending"), "GivenUp");
}

#[test]
#[cfg(target_os = "linux")]
fn a_pin_that_did_not_hold_is_told_with_its_reason() {
    let session = Session::new();
    let cores = core_affinity::get_core_ids().expect("Linux knows them");
    let [here, there] = cores[..2] else { return };
    // User code that moves its thread elsewhere.
    let mover = move || {
        move |n: u64| {
            core_affinity::set_for_current(there);
            n
        }
    };
    let tract = source("feed", 1, || 0..5_u64).then(worker("mover", 1, mover).on_core(here.id));
    let report = tract.setup().placement(Placement::PerWorker).run(drop).unwrap();
    let reasons: Vec<_> = report.threads.iter().filter_map(|t| t.pinned.refusal()).collect();
    let told = session.of("refused by the system");
    assert_eq!((told.len(), reasons.len()), (1, 1), "{told:?}");
    assert_eq!((told[0].field("who"), told[0].field("reason")), ("mover", reasons[0]));
    assert_eq!(told[0].field("asked"), format!("core {}", here.id));
}
