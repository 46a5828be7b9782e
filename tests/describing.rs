//! Describing: S01 to S06.

mod common;

use std::sync::{Arc, Mutex};

use common::probe::{Journal, Topology, numbers, probes, run_to, topologies};
use common::{Count, EVERY_WAY, within_a_minute};
use ringtract::{
    Error, Idle, NoInput, OnPanic, Placement, Plan, StageKind, Tract, collect, fan_out,
    final_output, parallel, serial, source, try_map, worker,
};

fn add(name: &str, n: u64) -> Tract<u64, u64> {
    worker(name, 1, move || move |value: u64| value + n)
}

fn paths(plan: &Plan) -> Vec<&str> {
    plan.stages.iter().map(|stage| stage.path.as_str()).collect()
}

/// Runs a tract in this way and gives back what came out, sorted.
fn outcome(tract: &Tract<NoInput, u64>, way: Placement) -> Vec<u64> {
    let mut values = Vec::new();
    let report = tract.setup().placement(way).run(|value| values.push(value)).expect("starts");
    assert!(report.is_complete(), "{report}");
    values.sort_unstable();
    values
}

#[test]
fn s01_describing_makes_nothing() {
    let journal = Journal::default();
    for Topology { name, tract, .. } in topologies(&journal) {
        let tract = numbers("numbers", 3, &journal).then(tract).close_factory();
        let plan = tract.plan().expect("a plan makes nothing either");
        assert!(!plan.threads.is_empty(), "{name}: there would be threads");
        drop(tract);
    }
    assert!(journal.events().is_empty(), "{:?}", journal.events());
}

#[test]
#[cfg(target_os = "linux")]
fn s01_describing_starts_no_thread() {
    within_a_minute(|| {
        use common::probe::threads_named;

        let tract = serial("s01", source("numbers", 1, || 0..3_u64).then(add("add", 1)));
        let setup = tract.setup().placement(Placement::PerWorker);
        setup.plan().expect("a plan");
        assert_eq!(threads_named("s01/"), 0);
        let ready = setup.init(final_output()).expect("initialises");
        assert_eq!(threads_named("s01/"), 2, "initialising does, so the count can tell");
        drop(ready);
    });
}

#[test]
fn s02_names_make_paths() {
    let archive = parallel("archive", [add("fast disk", 1), add("slow disk", 1)]);
    let tract = serial("orders", source("feed", 1, || 0..3_u64).then(archive));
    let plan = tract.plan().expect("a plan");
    assert_eq!(
        paths(&plan),
        ["orders/feed", "orders/archive/fast disk", "orders/archive/slow disk"]
    );
    assert_eq!(tract.name(), "orders");
}

#[test]
fn s02_an_unnamed_chain_is_called_after_its_members() {
    let chain = add("one", 1).then(add("two", 2)).then(add("three", 3));
    assert_eq!(chain.name(), "one > two > three");
    let plan = parallel("group", [chain]).plan().expect("a plan");
    assert_eq!(paths(&plan), ["group/one", "group/two", "group/three"]);
}

#[test]
fn s02_the_path_of_names_tells_duplicates_apart() {
    within_a_minute(|| {
        let twin = |name| parallel(name, [add("same", 1), add("same", 2)]);
        let tract =
            source("same", 1, || 0..100_u64).then(fan_out("both", [twin("left"), twin("right")]));
        let plan = tract.plan().expect("duplicates are legal");
        let twins = ["both/left/same", "both/left/same", "both/right/same", "both/right/same"];
        assert_eq!(paths(&plan), [&["same"], &twins[..]].concat());
        for way in EVERY_WAY {
            assert_eq!(outcome(&tract, way).len(), 200);
        }
    });
}

#[test]
fn s02_names_appear_in_threads_failures_and_reports() {
    within_a_minute(|| {
        let seen = Arc::new(Mutex::new(String::new()));
        let note = Arc::clone(&seen);
        let parse = worker("parse", 1, move || {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            *note.lock().expect("not poisoned") = name;
            try_map(|_: u64| Err::<u64, _>("not today"))
        });
        let tract =
            serial("a long name for one tract", source("numbers", 1, || 0..1_u64).then(parse));
        let report = tract.setup().placement(Placement::PerWorker).run(drop).expect("starts");
        let path = "a long name for one tract/parse";
        assert_eq!(*seen.lock().expect("not poisoned"), path);
        assert_eq!(report.threads[1].name, path);
        assert_eq!(report.stages[1].path, path);
        assert_eq!(report.failures[0].stage, path);
        assert!(report.to_string().contains(path));
        let error = worker(path, 0, || |n: u64| n).plan().expect_err("no workers");
        assert!(error.to_string().contains(path));
    });
}

