//! The topologies with which the Go package `tract` tests itself, on both its branches: how many workers are made and
//! closed, how many factories, how many requests pass where, what is cleaned up.

mod common;

use std::collections::BTreeMap;

use common::books::{assert_balanced, ledger};
use common::deaths::{Deaths, watched};
use common::staff::Staff;
use common::{Count, EVERY_WAY, within_a_minute};
use ringtract::{
    BoxError, Envelope, Inline, Input, InputEnd, Measure, Next, NoInput, Outcome, Output,
    OutputEnd, Placement, Ready, Report, Request, Tract, fan_out, feed, final_output, input,
    outcome, output, parallel, receiver, serial, source, try_map, worker,
};

/// Runs a test in every way, and not for ever.
fn in_every_way(test: impl Fn(Placement) + Send + 'static) {
    within_a_minute(move || EVERY_WAY.into_iter().for_each(test));
}

/// A run that is initialised and has not started, in any way.
enum Initialised {
    Threads(Ready),
    Inline(Inline),
}

impl Initialised {
    fn finish(self) -> Report {
        match self {
            Self::Threads(ready) => ready.start().expect("runs").wait(),
            Self::Inline(run) => run.finish(),
        }
    }
}

fn init(tract: &Tract<NoInput, u64>, way: Placement) -> Initialised {
    let setup = tract.setup().placement(way);
    match way {
        Placement::Inline { .. } => {
            Initialised::Inline(setup.init_inline(final_output()).expect("a sound tract"))
        }
        _ => Initialised::Threads(setup.init(final_output()).expect("a sound tract")),
    }
}

/// A pool whose factory is closed with the run.
fn closing(name: &str, size: usize, staff: &Staff) -> Tract<u64, u64> {
    open(name, size, staff).close_factory()
}

/// A pool whose factory stays open.
fn open(name: &str, size: usize, staff: &Staff) -> Tract<u64, u64> {
    worker(name, size, staff.of(|n: u64| n))
}

/// A single source of so many requests, all of them watched, whose factory is closed with the run.
fn head(requests: u64, staff: &Staff, deaths: &Deaths) -> Tract<NoInput, u64> {
    source("head", 1, staff.of(watched(0..requests, deaths))).close_factory()
}

/// Made, closed, factories closed.
fn lives(staff: &Staff) -> [u64; 3] {
    let [made, _, closed, factories_closed] = staff.counts();
    [made, closed, factories_closed]
}

/// Runs a tract of its own sources, looking at the counts before, between and after.
fn assert_life(
    tract: &Tract<NoInput, u64>,
    way: Placement,
    staff: &Staff,
    workers: u64,
    factories_closed: u64,
) -> Report {
    assert_eq!(lives(staff), [0, 0, 0], "{way:?}: described");
    let run = init(tract, way);
    assert_eq!(lives(staff), [workers, 0, 0], "{way:?}: initialised");
    assert_eq!(staff.worked.get(), 0, "{way:?}: nothing moves before the start");
    let report = run.finish();
    assert_eq!(lives(staff), [workers, workers, factories_closed], "{way:?}: ended");
    assert!(report.is_complete(), "{way:?}: {report}");
    assert_balanced(&report);
    report
}

#[test]
fn one_stage_of_one_worker_that_makes_ten_requests() {
    in_every_way(|way| {
        let (staff, deaths) = (Staff::default(), Deaths::default());
        let tract = head(10, &staff, &deaths);
        assert_eq!(tract.name(), "head");
        assert_life(&tract, way, &staff, 1, 1);
        assert_eq!(staff.worked.get(), 10, "{way:?}");
        deaths.assert_each_once(0..10, |_| true);
    });
}

#[test]
fn a_serial_group_of_one_and_two_workers() {
    in_every_way(|way| {
        let (staff, deaths) = (Staff::default(), Deaths::default());
        let chain = head(10, &staff, &deaths).then(closing("tail", 2, &staff));
        let tract = serial("chain", chain);
        assert_eq!(tract.name(), "chain");
        let report = assert_life(&tract, way, &staff, 3, 2);
        assert_eq!(ledger(&report, "chain/tail").emitted, 10, "{way:?}");
        deaths.assert_each_once(0..10, |_| true);
    });
}

/// Between one head and eight at the tail, three members of one, two and four workers; the second keeps its factory.
fn around(
    group: impl FnOnce([Tract<u64, u64>; 3]) -> Tract<u64, u64>,
    staff: &Staff,
    deaths: &Deaths,
) -> Tract<NoInput, u64> {
    let members =
        [closing("first", 1, staff), open("second", 2, staff), closing("third", 4, staff)];
    let chain = head(100, staff, deaths).then(group(members)).then(closing("tail", 8, staff));
    serial("chain", chain)
}

