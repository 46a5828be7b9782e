//! Placement: which workers share a thread, on which core, and how eagerly it waits.

mod common;

use common::{EVERY_WAY, within_a_minute};
use ringtract::{
    Error, Grant, Idle, Machine, Measure, NoInput, Placement, Plan, Setup, ThreadPlan, Tract,
    WorkerPlace, fan_out, filter_map, final_output, parallel, source, worker,
};

fn stage(name: &str, size: usize) -> Tract<u64, u64> {
    worker(name, size, || |n: u64| n)
}

/// The cores this process may use, as the library sees them.
fn cores() -> Vec<usize> {
    match stage("nowhere", 1).on_core(usize::MAX).plan() {
        Err(Error::NoSuchCore { cores, .. }) => cores,
        other => panic!("{other:?}"),
    }
}

/// A source and a chain: seven workers in all.
fn chain() -> Tract<NoInput, u64> {
    source("numbers", 2, || 0..100_u64).then(stage("a", 3)).then(stage("b", 1)).then(stage("c", 1))
}

fn planned<I, O>(tract: &Tract<I, O>, placement: Placement) -> Plan
where
    I: Send + 'static,
    O: Send + 'static,
{
    tract.setup().placement(placement).plan().expect("a plan")
}

/// The workers of each thread, as stage and worker.
fn crews(plan: &Plan) -> Vec<Vec<(usize, usize)>> {
    let crew = |thread: &ThreadPlan| {
        thread.workers.iter().map(|place| (place.stage, place.worker)).collect()
    };
    plan.threads.iter().map(crew).collect()
}

fn sizes(plan: &Plan) -> Vec<usize> {
    plan.threads.iter().map(|thread| thread.workers.len()).collect()
}

/// Every worker, in order.
fn everybody(plan: &Plan) -> Vec<(usize, usize)> {
    let stages = plan.stages.iter().enumerate();
    stages.flat_map(|(at, stage)| (0..stage.workers).map(move |worker| (at, worker))).collect()
}

#[test]
fn every_worker_has_exactly_one_thread_in_every_way() {
    for way in EVERY_WAY {
        let plan = planned(&chain(), way);
        assert_eq!(crews(&plan).concat(), everybody(&plan), "{way:?}: neighbours share");
    }
}

#[test]
fn a_thread_per_worker_is_named_after_it() {
    let plan = planned(&chain(), Placement::PerWorker);
    assert_eq!(sizes(&plan), [1; 7]);
    let names: Vec<_> = plan.threads.iter().map(|thread| thread.name.as_str()).collect();
    assert_eq!(names, ["numbers[0]", "numbers[1]", "a[0]", "a[1]", "a[2]", "b", "c"]);
    assert!(plan.threads.iter().all(|thread| thread.core.is_none()));
}

#[test]
fn a_number_of_threads_is_shared_evenly_by_neighbours() {
    for (count, expected) in [
        (1, vec![7]),
        (2, vec![4, 3]),
        (3, vec![3, 2, 2]),
        (7, vec![1; 7]),
        (8, vec![1; 7]),
        (usize::MAX, vec![1; 7]),
    ] {
        assert_eq!(sizes(&planned(&chain(), Placement::Threads(count))), expected);
    }
}

#[test]
fn auto_takes_as_many_threads_as_there_are_cores_for_and_workers() {
    let machine = Machine::this();
    let cores = machine.cores.len();
    let room = (cores - usize::from(cores >= 4)).min(machine.threads_at_once());
    for workers in [1, 2, cores, cores + 1, 10 * cores] {
        let tract = source("pool", workers, || 0..1_u64);
        assert_eq!(planned(&tract, Placement::Auto).threads.len(), room.min(workers));
    }
    let by_default = chain().plan().expect("a plan");
    assert_eq!(by_default, planned(&chain(), Placement::Auto), "and it is the default");
}

#[test]
fn an_inline_run_has_one_thread_without_a_name() {
    let plan = planned(&chain(), Placement::Inline { seed: 1 });
    assert_eq!(sizes(&plan), [7]);
    assert_eq!(plan.threads[0].name, "");
    assert_eq!(plan.threads[0].core, None);
}

#[test]
fn stages_that_ask_for_the_same_core_share_a_pinned_thread() {
    let core = cores()[0];
    let tract = source("numbers", 1, || 0..9_u64)
        .then(stage("a", 2).on_core(core))
        .then(stage("b", 1))
        .then(stage("c", 1).on_core(core));
    for way in [Placement::Auto, Placement::PerWorker, Placement::Threads(1)] {
        let plan = planned(&tract, way);
        let pinned: Vec<_> = plan.threads.iter().filter(|thread| thread.core.is_some()).collect();
        let [thread] = &pinned[..] else { panic!("{plan}") };
        assert_eq!(thread.core, Some(core));
        let place = |stage, worker| WorkerPlace { stage, worker };
        assert_eq!(thread.workers, [place(1, 0), place(1, 1), place(3, 0)]);
    }
}

