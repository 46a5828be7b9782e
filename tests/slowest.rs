//! The slowest requests of a run, and where their time went.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{EVERY_WAY, within_a_minute};
use ringtract::{
    Aspect, Hop, Layout, Measure, NoInput, OutputEnd, Pace, Placement, Plan, Report, Setup,
    SlowRequest, Tract, fan_out, filter_map, final_output, flat_map, for_each, paced, parallel,
    receiver, source, worker,
};

const COUNT: u64 = 2_000;

fn numbers() -> Tract<NoInput, u64> {
    source("numbers", 1, || 0..COUNT)
}

fn add(name: &str, size: usize) -> Tract<u64, u64> {
    worker(name, size, || |n: u64| n + 1)
}

fn run(setup: &Setup<'_, NoInput, u64>, end: OutputEnd<u64>) -> Report {
    match setup.plan().expect("a plan").placement {
        Layout::Rule(Placement::Inline { .. }) => setup.init_inline(end).expect("starts").finish(),
        _ => setup.init(end).expect("starts").start().expect("starts").wait(),
    }
}

/// Whether hops are told one after the other as the plan joins them, from a source to a last stage.
fn is_a_way(plan: &Plan, hops: &[Hop]) -> bool {
    let at = |hop: &Hop| plan.stages.iter().position(|stage| stage.path == hop.stage);
    let at: Vec<usize> = hops.iter().map(|hop| at(hop).expect("a stage of the plan")).collect();
    let joined = |from, to| plan.meshes.iter().any(|mesh| (mesh.from, mesh.to) == (from, to));
    let ends = |stage: usize| {
        let kind = |to: usize| plan.stages[to].kind;
        let mut after = plan.meshes.iter().filter(|mesh| mesh.from == stage);
        after.all(|mesh| kind(mesh.to) == ringtract::StageKind::Receiver)
    };
    let source = plan.stages[at[0]].kind == ringtract::StageKind::Source;
    source && at.windows(2).all(|pair| joined(pair[0], pair[1])) && ends(at[at.len() - 1])
}

/// What holds of every slow request whose hops are all known.
fn check(plan: &Plan, slowest: &[SlowRequest]) {
    assert!(slowest.is_sorted_by(|one, next| one.took >= next.took));
    for slow in slowest {
        let told: u64 = slow.hops.iter().map(Hop::total).sum();
        assert_eq!(told + slow.untold, slow.took, "{slow:?}");
        assert_eq!(slow.untold, 0, "{slow:?}");
        assert!(is_a_way(plan, &slow.hops), "{slow:?}");
    }
}

/// Every kind of tract, in which no more requests are on their way than a worker keeps notes of.
fn tracts() -> [Tract<NoInput, u64>; 5] {
    let several = || worker("several", 1, || flat_map(|n: u64| n..n + 3));
    let odd = worker("odd", 1, || filter_map(|n: u64| (n % 2 == 1).then_some(n)));
    [
        numbers().then(add("first", 1)).then(add("second", 1)).then(add("third", 1)),
        numbers().then(parallel("either", [add("left", 1), add("right", 2)])).then(add("last", 1)),
        numbers().then(fan_out("both", [add("left", 1), odd])).then(add("pool", 2)),
        numbers().then(several()).then(add("last", 1)),
        numbers().then(add("first", 1)).then(several()),
    ]
}

#[test]
fn the_hops_of_each_add_up_to_all_of_its_time() {
    within_a_minute(|| {
        for (which, tract) in tracts().iter().enumerate() {
            for placement in EVERY_WAY {
                let setup = tract.setup().placement(placement).measure(Measure::ALL).capacity(64);
                let last = |report: Report| {
                    assert!(report.slowest.len() == 8, "{which} {placement:?}: {report}");
                    check(&report.plan, &report.slowest);
                };
                last(run(&setup, final_output()));
                last(run(&setup, for_each(drop)));
                last(setup.run(drop).expect("starts"));
            }
        }
    });
}

#[test]
fn the_slowest_is_the_longest_of_the_histogram() {
    within_a_minute(|| {
        let tract = numbers().then(add("first", 1)).then(add("second", 1));
        let setup = tract.setup().measure(Measure::ALL).capacity(64);
        let report = run(&setup, final_output());
        let times = report.histogram(2, Aspect::Tract).expect("measured");
        let longest = report.slowest[0].took;
        assert!(times.equivalent(longest, times.max()), "{longest} {}", times.max());
        let p99 = times.lowest_equivalent(times.value_at_quantile(0.99));
        assert!(report.slowest[7].took >= p99, "8 of 2,000");
    });
}

