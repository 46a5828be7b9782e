//! Initialising: S07 to S10.

mod common;

use std::cell::Cell;
use std::error::Error as _;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use common::probe::{
    Journal, Probes, Topology, Trouble, noted_input, noted_output, numbers, probes, run_between,
    topologies,
};
use common::{EVERY_WAY, within_a_minute};
use ringtract::{
    BoxError, Envelope, Error, Outcome, Placement, Tract, Worker, collect, fan_out, final_output,
    for_each, input, parallel, serial, source, worker,
};

/// Initialises a run between noted ends and drops it before it starts.
fn initialise(tract: &Tract<u64, u64>, way: Placement, journal: &Journal) -> Result<(), Error> {
    let setup = tract.setup().placement(way);
    let (input, output) = (noted_input(3, journal), noted_output(journal));
    match way {
        Placement::Inline { .. } => setup.init_inline_fed(input, output).map(drop),
        _ => setup.init_fed(input, output).map(drop),
    }
}

#[test]
fn s07_workers_are_made_in_the_order_written() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let journal = Journal::default();
            let stage = |name, size| probes(name, size, &journal);
            let branches = [
                stage("b", 1).then(stage("c", 2)),
                parallel("any", [stage("d", 1), fan_out("both", [stage("e", 1), stage("f", 2)])]),
            ];
            let tract = stage("a", 2).then(fan_out("all", branches)).then(stage("g", 1));
            initialise(&tract, way, &journal).expect("initialises");
            let mut made = journal.events();
            made.retain(|event| event.starts_with("make"));
            let workers =
                ["a[0]", "a[1]", "b[0]", "c[0]", "c[1]", "d[0]", "e[0]", "f[0]", "f[1]", "g[0]"];
            let expected = workers.iter().chain(&["input", "output"]);
            assert_eq!(made, expected.map(|name| format!("make {name}")).collect::<Vec<_>>());
        }
    });
}

#[test]
fn s07_initialising_makes_exactly_as_many_workers_as_were_asked_for() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let journal = Journal::default();
            for Topology { name, tract, workers, .. } in topologies(&journal) {
                let before = journal.count("make");
                initialise(&tract, way, &journal).expect("initialises");
                assert_eq!(journal.count("make") - before, workers + 2, "{name} between two ends");
            }
        }
    });
}

#[test]
fn s07_initialising_takes_nothing_from_sources_and_inputs() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let journal = Journal::default();
            initialise(&probes("a", 2, &journal), way, &journal).expect("initialises");
            let sources = source("numbers", 3, Probes::sources("numbers", 0..5, &journal));
            let setup = sources.setup().placement(way);
            match way {
                Placement::Inline { .. } => drop(setup.init_inline(noted_output(&journal))),
                _ => drop(setup.init(noted_output(&journal))),
            }
            assert_eq!(journal.count("make numbers"), 3);
            assert_eq!(journal.count("ask") + journal.count("put"), 0);
            journal.assert_all_closed();
        }
    });
}

/// A worker that cannot leave its thread, and notes where it is made, works and is closed.
struct Settler {
    /// Not `Send`.
    worked: Rc<Cell<u64>>,
    seen: Arc<Mutex<Vec<ThreadId>>>,
}

impl Settler {
    fn new(seen: &Arc<Mutex<Vec<ThreadId>>>) -> Self {
        let settler = Self { worked: Rc::default(), seen: Arc::clone(seen) };
        settler.note();
        settler
    }

    fn note(&self) {
        self.seen.lock().expect("not poisoned").push(thread::current().id());
    }
}

impl Worker<u64> for Settler {
    type Out = u64;

    fn work(&mut self, value: u64, _request: &mut Envelope) -> Outcome<u64> {
        self.worked.set(self.worked.get() + 1);
        self.note();
        Outcome::Emit(value)
    }

    fn close(&mut self) {
        self.note();
    }
}

#[test]
fn s08_a_worker_lives_on_the_thread_where_it_is_made() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let note = Arc::clone(&seen);
            let settler = worker("settler", 1, move || Settler::new(&note));
            let tract = source("numbers", 1, || 0..5_u64).then(settler);
            tract.setup().placement(way).run(drop).expect("starts");
            let seen = seen.lock().expect("not poisoned");
            assert_eq!(seen.len(), 7, "made, five requests, closed");
            assert!(seen.iter().all(|id| *id == seen[0]), "{seen:?}");
            let inline = matches!(way, Placement::Inline { .. });
            assert_eq!(seen[0] == thread::current().id(), inline, "{way:?}");
        }
    });
}

