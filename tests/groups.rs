//! Groups: what serial, parallel and fan-out do with requests, and how much they hold. S29 to S33.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::books::assert_balanced;
use common::probe::{eventually, run_to};
use common::{Count, EVERY_WAY, within_a_minute};
use ringtract::{
    BoxError, Envelope, Error, Idle, Input, Next, NoInput, Output, OutputEnd, Placement, Report,
    Request, Room, Tract, collect, fan_out, final_output, output, parallel, serial, source, worker,
};

/// Ways in which a worker that blocks has a thread of its own.
const ON_THREADS: [Placement; 4] =
    [Placement::Auto, Placement::PerWorker, Placement::Threads(1), Placement::Threads(2)];

const CAPACITIES: [usize; 4] = [1, 2, 7, 64];

/// The places a request has been to.
type Trace = Vec<&'static str>;

/// A pool that signs what passes.
fn signs(name: &'static str, size: usize) -> Tract<Trace, Trace> {
    worker(name, size, move || {
        move |mut trace: Trace| {
            trace.push(name);
            trace
        }
    })
}

/// The traces of a hundred requests through a tract, with how often each came out, and the report.
fn traces(tract: Tract<Trace, Trace>, way: Placement) -> (BTreeMap<Trace, u64>, Report) {
    let tract = source("blank", 1, || (0..100).map(|_| Trace::new())).then(tract);
    let (output, traces) = collect();
    let report = run_to(&tract, way, output).expect("a sound tract");
    assert!(report.is_complete(), "{way:?}: {report}");
    assert_balanced(&report);
    let mut counts = BTreeMap::new();
    traces.take().into_iter().for_each(|trace| *counts.entry(trace).or_default() += 1);
    (counts, report)
}

fn counted<const N: usize>(expected: [(&[&'static str], u64); N]) -> BTreeMap<Trace, u64> {
    expected.into_iter().map(|(trace, count)| (trace.to_vec(), count)).collect()
}

#[test]
fn s29_every_request_passes_the_members_in_order() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let chains = [
                signs("a", 1).then(signs("b", 3)).then(signs("c", 2)),
                serial("abc", signs("a", 2).then(signs("b", 1))).then(signs("c", 1)),
                signs("a", 1).then(signs("b", 2).then(signs("c", 1))),
                serial("all", serial("a", signs("a", 1)).then(signs("b", 1).then(signs("c", 4)))),
            ];
            for chain in chains {
                assert_eq!(traces(chain, way).0, counted([(&["a", "b", "c"], 100)]), "{way:?}");
            }
        }
    });
}

#[test]
fn s29_naming_a_chain_makes_it_one_tract() {
    within_a_minute(|| {
        let chain = || signs("a", 1).then(signs("b", 1));
        assert_eq!(chain().name(), "a > b");
        assert_eq!(serial("both", chain()).name(), "both");
        for way in EVERY_WAY {
            let (unnamed_traces, unnamed) = traces(chain(), way);
            let (named_traces, named) = traces(serial("both", chain()), way);
            let paths = |report: &Report| -> Vec<String> {
                report.stages.iter().map(|stage| stage.path.clone()).collect()
            };
            assert_eq!(paths(&unnamed), ["blank", "a", "b", "output"], "{way:?}");
            assert_eq!(paths(&named), ["blank", "both/a", "both/b", "output"], "{way:?}");
            assert_eq!(unnamed_traces, named_traces, "{way:?}");
            let lanes = |report: &Report| report.lanes.len();
            assert_eq!(lanes(&unnamed), lanes(&named), "{way:?}: a name costs nothing");
        }
    });
}

