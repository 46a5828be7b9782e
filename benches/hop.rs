//! One hop: a source on one core, a sink on another, one lane between.
//!
//! ```text
//! [source] ──── lane ────> [sink]
//! ```
//!
//! Against a bare `rtrb` ring polled by hand, with the same capacity, the same payload, on the same pinned cores.
//! Throughput is saturated. Latency is that of a source paced at 1 request in 2 us: from the moment the source gives
//! the value to the moment the sink has it. Metrics are off. `cargo bench --bench hop`

mod harness;

use std::convert::Infallible;
use std::hint::{black_box, spin_loop};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use harness::{Settings, Spread, System, interleave, pin, two_cores};
use hdrhistogram::Histogram;
use ringtract::{
    Envelope, Idle, Input, Measure, Next, Placement, Report, Request, Tract, output, source, worker,
};

const CAPACITY: usize = 1_024;

fn main() {
    let settings = Settings::from_args();
    let cores = two_cores();
    println!("cores {} and {}, lane capacity {CAPACITY}, payload 8 bytes", cores.0, cores.1);
    throughput(&settings, cores);
    latency(&settings, cores);
}

fn throughput(settings: &Settings, cores: (usize, usize)) {
    let count = 20_000_000 / settings.shrink as u64;
    let mut systems = [
        System::new("rtrb, push and pop", move || bare(count, cores)),
        System::new("rtrb, chunks of 32", move || bare_chunks(count, cores)),
        System::new("ringtract", move || hop(count, 1, cores)),
        System::new("ringtract, batches of 32", move || hop(count, 32, cores)),
        System::new("ringtract, source > worker > output", move || chain(count, cores)),
    ];
    interleave(&mut systems, settings.rounds);
    println!("\nthroughput, million requests a second: median (min .. max), ratio to the first");
    print(&systems, |million_a_second: &f64| *million_a_second);
}

fn latency(settings: &Settings, cores: (usize, usize)) {
    let count = 400_000 / settings.shrink as u64;
    let mut systems = [
        System::new("rtrb, push and pop", move || bare_paced(count, cores)),
        System::new("ringtract", move || hop_paced(count, cores)),
    ];
    interleave(&mut systems, settings.rounds);
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        println!("\nlatency {name}, ns: median (min .. max), ratio to the first");
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds")]
        print(&systems, |latencies: &Histogram<u64>| latencies.value_at_quantile(quantile) as f64);
    }
}

fn print<F>(systems: &[System<F>], figure: impl Fn(&F) -> f64) {
    for system in systems {
        let figures = Spread::of(system.figures.iter().map(&figure));
        let ratios = system.figures.iter().zip(&systems[0].figures);
        let ratio = Spread::of(ratios.map(|(own, base)| figure(own) / figure(base)));
        println!("  {:36}{figures:<32}  x {:.2}", system.name, ratio.median);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64() / 1e6
}

fn sum_below(count: u64) -> u64 {
    count * (count - 1) / 2
}

/// Two pinned threads, started together; the rate of what they moved.
fn on_two_threads(
    count: u64,
    cores: (usize, usize),
    produce: impl FnOnce() + Send,
    consume: impl FnOnce() -> u64 + Send,
) -> f64 {
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(cores.0);
            barrier.wait();
            produce();
        });
        let consumer = scope.spawn(|| {
            pin(cores.1);
            barrier.wait();
            let start = Instant::now();
            assert_eq!(consume(), sum_below(count));
            start.elapsed()
        });
        rate(count, consumer.join().expect("consumes"))
    })
}

fn bare(count: u64, cores: (usize, usize)) -> f64 {
    let (mut tx, mut rx) = rtrb::RingBuffer::new(CAPACITY);
    let produce = move || {
        for n in 0..count {
            while tx.push(n).is_err() {
                spin_loop();
            }
        }
    };
    let consume = move || {
        let (mut sum, mut left) = (0_u64, count);
        while left > 0 {
            match rx.pop() {
                Ok(n) => {
                    sum += black_box(n);
                    left -= 1;
                }
                Err(_) => spin_loop(),
            }
        }
        sum
    };
    on_two_threads(count, cores, produce, consume)
}

fn bare_chunks(count: u64, cores: (usize, usize)) -> f64 {
    let (mut tx, mut rx) = rtrb::RingBuffer::new(CAPACITY);
    let produce = move || {
        let mut numbers = 0..count;
        while !numbers.is_empty() {
            match tx.slots().min(32) {
                0 => spin_loop(),
                slots => {
                    let chunk = tx.write_chunk_uninit(slots).expect("slots were free");
                    chunk.fill_from_iter(&mut numbers);
                }
            }
        }
    };
    let consume = move || {
        let (mut sum, mut left) = (0_u64, count);
        while left > 0 {
            match rx.slots().min(32) {
                0 => spin_loop(),
                slots => {
                    left -= slots as u64;
                    sum += rx
                        .read_chunk(slots)
                        .expect("slots were full")
                        .into_iter()
                        .map(black_box)
                        .sum::<u64>();
                }
            }
        }
        sum
    };
    on_two_threads(count, cores, produce, consume)
}