#[test]
fn different_cores_are_different_threads() {
    let cores = cores();
    let pools = cores.iter().map(|&core| stage("pool", 2).on_core(core));
    let plan = planned(&parallel("pools", pools), Placement::Threads(1));
    let planned: Vec<_> = plan.threads.iter().filter_map(|thread| thread.core).collect();
    assert_eq!(planned, cores);
    assert_eq!(sizes(&plan), vec![2; cores.len()]);
}

#[test]
fn blocking_stages_have_threads_of_their_own() {
    let tract = source("numbers", 1, || 0..9_u64)
        .then(stage("disk", 2).blocking())
        .then(stage("pinned disk", 2).blocking().on_core(cores()[0]))
        .then(stage("last", 1));
    for way in [Placement::Auto, Placement::PerWorker, Placement::Threads(1), Placement::Threads(2)]
    {
        let plan = planned(&tract, way);
        for stage in [1, 2] {
            let own = plan.threads.iter().filter(|thread| thread.workers[0].stage == stage);
            let own: Vec<_> = own.collect();
            assert_eq!(own.len(), 2, "{way:?}");
            for thread in own {
                assert_eq!(thread.workers.len(), 1, "{way:?}");
                assert_eq!(thread.core, (stage == 2).then(|| cores()[0]));
            }
        }
    }
    assert_eq!(sizes(&planned(&tract, Placement::Inline { seed: 0 })), [6], "but inline");
}

#[test]
fn pinning_every_thread_takes_the_cores_in_turn() {
    let cores = cores();
    let tract = source("pool", 2 * cores.len() + 1, || 0..1_u64);
    let plan = tract.setup().placement(Placement::PerWorker).pinned().plan().expect("a plan");
    let planned: Vec<_> = plan.threads.iter().filter_map(|thread| thread.core).collect();
    assert_eq!(planned, [&cores[..], &cores[..], &cores[..1]].concat());
}

#[test]
fn the_report_tells_who_was_pinned() {
    within_a_minute(|| {
        let core = cores()[0];
        let tract = source("free", 1, || 0..9_u64).then(stage("pinned", 1).on_core(core));
        let setup = tract.setup().placement(Placement::PerWorker);
        let report =
            setup.init(final_output()).expect("initialises").start().expect("starts").wait();
        let threads: Vec<_> = report
            .threads
            .iter()
            .map(|thread| (thread.name.as_str(), thread.core, thread.pinned.clone()))
            .collect();
        // Every core in the list is one that the process may use, so the system has no reason to refuse it.
        let expected = [("free", None, Grant::NotAsked), ("pinned", Some(core), Grant::Granted)];
        assert_eq!(threads, expected);
    });
}

fn idles(plan: &Plan) -> Vec<Idle> {
    plan.threads.iter().map(|thread| thread.idle).collect()
}

fn backs_off_without_spinning(idle: Idle) -> bool {
    matches!(idle, Idle::Backoff { spins: 0, .. })
}

#[test]
fn a_thread_waits_like_its_most_eager_stage() {
    let few = Idle::Backoff { spins: 7, yields: 3 };
    let chain = |first, second| {
        let tract =
            source("first", 1, || 0..1_u64).idle(first).then(stage("second", 1).idle(second));
        idles(&planned(&tract, Placement::Threads(1)))
    };
    assert_eq!(chain(Idle::Yield, few), [few]);
    assert_eq!(chain(few, Idle::Yield), [few]);
    assert_eq!(chain(Idle::Yield, Idle::Spin), [Idle::Spin]);
    assert_eq!(chain(Idle::Yield, Idle::Yield), [Idle::Yield]);
}

#[test]
fn spinning_steps_down_where_threads_outnumber_cores() {
    let cores = cores().len();
    let pool = |size| source("pool", size, || 0..1_u64).idle(Idle::Spin);
    let fitting = planned(&pool(cores), Placement::PerWorker);
    assert_eq!(idles(&fitting), vec![Idle::Spin; cores]);
    let crowded = planned(&pool(cores + 1), Placement::PerWorker);
    assert!(idles(&crowded).into_iter().all(backs_off_without_spinning), "{crowded}");
    assert!(crowded.stages.iter().all(|stage| stage.idle == Idle::Spin), "as asked");
    let by_default = source("pool", cores + 1, || 0..1_u64);
    let crowded = planned(&by_default, Placement::PerWorker);
    assert!(idles(&crowded).into_iter().all(backs_off_without_spinning), "{crowded}");
    let shared = planned(&pool(cores + 1), Placement::Auto);
    assert!(idles(&shared).iter().all(|idle| *idle == Idle::Spin), "{shared}");
}