fn taken_by_members(report: &Report) -> [u64; 3] {
    ["first", "second", "third"].map(|name| ledger(report, name).taken)
}

#[test]
fn a_parallel_group_in_a_serial_one() {
    in_every_way(|way| {
        let (staff, deaths) = (Staff::default(), Deaths::default());
        let tract = around(|members| parallel("group", members), &staff, &deaths);
        let report = assert_life(&tract, way, &staff, 16, 4);
        assert_eq!(taken_by_members(&report).iter().sum::<u64>(), 100, "{way:?}");
        assert_eq!(ledger(&report, "tail").emitted, 100, "{way:?}");
        deaths.assert_each_once(0..100, |_| true);
    });
}

#[test]
fn a_fan_out_group_in_a_serial_one() {
    in_every_way(|way| {
        let (staff, deaths) = (Staff::default(), Deaths::default());
        let tract = around(|members| fan_out("group", members), &staff, &deaths);
        let report = assert_life(&tract, way, &staff, 16, 4);
        assert_eq!(taken_by_members(&report), [100; 3], "{way:?}");
        assert_eq!(ledger(&report, "tail").emitted, 300, "{way:?}");
        deaths.assert_each_once(0..100, |_| true);
    });
}

/// Counts what is asked of the ends given to a run.
#[derive(Clone, Default)]
struct Ends {
    asked: Count,
    put: Count,
    closed: Count,
}

struct Asked {
    left: u64,
    ends: Ends,
}

impl Input for Asked {
    type Item = u64;

    fn poll(&mut self, _request: &mut Envelope) -> Next<u64> {
        self.ends.asked.up();
        if self.left == 0 {
            return Next::Ended;
        }
        self.left -= 1;
        Next::Value(self.left)
    }
}

struct Put(Ends);

impl Output<u64> for Put {
    fn put(&mut self, _request: Request<u64>) {
        self.0.put.up();
    }

    fn close(&mut self) {
        self.0.closed.up();
    }
}

impl Ends {
    fn input(&self, left: u64) -> InputEnd<u64> {
        let ends = self.clone();
        input(move || Ok::<_, BoxError>(Asked { left, ends }))
    }

    fn output(&self) -> OutputEnd<u64> {
        let ends = self.clone();
        output(move || Ok::<_, BoxError>(Put(ends)))
    }

    fn counts(&self) -> [u64; 3] {
        [&self.asked, &self.put, &self.closed].map(Count::get)
    }
}

/// Runs a tract between a counted input of so many requests and a counted output, of which this many come out.
fn assert_fed(
    tract: &Tract<u64, u64>,
    way: Placement,
    staff: &Staff,
    workers: u64,
    [requests, delivered]: [u64; 2],
) -> Report {
    let ends = Ends::default();
    let (input, output) = (ends.input(requests), ends.output());
    let setup = tract.setup().placement(way);
    let run = match way {
        Placement::Inline { .. } => {
            Initialised::Inline(setup.init_inline_fed(input, output).expect("a sound tract"))
        }
        _ => Initialised::Threads(setup.init_fed(input, output).expect("a sound tract")),
    };
    assert_eq!((lives(staff), ends.counts()), ([workers, 0, 0], [0; 3]), "{way:?}: initialised");
    let report = run.finish();
    assert_eq!(lives(staff), [workers, workers, 0], "{way:?}: ended");
    // The end of the input is latched: it is told once, however many workers are behind it.
    assert_eq!(ends.counts(), [requests + 1, delivered, 1], "{way:?}");
    assert!(report.is_complete(), "{way:?}: {report}");
    assert_balanced(&report);
    report
}

#[test]
fn one_worker_between_an_input_and_an_output() {
    in_every_way(|way| {
        let staff = Staff::default();
        let tract = open("worker", 1, &staff);
        assert_fed(&tract, way, &staff, 1, [10, 10]);
        assert_eq!(staff.worked.get(), 10, "{way:?}");
    });
}

#[test]
fn a_serial_group_between_an_input_and_an_output() {
    in_every_way(|way| {
        let staff = Staff::default();
        let tract = serial("chain", open("first", 1, &staff).then(open("second", 2, &staff)));
        let report = assert_fed(&tract, way, &staff, 3, [10, 10]);
        assert_eq!(["first", "second"].map(|name| ledger(&report, name).taken), [10; 2]);
    });
}