#[test]
fn as_many_are_kept_as_are_asked_for() {
    within_a_minute(|| {
        let tract = numbers().then(add("first", 1));
        for (count, kept) in [(0, 0), (1, 1), (50, 50), (usize::MAX, 1_000)] {
            let setup = tract.setup().measure(Measure::ALL).capacity(64).slowest(count);
            let report = run(&setup, final_output());
            assert_eq!(report.slowest.len(), kept);
            check(&report.plan, &report.slowest);
        }
        let report = run(&tract.setup().measure(Measure::Off), final_output());
        assert!(report.slowest.is_empty());
    });
}

/// Counts what goes by.
fn counting(seen: &Arc<AtomicU64>) -> Tract<u64, u64> {
    let seen = Arc::clone(seen);
    let count = move || {
        let seen = Arc::clone(&seen);
        move |n: u64| {
            seen.fetch_add(1, Ordering::Relaxed);
            n
        }
    };
    worker("counts", 1, count)
}

/// Holds the first request until so many have been seen, and then for a while.
fn holding(seen: &Arc<AtomicU64>, count: u64, stall: Duration) -> Tract<u64, u64> {
    let seen = Arc::clone(seen);
    let hold = move || {
        let seen = Arc::clone(&seen);
        let mut held = false;
        move |n: u64| {
            while seen.load(Ordering::Relaxed) < count {
                std::thread::yield_now();
            }
            if !std::mem::replace(&mut held, true) {
                std::thread::sleep(stall);
            }
            n
        }
    };
    worker("holds", 1, hold)
}

/// How long a request is held up.
const STALL: Duration = Duration::from_millis(20);
const FLOOR: u64 = STALL.as_nanos() as u64 / 100 * 98;

#[test]
fn a_stall_is_work_where_it_was_and_a_wait_behind_it() {
    within_a_minute(|| {
        let seen = Arc::default();
        let numbers = source("numbers", 1, || 0..200_u64);
        let tract = numbers.then(counting(&seen)).then(holding(&seen, 200, STALL));
        let setup = tract.setup().placement(Placement::PerWorker).measure(Measure::ALL);
        let report = run(&setup.slowest(200).capacity(256), final_output());
        check(&report.plan, &report.slowest);
        let holds: Vec<&Hop> = report.slowest.iter().map(|slow| &slow.hops[2]).collect();
        assert!(holds.iter().all(|hop| hop.stage == "holds"));
        // All were in the lane before the stall began, or as good as.
        let (worked, waited): (Vec<&Hop>, _) = holds.iter().partition(|hop| hop.work >= FLOOR);
        assert!(!worked.is_empty(), "one was held up in the worker: {report}");
        assert!(waited.len() >= 190, "{report}");
        assert!(waited.iter().filter(|hop| hop.wait >= FLOOR).count() >= 190, "{report}");
        // So the queue before it says, over all requests.
        let queue = report.stage("holds").expect("a stage").times.queue;
        assert!(queue.count == 200 && queue.p50 >= FLOOR / 100 * 98, "{report}");
        let text = report.to_string();
        assert!(text.contains("slowest request, ended at") && text.contains(" holds"), "{text}");
    });
}

/// A worker that holds up number 100.
fn stalls(name: &str) -> Tract<u64, u64> {
    let work = |n: u64| {
        if n == 100 {
            std::thread::sleep(STALL);
        }
        n
    };
    worker(name, 1, move || work)
}

/// One every 50 us.
fn paced_numbers(count: u64) -> Tract<NoInput, u64> {
    source("numbers", 1, move || paced(0..count, Pace::even(20_000, Duration::from_secs(1))))
}

#[test]
fn what_had_no_room_is_told_as_blocked() {
    within_a_minute(|| {
        // The lanes hold one: behind the stall the first worker has no room, and its next request waits for that.
        let tract = paced_numbers(200).then(add("first", 1)).then(stalls("stalls"));
        let setup = tract.setup().placement(Placement::PerWorker).measure(Measure::ALL);
        let report = run(&setup.slowest(200).capacity(1), final_output());
        check(&report.plan, &report.slowest);
        let blocked = report.slowest.iter().map(|slow| slow.hops[1].blocked).max();
        assert!(blocked >= Some(FLOOR / 2), "{blocked:?}: {report}");
        // And the source gave what was due meanwhile late.
        let late = report.slowest.iter().map(|slow| slow.hops[0].wait).max();
        assert!(late >= Some(FLOOR / 2), "{late:?}: {report}");
    });
}

