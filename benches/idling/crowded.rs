//! Many more threads than cores.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ringtract::{Output, Placement, Request, output, source, worker};

use crate::harness::bench::Finding;
use crate::harness::machine;

/// Requests of a run, started and ended included.
const REQUESTS: u64 = 20_000;
const ROUNDS: usize = 5;
const POOLS: [usize; 3] = [2, 16, 64];

/// Who takes what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A stage of the tract.
    Output,
    /// The thread that called `run`.
    Caller,
}

/// How the tract is run.
const WAYS: [(Placement, End); 3] = [
    (Placement::Auto, End::Output),
    (Placement::Auto, End::Caller),
    (Placement::PerWorker, End::Output),
];

/// source > 1 > pool > 1 > sink, confined to some cores.
fn run(pool: usize, cores: &[usize], (placement, end): (Placement, End)) -> Duration {
    let confined = || {
        machine::confine(cores);
        let stage = |name, workers| worker(name, workers, || |n: u64| n + 1);
        let tract = source("source", 1, || 0..REQUESTS);
        let tract = tract.then(stage("first", 1)).then(stage("pool", pool)).then(stage("last", 1));
        let setup = tract.setup().placement(placement);
        let mut sum = 0;
        let began = Instant::now();
        let report = match end {
            End::Caller => setup.run(|n| sum += n),
            End::Output => {
                let (tell, told) = mpsc::channel();
                let sink = Sum { sum: 0, tell };
                let report = setup
                    .init(output(move || Ok::<_, Infallible>(sink)))
                    .and_then(|ready| ready.start())
                    .map(|running| running.wait());
                sum = told.recv().expect("told at the end");
                report
            }
        };
        let took = began.elapsed();
        let report = report.expect("a valid tract");
        assert!(report.is_complete(), "{report}");
        assert_eq!(sum, REQUESTS * (REQUESTS - 1) / 2 + 3 * REQUESTS, "the sum of what arrived");
        took
    };
    std::thread::scope(|scope| scope.spawn(confined).join().expect("runs"))
}

struct Sum {
    sum: u64,
    tell: mpsc::Sender<u64>,
}

impl Output<u64> for Sum {
    fn put(&mut self, request: Request<u64>) {
        self.sum += request.into_value();
    }

    fn close(&mut self) {
        self.tell.send(self.sum).expect("somebody waits for it");
    }
}

/// The times of each plan, in order, from interleaved rounds.
fn measure(plans: &[(usize, &[usize])], way: (Placement, End)) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::new(); plans.len()];
    for _ in 0..ROUNDS {
        for ((pool, cores), times) in plans.iter().zip(&mut times) {
            times.push(1e3 * run(*pool, cores, way).as_secs_f64());
        }
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    times
}

pub fn finding() -> Finding {
    let cores = machine::cores();
    let (one, two) = (&cores[..1], &cores[..cores.len().min(2)]);
    let mut plans: Vec<(usize, &[usize])> = vec![(16, one)];
    plans.extend(POOLS.map(|pool| (pool, two)));
    let mut text = format!(
        "source > 1 > pool > 1 > sink, {REQUESTS} requests, from start to end: median (min .. max) of {ROUNDS} rounds\n"
    );
    for way @ (placement, end) in WAYS {
        let end = if end == End::Output { "to an output" } else { "to the caller" };
        let times = measure(&plans, way);
        for ((pool, cores), times) in plans.iter().zip(&times) {
            let (least, median, most) = (times[0], times[ROUNDS / 2], times[ROUNDS - 1]);
            let on = if cores.len() == 1 { "1 core" } else { "2 cores" };
            let _ = writeln!(
                text,
                "  {:<11}{end:<15}pool of {pool:<4}on {on:<9}{median:>8.2} ms ({least:.2} .. {most:.2})",
                format!("{placement:?}"),
            );
        }
        let medians = times[1..].iter().map(|times| times[ROUNDS / 2]);
        let (least, most) = medians.fold((f64::INFINITY, 0.0), |(least, most), time| {
            (f64::min(least, time), f64::max(most, time))
        });
        let _ = writeln!(text, "{:28}the pools on 2 cores: a factor of {:.2}", "", most / least);
    }
    text.push_str("wanted: a factor of at most 3, and less than a second on one core\n");
    Finding { heading: "crowded", text, picture: String::new() }
}
