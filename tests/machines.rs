//! Placement on machines that are not this one: what is read of them, and what is planned for them.

#[path = "machines/made_up.rs"]
mod made_up;

use made_up::MadeUp;
use ringtract::{
    Core, Crowd, Error, Idle, Machine, NoInput, Placement, Plan, StepDown, ThreadPlan, Tract,
    source, worker,
};

fn ids(machine: &Machine) -> Vec<usize> {
    machine.cores.iter().map(|core| core.id).collect()
}

fn isolated(machine: &Machine) -> Vec<usize> {
    machine.cores.iter().filter(|core| core.isolated).map(|core| core.id).collect()
}

fn stage(name: &str, size: usize) -> Tract<u64, u64> {
    worker(name, size, || |n: u64| n)
}

/// A pool of sources that spin.
fn pool(workers: usize) -> Tract<NoInput, u64> {
    source("pool", workers, || 0..1_u64).idle(Idle::Spin)
}

fn auto<I: Send + 'static, O: Send + 'static>(tract: &Tract<I, O>, machine: &Machine) -> Plan {
    tract.setup().plan_on(machine).expect("a plan")
}

fn pinned<I: Send + 'static, O: Send + 'static>(tract: &Tract<I, O>, machine: &Machine) -> Plan {
    tract.setup().pinned().plan_on(machine).expect("a plan")
}

fn per_worker<I: Send + 'static, O: Send + 'static>(
    tract: &Tract<I, O>,
    machine: &Machine,
) -> Plan {
    tract.setup().placement(Placement::PerWorker).plan_on(machine).expect("a plan")
}

fn cores(plan: &Plan) -> Vec<Option<usize>> {
    plan.threads.iter().map(|thread| thread.core).collect()
}

fn pins(plan: &Plan) -> Vec<usize> {
    cores(plan).into_iter().flatten().collect()
}

fn spinning(plan: &Plan) -> Vec<&ThreadPlan> {
    plan.threads.iter().filter(|thread| thread.idle == Idle::Spin).collect()
}

#[test]
fn one_core_has_one_thread() {
    let machine = MadeUp::cores(1).read();
    assert_eq!((ids(&machine), machine.threads_at_once()), (vec![0], 1));
    assert_eq!(cores(&auto(&pool(64), &machine)), [None]);
    assert_eq!(cores(&pinned(&pool(64), &machine)), [Some(0)]);
}

#[test]
fn two_cores_have_two_threads_and_none_is_left_over() {
    let machine = MadeUp::cores(2).read();
    assert_eq!(cores(&auto(&pool(64), &machine)), [None, None]);
    assert_eq!(cores(&pinned(&pool(64), &machine)), [Some(0), Some(1)]);
    assert_eq!(spinning(&auto(&pool(64), &machine)).len(), 2);
}

#[test]
fn from_four_cores_on_one_is_left_to_the_system() {
    for (count, threads) in [(3, 3), (4, 3), (5, 4), (16, 15)] {
        let machine = MadeUp::cores(count).read();
        assert_eq!(auto(&pool(64), &machine).threads.len(), threads, "on {count}");
    }
    let four = MadeUp::cores(4).read();
    assert_eq!(
        pins(&pinned(&pool(64), &four)),
        [1, 2, 3],
        "the first, where the system is busiest"
    );
    assert_eq!(pins(&pinned(&pool(2), &four)), [1, 2]);
    let asked_to = pool(4).setup().pinned().placement(Placement::Threads(4)).plan_on(&four);
    assert_eq!(pins(&asked_to.expect("a plan")), [0, 1, 2, 3], "but it can be asked for");
}

/// Two packages of 32 cores with two hardware threads each: core 5 is also core 69.
fn large() -> Machine {
    MadeUp::with(2, 32, 2).read()
}

#[test]
fn siblings_packages_and_caches_are_read() {
    let machine = large();
    assert_eq!(ids(&machine), (0..128).collect::<Vec<_>>());
    let facts = |core: &Core| (core.physical, core.cache, core.package, core.isolated);
    assert_eq!(facts(&machine.cores[5]), (5, 0, 0, false));
    assert_eq!(facts(&machine.cores[69]), (5, 0, 0, false));
    assert_eq!(facts(&machine.cores[40]), (40, 32, 1, false));
    assert_eq!(facts(&machine.cores[127]), (63, 32, 1, false));
    assert!(machine.to_string().ends_with("on 64 physical"), "{machine}");
}

