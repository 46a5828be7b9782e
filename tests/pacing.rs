//! Paced inputs: every request starts when it was meant to, and what delays the tract shows in its latencies.

mod common;

use std::convert::Infallible;
use std::ops::Range;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use common::{EVERY_WAY, within_a_minute};
use ringtract::{
    Aspect, Idle, Layout, Measure, NoInput, OutputEnd, Pace, Paced, Placement, Report, Request,
    Setup, Tract, for_each, input, output, paced, sim, source, worker,
};

const SECOND: Duration = Duration::from_secs(1);
const COUNT: u64 = 200;
/// From one request to the next.
const GAP: Duration = Duration::from_micros(100);

/// So many numbers, one every 100 us.
fn numbers(count: u64) -> impl Fn() -> Paced<Range<u64>> + Send + 'static {
    move || paced(0..count, Pace::even(10_000, SECOND))
}

fn run(setup: &Setup<'_, NoInput, u64>, end: OutputEnd<u64>) -> Report {
    match setup.plan().expect("a plan").placement {
        Layout::Rule(Placement::Inline { .. }) => setup.init_inline(end).expect("starts").finish(),
        _ => setup.init(end).expect("starts").start().expect("starts").wait(),
    }
}

/// When each request was meant to start, after the first, by a run that also checks that none came before.
fn starts(setup: &Setup<'_, NoInput, u64>) -> Vec<Duration> {
    let (sender, starts) = channel();
    let end = output(move || {
        Ok::<_, Infallible>(move |request: Request<u64>| {
            let start = request.envelope().started().expect("paced requests have a start");
            // The two clocks are read one after the other and agree to a few parts per million.
            assert!(Instant::now() + Duration::from_micros(50) >= start, "given before it was due");
            sender.send(start).expect("the test listens");
        })
    });
    let report = run(setup, end);
    assert!(report.is_complete(), "{report}");
    let starts: Vec<Instant> = starts.into_iter().collect();
    starts.iter().map(|start| *start - starts[0]).collect()
}

fn evenly(count: u64) -> Vec<Duration> {
    (0..count).map(|n| GAP * u32::try_from(n).expect("few")).collect()
}

#[test]
fn requests_start_when_they_were_due_in_every_placement() {
    within_a_minute(|| {
        for placement in EVERY_WAY {
            let tract = source("numbers", 1, numbers(COUNT)).then(worker("next", 1, || |n| n + 1));
            let setup = tract.setup().placement(placement);
            assert_eq!(starts(&setup), evenly(COUNT), "{placement:?}");
        }
    });
}

#[test]
fn requests_start_when_they_were_due_however_the_thread_waits() {
    within_a_minute(|| {
        let backoff = Idle::Backoff { spins: 10, yields: 10 };
        for idle in [Idle::Spin, Idle::Yield, Idle::Park, backoff, Idle::default()] {
            let tract = source("numbers", 1, numbers(COUNT));
            assert_eq!(starts(&tract.setup().idle(idle)), evenly(COUNT), "{idle:?}");
        }
    });
}

#[test]
fn requests_have_their_intended_start_even_where_nothing_is_measured() {
    within_a_minute(|| {
        let tract = source("numbers", 1, numbers(20));
        assert_eq!(starts(&tract.setup().measure(Measure::Off)), evenly(20));
    });
}

#[test]
fn each_worker_of_a_source_has_a_schedule_of_its_own() {
    within_a_minute(|| {
        let report = source("numbers", 3, numbers(20)).run(drop).expect("starts");
        assert_eq!(report.stages[0].ledger.emitted, 60);
        assert!(report.elapsed >= 19 * GAP, "all three took their time");
    });
}

#[test]
fn a_recording_is_followed_through_an_input() {
    within_a_minute(|| {
        let millis = [5_000_u64, 5_004, 5_004, 5_010, 5_070];
        let stamp = |millis: &u64| Some(Duration::from_millis(*millis));
        let pace = Pace::following(10, stamp).without_gaps_over(Duration::from_millis(50));
        let tract = worker("same", 1, || |n: u64| n);
        let end = input(move || Ok::<_, Infallible>(paced(millis.into_iter(), pace)));
        let (sender, starts) = channel();
        let sink = output(move || {
            Ok::<_, Infallible>(move |request: Request<u64>| {
                sender.send(request.envelope().started().expect("a start")).expect("heard");
            })
        });
        tract.setup().init_fed(end, sink).expect("starts").start().expect("starts").wait();
        let starts: Vec<Instant> = starts.into_iter().collect();
        let after: Vec<u128> =
            starts.iter().map(|start| (*start - starts[0]).as_micros()).collect();
        assert_eq!(after, [0, 400, 400, 1_000, 1_000]);
    });
}

