//! One call: a value to a worker on another core, and its answer back.
//!
//! ```text
//! [caller] ──── request ────> [worker]
//!     ^ ──────── answer ─────────┘
//! ```
//!
//! Against a pair of bare `rtrb` rings polled by hand; a crossbeam channel with an answer channel per caller, which
//! travels with the request; a tokio channel with a oneshot per call. The service is a single worker with its ends on one
//! pinned thread, and spins. One caller, one call at a time. Metrics are off. `cargo bench --bench call`

mod harness;

use std::hint::spin_loop;
use std::thread;
use std::time::Instant;

use harness::plain::{Settings, Spread, System, interleave, pin, two_cores};
use hdrhistogram::Histogram;
use ringtract::{Idle, Measure, Placement, worker};

type Latencies = Histogram<u64>;

fn main() {
    let settings = Settings::from_args();
    let cores = two_cores();
    println!("cores {} and {}, payload 8 bytes", cores.0, cores.1);
    let count = 200_000 / settings.shrink as u64;
    let mut systems = [
        System::new("rtrb, two rings", move || rings(count, cores)),
        System::new("ringtract, call", move || service(count, cores)),
        System::new("crossbeam-channel, polled", move || crossbeam_polled(count, cores)),
        System::new("crossbeam-channel, blocking", move || crossbeam(count, cores)),
        System::new("tokio, mpsc and oneshot", move || tokio_channels(count, cores)),
    ];
    interleave(&mut systems, settings.rounds);
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        println!("\nround trip {name}, ns: median (min .. max), ratio to the first");
        for system in &systems {
            let figure = |latencies: &Latencies| to_f64(latencies.value_at_quantile(quantile));
            let figures = Spread::of(system.figures.iter().map(figure));
            let ratios = system.figures.iter().zip(&systems[0].figures);
            let ratio = Spread::of(ratios.map(|(own, base)| figure(own) / figure(base)));
            println!("  {:36}{figures:<32}  x {:.2}", system.name, ratio.median);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds")]
fn to_f64(nanos: u64) -> f64 {
    nanos as f64
}

/// Calls one after the other from the first core, on a thread of its own, since threads made later take over the core of
/// whoever makes them; how long each took.
fn time(count: u64, cores: (usize, usize), mut call: impl FnMut(u64) -> u64 + Send) -> Latencies {
    let calling = move || {
        pin(cores.0);
        let mut latencies = Histogram::new(3).expect("a sound precision");
        for n in 0..count {
            let start = Instant::now();
            assert_eq!(call(n), n + 1);
            let nanos = u64::try_from(start.elapsed().as_nanos()).expect("a short time");
            latencies.record(nanos).expect("a histogram that grows");
        }
        latencies
    };
    thread::scope(|scope| scope.spawn(calling).join().expect("calls"))
}

fn rings(count: u64, cores: (usize, usize)) -> Latencies {
    let (mut requests, mut taken) = rtrb::RingBuffer::<u64>::new(64);
    let (mut answers, mut answered) = rtrb::RingBuffer::<u64>::new(64);
    thread::scope(|scope| {
        scope.spawn(move || {
            pin(cores.1);
            loop {
                match taken.pop() {
                    Ok(n) => answers.push(n + 1).expect("one at a time"),
                    Err(_) if taken.is_abandoned() => return,
                    Err(_) => spin_loop(),
                }
            }
        });
        let latencies = time(count, cores, |n| {
            requests.push(n).expect("one at a time");
            loop {
                match answered.pop() {
                    Ok(n) => return n,
                    Err(_) => spin_loop(),
                }
            }
        });
        drop(requests);
        latencies
    })
}

fn service(count: u64, cores: (usize, usize)) -> Latencies {
    let tract = worker("increment", 1, || |n: u64| n + 1).on_core(cores.1);
    let setup =
        tract.setup().placement(Placement::Threads(1)).idle(Idle::Spin).measure(Measure::Off);
    let mut service = setup.service().idle(Idle::Spin).start().expect("a sound tract");
    let latencies = time(count, cores, |n| service.call(n).expect("an answer"));
    service.close();
    latencies
}

fn crossbeam(count: u64, cores: (usize, usize)) -> Latencies {
    let (requests, taken) = crossbeam_channel::bounded::<(u64, crossbeam_channel::Sender<u64>)>(64);
    let (reply, answered) = crossbeam_channel::bounded(64);
    thread::scope(|scope| {
        scope.spawn(move || {
            pin(cores.1);
            for (n, reply) in taken {
                reply.send(n + 1).expect("waiting");
            }
        });
        let latencies = time(count, cores, |n| {
            requests.send((n, reply.clone())).expect("open");
            answered.recv().expect("an answer")
        });
        drop(requests);
        latencies
    })
}

fn crossbeam_polled(count: u64, cores: (usize, usize)) -> Latencies {
    use crossbeam_channel::TryRecvError;
    let (requests, taken) = crossbeam_channel::bounded::<(u64, crossbeam_channel::Sender<u64>)>(64);
    let (reply, answered) = crossbeam_channel::bounded(64);
    thread::scope(|scope| {
        scope.spawn(move || {
            pin(cores.1);
            loop {
                match taken.try_recv() {
                    Ok((n, reply)) => reply.send(n + 1).expect("waiting"),
                    Err(TryRecvError::Empty) => spin_loop(),
                    Err(TryRecvError::Disconnected) => return,
                }
            }
        });
        let latencies = time(count, cores, |n| {
            requests.send((n, reply.clone())).expect("open");
            loop {
                match answered.try_recv() {
                    Ok(n) => return n,
                    Err(_) => spin_loop(),
                }
            }
        });
        drop(requests);
        latencies
    })
}

fn tokio_channels(count: u64, cores: (usize, usize)) -> Latencies {
    use tokio::sync::{mpsc, oneshot};
    let (requests, mut taken) = mpsc::channel::<(u64, oneshot::Sender<u64>)>(64);
    thread::scope(|scope| {
        scope.spawn(move || {
            pin(cores.1);
            while let Some((n, reply)) = taken.blocking_recv() {
                reply.send(n + 1).expect("waiting");
            }
        });
        let latencies = time(count, cores, |n| {
            let (reply, answered) = oneshot::channel();
            requests.blocking_send((n, reply)).expect("open");
            answered.blocking_recv().expect("an answer")
        });
        drop(requests);
        latencies
    })
}
