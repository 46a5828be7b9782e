//! One hop: a source on one core, a sink on another, one lane between.
//!
//! ```text
//! [source] ──── lane ────> [sink]
//! ```
//!
//! Against a bare `rtrb` ring polled by hand, value by value and in chunks of 32, and against a bare cache line, with
//! the same capacity and payload on the same pinned, spinning cores; metrics are off. `cargo bench --bench hop`

mod harness;
mod peers;
mod topologies;

use std::time::Duration;

use harness::bench::Bench;
use harness::cell::{Cell, System};
use harness::load::Load;
use harness::rounds::Effort;

static SYSTEMS: [System; 7] = [
    peers::RING,
    peers::RING_CHUNKS,
    peers::CACHE_LINE,
    peers::RINGTRACT_SPIN,
    peers::RINGTRACT_BATCH,
    peers::RINGTRACT_WORKER,
    peers::HICCUPS,
];

static LOADS: [Load; 2] = [Load::Saturated, Load::Paced(500_000)];

fn main() {
    let topology = topologies::named("hop");
    if harness::machine::cores().len() < 2 {
        return println!(
            "hop: two cores are needed, and this process may use one: nothing measured"
        );
    }
    let cells = || LOADS.iter().map(|&load| Cell::new(topology, load, 8, 2)).collect();
    let bench = Bench {
        title: "one hop, on two cores",
        topologies: std::slice::from_ref(topology),
        systems: &SYSTEMS,
        baseline: peers::RING.name,
        cells: cells(),
        quick_cells: cells(),
        loads: &LOADS,
        cores: 2,
        full: Effort {
            rounds: 15,
            budget: Duration::from_secs(40),
            run: (Duration::from_millis(20), Duration::from_millis(500)),
        },
        findings: None,
        quick: Effort {
            rounds: 3,
            budget: Duration::from_secs(3),
            run: (Duration::from_millis(10), Duration::from_millis(50)),
        },
    };
    bench.run();
}
