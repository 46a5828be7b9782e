//! Workers and pools: sharing of work, order, discarding, shared workers, the life of factories. S20 to S23, S25,
//! S27, S28.

mod common;

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};

use common::probe::{Journal, eventually, numbers, probes, run_to};
use common::staff::Staff;
use common::{Count, EVERY_WAY, within_a_minute};
use ringtract::{
    Envelope, Error, Outcome, Placement, Report, SharedWorker, Tract, Worker, collect, feed,
    filter_map, final_output, parallel, shared, source, worker,
};

/// Ways in which a worker that blocks has a thread of its own.
const ON_THREADS: [Placement; 4] =
    [Placement::Auto, Placement::PerWorker, Placement::Threads(1), Placement::Threads(2)];

/// The values of a run, sorted, and its report.
fn run_sorted(tract: &Tract<ringtract::NoInput, u64>, way: Placement) -> (Vec<u64>, Report) {
    let mut values = Vec::new();
    let report = tract.setup().placement(way).run(|n| values.push(n)).expect("a sound tract");
    values.sort_unstable();
    (values, report)
}

fn all_below(count: u64) -> Vec<u64> {
    (0..count).collect()
}

#[test]
fn s20_every_request_is_worked_on_by_exactly_one_worker() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for (sources, workers, capacity) in [(1, 1, 1), (1, 3, 1), (2, 2, 64), (3, 7, 2)] {
                let staff = Staff::default();
                let next = Count::default();
                let tract = source("numbers", sources, move || {
                    let next = next.clone();
                    std::iter::from_fn(move || Some(next.up()).filter(|&n| n < 500))
                });
                let tract = tract.then(worker("pool", workers, staff.of(|n: u64| n)));
                let (values, report) = run_sorted(&tract.capacity(capacity), way);

                assert_eq!(values, all_below(500), "{way:?}, {workers} workers");
                assert_eq!(staff.worked.get(), 500);
                let pool = report.stage("pool").expect("a stage");
                assert_eq!(pool.workers.iter().map(|ledger| ledger.taken).sum::<u64>(), 500);
            }
        }
    });
}

/// A worker that cannot leave its thread, and notices if it does.
struct Homebody {
    home: Rc<ThreadId>,
    away: Count,
}

impl Homebody {
    fn check(&self) {
        if *self.home != thread::current().id() {
            self.away.up();
        }
    }
}

impl Worker<u64> for Homebody {
    type Out = u64;

    fn work(&mut self, value: u64, _request: &mut Envelope) -> Outcome<u64> {
        self.check();
        Outcome::Emit(value)
    }

    fn close(&mut self) {
        self.check();
    }
}

impl Drop for Homebody {
    fn drop(&mut self) {
        self.check();
    }
}

#[test]
fn s20_a_worker_is_made_used_and_dropped_on_one_thread() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let away = Count::default();
            let noticed = away.clone();
            let pool = worker("pool", 3, move || Homebody {
                home: Rc::new(thread::current().id()),
                away: noticed.clone(),
            });
            let (values, _) = run_sorted(&source("numbers", 1, || 0..200).then(pool), way);
            assert_eq!((values.len(), away.get()), (200, 0), "{way:?}");
        }
    });
}

/// What it takes to work on requests that cost so much each, in units of work: what the busiest worker does.
fn makespan(shares: &[u64], costs: &[u64]) -> u64 {
    shares.iter().zip(costs).map(|(share, cost)| share * cost).max().expect("workers")
}

/// How many requests each worker does where all take from one queue as soon as they are free.
fn shared_queue(requests: u64, costs: &[u64]) -> Vec<u64> {
    let mut shares = vec![0; costs.len()];
    for _ in 0..requests {
        let first_free = (0..costs.len()).min_by_key(|&at| shares[at] * costs[at]);
        shares[first_free.expect("workers")] += 1;
    }
    shares
}