#[test]
fn s08_initialising_waits_for_what_is_made_elsewhere() {
    within_a_minute(|| {
        for way in [Placement::Auto, Placement::PerWorker, Placement::Threads(2)] {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let note = Arc::clone(&seen);
            let settlers = worker("settlers", 4, move || Settler::new(&note));
            let tract = source("numbers", 1, || 0..0_u64).then(settlers);
            let ready = tract.setup().placement(way).init(final_output()).expect("initialises");
            assert_eq!(seen.lock().expect("not poisoned").len(), 4);
            drop(ready);
            assert_eq!(seen.lock().expect("not poisoned").len(), 8, "and closed");
        }
    });
}

/// The error of a factory under test.
#[derive(Debug)]
struct OutOfLuck;

impl fmt::Display for OutOfLuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of luck")
    }
}

impl std::error::Error for OutOfLuck {}

const ERROR: Trouble = || OutOfLuck.into();
const PANIC: Trouble = || panic!("out of luck");

fn assert_names(error: &Error, expected_path: &str, expected_worker: usize) {
    match error {
        Error::FactoryFailed { path, worker, source } => {
            assert_eq!((path.as_str(), *worker), (expected_path, expected_worker));
            assert!(source.is::<OutOfLuck>(), "the factory's own error");
            assert!(error.source().is_some_and(|source| source.is::<OutOfLuck>()));
        }
        Error::FactoryPanicked { path, worker, message } => {
            assert_eq!((path.as_str(), *worker), (expected_path, expected_worker));
            assert_eq!(message, "out of luck");
        }
        other => panic!("{other}"),
    }
}

/// Three stages in groups, of which one factory meets with trouble at one of its workers, the first time.
fn troubled(stage: usize, at: usize, trouble: Trouble, journal: &Journal) -> Tract<u64, u64> {
    let pool = |number: usize, name: &str| {
        let factory = Probes::workers(name, journal);
        let factory = if number == stage { factory.failing_at(at, trouble) } else { factory };
        worker(name, 2, factory).close_factory()
    };
    let group = parallel("group", [pool(1, "middle"), pool(2, "last")]);
    serial("s09", pool(0, "first").then(group))
}

#[test]
fn s09_a_factory_in_trouble_undoes_the_initialisation_wherever_it_stands() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for (stage, path) in
                ["s09/first", "s09/group/middle", "s09/group/last"].iter().enumerate()
            {
                for (at, trouble) in [(0, ERROR), (1, ERROR), (0, PANIC), (1, PANIC)] {
                    let journal = Journal::default();
                    let tract = troubled(stage, at, trouble, &journal);
                    let error =
                        initialise(&tract, way, &journal).expect_err("a factory in trouble");
                    assert_names(&error, path, at);
                    assert_eq!(journal.count("make"), 2 * stage + at);
                    journal.assert_all_closed();
                    assert_eq!(journal.count("end factory"), 0, "factories are for the next time");
                }
            }
        }
    });
}

#[test]
fn s09_after_a_failure_the_same_description_runs() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for trouble in [ERROR, PANIC] {
                let journal = Journal::default();
                let tract = troubled(1, 1, trouble, &journal);
                initialise(&tract, way, &journal).expect_err("a factory in trouble");
                let (output, values) = collect();
                let report = run_between(&tract, way, noted_input(100, &journal), output);
                assert!(report.expect("the trouble is over").is_complete());
                assert_eq!(values.take().iter().sum::<u64>(), 4950);
                journal.assert_all_closed();
            }
        }
    });
}

#[test]
fn s09_a_source_in_trouble_is_named_like_a_worker() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let journal = Journal::default();
            let factory = Probes::sources("numbers", 0..3, &journal).failing_at(2, ERROR);
            let tract = serial("s09", source("numbers", 4, factory).then(probes("a", 1, &journal)));
            let error = tract.setup().placement(way).run(drop).expect_err("a source in trouble");
            assert_names(&error, "s09/numbers", 2);
            assert_eq!(journal.count("make"), 2);
            assert_eq!(journal.count("ask"), 0);
            journal.assert_all_closed();
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn s09_after_a_failure_no_thread_is_left() {
    use common::probe::{eventually, threads_named};

    within_a_minute(|| {
        for trouble in [ERROR, PANIC] {
            let journal = Journal::default();
            let late = Probes::workers("late", &journal).failing_at(3, trouble);
            let early = worker("early", 3, || {
                assert!(threads_named("s09+/") > 0, "the count can tell");
                |n: u64| n
            });
            let tract = serial("s09+", early.then(worker("late", 4, late)));
            initialise(&tract, Placement::PerWorker, &journal).expect_err("a factory in trouble");
            eventually("the system has forgotten the threads", || threads_named("s09+/") == 0);
        }
    });
}