#[test]
fn each_physical_core_gets_one_thread_before_any_gets_two() {
    let machine = large();
    let ten = pins(&pinned(&pool(10), &machine));
    assert_eq!(ten, (1..=10).collect::<Vec<_>>(), "neighbours, in one package");
    let most = pins(&pinned(&pool(63), &machine));
    assert_eq!(most, (1..64).collect::<Vec<_>>());
    let more = pins(&pinned(&pool(70), &machine));
    let firsts = more.iter().filter(|&&core| core < 64).count();
    assert_eq!((more.len(), firsts), (70, 63), "{more:?}");
    for second in more.iter().filter(|&&core| core >= 64) {
        let at = more.iter().position(|core| core == second).expect("it is there");
        assert!(at == 0 || more[at - 1] == second - 64, "siblings side by side: {more:?}");
    }
    assert_eq!(pins(&pinned(&pool(1_000), &machine)).len(), 127);
}

#[test]
fn neighbours_in_the_tract_are_neighbours_on_the_machine() {
    let machine = large();
    for count in [2, 31, 32, 50, 63, 90, 127] {
        let plan = pinned(&pool(count), &machine);
        let core = |id: usize| machine.cores[id];
        let packages: Vec<_> = pins(&plan).into_iter().map(|id| core(id).package).collect();
        assert!(packages.is_sorted(), "{count}: one package after the other: {packages:?}");
        let physical: Vec<_> = pins(&plan).into_iter().map(|id| core(id).physical).collect();
        assert!(physical.is_sorted(), "{count}: {physical:?}");
        assert_eq!(plan.threads.len(), count);
    }
}