/// Of four workers the first is so slow that it does not finish until the others have done all but `kept` of the
/// requests. A pipeline that gives it more than that comes to a halt, and requests fail.
fn race_with_a_slow_worker(
    requests: u64,
    kept: u64,
    slow_from: u64,
) -> impl Fn() -> Box<dyn FnMut(u64) -> u64> + Clone + Send + 'static {
    let (made, begun, done) = (Count::default(), Count::default(), Count::default());
    move || {
        let slow = made.up() == 0;
        let (begun, done) = (begun.clone(), done.clone());
        Box::new(move |n| {
            if begun.up() >= slow_from && slow {
                eventually("the others have done the rest", || done.get() + kept >= requests);
            }
            done.up();
            n
        })
    }
}

fn assert_nothing_failed(report: &Report, way: Placement) {
    assert!(report.failures.is_empty(), "{way:?}: {:?}", report.failures);
    assert!(report.is_complete(), "{way:?}: {report}");
}

#[test]
fn s21_a_slow_worker_delays_only_what_it_holds() {
    const COSTS: [u64; 4] = [1_000, 1, 1, 1];
    within_a_minute(|| {
        for way in ON_THREADS {
            let pool = worker("pool", 4, race_with_a_slow_worker(1_000, 2, 0)).blocking();
            let (values, report) = run_sorted(&source("numbers", 1, || 0..1_000).then(pool), way);

            assert_eq!(values, all_below(1_000), "{way:?}");
            assert_nothing_failed(&report, way);
            let pool = report.stage("pool").expect("a stage");
            let shares: Vec<u64> = pool.workers.iter().map(|ledger| ledger.taken).collect();
            let best = makespan(&shared_queue(1_000, &COSTS), &COSTS);
            assert!(makespan(&shares, &COSTS) <= 2 * best, "{way:?}: {shares:?}");
        }
    });
}

#[test]
fn s21_a_slow_member_of_a_parallel_group_delays_only_what_it_holds() {
    within_a_minute(|| {
        for way in ON_THREADS {
            let race = race_with_a_slow_worker(1_000, 2, 0);
            let members = [worker("slow", 1, race.clone()), worker("quick", 3, race)];
            let group = parallel("group", members).blocking();
            let (values, report) = run_sorted(&source("numbers", 1, || 0..1_000).then(group), way);

            assert_eq!(values, all_below(1_000), "{way:?}");
            assert_nothing_failed(&report, way);
            assert!(report.stage("slow").expect("a stage").ledger.taken <= 2, "{way:?}");
        }
    });
}

#[test]
fn s21_a_worker_that_turns_slow_holds_a_bounded_few() {
    const WIDEST_WINDOW: u64 = 32;
    within_a_minute(|| {
        for way in ON_THREADS {
            let race = race_with_a_slow_worker(4_000, WIDEST_WINDOW, 2_000);
            let tract = source("numbers", 1, || 0..4_000).then(worker("pool", 4, race).blocking());
            let (values, report) = run_sorted(&tract.capacity(1_024), way);
            assert_eq!(values, all_below(4_000), "{way:?}");
            assert_nothing_failed(&report, way);
        }
    });
}

#[test]
fn s21_several_producers_overload_a_slow_worker_by_no_more_than_one_each() {
    const PRODUCERS: u64 = 3;
    within_a_minute(|| {
        for way in ON_THREADS {
            let next = Count::default();
            let sources = source("numbers", PRODUCERS as usize, move || {
                let next = next.clone();
                std::iter::from_fn(move || Some(next.up()).filter(|&n| n < 1_000))
            });
            let pool = worker("pool", 4, race_with_a_slow_worker(1_000, PRODUCERS, 0)).blocking();
            let (values, report) = run_sorted(&sources.then(pool), way);
            assert_eq!(values, all_below(1_000), "{way:?}");
            assert_nothing_failed(&report, way);
        }
    });
}

/// Ways in which each worker has as many turns as any other, so that all are equally quick.
const EVENLY: [Placement; 6] = [
    Placement::Threads(1),
    Placement::Inline { seed: 1 },
    Placement::Inline { seed: 2 },
    Placement::Inline { seed: 3 },
    Placement::Inline { seed: 4 },
    Placement::Inline { seed: 5 },
];

