//! Running and ending: S11 to S18. Stopping, S19, has a file of its own.

mod common;

use std::cell::RefCell;
use std::sync::mpsc;

use common::probe::{
    Journal, Probes, Topology, eventually, noted_input, noted_output, numbers, probes, run_between,
    run_to, topologies,
};
use common::{A_MINUTE, Count, EVERY_THREADED_WAY, EVERY_WAY, within_a_minute};
use ringtract::{
    BoxError, Ending, Envelope, Factory, Input, Next, Placement, Report, Request, Running, Tract,
    collect, fan_out, feed, final_output, input, output, parallel, receiver, serial, source,
    worker,
};

/// Does this for every topology in every way, with a journal for each.
fn everywhere(test: impl Fn(Placement, Topology, &Journal) + Send + 'static) {
    within_a_minute(move || {
        for way in EVERY_WAY {
            for number in 0..topologies(&Journal::default()).len() {
                let journal = Journal::default();
                let topology = topologies(&journal).swap_remove(number);
                test(way, topology, &journal);
            }
        }
    });
}

#[test]
fn s11_consumers_are_ready_before_producers_start() {
    everywhere(|way, Topology { name, tract, .. }, journal| {
        let sources = source("numbers", 3, Probes::sources("numbers", 0..5, journal));
        let report = run_to(&sources.then(tract), way, noted_output(journal)).expect("starts");
        assert!(report.is_complete(), "{name}: {report}");
        assert!(journal.first("ask") > journal.last("make"), "{name}: {:?}", journal.events());
    });
}

#[test]
fn s11_starting_returns_while_the_run_goes_on() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let (mut feed, input) = feed(4);
            let (output, mut doubled) = receiver();
            let double = worker("double", 2, || |n: u64| 2 * n);
            let ready = double.setup().placement(way).init_fed(input, output);
            let running = ready.expect("initialises").start().expect("starts");
            for n in 0..100 {
                feed.send(n).expect("it runs");
                assert_eq!(doubled.recv().expect("it runs").into_value(), 2 * n);
            }
            assert!(!running.is_finished());
            drop(feed);
            assert!(running.wait().is_complete());
        }
    });
}

#[test]
fn s12_a_source_that_ends_does_not_end_its_siblings() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let mut number = 0;
            let unequal = source("unequal", 4, move || {
                number += 1;
                0..number * number * 10_u64
            });
            let mut count = 0;
            unequal.setup().placement(way).run(|_| count += 1).expect("starts");
            assert_eq!(count, 10 + 40 + 90 + 160);
        }
    });
}

/// Says that it has ended, and would go on if it were asked again.
struct Undecided {
    asked_after_the_end: Count,
    ended: bool,
}

impl Input for Undecided {
    type Item = u64;

    fn poll(&mut self, _request: &mut Envelope) -> Next<u64> {
        if self.ended {
            self.asked_after_the_end.up();
            return Next::Value(1);
        }
        self.ended = true;
        Next::Ended
    }
}

#[test]
fn s12_the_end_of_an_input_is_latched() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let asked_after_the_end = Count::default();
            let undecided = {
                let asked_after_the_end = asked_after_the_end.clone();
                move || Undecided { asked_after_the_end: asked_after_the_end.clone(), ended: false }
            };
            let report = source("as a stage", 3, undecided.clone())
                .setup()
                .placement(way)
                .run(|_| panic!("after the end"))
                .expect("starts");
            assert_eq!(report.stage("as a stage").expect("a stage").ledger.taken, 0);
            let as_an_input = input(move || Ok::<_, BoxError>(undecided()));
            let tract = probes("a", 2, &Journal::default());
            run_between(&tract, way, as_an_input, final_output()).expect("starts");
            assert_eq!(asked_after_the_end.get(), 0);
        }
    });
}

#[test]
fn s12_a_tract_ends_when_its_input_ends() {
    everywhere(|way, Topology { name, tract, copies, .. }, journal| {
        let (input, output) = (noted_input(40, journal), noted_output(journal));
        let report = run_between(&tract, way, input, output).expect("starts");
        assert_eq!(report.ending, Ending::Natural);
        assert_eq!(journal.count("put") as u64, 40 * copies, "{name}");
        assert_eq!(journal.count("ask input"), 41, "the end is asked for once");
    });
}