/// Runs this test again, alone in a process in which the system refuses the fourth thread or so.
#[test]
#[cfg(target_os = "linux")]
fn s09_threads_the_system_refuses_undo_the_initialisation() {
    const SHORT: &str = "RINGTRACT_TEST_SHORT_OF_MEMORY";
    let name = "s09_threads_the_system_refuses_undo_the_initialisation";
    if std::env::var_os(SHORT).is_none() {
        let this = std::env::current_exe().expect("a test has a file");
        let child = std::process::Command::new("sh")
            .args(["-c", "ulimit -v 1500000 && exec \"$0\" --exact \"$1\" --test-threads=1"])
            .args([this.as_os_str(), name.as_ref()])
            .env(SHORT, "1")
            .env("RUST_MIN_STACK", (256 << 20).to_string())
            .output()
            .expect("there is a shell");
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let journal = Journal::default();
    let tract = probes("many", 100, &journal);
    let error =
        initialise(&tract, Placement::PerWorker, &journal).expect_err("100 stacks of 256 MiB");
    assert!(matches!(&error, Error::Thread { name, .. } if name.starts_with("many[")), "{error}");
    assert!(error.source().is_some(), "the system's own error");
    journal.assert_all_closed();
    initialise(&tract, Placement::Threads(1), &journal).expect("one thread can be had");
}

#[test]
fn s09_ends_are_left_alone_where_a_worker_cannot_be_made() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let journal = Journal::default();
            let tract = troubled(2, 1, ERROR, &journal);
            initialise(&tract, way, &journal).expect_err("a factory in trouble");
            for end in ["input", "output"] {
                assert_eq!(journal.count(&format!("make {end}")), 0);
                assert_eq!(journal.count(&format!("close {end}")), 0);
            }
        }
    });
}

#[test]
fn s10_every_run_has_workers_of_its_own_and_factories_live_on() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let journal = Journal::default();
            let tract = probes("a", 2, &journal);
            for run in 0..5 {
                let (output, values) = collect();
                let report = run_between(&tract, way, noted_input(10, &journal), output);
                assert_eq!(report.expect("starts").stage("a").expect("a stage").ledger.taken, 10);
                assert_eq!(values.take().len(), 10);
                assert_eq!(journal.count("make a"), 2 * (run + 1));
            }
            assert_eq!(journal.count("make a[9]"), 1, "the factory counts over all runs");
            assert_eq!(journal.count("end factory"), 0);
            journal.assert_all_closed();
            tract.close();
            assert_eq!(journal.count("end factory"), 1);
        }
    });
}

#[test]
fn s10_several_owners_run_one_description_at_once() {
    within_a_minute(|| {
        let journal = Journal::default();
        let tract = numbers("numbers", 500, &journal).then(fan_out(
            "both",
            [probes("a", 2, &journal), parallel("any", [probes("b", 1, &journal)])],
        ));
        thread::scope(|scope| {
            for way in EVERY_WAY {
                let tract = &tract;
                scope.spawn(move || {
                    let mut sum = 0;
                    let report = tract.setup().placement(way).run(|n| sum += n).expect("starts");
                    assert_eq!(sum, 2 * 124_750);
                    assert!(report.is_complete(), "{report}");
                });
            }
        });
        assert_eq!(journal.count("make"), 4 * EVERY_WAY.len());
        journal.assert_all_closed();
    });
}

#[test]
fn s10_runs_under_way_at_once_do_not_see_each_other() {
    within_a_minute(|| {
        let tract = serial("s10", worker("add", 2, || |n: u64| n + 1));
        let runs: Vec<_> = (0..4_u64)
            .map(|run| {
                let (output, values) = collect();
                let numbers = input(move || Ok::<_, BoxError>(100 * run..100 * run + 50));
                let ready = tract.setup().init_fed(numbers, output).expect("initialises");
                (run, ready, values)
            })
            .collect();
        let running = runs.into_iter().map(|(run, ready, values)| (run, ready.start(), values));
        for (run, running, values) in running.collect::<Vec<_>>() {
            running.expect("starts").wait();
            let mut values = values.take();
            values.sort_unstable();
            assert_eq!(values, (100 * run + 1..=100 * run + 50).collect::<Vec<_>>());
        }
    });
}

#[test]
fn s10_one_initialisation_under_way_does_not_hold_back_another() {
    within_a_minute(|| {
        let journal = Journal::default();
        let tract = numbers("numbers", 3, &journal).then(probes("a", 2, &journal));
        let waiting = tract.init(final_output()).expect("initialises");
        let finished =
            tract.init(for_each(drop)).expect("initialises").start().expect("starts").wait();
        assert!(finished.is_complete());
        drop(waiting);
        journal.assert_all_closed();
    });
}