#[test]
fn s21_four_workers_in_one_member_take_four_times_the_share_of_one_in_another() {
    within_a_minute(|| {
        for way in EVENLY {
            let members = [worker("four", 4, || |n: u64| n), worker("one", 1, || |n: u64| n)];
            let tract = source("numbers", 1, || 0..10_000).then(parallel("group", members));
            // Without a receiver, whose thread would hold back now this worker and now that.
            let report = run_to(&tract, way, final_output()).expect("a sound tract");
            let share = |name| report.stage(name).expect("a stage").ledger.taken;
            let (four, one) = (share("four"), share("one"));
            assert_eq!(four + one, 10_000);
            assert!((7 * one..=9 * one).contains(&(2 * four)), "{way:?}: {four} and {one}");
        }
    });
}

#[test]
fn s22_a_chain_of_single_workers_keeps_order() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for (capacity, batch) in [(1, 1), (2, 2), (7, 1), (64, 16)] {
                let tract = source("numbers", 1, || 0..2_000)
                    .then(worker("one", 1, || |n: u64| n))
                    .then(worker("odd only", 1, || filter_map(|n: u64| (n % 2 == 1).then_some(n))))
                    .then(worker("three", 1, || |n: u64| n))
                    .capacity(capacity)
                    .batch(batch);
                let (output, values) = collect();
                run_to(&tract, way, output).expect("a sound tract");
                assert!(values.take().into_iter().eq((1..2_000).step_by(2)), "{way:?}, {capacity}");
            }
        }
    });
}

#[test]
fn s23_a_pool_may_have_more_workers_than_there_are_cores_or_requests() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for requests in [0, 1, 10] {
                let staff = Staff::default();
                let tract = source("numbers", 1, move || 0..requests).then(worker(
                    "crowd",
                    40,
                    staff.of(|n: u64| n),
                ));
                let (values, report) = run_sorted(&tract, way);
                assert_eq!(values, all_below(requests), "{way:?}");
                assert_eq!(staff.counts(), [40, requests, 40, 0], "{way:?}");
                assert!(report.is_complete());
            }
        }
    });
}

#[test]
fn s25_discarding_does_not_end_a_stage() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for size in [1, 3] {
                let late_only = || filter_map(|n: u64| (n >= 900).then_some(n));
                let tract =
                    source("numbers", 1, || 0..1_000).then(worker("late only", size, late_only));
                let (values, report) = run_sorted(&tract, way);
                assert!(values.into_iter().eq(900..1_000), "{way:?}");
                let ledger = report.stage("late only").expect("a stage").ledger;
                assert_eq!((ledger.taken, ledger.emitted, ledger.discarded), (1_000, 100, 900));
                assert!(report.is_complete());
            }
        }
    });
}

#[test]
fn s25_a_stage_that_has_discarded_everything_so_far_still_works() {
    within_a_minute(|| {
        let staff = Staff::default();
        let fussy = staff.of(filter_map(|n: u64| (n == 7).then_some(n)));
        let (mut feed, input) = feed(8);
        let (output, values) = collect();
        let tract = worker("fussy", 1, fussy);
        let running = tract.setup().init_fed(input, output).expect("sound").start().expect("runs");
        for _ in 0..3 {
            feed.send(1_u64).expect("open");
        }
        eventually("three were discarded", || staff.worked.get() == 3);
        assert!(!running.is_finished());
        feed.send(7_u64).expect("open");
        drop(feed);
        assert_eq!(running.wait().stage("fussy").expect("a stage").ledger.discarded, 3);
        assert_eq!(values.take(), [7]);
    });
}

/// One object for a whole pool: adds up, and counts its closings.
struct Sum {
    total: AtomicU64,
    closed: Count,
}

impl SharedWorker<u64> for Sum {
    type Out = u64;

    fn work(&self, value: u64, _request: &mut Envelope) -> Outcome<u64> {
        Outcome::Emit(self.total.fetch_add(value, Ordering::SeqCst) + value)
    }

    fn close(&self) {
        self.closed.up();
    }
}

fn summing() -> (Tract<ringtract::NoInput, u64>, Count) {
    let closed = Count::default();
    let sum = Sum { total: AtomicU64::new(0), closed: closed.clone() };
    let tract = source("numbers", 1, || 1..=100).then(worker("sum", 4, shared(sum)));
    (tract, closed)
}

