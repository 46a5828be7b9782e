//! Clean-ups run exactly once whatever happens: every topology with every misfortune under every ending. S35.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::books::assert_balanced;
use common::deaths::{Deaths, watched};
use common::probe::{eventually, run_to};
use common::staff::Staff;
use common::{Count, EVERY_WAY, MEANT, hush_meant_panics, within_a_minute};
use ringtract::{
    BoxError, Envelope, NoInput, Outcome, Output, OutputEnd, Placement, Request, Room, Tract,
    collect, fan_out, final_output, flat_map, outcome, output, parallel, receiver, source, worker,
};

/// What happens to one number in seven.
type Misfortune = fn(u64) -> Outcome<u64>;

const MISFORTUNES: [(&str, Misfortune); 4] = [
    ("none", Outcome::Emit),
    ("discard", |_| Outcome::Discard),
    ("failure", |_| Outcome::fail("unlucky")),
    ("panic", |_| panic!("{MEANT}unlucky")),
];

fn is_unlucky(n: u64) -> bool {
    n % 7 == 3
}

fn pass(name: &str, size: usize) -> Tract<u64, u64> {
    worker(name, size, || |n: u64| n)
}

/// A pool in which the unlucky meet their misfortune.
fn risk(size: usize, misfortune: Misfortune) -> Tract<u64, u64> {
    worker("risk", size, move || {
        outcome(
            move |n: u64, _: &mut Envelope| {
                if is_unlucky(n) { misfortune(n) } else { Outcome::Emit(n) }
            },
        )
    })
}

fn triple() -> Tract<u64, u64> {
    worker("triple", 1, || flat_map(|n: u64| [n; 3]))
}

/// Topologies in which something of every request passes a risk.
fn topologies(misfortune: Misfortune) -> Vec<(&'static str, Tract<u64, u64>)> {
    let risk = |size| risk(size, misfortune);
    let pair = |size| fan_out("pair", [risk(size), pass("safe", 1)]);
    let nested = fan_out(
        "outer",
        [pass("safe", 2), pass("before", 1).then(pair(2)), parallel("any", [pair(1), pair(1)])],
    );
    let several_in_a_branch = fan_out("both", [triple().then(risk(2)), pass("safe", 1)]);
    vec![
        ("chain", pass("before", 1).then(risk(1)).then(pass("after", 1))),
        ("pool", risk(3).then(pass("after", 2))),
        ("parallel", parallel("any", [risk(2), pass("before", 1).then(risk(1))])),
        ("fan-out", pair(1).then(pass("after", 1))),
        ("nested fan-out", nested),
        ("several values", triple().then(risk(2)).then(triple())),
        ("several values in a branch", several_in_a_branch),
        ("fan-out of several values", triple().then(pair(2)).then(triple())),
        ("fan-out behind the risk", risk(2).then(fan_out("both", [triple(), pass("safe", 1)]))),
    ]
}

/// A run of one topology with one misfortune, from watched numbers.
struct Case {
    name: String,
    tract: Tract<NoInput, u64>,
    /// Whether the unlucky come to a bad end.
    risky: bool,
    deaths: Deaths,
    staff: Staff,
}

/// Calls `test` with every case in every way, with sources that end after so many requests.
fn in_every_case(requests: u64, test: impl Fn(Placement, Case) + Send + 'static) {
    hush_meant_panics();
    within_a_minute(move || {
        for way in EVERY_WAY {
            for (misfortune, becomes) in MISFORTUNES {
                for (topology, tract) in topologies(becomes) {
                    let (deaths, staff) = (Deaths::default(), Staff::default());
                    let numbers = source("numbers", 1, staff.of(watched(0..requests, &deaths)));
                    let name = format!("{topology} with {misfortune}, {way:?}");
                    let tract = numbers.then(tract).capacity(4);
                    test(way, Case { name, tract, risky: misfortune != "none", deaths, staff });
                }
            }
        }
    });
}

impl Case {
    /// Every request made has died exactly once, in success but for the unlucky.
    fn assert_by_luck(&self) {
        let made = self.staff.worked.get();
        let deaths = self.deaths.all();
        assert_eq!(deaths.len() as u64, made, "{}", self.name);
        for (n, told) in deaths {
            assert_eq!(told, [!(self.risky && is_unlucky(n))], "{}: request {n}", self.name);
        }
    }

