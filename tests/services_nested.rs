//! A tract as the worker of another, to any depth.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ringtract::{
    Envelope, Factory, NoInput, Outcome, Placement, Service, Tract, collect, fan_out, outcome,
    source, try_map, worker, workers,
};

use common::{Count, MEANT, hush_meant_panics, within, within_a_minute};

fn numbers(to: u64) -> Tract<NoInput, u64> {
    source("numbers", 1, move || 0..to)
}

/// A tract whose workers are counted: made, and closed.
struct Counted {
    closed: Count,
}

impl ringtract::Worker<u64> for Counted {
    type Out = u64;

    fn work(&mut self, value: u64, _request: &mut Envelope) -> Outcome<u64> {
        Outcome::Emit(value + 1)
    }

    fn close(&mut self) {
        self.closed.up();
    }
}

fn counted(made: &Count, closed: &Count) -> Tract<u64, u64> {
    let (made, closed) = (made.clone(), closed.clone());
    worker("inner", 1, move || {
        made.up();
        Counted { closed: closed.clone() }
    })
}

#[test]
fn s40_the_inner_tract_starts_with_the_first_worker_is_shared_and_closes_with_the_factory() {
    within_a_minute(|| {
        let (made, closed) = (Count::default(), Count::default());
        let outer = numbers(1_000).then(worker("outer", 3, counted(&made, &closed).into_workers()));
        assert_eq!(made.get(), 0, "describing makes nothing");
        let mut sum = 0;
        for _ in 0..2 {
            outer.run(|n| sum += n).expect("a sound tract");
            assert_eq!((made.get(), closed.get()), (1, 0), "shared by the pool and by the runs");
        }
        assert_eq!(sum, 2 * 500_500);
        outer.close();
        assert_eq!((made.get(), closed.get()), (1, 1));
    });
}

#[test]
fn s40_the_inner_tract_closes_with_the_run_where_the_stage_closes_its_factory() {
    within_a_minute(|| {
        let (made, closed) = (Count::default(), Count::default());
        let outer = worker("outer", 2, counted(&made, &closed).into_workers()).close_factory();
        let outer = numbers(100).then(outer);
        outer.run(drop).expect("a sound tract");
        assert_eq!((made.get(), closed.get()), (1, 1));
        assert!(outer.run(drop).is_err(), "its factory is closed");
    });
}

#[test]
fn s42_s43_what_happens_inside_comes_back_and_outer_clean_ups_stay_outside() {
    within_a_minute(|| {
        let inner = worker("inner", 1, || {
            outcome(|n: u64, request: &mut Envelope| {
                assert_eq!(request.cleanups(), 0, "an outer clean-up came in");
                request.clear_cleanups();
                match n % 4 {
                    0 => Outcome::Emit(n),
                    1 => Outcome::Discard,
                    2 => Outcome::fail("two left"),
                    _ => panic!("three left"),
                }
            })
        });
        let ended = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&ended);
        let marking = worker("marking", 1, move || {
            let log = Arc::clone(&log);
            outcome(move |n: u64, request: &mut Envelope| {
                let log = Arc::clone(&log);
                request.on_end(move |success| log.lock().expect("whole").push((n, success)));
                Outcome::Emit(n)
            })
        });
        let checking = worker("checking", 1, || {
            outcome(|n: u64, request: &mut Envelope| {
                assert_eq!(request.cleanups(), 1);
                Outcome::Emit(n)
            })
        });
        let outer = worker("outer", 2, inner.into_workers());
        let report = numbers(400)
            .then(marking)
            .then(outer)
            .then(checking)
            .run(|n| assert_eq!(n % 4, 0))
            .expect("a sound tract");
        let ledger = &report.stage("outer").expect("a stage").ledger;
        assert_eq!((ledger.emitted, ledger.discarded, ledger.failed), (100, 100, 200));
        let messages: Vec<_> =
            report.failures.iter().map(|f| (f.message.as_str(), f.count)).collect();
        assert!(messages.contains(&("two left", 100)), "{messages:?}");
        assert!(messages.contains(&("a worker panicked: three left", 100)), "{messages:?}");
        let mut ended = std::mem::take(&mut *ended.lock().expect("whole"));
        ended.sort_unstable();
        let expected: Vec<_> = (0..400).map(|n| (n, n % 4 == 0)).collect();
        assert_eq!(ended, expected);
    });
}