#[test]
fn other_ways_to_wait_do_not_step_down() {
    let cores = cores().len();
    for idle in [
        Idle::Yield,
        Idle::Park,
        Idle::Backoff { spins: 5, yields: 0 },
        Idle::Backoff { spins: u32::MAX, yields: u32::MAX },
    ] {
        let pool = source("pool", cores + 1, || 0..1_u64).idle(idle);
        assert_eq!(idles(&planned(&pool, Placement::PerWorker)), vec![idle; cores + 1]);
    }
}

#[test]
fn the_report_tells_how_threads_waited() {
    within_a_minute(|| {
        let tract = source("pool", cores().len() + 1, || 0..1_u64).idle(Idle::Spin);
        let setup = tract.setup().placement(Placement::PerWorker);
        let report = setup.run(drop).expect("starts");
        assert!(report.threads.iter().all(|thread| backs_off_without_spinning(thread.idle)));
    });
}

/// Threads pinned to one core fight each other just as threads do that outnumber the cores.
fn assert_nobody_spins_against_another(plan: &Plan) {
    for thread in &plan.threads {
        let same_core = |other: &&ThreadPlan| thread.core.is_some() && other.core == thread.core;
        let company = plan.threads.iter().filter(same_core).count();
        assert!(company <= 1 || thread.idle != Idle::Spin, "{plan}");
    }
}

#[test]
fn blocking_workers_pinned_to_one_core_do_not_spin_against_each_other() {
    let tract = source("disk", 2, || 0..1_u64).blocking().on_core(cores()[0]).idle(Idle::Spin);
    assert_nobody_spins_against_another(&planned(&tract, Placement::Auto));
}

#[test]
fn pinning_the_rest_avoids_the_cores_that_stages_asked_for() {
    let tract = source("first", 1, || 0..1_u64).then(stage("asks", 1).on_core(cores()[0]));
    let setup = tract.setup().placement(Placement::PerWorker).idle(Idle::Spin).pinned();
    assert_nobody_spins_against_another(&setup.plan().expect("a plan"));
}

/// What a run came to, whoever ran it: the sum of what came out, and the counts of every stage.
fn facts(setup: &Setup<'_, NoInput, u64>) -> (u64, Vec<(String, u64, u64, u64)>) {
    let mut sum = 0;
    let report = setup.run(|n| sum += n).expect("starts");
    assert!(report.is_complete(), "{report}");
    let counts = report.stages.iter().filter(|stage| !stage.workers.is_empty()).map(|stage| {
        (stage.path.clone(), stage.ledger.taken, stage.ledger.emitted, stage.ledger.discarded)
    });
    (sum, counts.collect())
}

#[test]
fn every_placement_gives_the_same_facts() {
    within_a_minute(|| {
        let even = || filter_map(|n: u64| n.is_multiple_of(2).then_some(n));
        let build = |on: Option<Vec<usize>>| {
            let crowd = stage("crowd", 64);
            let crowd = match on {
                Some(cores) => crowd.on_cores(cores),
                None => crowd,
            };
            source("numbers", 1, || 0..2_000_u64)
                .then(worker("even", 1, even))
                .then(crowd)
                .then(fan_out("both", [stage("a", 1), stage("b", 2).blocking()]))
        };
        let (tract, on_cores) = (build(None), build(Some(cores())));
        let measured = tract.setup().measure(Measure::ALL).run(drop).expect("starts");
        let expected = facts(&tract.setup().placement(Placement::Inline { seed: 3 }));
        assert_eq!(expected.0, 2 * 999 * 1_000);
        for tract in [&tract, &on_cores] {
            for way in EVERY_WAY.into_iter().chain([Placement::Threads(1_000)]) {
                assert_eq!(facts(&tract.setup().placement(way)), expected, "{way:?}");
                assert_eq!(facts(&tract.setup().placement(way).pinned()), expected, "{way:?}");
                let eager = tract.setup().placement(way).pinned().idle(Idle::Spin);
                assert_eq!(facts(&eager), expected, "{way:?}, eagerly");
            }
        }
        for threads in [1, 2, 7] {
            let partition = measured.placement_for(threads).expect("measured");
            assert_eq!(facts(&tract.setup().placement(&partition)), expected, "{partition}");
        }
    });
}
