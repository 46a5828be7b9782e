//! What the machine takes from the threads of a run.

mod common;

use std::time::{Duration, Instant};

use common::within_a_minute;
use ringtract::{
    Envelope, Hiccups, Idle, Input, Measure, Next, NoInput, Pace, Placement, Report, Tract,
    final_output, paced, source, worker,
};

/// Spins for as long as a test takes, whatever else the machine has to do.
const SPIN: Idle = Idle::Backoff { spins: u32::MAX, yields: 0 };
const TICKS: u64 = 50;

fn ticks() -> Tract<NoInput, u64> {
    let ticks = || paced(0..TICKS, Pace::even(1_000, Duration::from_secs(1)));
    source("ticks", 1, ticks).then(worker("same", 1, || |n: u64| n))
}

/// Takes 2 ms to say that it has nothing, as if somebody had the core for so long.
struct Held(u32);

const HELD: Duration = Duration::from_millis(2);

impl Input for Held {
    type Item = u64;

    fn poll(&mut self, _request: &mut Envelope) -> Next<u64> {
        if self.0 == 0 {
            return Next::Ended;
        }
        self.0 -= 1;
        std::thread::sleep(HELD);
        Next::Nothing
    }
}

#[test]
fn a_thread_that_spins_is_watched() {
    within_a_minute(|| {
        let tract = ticks();
        let report = tract.setup().placement(Placement::Threads(1)).idle(SPIN).run(drop);
        let report = report.expect("starts");
        let Hiccups { watched, taken, .. } = report.hiccups;
        assert!(watched > Duration::ZERO && watched <= report.elapsed, "{report}");
        assert!(taken <= watched);
        assert_eq!(report.threads[0].hiccups.watched, watched, "the only thread of two workers");
        assert!(report.to_string().contains(" watched"), "{report}");
    });
}

#[test]
fn where_nothing_is_measured_nobody_is_watched() {
    within_a_minute(|| {
        let report = ticks().setup().measure(Measure::Off).idle(SPIN).run(drop).expect("starts");
        assert_eq!(report.hiccups, Hiccups::default());
        assert!(!report.to_string().contains("hiccup"), "{report}");
    });
}

#[test]
fn a_thread_that_yields_is_not_watched() {
    within_a_minute(|| {
        let report = ticks().setup().idle(Idle::Yield).run(drop).expect("starts");
        assert_eq!(report.hiccups, Hiccups::default());
    });
}

fn run_held(count: u32) -> Report {
    let tract = source("held", 1, move || Held(count));
    tract.setup().idle(SPIN).run(drop).expect("starts")
}

#[test]
fn what_lies_between_two_idle_looks_is_counted_and_added_up() {
    within_a_minute(|| {
        let report = run_held(6);
        // Between 6 looks at nothing there are 5 times; the machine may add more of its own.
        assert!(report.hiccups.times.count >= 5, "{report}");
        assert!(report.hiccups.taken >= 5 * HELD, "{report}");
        assert!(report.hiccups.times.max >= HELD.as_nanos() as u64 / 100 * 98, "{report}");
        assert!(report.hiccups.share() > 0.9 && report.hiccups.share() <= 1.0, "{report}");
        let own: u64 = report.threads.iter().map(|thread| thread.hiccups.times.count).sum();
        assert_eq!(own, report.hiccups.times.count);
    });
}

#[test]
fn snapshots_tell_what_is_new() {
    within_a_minute(|| {
        let tract = source("held", 1, || Held(40));
        let running = tract.setup().idle(SPIN).init(final_output()).expect("plain").start();
        let running = running.expect("starts");
        let (mut count, mut taken, mut watched) = (0, Duration::ZERO, Duration::ZERO);
        while !running.is_finished() {
            let hiccups = running.snapshot().hiccups;
            count += hiccups.times.count;
            taken += hiccups.taken;
            watched += hiccups.watched;
            std::thread::sleep(Duration::from_millis(5));
        }
        let report = running.wait();
        assert!(count >= 10, "the 39 hiccups were not all kept for the end");
        assert!(count <= report.hiccups.times.count && taken <= report.hiccups.taken);
        assert!(watched <= report.hiccups.watched);
        assert!(report.hiccups.times.count >= 39, "what was shown on the way is in the total");
    });
}

#[test]
fn a_tail_that_a_hiccup_explains_is_put_down_to_it() {
    within_a_minute(|| {
        /// One request between two holdings.
        struct Once(Held, bool);
        impl Input for Once {
            type Item = u64;

            fn poll(&mut self, request: &mut Envelope) -> Next<u64> {
                if self.0.0 == 2 && !std::mem::replace(&mut self.1, true) {
                    return Next::Value(1);
                }
                self.0.poll(request)
            }
        }
        let tract = source("once", 1, || Once(Held(4), false));
        let report = tract.setup().measure(Measure::ALL).idle(SPIN).run(drop).expect("starts");
        let slowest = report.stages.iter().map(|stage| stage.times.age.max).max().expect("stages");
        let told = report.to_string().contains("the tail may be the machine's");
        assert_eq!(told, report.hiccups.times.max * 2 >= slowest, "{report}");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_thread_that_waits_for_a_core_is_told() {
    within_a_minute(|| {
        let cores = std::thread::available_parallelism().expect("known").get();
        let busy = || {
            let end = Instant::now() + Duration::from_millis(50);
            std::iter::from_fn(move || (Instant::now() < end).then_some(1_u64))
        };
        // Twice as many that never rest as there are cores.
        let tract = source("busy", 2 * cores, busy);
        let setup = tract.setup().placement(Placement::PerWorker).measure(Measure::Off);
        let report = setup.init(final_output()).expect("plain").start().expect("starts").wait();
        let queued: Vec<_> = report.threads.iter().map(|thread| thread.queued).collect();
        if queued.iter().any(Option::is_none) {
            println!("SKIPPED: this system does not say how long threads wait");
            return;
        }
        let all: Duration = queued.iter().flatten().sum();
        assert!(all >= Duration::from_millis(10), "{queued:?} of {:?}", report.elapsed);
    });
}