#[test]
fn s03_a_pool_of_none_is_refused_by_name() {
    within_a_minute(|| {
        let tract =
            serial("orders", source("feed", 1, || 0..3_u64).then(worker("idle", 0, || |n: u64| n)));
        for error in [
            tract.plan().expect_err("no workers"),
            tract.init(final_output()).expect_err("no workers"),
            tract.setup().init_inline(final_output()).expect_err("no workers"),
            tract.run(drop).expect_err("no workers"),
        ] {
            assert!(
                matches!(&error, Error::EmptyPool { path } if path == "orders/idle"),
                "{error}"
            );
        }
        let error = source("dry", 0, || 0..3_u64).plan().expect_err("no sources");
        assert!(matches!(&error, Error::EmptyPool { path } if path == "dry"), "{error}");
    });
}

#[test]
fn s03_a_group_without_members_is_refused_by_name() {
    let nobody: [Tract<u64, u64>; 0] = [];
    for empty in [parallel("nobody", nobody), fan_out("nobody", Vec::new())] {
        let tract = parallel("group", [add("somebody", 1), empty]);
        let error = tract.plan().expect_err("no members");
        assert!(matches!(&error, Error::EmptyGroup { path } if path == "group/nobody"), "{error}");
    }
}

#[test]
fn s03_a_refused_description_makes_nothing() {
    within_a_minute(|| {
        let journal = Journal::default();
        let members = [probes("fine", 2, &journal), probes("empty", 0, &journal)];
        let tract = numbers("numbers", 3, &journal).then(parallel("group", members));
        for way in EVERY_WAY {
            run_to(&tract, way, final_output()).expect_err("an empty pool");
        }
        assert!(journal.events().is_empty(), "{:?}", journal.events());
    });
}

type Member = Tract<u64, u64>;

#[test]
fn s03_a_group_of_one_behaves_as_its_member() {
    within_a_minute(|| {
        let wraps: [fn(Member) -> Member; 3] = [
            |member| serial("group", member),
            |member| parallel("group", [member]),
            |member| fan_out("group", [member]),
        ];
        let numbers = || source("numbers", 1, || 0..50_u64);
        let member = || worker("add", 3, || |n: u64| n + 1);
        let alone = numbers().then(member());
        let plain = alone.plan().expect("a plan");
        for wrap in wraps {
            let grouped = numbers().then(wrap(wrap(member())));
            let plan = grouped.plan().expect("a plan");
            assert_eq!(plan.meshes, plain.meshes);
            assert_eq!((plan.workers(), plan.lanes()), (plain.workers(), plain.lanes()));
            for way in EVERY_WAY {
                assert_eq!(outcome(&grouped, way), outcome(&alone, way));
            }
        }
    });
}

/// That using a tract twice does not compile is shown in the documentation of [`Tract`].
#[test]
fn s04_members_move_into_their_group() {
    within_a_minute(|| {
        let journal = Journal::default();
        let members = vec![probes("same", 1, &journal), probes("same", 1, &journal)];
        let tract = numbers("numbers", 10, &journal).then(fan_out("twice", members));
        tract.run(drop).expect("starts");
        assert_eq!(
            journal.sorted("make same"),
            ["make same[0]"; 2],
            "each has a factory of its own"
        );
    });
}

/// The kinds of group, each around two members and with how often a number then comes out.
type Wrap = (fn([Member; 2]) -> Member, fn(u64) -> u64);
const WRAPS: [Wrap; 3] = [
    (|[a, b]| serial("serial", a.then(b)), |copies| copies * copies),
    (|members| parallel("parallel", members), |copies| copies),
    (|members| fan_out("fan-out", members), |copies| 2 * copies),
];

#[test]
fn s05_any_group_stands_in_any_other() {
    within_a_minute(|| {
        let one = || (worker("one", 1, || |n: u64| n), 1);
        for (outer, outer_copies) in WRAPS {
            for (middle, middle_copies) in WRAPS {
                for (inner, inner_copies) in WRAPS {
                    let inner = || inner([one().0, one().0]);
                    let middle = || middle([inner(), inner()]);
                    let copies = outer_copies(middle_copies(inner_copies(one().1)));
                    let tract = source("numbers", 1, || 0..5_u64).then(outer([middle(), middle()]));
                    for way in EVERY_WAY {
                        let expected: Vec<_> =
                            (0..5).flat_map(|n| (0..copies).map(move |_| n)).collect();
                        assert_eq!(outcome(&tract, way), expected, "{tract:?} {way:?}");
                    }
                }
            }
        }
    });
}