#[test]
fn a_start_given_on_the_way_leaves_the_time_before_untold() {
    within_a_minute(|| {
        let restart = || {
            ringtract::outcome(|n: u64, envelope: &mut ringtract::Envelope| {
                envelope.set_started(std::time::Instant::now());
                ringtract::Outcome::Emit(n)
            })
        };
        let tract = numbers().then(worker("restart", 1, restart)).then(add("last", 1));
        let report = run(&tract.setup().measure(Measure::ALL), final_output());
        for slow in &report.slowest {
            assert_eq!(slow.hops.len(), 1, "only the last hop knew of this start: {slow:?}");
            assert_eq!(slow.untold + slow.hops[0].total(), slow.took);
        }
    });
}

#[test]
fn as_many_as_lanes_hold_are_told_from_their_source_on() {
    within_a_minute(|| {
        // All but the first wait in one lane until the worker before it has seen the last.
        let (count, seen) = (4_000, Arc::default());
        let numbers = source("numbers", 1, move || 0..count);
        let tract = numbers.then(counting(&seen)).then(holding(&seen, count, STALL));
        let setup = tract.setup().placement(Placement::PerWorker).capacity(4_096);
        let report = run(&setup.measure(Measure::ALL).slowest(1_000), final_output());
        assert_eq!(report.slowest.len(), 1_000);
        check(&report.plan, &report.slowest);
    });
}

#[test]
fn where_more_are_on_their_way_than_notes_are_kept_the_rest_is_untold() {
    within_a_minute(|| {
        // All wait in one lane until the worker before it has seen the last: it keeps fewer notes than that.
        let (count, seen) = (12_000, Arc::default());
        let tract = paced_numbers(count).then(counting(&seen)).then(holding(&seen, count, STALL));
        let setup = tract.setup().placement(Placement::PerWorker).capacity(16_384);
        let report = run(&setup.measure(Measure::ALL).slowest(1_000), final_output());
        assert_eq!(report.slowest.len(), 1_000);
        for slow in &report.slowest {
            let told: u64 = slow.hops.iter().map(Hop::total).sum();
            assert_eq!(told + slow.untold, slow.took, "{slow:?}");
        }
        let partly = report.slowest.iter().filter(|slow| slow.untold > 0);
        assert!(partly.clone().all(|slow| slow.hops.len() < 3));
        assert!(partly.count() > 0, "the first ones were given 600 ms before the last: {report}");
    });
}

#[test]
fn a_snapshot_tells_those_of_its_interval() {
    within_a_minute(|| {
        let tract = paced_numbers(3_000).then(add("first", 1));
        let (output, requests) = receiver();
        let running = tract.setup().measure(Measure::ALL).init(output).expect("plain").start();
        let running = running.expect("starts");
        let viewer = running.viewer();
        let reader = std::thread::spawn(move || requests.count());
        let mut shown: Vec<SlowRequest> = Vec::new();
        while !running.is_finished() {
            let snapshot = viewer.snapshot().expect("it has not been waited for");
            assert!(snapshot.slowest.len() <= 8);
            check(snapshot.plan(), &snapshot.slowest);
            shown.extend(snapshot.slowest);
            std::thread::sleep(Duration::from_millis(5));
        }
        let report = running.wait();
        assert_eq!(reader.join().expect("counts"), 3_000);
        assert!(shown.len() > 16, "several intervals of their own: {}", shown.len());
        let mut ended: Vec<_> = shown.iter().map(|slow| (slow.ended, slow.took)).collect();
        ended.sort_unstable();
        ended.dedup();
        assert_eq!(ended.len(), shown.len(), "none is told twice");
        // The slowest that was shown is among the slowest of all, unless as many slower ones ended after the last look.
        shown.sort_by_key(|slow| std::cmp::Reverse(slow.took));
        assert!(report.slowest[0].took >= shown[0].took);
        let all_slower = report.slowest.iter().all(|slow| slow.took >= shown[0].took);
        assert!(report.slowest.contains(&shown[0]) || all_slower, "{:?}", shown[0]);
    });
}