#[test]
fn s13_all_that_was_accepted_is_delivered_before_the_output_closes() {
    everywhere(|way, Topology { name, tract, copies, .. }, journal| {
        let (mut feed, input) = feed(100);
        (0..100).for_each(|n| feed.try_send(n).expect("there is room"));
        drop(feed);
        let report = run_between(&tract, way, input, noted_output(journal)).expect("starts");
        assert!(report.is_complete(), "{name}: {report}");
        assert_eq!(journal.count("put") as u64, 100 * copies, "{name}");
        assert!(journal.first("close output") > journal.last("put"), "{name}");
    });
}

#[test]
fn s14_the_end_travels_though_nobody_waits() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let journal = Journal::default();
            for Topology { tract, .. } in topologies(&journal) {
                let (closed, is_closed) = mpsc::channel();
                let output = output(move || Ok::<_, BoxError>(Bell(closed)));
                let tract = numbers("numbers", 30, &journal).then(tract);
                let ready = tract.setup().placement(way).init(output).expect("initialises");
                let running = ready.start().expect("starts");
                is_closed.recv_timeout(A_MINUTE).expect("the end came");
                eventually("every thread is done", || running.is_finished());
                journal.assert_all_closed();
            }
        }
    });
}

/// An output that tells when it is closed.
struct Bell(mpsc::Sender<()>);

impl ringtract::Output<u64> for Bell {
    fn put(&mut self, _request: Request<u64>) {}

    fn close(&mut self) {
        self.0.send(()).expect("the test listens");
    }
}

/// A factory of probes that, when it is closed, waits until what stands behind its stage has closed too.
struct Patient {
    probes: Probes<common::probe::Probe>,
    journal: Journal,
}

impl Factory for Patient {
    type Product = common::probe::Probe;

    fn make(&mut self) -> Result<Self::Product, BoxError> {
        self.probes.make()
    }

    fn close(&mut self) {
        eventually("the stage behind is closed", || self.journal.count("close behind") == 1);
        self.probes.close();
    }
}

#[test]
fn s14_a_stage_closes_its_workers_then_its_lanes_then_its_factory() {
    within_a_minute(|| {
        let journal = Journal::default();
        let factory =
            Patient { probes: Probes::workers("front", &journal), journal: journal.clone() };
        let tract = numbers("numbers", 10, &journal)
            .then(worker("front", 2, factory).close_factory())
            .then(probes("behind", 1, &journal));
        run_to(&tract, Placement::PerWorker, final_output()).expect("starts");
        let order = [
            journal.last("close numbers"),
            journal.last("close front"),
            journal.first("close behind"),
            journal.first("end factory front"),
        ];
        assert!(order.is_sorted(), "{:?}", journal.events());
    });
}

#[test]
fn s14_stages_close_from_front_to_back_and_factories_after_their_workers() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let journal = Journal::default();
            let tract = numbers("numbers", 10, &journal)
                .then(fan_out("both", [probes("a", 2, &journal), probes("b", 1, &journal)]))
                .then(probes("last", 2, &journal))
                .close_factory();
            run_to(&tract, way, noted_output(&journal)).expect("starts");
            for [before, after] in [
                ["close numbers", "close a"],
                ["close numbers", "close b"],
                ["close a", "close last"],
                ["close b", "close last"],
                ["close last", "close output"],
                ["close a", "end factory a"],
                ["close last", "end factory last"],
            ] {
                let events = journal.events();
                assert!(journal.last(before) < journal.first(after), "{before}: {events:?}");
            }
            assert_eq!(journal.count("end factory"), 4);
        }
    });
}

#[test]
fn s15_an_output_is_closed_once_after_the_last_put() {
    everywhere(|way, Topology { name, tract, copies, .. }, journal| {
        let many = (0..8).map(|_| probes("many", 2, journal));
        let tract = numbers("numbers", 50, journal).then(tract).then(parallel("many", many));
        run_to(&tract, way, noted_output(journal)).expect("starts");
        assert_eq!(journal.count("close output"), 1, "{name}");
        assert_eq!(journal.count("put") as u64, 50 * copies, "{name}");
        assert!(journal.first("close output") > journal.last("put"), "{name}");
    });
}

thread_local! {
    /// Something that every worker leaves on its thread, and that goes with the thread.
    static TRACES: RefCell<Vec<Trace>> = const { RefCell::new(Vec::new()) };
}

struct Trace(Count);

impl Drop for Trace {
    fn drop(&mut self) {
        self.0.up();
    }
}