#[test]
fn s30_every_request_goes_to_exactly_one_member() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let group = parallel(
                "any",
                [
                    signs("a", 1),
                    signs("b", 2).then(signs("c", 1)),
                    parallel("inner", [signs("d", 2), serial("chain", signs("e", 1))]),
                ],
            );
            let (counts, report) = traces(group.then(signs("last", 2)), way);

            let routes: [&[&str]; 4] =
                [&["a", "last"], &["b", "c", "last"], &["d", "last"], &["e", "last"]];
            assert!(counts.keys().all(|trace| routes.contains(&&trace[..])), "{way:?}: {counts:?}");
            // Where workers have turns in turn, none stays without work.
            if matches!(way, Placement::Threads(1) | Placement::Inline { .. }) {
                assert_eq!(counts.len(), routes.len(), "{way:?}: {counts:?}");
            }
            assert_eq!(counts.values().sum::<u64>(), 100, "{way:?}");
            for (trace, count) in &counts {
                let first = report.stage(trace[0]).expect("a stage");
                assert_eq!(first.ledger.taken, *count, "{way:?}: {trace:?}");
            }
        }
    });
}

#[test]
fn s31_every_request_goes_to_every_member() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let group = fan_out("all", [signs("a", 1), signs("b", 2).then(signs("c", 1))]);
            let (counts, _) = traces(group.then(signs("last", 2)), way);
            let expected = counted([(&["a", "last"], 100), (&["b", "c", "last"], 100)]);
            assert_eq!(counts, expected, "{way:?}: each member sees only its own copy");
        }
    });
}

#[test]
fn s31_multiplicities_multiply_through_nesting() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let pair = |name| fan_out(name, [signs("a", 1), signs("b", 1)]);
            let one_of = parallel("any", [pair("this"), pair("that")]);
            let nested = fan_out("all", [pair("pair"), one_of.then(pair("again")), signs("c", 1)]);
            let (counts, _) = traces(nested.then(pair("last")), way);

            let mut expected = BTreeMap::new();
            let middles: [&[&str]; 7] =
                [&["a"], &["b"], &["a", "a"], &["a", "b"], &["b", "a"], &["b", "b"], &["c"]];
            for middle in middles {
                for last in ["a", "b"] {
                    expected.insert([middle, &[last]].concat(), 100);
                }
            }
            assert_eq!(counts, expected, "{way:?}");
        }
    });
}

/// A value that counts its copies.
struct Copied(Count);

impl Clone for Copied {
    fn clone(&self) -> Self {
        self.0.up();
        Self(self.0.clone())
    }
}

#[test]
fn s31_a_fan_out_moves_its_last_copy() {
    let pass = || worker("pass", 1, || |value: Copied| value);
    let pair = move |name| fan_out(name, [pass(), pass()]);
    let cases: [(Tract<Copied, Copied>, u64); 5] = [
        (fan_out("one", [pass()]), 0),
        (pair("two"), 1),
        (fan_out("three", [pair("two"), pass()]), 2),
        (pair("twice").then(pair("two")), 3),
        (parallel("any", [pair("this"), pair("that")]), 1),
    ];
    within_a_minute(move || {
        for (tract, copies) in cases {
            let copied = Count::default();
            let counter = copied.clone();
            let values = move || {
                let counter = counter.clone();
                (0..50).map(move |_| Copied(counter.clone()))
            };
            let tract = source("values", 1, values).then(tract);
            for (runs, way) in (1..).zip(EVERY_WAY) {
                run_to(&tract, way, final_output()).expect("a sound tract");
                assert_eq!(copied.get(), runs * 50 * copies, "{way:?}");
            }
        }
    });
}

/// What a source and those behind it tell each other.
#[derive(Clone, Default)]
struct Signals {
    made: Count,
    /// Turns in which the thread of the source had nothing to do.
    idle: Count,
    first_taken: Arc<AtomicBool>,
}

impl Signals {
    fn take_first(&self) {
        self.first_taken.store(true, Ordering::SeqCst);
    }

    /// Waits until the count is what it will come to, and then for long enough that it would have gone beyond if it
    /// could.
    fn settle_at(&self, count: &Count, expected: u64) {
        eventually("the lanes are full", || count.get() >= expected);
        let enough = self.idle.get() + 200;
        eventually("the source has nothing to do", || self.idle.get() >= enough);
    }
}