/// Runs a tract whose stages are placed on the two cores.
fn run<T: Send + 'static>(
    tract: &Tract<ringtract::NoInput, T>,
    sink: impl FnMut(Request<T>) + Send + 'static,
) -> Report {
    let setup = tract.setup().placement(Placement::Threads(2)).pinned().idle(Idle::Spin);
    let setup = setup.capacity(CAPACITY).measure(Measure::Off);
    let ready = setup.init(output(move || Ok::<_, Infallible>(sink))).expect("a valid tract");
    let report = ready.start().expect("starts").wait();
    assert!(report.is_complete(), "{report}");
    report
}

/// The sum of what comes out, compared at the end.
fn summing(count: u64) -> (impl FnMut(Request<u64>) + Send, impl Fn()) {
    let total = Arc::new(Mutex::new(0));
    let last = Arc::clone(&total);
    let (mut sum, mut left) = (0_u64, count);
    let sink = move |request: Request<u64>| {
        sum += black_box(*request);
        left -= 1;
        if left == 0 {
            *last.lock().expect("nobody panicked") = sum;
        }
    };
    (sink, move || assert_eq!(*total.lock().expect("nobody panicked"), sum_below(count)))
}

fn hop(count: u64, batch: usize, _cores: (usize, usize)) -> f64 {
    let (sink, check) = summing(count);
    let report = run(&source("source", 1, move || 0..count).batch(batch), sink);
    check();
    rate(count, report.elapsed)
}

fn chain(count: u64, _cores: (usize, usize)) -> f64 {
    let (sink, check) = summing(count);
    let tract = source("source", 1, move || 0..count).then(worker("worker", 1, || |n: u64| n));
    let report = run(&tract, sink);
    check();
    rate(count, report.elapsed)
}

/// The time between two requests of a paced source.
const PERIOD: Duration = Duration::from_micros(2);

fn record(latencies: &mut Histogram<u64>, clock: &quanta::Clock, sent: u64) {
    latencies.saturating_record(clock.delta_as_nanos(sent, clock.raw()));
}

fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 1 << 30, 3).expect("valid bounds")
}

fn bare_paced(count: u64, cores: (usize, usize)) -> Histogram<u64> {
    let (mut tx, mut rx) = rtrb::RingBuffer::new(CAPACITY);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            pin(cores.0);
            let mut pace = Pace::new(count);
            while let Some(due) = pace.next_due() {
                if let Some(stamp) = due {
                    while tx.push(stamp).is_err() {
                        spin_loop();
                    }
                }
            }
        });
        let consumer = scope.spawn(move || {
            pin(cores.1);
            let clock = quanta::Clock::new();
            let (mut latencies, mut left) = (latencies(), count);
            while left > 0 {
                match rx.pop() {
                    Ok(sent) => {
                        record(&mut latencies, &clock, sent);
                        left -= 1;
                    }
                    Err(_) => spin_loop(),
                }
            }
            latencies
        });
        consumer.join().expect("consumes")
    })
}

/// Says when the next value is due, and stamps it.
struct Pace {
    clock: quanta::Clock,
    due: u64,
    left: u64,
}

impl Pace {
    fn new(left: u64) -> Self {
        let clock = quanta::Clock::new();
        let due = clock.raw();
        Self { clock, due, left }
    }

    /// The stamp of a value that is due; `Some(None)` before that, `None` at the end.
    fn next_due(&mut self) -> Option<Option<u64>> {
        if self.left == 0 {
            return None;
        }
        let now = self.clock.raw();
        if self.clock.delta_as_nanos(self.due, now) < PERIOD.as_nanos() as u64 {
            return Some(None);
        }
        self.due = now;
        self.left -= 1;
        Some(Some(now))
    }
}

impl Input for Pace {
    type Item = u64;

    fn poll(&mut self, _request: &mut Envelope) -> Next<u64> {
        match self.next_due() {
            None => Next::Ended,
            Some(None) => Next::Nothing,
            Some(Some(stamp)) => Next::Value(stamp),
        }
    }
}

fn hop_paced(count: u64, _cores: (usize, usize)) -> Histogram<u64> {
    let taken = Arc::new(Mutex::new(latencies()));
    let result = Arc::clone(&taken);
    let clock = quanta::Clock::new();
    let (mut own, mut left) = (latencies(), count);
    run(&source("source", 1, move || Pace::new(count)), move |request| {
        record(&mut own, &clock, *request);
        left -= 1;
        if left == 0 {
            *taken.lock().expect("nobody panicked") = own.clone();
        }
    });
    let latencies = result.lock().expect("nobody panicked").clone();
    assert_eq!(latencies.len(), count);
    latencies
}