#[test]
fn a_mask_is_all_there_is() {
    let machine = MadeUp::cores(8).masked("3,5").read();
    assert_eq!(ids(&machine), [3, 5]);
    assert_eq!(cores(&auto(&pool(9), &machine)), [None, None]);
    assert_eq!(pins(&pinned(&pool(9), &machine)), [3, 5]);
    let refused = pool(1).on_core(4).setup().plan_on(&machine);
    let Err(Error::NoSuchCore { core: 4, cores, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(cores, [3, 5]);
}

#[test]
fn cores_that_are_offline_are_not_used() {
    let machine = MadeUp::cores(4).and("sys/devices/system/cpu/online", "0,2").read();
    assert_eq!(ids(&machine), [0, 2]);
}

#[test]
fn isolated_cores_are_taken_first_and_by_pinning() {
    let machine = MadeUp::cores(6).isolated("2-3").read();
    assert_eq!(isolated(&machine), [2, 3]);
    assert_eq!(cores(&auto(&pool(1), &machine)), [Some(2)]);
    assert_eq!(cores(&auto(&pool(2), &machine)), [Some(2), Some(3)]);
    // Core 0 is left to the system, the rest is for threads that are not pinned.
    let all = auto(&pool(64), &machine);
    assert_eq!(cores(&all), [None, Some(2), Some(3), None, None]);
    assert_eq!(spinning(&all).len(), 5);
    assert_eq!(pins(&pinned(&pool(3), &machine)), [1, 2, 3]);
    let only = MadeUp::cores(6).isolated("2-5").masked("2-5").read();
    assert_eq!(pins(&auto(&pool(64), &only)), [2, 3, 4, 5], "none is left where none is shared");
}

#[test]
fn a_blocking_stage_takes_no_isolated_core_from_the_others() {
    let machine = MadeUp::cores(2).isolated("1").read();
    let tract = pool(1).then(stage("disk", 3).blocking());
    assert_eq!(cores(&auto(&tract, &machine)), [Some(1), None, None, None]);
}

#[test]
fn threads_that_are_not_pinned_do_not_count_on_isolated_cores() {
    let machine = MadeUp::cores(4).isolated("2-3").read();
    let two = per_worker(&pool(2), &machine);
    assert_eq!(spinning(&two).len(), 2, "cores 0 and 1");
    let three = per_worker(&pool(3), &machine);
    assert_eq!(spinning(&three).len(), 0);
    let crowd = Crowd::Threads { threads: 3, at_once: 2 };
    let step_down = three.threads[0].step_down.expect("it stepped down");
    assert_eq!((step_down.asked, step_down.crowd), (Idle::Spin, crowd));
    let beside = pool(1).on_core(3).then(stage("others", 3).idle(Idle::Spin));
    let beside = per_worker(&beside, &machine);
    let undisturbed: Vec<_> = spinning(&beside).iter().map(|thread| thread.core).collect();
    assert_eq!(undisturbed, [Some(3)], "nobody comes to an isolated core: {beside}");
}

#[test]
fn a_quota_is_rounded_down_and_at_least_one_thread() {
    for (max, quota, at_once) in [
        ("150000 100000", Some(1.5), 1),
        ("50000 100000", Some(0.5), 1),
        ("300000 100000", Some(3.0), 3),
        ("2000000 100000", Some(20.0), 8),
        ("max 100000", None, 8),
        ("nonsense", None, 8),
        ("100000 0", None, 8),
    ] {
        let machine = MadeUp::cores(8).quota(max).read();
        assert_eq!((machine.quota, machine.threads_at_once()), (quota, at_once), "{max}");
        let plan = auto(&pool(64), &machine);
        assert_eq!(plan.threads.len(), at_once.min(7), "{max}");
        assert_eq!(spinning(&plan).len(), at_once.min(7), "{max}");
    }
}

#[test]
fn spinning_steps_down_under_a_quota() {
    let machine = MadeUp::cores(8).quota("150000 100000").read();
    let plan = per_worker(&pool(2), &machine);
    assert_eq!(spinning(&plan).len(), 0);
    let text = plan.to_string();
    assert!(text.contains("(Spin asked, but 2 threads where 1 can run at once)"), "{text}");
}

#[test]
fn the_tightest_quota_of_all_groups_around_counts() {
    let nested = MadeUp::cores(8)
        .and("proc/self/cgroup", "0::/outer/middle/inner")
        .and("sys/fs/cgroup/outer/cpu.max", "250000 100000")
        .and("sys/fs/cgroup/outer/middle/cpu.max", "max 100000")
        .and("sys/fs/cgroup/outer/middle/inner/cpu.max", "400000 100000");
    assert_eq!(nested.read().quota, Some(2.5));
    let hybrid = MadeUp::cores(8)
        .and("proc/self/cgroup", "9:cpuset:/\n1:cpu,cpuacct:/box\n0::/")
        .and("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "150000")
        .and("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000");
    assert_eq!(hybrid.read().quota, Some(1.5));
    let container = MadeUp::cores(8)
        .and("proc/self/cgroup", "4:cpu:/of/the/host")
        .and("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "320000")
        .and("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
    assert_eq!(container.read().quota, Some(3.2));
    let unlimited = MadeUp::cores(8)
        .and("proc/self/cgroup", "1:cpu:/")
        .and("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1")
        .and("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
    assert_eq!(unlimited.read().quota, None);
}

#[test]
fn what_cannot_be_read_is_left_at_what_is_known() {
    let nothing = MadeUp::nothing().read();
    assert_eq!((ids(&nothing), nothing.quota), (vec![0], None));
    let only_online = MadeUp::nothing().and("sys/devices/system/cpu/online", "0-2").read();
    assert_eq!(ids(&only_online), [0, 1, 2]);
    let only_mask = MadeUp::nothing().masked("4-5").read();
    assert_eq!(ids(&only_mask), [4, 5]);
    assert!(only_mask.cores.iter().all(|core| core.physical == core.id && core.cache == 0));
    let odd = MadeUp::cores(3).masked("x,1-,2,7-5,-3,0-99999999999999999999").read();
    assert_eq!(ids(&odd), [2], "the one number in it");
    let endless = MadeUp::nothing().masked("0-18446744073709551615").read();
    assert!(!endless.cores.is_empty());
    assert_eq!(pins(&pinned(&pool(2), &only_mask)), [4, 5]);
}

#[test]
fn stages_on_cores_leave_room_for_fewer_other_threads() {
    let machine = MadeUp::cores(8).read();
    let tract = pool(20).then(stage("first", 2).on_core(1)).then(stage("second", 1).on_core(2));
    let plan = auto(&tract.idle(Idle::Spin), &machine);
    // 8 cores less two that are asked for and one for the system.
    assert_eq!(plan.threads.len(), 5 + 2);
    assert_eq!(spinning(&plan).len(), 7);
    let plan = auto(&pool(20).on_cores(0..8).then(stage("rest", 3)), &machine);
    assert_eq!(plan.threads.len(), 8 + 1, "there is a thread for the rest all the same: {plan}");
    assert_eq!(spinning(&plan).len(), 0, "and then it is crowded");
}

#[test]
fn workers_take_the_cores_of_their_stage_in_turn() {
    let machine = MadeUp::cores(8).read();
    let tract = source("numbers", 1, || 0..1_u64)
        .then(stage("pool", 5).on_cores([2, 3, 4]))
        .then(stage("last", 1).on_core(3));
    let plan = per_worker(&tract, &machine);
    let crew = |core| {
        let thread = plan.threads.iter().find(|thread| thread.core == core);
        let crew = thread.expect("a thread there").workers.iter();
        crew.map(|place| (place.stage, place.worker)).collect::<Vec<_>>()
    };
    assert_eq!(cores(&plan), [None, Some(2), Some(3), Some(4)]);
    assert_eq!(crew(Some(2)), [(1, 0), (1, 3)]);
    assert_eq!(crew(Some(3)), [(1, 1), (1, 4), (2, 0)]);
    assert_eq!(crew(Some(4)), [(1, 2)]);
    let blocking = stage("disk", 3).blocking().on_cores([6, 7]);
    assert_eq!(pins(&per_worker(&blocking, &machine)), [6, 7, 6], "a thread each");
    let refused = stage("pool", 1).on_cores([1, 8, 9]).setup().plan_on(&machine);
    assert!(matches!(refused, Err(Error::NoSuchCore { core: 8, .. })), "{refused:?}");
}

#[test]
fn threads_of_blocking_stages_come_on_top_and_crowd_nobody() {
    let machine = MadeUp::cores(2).read();
    let tract = pool(2).then(stage("disk", 3).blocking().idle(Idle::Spin));
    let plan = auto(&tract, &machine);
    assert_eq!(plan.threads.len(), 2 + 3);
    let spins: Vec<_> = spinning(&plan).iter().map(|thread| thread.workers[0].stage).collect();
    assert_eq!(spins, [0, 0], "only the threads of the pool: {plan}");
    let crowd = plan.threads[4].step_down.map(|StepDown { crowd, .. }| crowd);
    assert_eq!(crowd, Some(Crowd::Threads { threads: 5, at_once: 2 }));
}

#[test]
fn threads_on_one_core_step_down_and_say_so() {
    let machine = MadeUp::cores(8).read();
    let disks = stage("disk", 2).blocking().on_core(5).idle(Idle::Spin);
    let plan = per_worker(&pool(1).then(disks), &machine);
    let crowds: Vec<_> =
        plan.threads.iter().map(|thread| thread.step_down.map(|down| down.crowd)).collect();
    let shared = Some(Crowd::Core { core: 5, threads: 2 });
    assert_eq!(crowds, [None, shared, shared]);
    assert!(plan.to_string().contains("(Spin asked, but 2 threads on core 5)"), "{plan}");
}

/// Every machine here, and then some.
fn machines() -> Vec<Machine> {
    let mut machines: Vec<Machine> = (1..=6).map(|count| MadeUp::cores(count).read()).collect();
    machines.push(large());
    machines.push(MadeUp::with(2, 4, 2).isolated("2-3,10-11").read());
    machines.push(MadeUp::with(1, 4, 2).isolated("0-7").read());
    machines.push(MadeUp::cores(8).masked("3,5").read());
    machines.push(MadeUp::cores(8).isolated("3").masked("3,5").read());
    machines.push(MadeUp::cores(8).quota("150000 100000").read());
    machines.push(MadeUp::cores(8).quota("350000 100000").isolated("6-7").read());
    machines
}

#[test]
fn on_every_machine_every_worker_has_a_thread_and_no_two_spin_on_one_core() {
    for machine in machines() {
        let core = machine.cores[machine.cores.len() / 2].id;
        for tract in [mixed(stage("last", 2)), mixed(stage("last", 2).on_core(core))] {
            for placement in [
                Placement::Auto,
                Placement::PerWorker,
                Placement::Threads(1),
                Placement::Threads(3),
                Placement::Threads(1_000),
            ] {
                for pinning in [false, true] {
                    let setup = tract.setup().placement(placement);
                    let setup = if pinning { setup.pinned() } else { setup };
                    check(&setup.plan_on(&machine).expect("a plan"), &machine, placement);
                }
            }
        }
    }
}

/// Sources, a large pool, a stage that blocks, and one more; all asked to spin.
fn mixed(last: Tract<u64, u64>) -> Tract<NoInput, u64> {
    source("numbers", 3, || 0..1_u64)
        .then(stage("pool", 64))
        .then(stage("disk", 2).blocking())
        .then(last)
        .idle(Idle::Spin)
}

fn check(plan: &Plan, machine: &Machine, placement: Placement) {
    let mut places: Vec<_> = plan
        .threads
        .iter()
        .flat_map(|thread| thread.workers.iter().map(|place| (place.stage, place.worker)))
        .collect();
    places.sort_unstable();
    let sizes = [3, 64, 2, 2];
    let all: Vec<_> =
        (0..4).flat_map(|at| (0..sizes[at]).map(move |worker| (at, worker))).collect();
    assert_eq!(places, all, "{machine}, {placement:?}");
    let spins = spinning(plan);
    assert!(spins.len() <= machine.threads_at_once(), "{machine}, {placement:?}: {plan}");
    for thread in &spins {
        let there = plan.threads.iter().filter(|other| other.core == thread.core);
        assert!(thread.core.is_none() || there.count() == 1, "{machine}, {placement:?}: {plan}");
    }
    for core in pins(plan) {
        assert!(ids(machine).contains(&core), "{machine}: {core}");
    }
    let steps = plan.threads.iter().filter(|thread| thread.step_down.is_some()).count();
    assert_eq!(steps + spins.len(), plan.threads.len(), "whoever does not spin says why");
    if placement == Placement::Auto {
        let free = plan.threads.iter().filter(|thread| thread.workers[0].stage != 2);
        let room = machine.threads_at_once().max(1 + usize::from(!plan.stages[3].cores.is_empty()));
        assert!(free.count() <= room, "{machine}: {plan}");
    }
}

/// The files of a system are text that others write: whatever they say, a machine comes of it.
mod texts {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{MadeUp, ids};

    /// A list as Linux writes it: `0-3,8,10-11`.
    fn listed(cores: &BTreeSet<usize>) -> String {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for &core in cores {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == core => *last = core,
                _ => ranges.push((core, core)),
            }
        }
        let range = |&(first, last): &(usize, usize)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        ranges.iter().map(range).collect::<Vec<_>>().join(",")
    }

    /// Text that is nearly a list, or a quota, or nothing of the kind.
    fn noise() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            (0..20_usize).prop_map(|number| number.to_string()),
            any::<u64>().prop_map(|number| number.to_string()),
            prop::sample::select(&["-", ",", " ", "max", "-1", "0", "1e9", "NaN", "\n", ":"][..])
                .prop_map(str::to_owned),
            ".{0,6}",
        ];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn a_list_of_cores_comes_back(cores in prop::collection::btree_set(0..1_000_usize, 1..60)) {
            let machine = MadeUp::nothing().masked(&listed(&cores)).read();
            prop_assert!(ids(&machine).into_iter().eq(cores), "{}", machine);
        }

        #[test]
        fn a_quota_comes_back(time in 1_u32.., period in 1_u32..) {
            let machine = MadeUp::cores(2).quota(&format!("{time} {period}")).read();
            prop_assert_eq!(machine.quota, Some(f64::from(time) / f64::from(period)));
        }

        #[test]
        fn noise_makes_a_machine_all_the_same(texts in prop::array::uniform5(noise())) {
            let [mask, online, isolated, group, max] = texts;
            let machine = MadeUp::nothing()
                .masked(&mask)
                .isolated(&isolated)
                .quota(&max)
                .and("sys/devices/system/cpu/online", &online)
                .and("proc/self/cgroup", &format!("0::/\n{group}\n4:cpu,cpuacct:/x"))
                .and("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", &max)
                .and("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", &mask)
                .read();
            prop_assert!(!machine.cores.is_empty());
            prop_assert!((1..=machine.cores.len()).contains(&machine.threads_at_once()));
            prop_assert!(machine.quota.is_none_or(|quota| quota.is_finite() && quota > 0.0));
            prop_assert!(!machine.to_string().is_empty());
        }
    }
}