/// A source that waits after its first request until that has been taken.
struct Patient {
    end: u64,
    signals: Signals,
}

impl Input for Patient {
    type Item = u64;

    fn poll(&mut self, _request: &mut Envelope) -> Next<u64> {
        let made = self.signals.made.get();
        if made == self.end {
            return Next::Ended;
        }
        if made == 1 && !self.signals.first_taken.load(Ordering::SeqCst) {
            return Next::Nothing;
        }
        Next::Value(self.signals.made.up())
    }

    fn idle(&mut self) {
        self.signals.idle.up();
    }
}

fn patient(end: u64, signals: &Signals) -> Tract<NoInput, u64> {
    let signals = signals.clone();
    source("patient", 1, move || Patient { end, signals: signals.clone() })
}

/// A worker with a thread of its own, which keeps its first request in hand until `hold` returns.
fn held(signals: &Signals, hold: impl Fn() + Clone + Send + 'static) -> Tract<u64, u64> {
    let signals = signals.clone();
    let held = move || {
        let (signals, hold) = (signals.clone(), hold.clone());
        move |n: u64| {
            if n == 0 {
                signals.take_first();
                hold();
            }
            n
        }
    };
    worker("held", 1, held).blocking()
}

#[test]
fn s32_branches_run_apart_by_the_capacity_of_their_lanes_and_no_further() {
    within_a_minute(|| {
        for way in ON_THREADS {
            for capacity in CAPACITIES {
                let (signals, quick, apart) =
                    (Signals::default(), Count::default(), Count::default());
                let in_hand_and_waiting = 1 + capacity as u64;
                let hold = {
                    let (signals, quick, apart) = (signals.clone(), quick.clone(), apart.clone());
                    move || {
                        signals.settle_at(&quick, in_hand_and_waiting);
                        apart.add(quick.get());
                    }
                };
                let branches = [
                    held(&signals, hold),
                    worker("quick", 1, move || {
                        let quick = quick.clone();
                        move |_: u64| quick.up()
                    }),
                ];
                let tract = patient(300, &signals).then(fan_out("both", branches));
                // A thread that parks has no idle turns to count.
                let tract = tract.capacity(capacity).idle(Idle::Yield);
                let report = run_to(&tract, way, final_output()).expect("sound");
                assert_eq!(apart.get(), in_hand_and_waiting, "{way:?}, {capacity}");
                assert!(report.failures.is_empty() && report.is_complete(), "{way:?}: {report}");
            }
        }
    });
}

/// A chain of this many single workers.
fn chain(length: usize) -> Tract<u64, u64> {
    let pass = || worker("pass", 1, || |n: u64| n);
    (1..length).fold(pass(), |chain, _| chain.then(pass()))
}

#[test]
fn s33_a_chain_with_a_blocked_last_worker_holds_its_lanes_and_what_that_has_in_hand() {
    within_a_minute(|| {
        for way in ON_THREADS {
            for capacity in CAPACITIES {
                for length in [1, 3] {
                    let (signals, holds) = (Signals::default(), Count::default());
                    let lanes = (length + 1) * capacity as u64;
                    let hold = {
                        let (signals, holds) = (signals.clone(), holds.clone());
                        move || {
                            signals.settle_at(&signals.made, lanes + 1);
                            holds.add(signals.made.get());
                        }
                    };
                    let tract = patient(1_000, &signals)
                        .then(chain(length as usize))
                        .then(held(&signals, hold))
                        .capacity(capacity)
                        .idle(Idle::Yield);
                    let report = run_to(&tract, way, final_output()).expect("a sound tract");
                    assert_eq!(holds.get(), lanes + 1, "{way:?}, {length} lanes of {capacity}");
                    assert!(report.failures.is_empty() && report.is_complete(), "{way:?}");
                }
            }
        }
    });
}

