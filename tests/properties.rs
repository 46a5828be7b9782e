//! Random topologies under every way to run, against a sequential model of them. In half of the cases sources, workers and
//! outputs dawdle now and then, at random.
//!
//! `PROPTEST_CASES` sets the number of cases. A failing case is shown with its topology and seed, and is tried
//! first from then on: it is kept in `properties.regressions`.

#[path = "properties/check.rs"]
mod check;
mod common;
#[path = "properties/journal.rs"]
mod journal;
#[path = "properties/labor.rs"]
#[allow(dead_code, reason = "what is sent into a tree is simulated")]
mod labor;
#[path = "properties/model.rs"]
mod model;
#[path = "properties/tree.rs"]
mod tree;

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseResult, TestRunner};
use ringtract::{BoxError, Ending, Error, NoInput, OutputEnd, Placement, Running, Setup, output};

use common::{hush_meant_panics, within_a_minute};
use journal::{Event, made};
use labor::{Brake, Sink, Site, Supply};
use tree::{Mark, Pool, Tree, Work, trees};

/// A topology and how to run it.
#[derive(Debug, Clone)]
struct Case {
    tree: Tree,
    sources: usize,
    requests: u64,
    /// Capacity of the lanes into the output.
    capacity: usize,
    /// Seed of the inline run.
    seed: u64,
    /// Whether everybody dawdles now and then.
    jitter: bool,
}

/// The most values that the requests of a case may grow to, or about that.
const MOST_VALUES: u64 = 4_000;

fn cases() -> impl Strategy<Value = Case> {
    (trees(), 1..=3_usize, 0..=200_u64, 1..=64_usize, any::<u64>(), any::<bool>()).prop_map(
        |(tree, sources, requests, capacity, seed, jitter)| {
            let requests = requests.min(MOST_VALUES / tree.growth());
            Case { tree, sources, requests, capacity, seed, jitter }
        },
    )
}

/// Tries a property on random cases, this many unless `PROPTEST_CASES` says otherwise.
fn for_cases(count: u32, property: fn(&Case) -> TestCaseResult) {
    hush_meant_panics();
    let mut config = Config::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = count;
    }
    config.source_file = Some(file!());
    config.failure_persistence = Some(Box::new(FileFailurePersistence::WithSource("regressions")));
    config.max_shrink_time = 60_000;
    let tried =
        TestRunner::new(config).run(&cases(), |case| within_a_minute(move || property(&case)));
    if let Err(error) = tried {
        panic!("{error}");
    }
}

/// Ways that have threads.
const THREADED: [Placement; 4] =
    [Placement::Auto, Placement::PerWorker, Placement::Threads(1), Placement::Threads(3)];

fn refused(error: Error) -> TestCaseError {
    TestCaseError::fail(format!("{error}"))
}

impl Case {
    fn every_way(&self) -> impl Iterator<Item = Placement> {
        THREADED.into_iter().chain([Placement::Inline { seed: self.seed }])
    }

    fn site(&self) -> Site {
        let &Self { sources, requests, .. } = self;
        self.dawdling(Site::new(Supply { sources, requests, brake: None }))
    }

    fn dawdling(&self, site: Site) -> Site {
        Site { jitter: self.jitter, ..site }
    }

    /// Where sources do not end by themselves.
    fn endless_site(&self) -> Site {
        let &Self { sources, .. } = self;
        self.dawdling(Site::new(Supply { sources, requests: u64::MAX, brake: None }))
    }

    /// Where sources do not end by themselves, but ask for a stop when the numbers have come to `requests`.
    fn braked_site(&self) -> (Site, Arc<Brake>) {
        let &Self { sources, requests, .. } = self;
        let brake = Arc::new(Brake { at: requests, stopper: OnceLock::new() });
        let braked = Some(Arc::clone(&brake));
        let supply = Supply { sources, requests: u64::MAX, brake: braked };
        (self.dawdling(Site::new(supply)), brake)
    }
}

fn sink(site: &Site) -> OutputEnd<u64> {
    let site = site.clone();
    output(move || Ok::<_, BoxError>(Sink(site)))
}

#[test]
fn every_run_comes_to_what_the_model_says() {
    for_cases(150, |case| {
        for way in case.every_way() {
            let site = case.site();
            let tract = site.tract(&case.tree);
            let sink = site.clone();
            let report = tract
                .setup()
                .placement(way)
                .capacity(case.capacity)
                .run(|value| {
                    sink.dawdle();
                    sink.journal.note(Event::Delivered { value });
                })
                .map_err(refused)?;
            let requests: Vec<u64> = (0..case.requests).collect();
            prop_assert_eq!(made(&site.journal.events()), requests, "{:?}", way);
            prop_assert_eq!(report.ending, Ending::Natural, "{:?}", way);
            check::whole(&case.tree, &site, &report)?;
        }
        Ok(())
    });
}

