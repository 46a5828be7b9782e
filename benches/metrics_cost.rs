//! What measuring costs: a source, four workers and an output, all on one thread, with nothing measured, with one
//! request in 1,000, with one in 64 (the default) and with every one; and every request while another thread takes a
//! snapshot each millisecond.
//!
//! ```text
//! [source] ──> [w1] ──> [w2] ──> [w3] ──> [w4] ──> [output]
//! ```
//!
//! What is quoted is the time per request and stage above that of the same tract with nothing measured, in the same
//! round. `cargo bench --bench metrics_cost`

mod harness;

use std::time::Duration;

use harness::plain::{Settings, Spread, System, interleave};
use ringtract::{Measure, Placement, for_each, source, worker};

/// The stages at which a request is measured: four workers and the output.
const STAGES: f64 = 5.0;

fn main() {
    let settings = Settings::from_args();
    let count = 2_000_000 / settings.shrink as u64;
    let every = Some(Duration::from_millis(1));
    let mut systems = [
        System::new("off", move || run(count, Measure::Off, None)),
        System::new("one in 1,000", move || run(count, Measure::OneIn(1_000), None)),
        System::new("one in 64", move || run(count, Measure::default(), None)),
        System::new("everything", move || run(count, Measure::ALL, None)),
        System::new("one in 64, a snapshot each ms", move || run(count, Measure::default(), every)),
        System::new("everything, a snapshot each ms", move || run(count, Measure::ALL, every)),
    ];
    interleave(&mut systems, settings.rounds);
    println!("\nns per request and stage: median (min .. max), and above `off`");
    for system in &systems {
        let base = &systems[0].figures;
        let figures = Spread::of(system.figures.iter().copied());
        let added = Spread::of(system.figures.iter().zip(base).map(|(own, base)| own - base));
        println!("  {:32}{figures:<32}  + {:.2}", system.name, added.median);
    }
}

/// Nanoseconds per request and stage.
#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn run(count: u64, measure: Measure, snapshots: Option<Duration>) -> f64 {
    let add = || |n: u64| n + 1;
    let tract = source("source", 1, move || 0..count)
        .then(worker("w1", 1, add))
        .then(worker("w2", 1, add))
        .then(worker("w3", 1, add))
        .then(worker("w4", 1, add));
    let setup = tract.setup().placement(Placement::Threads(1)).measure(measure);
    let running = setup.init(for_each(drop::<u64>)).expect("plain").start().expect("starts");
    if let Some(every) = snapshots {
        while !running.is_finished() {
            std::hint::black_box(running.snapshot());
            std::thread::sleep(every);
        }
    }
    let report = running.wait();
    assert_eq!(report.stage("output").expect("an output").ledger.emitted, count);
    report.elapsed.as_nanos() as f64 / count as f64 / STAGES
}