/// A source without an end and a pool, each of whose workers leaves a trace: three in all.
fn tracing(name: &str, gone: &Count) -> Tract<ringtract::NoInput, u64> {
    let leave =
        move |gone: &Count| TRACES.with_borrow_mut(|traces| traces.push(Trace(gone.clone())));
    let (at_source, at_worker) = (gone.clone(), gone.clone());
    let endless = source("endless", 1, move || {
        leave(&at_source);
        0_u64..
    });
    let pool = worker("pool", 2, move || {
        leave(&at_worker);
        |n: u64| n
    });
    serial(name, endless.then(pool))
}

/// Starts a run of an endless tract, and waits until something came out of it.
fn start(tract: &Tract<ringtract::NoInput, u64>, way: Placement) -> Running {
    let (arrived, arrives) = mpsc::channel();
    let output = ringtract::for_each(move |_| {
        // Nobody listens any more after the first.
        let _ = arrived.send(());
    });
    let ready = tract.setup().placement(way).init(output).expect("initialises");
    let running = ready.start().expect("starts");
    arrives.recv_timeout(A_MINUTE).expect("it runs");
    running
}

#[test]
fn s16_waiting_returns_after_every_thread_is_gone() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let gone = Count::default();
            let running = start(&tracing("s16", &gone), way);
            assert_eq!(gone.get(), 0);
            running.stop();
            assert_eq!(running.wait().ending, Ending::Stopped);
            assert_eq!(gone.get(), 3);
        }
    });
}

#[test]
fn s16_a_running_tract_that_is_dropped_is_stopped_and_joined() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let gone = Count::default();
            let running = start(&tracing("s16", &gone), way);
            assert_eq!(gone.get(), 0);
            drop(running);
            assert_eq!(gone.get(), 3);
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn s16_no_thread_is_left_in_the_system() {
    use common::probe::threads_named;

    within_a_minute(|| {
        let tract = tracing("s16+", &Count::default());
        let ends: [fn(Running); 3] = [
            drop,
            |running| {
                running.stop();
                running.wait();
            },
            |running| {
                running.stop_within(A_MINUTE).expect("it drains");
            },
        ];
        for end in ends {
            let running = start(&tract, Placement::PerWorker);
            assert_eq!(threads_named("s16+/"), 3, "the count can tell");
            end(running);
            eventually("the system has forgotten the threads", || threads_named("s16+/") == 0);
        }
    });
}

#[test]
fn s16_an_initialised_tract_that_is_dropped_closes_what_it_made() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let journal = Journal::default();
            for Topology { tract, .. } in topologies(&journal) {
                let (input, output) = (noted_input(3, &journal), noted_output(&journal));
                let tract = tract.close_factory();
                drop(tract.setup().placement(way).init_fed(input, output).expect("initialises"));
            }
            journal.assert_all_closed();
            assert_eq!(journal.count("ask") + journal.count("put"), 0);
            assert_eq!(journal.count("end factory"), 0, "there has been no run");
        }
    });
}

#[test]
fn s17_no_request_at_all_is_a_normal_run() {
    everywhere(|way, Topology { name, tract, workers, .. }, journal| {
        let tract = numbers("numbers", 0, journal).then(tract);
        let report = run_to(&tract, way, noted_output(journal)).expect("starts");
        assert!(report.is_complete(), "{name}: {report}");
        assert_eq!(report.ending, Ending::Natural);
        assert!(report.stages.iter().all(|stage| stage.ledger == Default::default()), "{report}");
        assert_eq!(journal.count("make"), workers + 2, "{name}");
        journal.assert_all_closed();
    });
}

/// Every stage of a report took as many requests as a run of `count` numbers lets it take.
fn assert_plausible(report: &Report, count: u64, came_out: u64, copies: u64) {
    assert!(report.is_complete(), "{report}");
    assert_eq!(came_out, count * copies);
    assert_eq!(report.stages[0].ledger.taken, count);
}

#[test]
fn s18_any_topology_runs_again_and_again() {
    everywhere(|way, Topology { tract, copies, .. }, journal| {
        let tract = numbers("numbers", 20, journal).then(tract);
        for _ in 0..10 {
            let (output, values) = collect();
            let report = run_to(&tract, way, output).expect("starts again");
            assert_plausible(&report, 20, values.take().len() as u64, copies);
        }
        journal.assert_all_closed();
    });
}

#[test]
fn s18_a_tract_runs_again_after_it_was_stopped_or_dropped() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let gone = Count::default();
            let tract = tracing("s18", &gone);
            for _ in 0..5 {
                drop(start(&tract, way));
                let running = start(&tract, way);
                running.stop();
                assert!(running.wait().is_complete());
            }
            assert_eq!(gone.get(), 30);
        }
    });
}