#[test]
fn s45_making_workers_again_after_closing_or_a_failed_start_works_fully() {
    within_a_minute(|| {
        let tries = Count::default();
        let counted = tries.clone();
        let inner = worker("inner", 1, move || match counted.up() {
            0 => Err("not yet"),
            _ => Ok(|n: u64| n + 1),
        });
        let mut factory = workers(move || inner.setup().service().start());
        let refused = factory.make().expect_err("the first start fails");
        assert!(refused.to_string().contains("not yet"), "{refused}");
        for round in 0..3 {
            let mut workers = [factory.make(), factory.make()].map(|w| w.expect("a start"));
            for worker in &mut workers {
                assert!(matches!(call(worker, 4), Outcome::Emit(5)));
            }
            assert_eq!(tries.get(), 2 + round);
            factory.close();
            factory.close();
            let message = "the service is closed";
            assert!(
                matches!(call(&mut workers[0], 4), Outcome::Fail(e) if e.to_string() == message)
            );
        }
    });
}

fn call<W: ringtract::Worker<u64>>(worker: &mut W, value: u64) -> Outcome<W::Out> {
    let mut envelope = ringtract::Request::new(()).into_parts().1;
    worker.work(value, &mut envelope)
}

#[test]
fn s45_a_failed_inner_start_fails_the_outer_initialisation_which_can_be_tried_again() {
    within_a_minute(|| {
        let tries = Count::default();
        let inner = worker("inner", 1, move || match tries.up() {
            0 => Err("not yet"),
            _ => Ok(|n: u64| n + 1),
        });
        let outer = numbers(10).then(worker("outer", 2, inner.into_workers()));
        let refused = outer.run(drop).expect_err("the inner start fails").to_string();
        assert!(refused.contains("outer") && refused.contains("inner"), "{refused}");
        let mut sum = 0;
        outer.run(|n| sum += n).expect("the second start works");
        assert_eq!(sum, 55);
    });
}

/// A tract that calls a tract, which calls a tract.
fn three_deep(innermost: &Count) -> Tract<u64, u64> {
    let count = innermost.clone();
    let add = worker("add", 2, move || {
        let count = count.clone();
        move |n: u64| {
            count.up();
            n + 1
        }
    });
    let middle = worker("middle", 2, add.into_workers());
    let outer = worker("outer", 2, middle.into_workers());
    worker("outermost", 2, outer.into_workers())
}

#[test]
fn s47_services_nest_three_deep_under_eight_callers() {
    within(Duration::from_secs(300), || {
        let count = Count::default();
        let tract = three_deep(&count);
        let service: Service<u64, u64> =
            tract.setup().placement(Placement::PerWorker).service().start().expect("sound");
        thread::scope(|scope| {
            for caller in 0..8_u64 {
                let mut service = service.clone();
                scope.spawn(move || {
                    for n in 0..2_000 {
                        let n = caller << 32 | n;
                        assert_eq!(service.call(n), Ok(n + 1));
                    }
                });
            }
        });
        let report = service.close().expect("closed once");
        assert_eq!(report.stage("outermost").expect("a stage").ledger.emitted, 16_000);
        assert_eq!(count.get(), 16_000);
    });
}

#[test]
fn s47_a_failure_comes_up_through_three_levels_with_its_message() {
    within_a_minute(|| {
        let deep = worker("deep", 1, || {
            try_map(|n: u64| if n.is_multiple_of(2) { Ok(n) } else { Err(format!("{n} is odd")) })
        });
        let tract = worker("high", 1, worker("middle", 1, deep.into_workers()).into_workers());
        let (output, evens) = collect();
        let report = source("numbers", 1, || 0..10_u64)
            .then(tract)
            .init(output)
            .expect("sound")
            .start()
            .expect("a start")
            .wait();
        assert_eq!(evens.take(), [0, 2, 4, 6, 8]);
        let messages: Vec<_> = report.failures.iter().map(|f| f.message.clone()).collect();
        assert_eq!(messages, ["1 is odd", "3 is odd", "5 is odd", "7 is odd", "9 is odd"]);
    });
}

/// A value of which only the first copy can be made.
struct Fragile(Arc<AtomicUsize>);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) < 1, "{MEANT}no more copies");
        Self(Arc::clone(&self.0))
    }
}

#[test]
fn all_answers_are_all_even_where_a_copy_could_not_be_made() {
    hush_meant_panics();
    within_a_minute(|| {
        let branch = |name: &str, k: u64| worker(name, 1, move || move |_: Fragile| k);
        let three = fan_out("three", [branch("a", 1), branch("b", 2), branch("c", 3)]);
        let mut service = three.setup().service().all().start().expect("starts");
        assert!(service.call(Fragile(Arc::default())).is_err());
    });
}