#[test]
fn poisson_arrivals_are_all_given_and_in_order() {
    within_a_minute(|| {
        let numbers = || paced(0..COUNT, Pace::poisson(20_000, SECOND, 11));
        let tract = source("numbers", 1, numbers);
        let once = starts(&tract.setup());
        assert_eq!(once.len() as u64, COUNT);
        assert!(once.is_sorted());
        assert_eq!(once, starts(&tract.setup()), "the same seed, the same times");
    });
}

/// A tract whose worker does nothing for a while at the first request.
fn stalling(stall: Duration) -> Tract<NoInput, u64> {
    let work = move |n: u64| {
        if n == 0 {
            std::thread::sleep(stall);
        }
        n
    };
    source("numbers", 1, numbers(COUNT)).then(worker("stalls", 1, move || work))
}

#[test]
fn a_stall_is_in_the_latency_of_every_request_that_was_due_meanwhile() {
    within_a_minute(|| {
        let stall = 3 * GAP * u32::try_from(COUNT).expect("few");
        let tract = stalling(stall);
        for placement in EVERY_WAY {
            // Room for one only, so that the source itself is held up.
            let setup = tract.setup().placement(placement).capacity(1).measure(Measure::ALL);
            let report = run(&setup, for_each(drop));
            // All were due in the first third of the stall, so each waited for the other two thirds at least.
            let times = report.histogram(2, Aspect::Tract).expect("measured");
            let floor = (stall - GAP * u32::try_from(COUNT).expect("few")).as_nanos() as u64;
            assert_eq!(times.len(), COUNT);
            assert!(times.min() >= floor / 100 * 98, "{placement:?}: {} < {floor}", times.min());
            // And the source says of itself that it gave most of them that late.
            let late = report.histogram(0, Aspect::Age).expect("measured");
            assert_eq!(late.len(), COUNT);
            assert!(late.value_at_quantile(0.5) >= floor / 100 * 98, "{placement:?}");
            assert!(report.to_string().contains("numbers gave requests late by p50 "), "{report}");
        }
    });
}

#[test]
fn a_stop_does_not_wait_for_what_is_due_in_an_hour() {
    within_a_minute(|| {
        let hourly = || paced(0..10_u64, Pace::even(1, Duration::from_secs(3_600)));
        let tract = source("hourly", 1, hourly);
        let (sender, seen) = channel();
        let running = tract
            .init(for_each(move |n| sender.send(n).expect("heard")))
            .expect("starts")
            .start()
            .expect("starts");
        assert_eq!(seen.recv(), Ok(0));
        running.stop();
        let report = running.wait();
        // The second one may have been read by then; if so it was passed on.
        let rest: Vec<u64> = seen.into_iter().collect();
        assert!(rest.is_empty() || rest == [1], "{rest:?}");
        assert_eq!(report.stages[0].ledger.taken, 1 + rest.len() as u64);
        assert!(report.is_complete(), "{report}");
    });
}

#[test]
fn a_schedule_can_be_left_out() {
    within_a_minute(|| {
        let tract = source("numbers", 1, || paced(0..1_000_u64, Pace::at_once()));
        let report = tract.setup().measure(Measure::ALL).run(drop).expect("starts");
        assert_eq!(report.stages[0].ledger.emitted, 1_000);
        assert!(report.histogram(0, Aspect::Age).is_none(), "nothing was intended");
    });
}

#[test]
fn in_simulated_time_every_request_is_given_when_it_is_due() {
    within_a_minute(|| {
        const HOUR: Duration = Duration::from_secs(3_600);
        sim::check(20, |case| {
            let seed = case.draw(0..=1_000);
            let count = case.draw(2..=60);
            let hourly = source("hourly", 1, move || paced(0..count, Pace::even(1, HOUR)));
            let random = source("random", 1, move || paced(0..count, Pace::poisson(1, HOUR, seed)));
            for tract in [hourly, random] {
                let tract = tract.then(worker("same", 1, || |n: u64| n));
                let before = ringtract::now();
                let report = case.run(tract.setup().measure(Measure::ALL), for_each(drop))?;
                assert!(report.is_complete(), "{report}");
                assert_eq!(report.stages[0].ledger.emitted, count);
                let late = report.stages[0].times.age;
                assert_eq!((late.count, late.max), (count, 0), "{report}");
                if report.stages[0].path == "hourly" {
                    let hours = u32::try_from(count - 1).expect("few");
                    assert_eq!(ringtract::now() - before, hours * HOUR);
                }
            }
            Ok(())
        });
    });
}
