//! ringtract beside its peers: every topology under every kind of load.
//!
//! ```text
//! hop, ping-pong, call, wake, chain, pool, parallel, fan-out, diamond, nested     topologies/mod.rs has a picture of each
//!   x  saturated, 10 k/s, 100 k/s, 1 M/s, bursts of 1, 10, 100 with pauses of 0, 1, 10 ms
//!   x  8, 64, 256 bytes
//!   x  a core for each thread where there are so many, 2 cores, 1 core
//! ```
//!
//! Not every combination is measured by default, but each can be asked for. `cargo bench --bench compare`

mod harness;
mod peers;
mod topologies;

use std::time::Duration;

use harness::bench::Bench;
use harness::cell::{Cell, Exercise, System, Topology};
use harness::load::Load;
use harness::rounds::Effort;

static SYSTEMS: [System; 22] = [
    peers::RINGTRACT_SPIN,
    peers::RINGTRACT,
    peers::RINGTRACT_BATCH,
    peers::RINGTRACT_METRICS,
    peers::DISRUPTOR_SPIN,
    peers::DISRUPTOR_BATCH,
    peers::DISRUPTOR_YIELD,
    peers::DISRUPTOR_SLEEP,
    peers::CROSSBEAM_SPIN,
    peers::CROSSBEAM,
    peers::KANAL_SPIN,
    peers::KANAL,
    peers::FLUME_SPIN,
    peers::FLUME,
    peers::STD_SPIN,
    peers::STD,
    peers::TOKIO,
    peers::BY_HAND,
    peers::RING,
    peers::RING_CHUNKS,
    peers::CACHE_LINE,
    peers::HICCUPS,
];

static LOADS: [Load; 4] =
    [Load::Saturated, Load::Paced(10_000), Load::Paced(100_000), Load::Paced(1_000_000)];

fn main() {
    let have = harness::machine::cores().len();
    let two = have.min(2);
    let bench = Bench {
        title: "ringtract beside its peers",
        topologies: &topologies::ALL,
        systems: &SYSTEMS,
        baseline: peers::RINGTRACT_SPIN.name,
        cells: cells(have),
        quick_cells: quick_cells(two),
        loads: &LOADS,
        cores: two,
        full: Effort {
            rounds: 5,
            budget: Duration::from_secs(660),
            run: (Duration::from_millis(20), Duration::from_millis(500)),
        },
        findings: None,
        quick: Effort {
            rounds: 3,
            budget: Duration::from_secs(16),
            run: (Duration::from_millis(5), Duration::from_millis(50)),
        },
    };
    bench.run();
}

/// The table of a full run.
fn cells(have: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut add = |topology: &'static Topology, load, payload, cores| {
        cells.push(Cell::new(topology, load, payload, cores));
    };
    let two = have.min(2);
    for topology in topologies::ALL.iter() {
        match topology.exercise {
            Exercise::PingPong | Exercise::Call => {
                add(topology, Load::Closed, 8, two);
                continue;
            }
            Exercise::Wake => {
                add(topology, topologies::WAKE, 8, two);
                continue;
            }
            Exercise::Flow(_) => {}
        }
        LOADS.iter().for_each(|&load| add(topology, load, 8, two));
        let alone = topology.exercise.shape().workers() + 2;
        if alone > two && alone <= have {
            LOADS.iter().for_each(|&load| add(topology, load, 8, alone));
        }
        if two > 1 {
            [LOADS[0], LOADS[2]].iter().for_each(|&load| add(topology, load, 8, 1));
        }
    }
    // What is not the topology's doing is looked at where least else is.
    let hop = topologies::named("hop");
    for payload in [64, 256] {
        [LOADS[0], LOADS[2]].iter().for_each(|&load| add(hop, load, payload, two));
    }
    for size in [1, 10, 100] {
        for pause_ms in [0, 1, 10] {
            add(hop, Load::Bursts { size, pause_ms }, 8, two);
        }
    }
    let chain = topologies::named("chain");
    [64, 256].iter().for_each(|&payload| add(chain, Load::Saturated, payload, two));
    cells
}

/// The table of a smoke test: every topology, and every kind of load.
fn quick_cells(cores: usize) -> Vec<Cell> {
    let cell = |topology, load| Cell::new(topology, load, 8, cores);
    let mut cells = Vec::new();
    for topology in topologies::ALL.iter() {
        match topology.exercise {
            Exercise::PingPong | Exercise::Call => cells.push(cell(topology, Load::Closed)),
            Exercise::Wake => cells.push(cell(topology, topologies::WAKE)),
            Exercise::Flow(_) => {
                cells.push(cell(topology, LOADS[0]));
                cells.push(cell(topology, LOADS[2]));
            }
        }
    }
    cells.push(cell(topologies::named("hop"), Load::Bursts { size: 10, pause_ms: 1 }));
    cells
}