#[test]
fn a_stop_drains_all_that_was_made() {
    for_cases(150, |case| {
        for way in case.every_way() {
            let (site, brake) = case.braked_site();
            let tract = site.tract(&case.tree);
            let setup = tract.setup().placement(way).capacity(case.capacity);
            let put_on = |stopper| brake.stopper.set(stopper).expect("set once");
            let report = if let Placement::Inline { .. } = way {
                let run = setup.init_inline(sink(&site)).map_err(refused)?;
                put_on(run.stopper());
                run.finish()
            } else {
                let running = start(&setup, &site)?;
                put_on(running.stopper());
                running.wait()
            };
            prop_assert_eq!(report.ending, Ending::Stopped, "{:?}", way);
            check::whole(&case.tree, &site, &report)?;
        }
        Ok(())
    });
}

#[test]
fn a_stop_without_time_counts_what_it_drops() {
    for_cases(100, |case| {
        for way in THREADED {
            let site = case.endless_site();
            let tract = site.tract(&case.tree);
            let running = start(&tract.setup().placement(way).capacity(case.capacity), &site)?;
            wait_until(|| site.journal.len() as u64 >= case.requests);
            let report = match running.stop_within(Duration::ZERO) {
                Ok(report) => report,
                Err(overdue) => *overdue.report,
            };
            wait_until(|| is_over(&site));
            check::given_up(&case.tree, &site)?;
            // A thread that the system let wait for too long is named, and counts go on without it.
            if report.unfinished.is_empty() {
                check::books(&site, &report)?;
            }
        }
        Ok(())
    });
}

#[test]
fn a_dropped_run_ends_every_request_once() {
    for_cases(100, |case| {
        for way in THREADED {
            let site = case.endless_site();
            let tract = site.tract(&case.tree);
            let running = start(&tract.setup().placement(way).capacity(case.capacity), &site)?;
            wait_until(|| site.journal.len() as u64 >= case.requests);
            drop(running);
            check::given_up(&case.tree, &site)?;
        }
        let site = case.endless_site();
        let tract = site.tract(&case.tree);
        let setup = tract.setup().placement(Placement::Inline { seed: case.seed });
        let mut run = setup.init_inline(sink(&site)).map_err(refused)?;
        while (site.journal.len() as u64) < case.requests {
            run.turn();
        }
        drop(run);
        check::given_up(&case.tree, &site)
    });
}

#[test]
fn the_same_seed_gives_the_same_order() {
    for_cases(100, |case| {
        let first = inline_events(case, case.seed)?;
        prop_assert_eq!(first, inline_events(case, case.seed)?);
        Ok(())
    });
}

#[test]
fn different_seeds_give_different_orders() {
    let pool = |number| {
        let (work, mark) = (Work::Map, Mark::Once);
        Tree::Pool(Pool { number, workers: 2, capacity: 4, batch: 1, work, mark, salt: 0 })
    };
    let tree = Tree::Serial(vec![pool(0), Tree::FanOut(vec![pool(1), pool(2)])]);
    let case = Case { tree, sources: 2, requests: 20, capacity: 4, seed: 0, jitter: false };
    let orders: HashSet<_> = (0..10)
        .map(|seed| format!("{:?}", inline_events(&case, seed).expect("a plain run")))
        .collect();
    assert!(orders.len() > 1, "ten seeds, one order");
}

/// Every event of an inline run, as it happened.
fn inline_events(case: &Case, seed: u64) -> Result<Vec<Event>, TestCaseError> {
    // An output that has no room at random would make an order of its own.
    let site = Site { jitter: false, ..case.site() };
    let tract = site.tract(&case.tree);
    let setup = tract.setup().placement(Placement::Inline { seed }).capacity(case.capacity);
    setup.init_inline(sink(&site)).map_err(refused)?.finish();
    Ok(site.journal.events())
}

fn start(setup: &Setup<'_, NoInput, u64>, site: &Site) -> Result<Running, TestCaseError> {
    setup.init(sink(site)).map_err(refused)?.start().map_err(refused)
}

fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

/// Whether every source and worker is gone.
fn is_over(site: &Site) -> bool {
    site.staff.closed.get() == site.staff.made.get()
}