    /// Every request made has died exactly once, one way or another.
    fn assert_once(&self) {
        let deaths = self.deaths.all();
        assert_eq!(deaths.len() as u64, self.staff.worked.get(), "{}", self.name);
        let wrong = deaths.iter().find(|(_, told)| told.len() != 1);
        assert!(wrong.is_none(), "{}: {wrong:?}", self.name);
    }
}

#[test]
fn s35_once_where_a_run_comes_to_its_own_end() {
    in_every_case(60, |way, case| {
        let report = run_to(&case.tract, way, final_output()).expect("a sound tract");
        assert_eq!(case.staff.worked.get(), 60);
        case.assert_by_luck();
        assert!(report.is_complete(), "{}: {report}", case.name);
        assert_balanced(&report);
    });
}

#[test]
fn s35_once_where_an_output_is_given() {
    in_every_case(60, |way, case| {
        let (output, _) = collect();
        let report = run_to(&case.tract, way, output).expect("a sound tract");
        case.assert_by_luck();
        assert!(report.is_complete(), "{}: {report}", case.name);
    });
}

#[test]
fn s35_once_where_a_sink_takes_the_values() {
    in_every_case(60, |way, case| {
        let setup = case.tract.setup().placement(way);
        let report = setup.run(drop).expect("a sound tract");
        case.assert_by_luck();
        assert!(report.is_complete(), "{}: {report}", case.name);
    });
}

/// An output that counts, and has no room while its door is shut.
struct Door {
    delivered: Count,
    open: Arc<AtomicBool>,
}

impl Output<u64> for Door {
    fn room(&mut self) -> Room {
        if self.open.load(Ordering::SeqCst) { Room::Free } else { Room::Full }
    }

    fn put(&mut self, _request: Request<u64>) {
        self.delivered.up();
    }
}

fn door(open: bool) -> (OutputEnd<u64>, Count) {
    let delivered = Count::default();
    let door = Door { delivered: delivered.clone(), open: Arc::new(AtomicBool::new(open)) };
    (output(move || Ok::<_, BoxError>(door)), delivered)
}

#[test]
fn s35_once_where_a_run_is_stopped() {
    in_every_case(u64::MAX, |way, case| {
        let (output, delivered) = door(true);
        let setup = case.tract.setup().placement(way);
        let report = if let Placement::Inline { .. } = way {
            let mut run = setup.init_inline(output).expect("a sound tract");
            while delivered.get() < 30 {
                run.turn();
            }
            run.stop();
            run.finish()
        } else {
            let running = setup.init(output).expect("a sound tract").start().expect("runs");
            eventually("some were delivered", || delivered.get() >= 30);
            running.stop();
            running.wait()
        };
        case.assert_by_luck();
        assert!(report.is_complete(), "{}: {report}", case.name);
        assert_balanced(&report);
    });
}

#[test]
fn s35_once_where_a_run_is_given_up() {
    in_every_case(u64::MAX, |way, case| {
        let (output, delivered) = door(false);
        let setup = case.tract.setup().placement(way);
        if let Placement::Inline { .. } = way {
            let mut run = setup.init_inline(output).expect("a sound tract");
            while run.turn() {}
            drop(run);
        } else {
            let running = setup.init(output).expect("a sound tract").start().expect("runs");
            eventually("something was made", || case.staff.worked.get() > 4);
            running.stop_within(Duration::ZERO).expect_err("its output is shut");
            let made = || case.staff.worked.get() as usize;
            eventually("every request has died", || case.deaths.all().len() == made());
        }
        assert_eq!(delivered.get(), 0);
        case.assert_once();
        assert_eq!(case.deaths.totals().0, 0, "{}: none has reached the end", case.name);
    });
}

#[test]
fn s35_once_where_the_receiver_leaves() {
    in_every_case(u64::MAX, |way, case| {
        let (output, mut receiver) = receiver();
        let setup = case.tract.setup().placement(way);
        let report = if let Placement::Inline { .. } = way {
            let mut run = setup.init_inline(output).expect("a sound tract");
            let mut received = 0;
            while received < 30 {
                run.turn();
                received += receiver.try_recv().is_ok() as u64;
            }
            drop(receiver);
            run.finish()
        } else {
            let running = setup.init(output).expect("a sound tract").start().expect("runs");
            drop(receiver.by_ref().take(30).collect::<Vec<_>>());
            drop(receiver);
            running.wait()
        };
        case.assert_once();
        assert_balanced(&report);
    });
}