/// An output that has no room until it is opened.
struct Door(Arc<AtomicBool>);

impl Output<u64> for Door {
    fn room(&mut self) -> Room {
        if self.0.load(Ordering::SeqCst) { Room::Free } else { Room::Full }
    }

    fn put(&mut self, _request: Request<u64>) {}
}

fn door() -> (OutputEnd<u64>, impl Fn()) {
    let open = Arc::new(AtomicBool::new(false));
    let door = Door(Arc::clone(&open));
    (output(move || Ok::<_, BoxError>(door)), move || open.store(true, Ordering::SeqCst))
}

/// Runs a tract against a closed door until nothing moves, counts what its source has made by then, and opens the
/// door for the rest.
fn held_behind_a_door(tract: Tract<u64, u64>, capacity: usize, seed: u64) -> (u64, Report) {
    let made = Count::default();
    let counter = made.clone();
    let numbers = move || {
        let counter = counter.clone();
        (0..1_000).inspect(move |_| {
            counter.up();
        })
    };
    let tract = source("numbers", 1, numbers).then(tract);
    let (output, open) = door();
    let setup = tract.setup().capacity(capacity).placement(Placement::Inline { seed });
    let mut run = setup.init_inline(output).expect("a sound tract");
    while run.turn() {}
    let held = made.get();
    open();
    let report = run.finish();
    assert_eq!(report.stage("output").expect("a stage").ledger.emitted, 1_000);
    for lane in &report.lanes {
        assert!(lane.put == 0 || lane.high_water > 0, "{report}");
        assert!(lane.high_water <= capacity as u64 && lane.empty_waits > 0, "{report}");
    }
    (held, report)
}

#[test]
fn s33_a_chain_whose_output_is_full_holds_its_lanes_exactly() {
    within_a_minute(|| {
        for seed in 0..4 {
            for capacity in CAPACITIES {
                for (length, batch) in [(1, 1), (2, 4), (4, 1), (4, 64)] {
                    let chain = chain(length).batch(batch);
                    let (held, _) = held_behind_a_door(chain, capacity, seed);
                    let lanes = length + 1;
                    assert_eq!(held, (lanes * capacity) as u64, "{lanes} lanes of {capacity}");
                }
            }
        }
    });
}

#[test]
fn s33_no_tract_holds_more_than_its_workers_and_lanes() {
    within_a_minute(|| {
        let pool = |size| worker("pool", size, || |n: u64| n);
        for seed in 0..4 {
            for capacity in CAPACITIES {
                let tracts = [
                    pool(3).then(pool(2)),
                    parallel("any", [pool(2), pool(1).then(pool(3))]),
                    parallel("any", [pool(1), parallel("inner", [pool(4), pool(1)])]).then(pool(2)),
                ];
                for tract in tracts {
                    let (held, report) = held_behind_a_door(tract, capacity, seed);
                    let (workers, lanes) = (report.plan.workers(), report.plan.lanes());
                    assert!(held > 0);
                    assert!(held <= (workers + lanes * capacity) as u64, "{held}: {}", report.plan);
                }
            }
        }
    });
}

#[test]
fn s33_a_capacity_is_exact_or_refused() {
    let tract = |capacity| chain(2).capacity(capacity);
    for capacity in [1, 2, 3, 7, 64, 1_000, 1 << 24] {
        let plan = tract(capacity).plan().expect("a capacity that can be");
        assert!(plan.stages.iter().all(|stage| stage.capacity == capacity));
        assert!(plan.meshes.iter().all(|mesh| mesh.capacity == capacity));
    }
    for capacity in [0, (1 << 24) + 1, usize::MAX] {
        let refused = tract(capacity).plan().expect_err("no ring is like that");
        assert!(matches!(refused, Error::Capacity { asked, .. } if asked == capacity));
        let refused = chain(2).setup().capacity(capacity).plan().expect_err("nor for a run");
        assert!(matches!(refused, Error::Capacity { asked, .. } if asked == capacity));
    }
}