#[test]
fn s27_a_shared_worker_is_one_object_and_is_closed_with_its_factory() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (tract, closed) = summing();
            for run in 1..=3 {
                let (values, _) = run_sorted(&tract, way);
                assert_eq!(values.last(), Some(&(run * 5_050)), "{way:?}: all add to one total");
                assert_eq!(closed.get(), 0, "{way:?}: the end of a run closes no factory");
            }
            tract.close();
            assert_eq!(closed.get(), 1, "{way:?}");
        }
    });
}

#[test]
fn s27_a_shared_worker_is_closed_once_after_the_run_where_the_tract_closes_factories() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (tract, closed) = summing();
            let tract = tract.close_factory();
            run_sorted(&tract, way);
            assert_eq!(closed.get(), 1, "{way:?}");
            tract.close();
            assert_eq!(closed.get(), 1, "{way:?}: closed twice");
        }
    });
}

#[test]
fn s28_factories_stay_open_unless_the_tract_is_closed() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (sources, workers) = (Staff::default(), Staff::default());
            let tract = source("numbers", 2, sources.of(0..50_u64)).then(worker(
                "pool",
                3,
                workers.of(|n: u64| n),
            ));
            for run in 1..=3 {
                run_sorted(&tract, way);
                assert_eq!(sources.counts(), [2 * run, 100 * run, 2 * run, 0], "{way:?}");
                assert_eq!(workers.counts(), [3 * run, 100 * run, 3 * run, 0], "{way:?}");
            }
            tract.close();
            assert_eq!((sources.factories_closed.get(), workers.factories_closed.get()), (1, 1));
        }
    });
}

#[test]
fn s28_a_factory_is_closed_once_after_the_last_of_its_workers() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let journal = Journal::default();
            let tract = numbers("numbers", 50, &journal).then(probes("pool", 3, &journal));
            run_sorted(&tract.close_factory(), way);
            journal.assert_all_closed();
            for stage in ["numbers", "pool"] {
                let closing = format!("end factory {stage}");
                assert_eq!(journal.count(&closing), 1, "{way:?}");
                assert!(journal.last(&format!("close {stage}")) < journal.first(&closing));
            }
        }
    });
}

#[test]
fn s28_a_closed_factory_refuses_to_be_initialised_again() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (open, closed) = (Staff::default(), Staff::default());
            let tract = ringtract::serial(
                "chain",
                source("numbers", 1, open.of(0..5_u64))
                    .then(worker("once", 2, closed.of(|n: u64| n)).close_factory()),
            );
            run_sorted(&tract, way);
            let error = run_to(&tract, way, final_output()).expect_err("its factory is closed");
            assert!(matches!(&error, Error::FactoryClosed { path } if path == "chain/once"));
            assert!(error.to_string().contains("chain/once"), "{error}");
            assert_eq!(open.counts(), [1, 5, 1, 0], "{way:?}: nothing is made for a refused run");
            assert_eq!(closed.counts(), [2, 5, 2, 1], "{way:?}");
        }
    });
}

#[test]
fn s28_a_run_that_never_started_leaves_its_factory_open() {
    within_a_minute(|| {
        let staff = Staff::default();
        let tract = source("numbers", 1, staff.of(0..5_u64)).close_factory();
        drop(tract.init(final_output()).expect("a sound tract"));
        assert_eq!(staff.counts(), [1, 0, 1, 0]);
        run_sorted(&tract, Placement::Auto);
        assert_eq!(staff.counts(), [2, 5, 2, 1]);
    });
}

#[test]
fn s28_of_several_runs_at_once_the_last_closes_the_factory() {
    within_a_minute(|| {
        let staff = Staff::default();
        let tract = worker("once", 2, staff.of(|n: u64| n)).close_factory();
        let begin = || {
            let (feed, input) = feed(8);
            let ready = tract.setup().init_fed(input, final_output()).expect("a sound tract");
            (feed, ready.start().expect("runs"))
        };
        let ((mut first_feed, first), (mut second_feed, second)) = (begin(), begin());
        first_feed.send(1).expect("open");
        drop(first_feed);
        first.wait();
        assert_eq!(staff.counts(), [4, 1, 2, 0], "the second run still needs the factory");
        second_feed.send(2).expect("open");
        drop(second_feed);
        second.wait();
        assert_eq!(staff.counts(), [4, 2, 4, 1]);
    });
}