#[test]
fn s05_groups_nest_to_any_depth() {
    within_a_minute(|| {
        let mut tract = add("bottom", 1);
        for level in 0..100 {
            let name = format!("level {level}");
            tract = match level % 3 {
                0 => parallel(name, [tract]),
                1 => fan_out(name, [tract]),
                _ => serial(name, tract),
            };
        }
        let tract = source("numbers", 1, || 0..10_u64).then(tract);
        for way in EVERY_WAY {
            assert_eq!(outcome(&tract, way).iter().sum::<u64>(), 55);
        }
    });
}

#[test]
fn s05_sources_stand_in_parallel_groups() {
    within_a_minute(|| {
        let sources = [source("low", 1, || 0..10_u64), source("high", 2, || 10..20_u64)];
        let tract = parallel("sources", sources).then(add("add", 0));
        for way in EVERY_WAY {
            assert_eq!(outcome(&tract, way).len(), 30);
        }
    });
}

#[test]
fn s06_options_of_a_group_hold_for_its_stages_unless_they_have_their_own() {
    let inner = add("own", 1)
        .capacity(3)
        .batch(2)
        .idle(Idle::Yield)
        .on_panic(OnPanic::Replace)
        .then(add("inherits", 1));
    let group =
        parallel("group", [inner]).capacity(7).batch(5).idle(Idle::Spin).on_panic(OnPanic::Stop);
    let tract = source("outside", 1, || 0..1_u64).then(group);
    let plan = tract.setup().capacity(11).plan().expect("a plan");
    let options: Vec<_> = plan
        .stages
        .iter()
        .map(|stage| (stage.capacity, stage.batch, stage.idle, stage.blocking, stage.on_panic))
        .collect();
    let expected = [
        (11, 1, Idle::default(), false, OnPanic::Replace),
        (3, 2, Idle::Yield, false, OnPanic::Replace),
        (7, 5, Idle::Spin, false, OnPanic::Stop),
    ];
    assert_eq!(options, expected);
    assert_eq!(plan.stages[0].kind, StageKind::Source);
    assert_eq!([plan.stages[1].workers, plan.stages[2].workers], [1, 1]);
}

#[test]
fn s06_stages_that_block_keep_no_batch_back() {
    let plan = serial("group", add("a", 1).batch(5).then(add("b", 1))).blocking().plan();
    let plan = plan.expect("a plan");
    assert!(plan.stages.iter().all(|stage| stage.blocking && stage.batch == 1));
}

#[test]
fn s06_an_option_of_a_chain_stays_with_its_members() {
    let chain = add("a", 1).then(add("b", 1)).capacity(3).then(add("c", 1));
    let plan = chain.plan().expect("a plan");
    let capacities: Vec<_> = plan.stages.iter().map(|stage| stage.capacity).collect();
    assert_eq!(capacities, [3, 3, 64]);
}

#[test]
fn s06_options_hold_from_the_next_initialisation_on() {
    within_a_minute(|| {
        let tract = source("numbers", 1, || 0..20_u64).then(add("add", 1));
        let before = tract.run(drop).expect("starts");
        let after = tract.capacity(2).run(drop).expect("starts");
        assert_eq!([before.lanes[0].capacity, after.lanes[0].capacity], [64, 2]);
    });
}

#[test]
fn s06_factories_end_and_failures_are_told_as_the_options_say() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (journal, told) = (Journal::default(), Count::default());
            let tell = told.clone();
            let fails = worker("fails", 1, || try_map(|_: u64| Err::<u64, _>("no")))
                .on_failure(move |_| tell.add(1));
            let tract = numbers("numbers", 4, &journal)
                .then(probes("closing", 2, &journal).close_factory())
                .then(fails);
            let (output, values) = collect();
            run_to(&tract, way, output).expect("starts");
            assert_eq!(values.take(), [0; 0]);
            assert_eq!(told.get(), 4);
            assert_eq!(journal.sorted("end factory"), ["end factory closing"]);
        }
    });
}