#[test]
fn a_parallel_group_between_an_input_and_an_output() {
    in_every_way(|way| {
        let staff = Staff::default();
        let members =
            [open("first", 1, &staff), open("second", 2, &staff), open("third", 4, &staff)];
        let report = assert_fed(&parallel("group", members), way, &staff, 7, [100, 100]);
        assert_eq!(taken_by_members(&report).iter().sum::<u64>(), 100, "{way:?}");
    });
}

#[test]
fn a_fan_out_group_with_its_head_between_an_input_and_an_output() {
    in_every_way(|way| {
        let staff = Staff::default();
        let members =
            [open("first", 2, &staff), open("second", 4, &staff), open("third", 8, &staff)];
        let tract = open("head", 1, &staff).then(fan_out("group", members));
        let report = assert_fed(&tract, way, &staff, 15, [100, 300]);
        assert_eq!(ledger(&report, "head").taken, 100, "{way:?}");
        assert_eq!(taken_by_members(&report), [100; 3], "{way:?}");
    });
}

/// One request through stages of one worker, and how many of each stage were measured.
fn measured(tract: Tract<u64, u64>, way: Placement) -> BTreeMap<String, u64> {
    let tract = source("one", 1, || 0..1).then(tract);
    let setup = tract.setup().placement(way).measure(Measure::ALL);
    let report = setup.run(drop).expect("a sound tract");
    assert_balanced(&report);
    let workers = report.stages.iter().filter(|stage| stage.path.starts_with("group/"));
    workers.map(|stage| (stage.path.clone(), stage.times.work.count)).collect()
}

fn counted<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected.map(|(path, count)| (path.to_owned(), count)).into()
}

#[test]
fn one_measured_request_through_chains_and_a_fan_out() {
    in_every_way(|way| {
        let pass = |name| worker(name, 1, || |n: u64| n);
        let fails = worker("1", 1, || try_map(|_: u64| Err::<u64, _>("no")));

        let chain = serial("group", pass("1").then(pass("2")));
        assert_eq!(measured(chain, way), counted([("group/1", 1), ("group/2", 1)]));
        let failing = serial("group", fails.then(pass("2")));
        assert_eq!(measured(failing, way), counted([("group/1", 1), ("group/2", 0)]));
        let linked = serial("group", pass("1").then(pass("2").then(pass("3"))));
        let each_once = counted([("group/1", 1), ("group/2", 1), ("group/3", 1)]);
        assert_eq!(measured(linked, way), each_once);
        let fanned = fan_out("group", [pass("1"), pass("2"), pass("3")]);
        assert_eq!(measured(fanned, way), each_once);
    });
}

/// The inner tract of the package's tract worker, with a hundred requests sent into it at once from ten threads: each
/// comes back, with what was added before the tract kept apart from what was added in it.
#[test]
fn a_hundred_requests_at_once_through_four_workers_and_one() {
    within_a_minute(|| {
        for way in [Placement::Auto, Placement::PerWorker, Placement::Threads(1)] {
            let staff = Staff::default();
            let [first, second, outside] = [(); 3].map(|()| Deaths::default());
            let stage = |deaths: &Deaths| {
                let deaths = deaths.clone();
                staff.of(outcome(move |n: u64, request: &mut Envelope| {
                    deaths.watch(n, request);
                    Outcome::Emit(n)
                }))
            };
            let chain = worker("first", 4, stage(&first)).close_factory().then(worker(
                "second",
                1,
                stage(&second),
            ));
            let tract = serial("inner", chain);
            let (feed, input) = feed(4);
            let (output, receiver) = receiver();
            let setup = tract.setup().placement(way);
            let running = setup.init_fed(input, output).expect("sound").start().expect("runs");
            let senders: Vec<_> = (0..10_u64)
                .map(|sender| {
                    let (mut feed, outside) = (feed.clone(), outside.clone());
                    std::thread::spawn(move || {
                        for n in (0..100).skip(sender as usize).step_by(10) {
                            let mut request = Request::new(n);
                            outside.watch(n, request.envelope_mut());
                            feed.send(request).expect("open");
                        }
                    })
                })
                .collect();
            drop(feed);
            let requests: Vec<_> = receiver.collect();
            senders.into_iter().for_each(|sender| sender.join().expect("sends"));
            let report = running.wait();

            assert_eq!(staff.counts(), [5, 200, 5, 1], "{way:?}");
            assert!(report.is_complete(), "{way:?}: {report}");
            let all = [&first, &second, &outside];
            all.iter().for_each(|deaths| deaths.assert_each_once(0..0, |_| true));
            drop(requests);
            all.iter().for_each(|deaths| deaths.assert_each_once(0..100, |_| true));
        }
    });
}
