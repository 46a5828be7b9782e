//! Fewer cores than stages: a chain of 4 single workers on 2 cores.
//!
//! ```text
//! [source] ──> [1] ──> [2] ──> [3] ──> [4] ──> [sink]
//! └──────── core 0 ────────┘  └─────── core 1 ───────┘
//! ```
//!
//! Every peer assumes a core for each stage; here each has six threads on two cores. ringtract places the same chain by
//! itself. `cargo bench --bench few_cores`

mod harness;
mod peers;
mod topologies;

use std::time::Duration;

use harness::bench::Bench;
use harness::cell::{Cell, System};
use harness::load::Load;
use harness::rounds::Effort;

static SYSTEMS: [System; 10] = [
    peers::RINGTRACT,
    peers::RINGTRACT_SPIN,
    peers::CROSSBEAM,
    peers::KANAL,
    peers::TOKIO,
    peers::DISRUPTOR_SPIN,
    peers::DISRUPTOR_YIELD,
    peers::DISRUPTOR_SLEEP,
    peers::BY_HAND,
    peers::HICCUPS,
];

static LOADS: [Load; 3] = [Load::Saturated, Load::Paced(10_000), Load::Paced(100_000)];

fn main() {
    let cores = harness::machine::cores().len().min(2);
    let topology = topologies::named("chain");
    let cells = || LOADS.iter().map(|&load| Cell::new(topology, load, 8, cores)).collect();
    let bench = Bench {
        title: "few cores: a chain of 4 single workers on 2 cores",
        topologies: std::slice::from_ref(topology),
        systems: &SYSTEMS,
        baseline: peers::RINGTRACT.name,
        cells: cells(),
        quick_cells: cells(),
        loads: &LOADS,
        cores,
        full: Effort {
            rounds: 9,
            budget: Duration::from_secs(75),
            run: (Duration::from_millis(20), Duration::from_millis(500)),
        },
        findings: None,
        quick: Effort {
            rounds: 3,
            budget: Duration::from_secs(8),
            run: (Duration::from_millis(10), Duration::from_millis(50)),
        },
    };
    bench.run();
}
