//! What waiting costs: lanes that may park, wake-ups, idle tracts, and many threads on few cores.
//!
//! ```text
//! hop       [source] ──> [sink]              saturated: threads that may park, against threads that never do
//! wake      [caller] ── 3 ms ──> [sleeper]   against a bare unpark
//! idle      [feed] ──> [1 of 8] ──> [sink]   nothing comes: what it takes of a core
//! crowded   [source] ──> [1] ──> [1 of 16] ──> [1] ──> [sink]      on one core; pools of 2, 16 and 64 on 2 cores
//! ```
//!
//! `cargo bench --bench waiting`

mod harness;
mod idling;
mod peers;
mod topologies;

use std::sync::LazyLock;
use std::time::Duration;

use harness::bench::Bench;
use harness::cell::{Cell, Exercise, System, Topology};
use harness::load::Load;
use harness::page::Pictures;
use harness::rounds::Effort;
use harness::shape::Shape;

static SYSTEMS: [System; 7] = [
    peers::RINGTRACT_PARKS,
    peers::RINGTRACT_SPIN,
    peers::UNPARK,
    peers::UNPARK_TIMED,
    peers::UNPARK_BACK,
    peers::CROSSBEAM,
    peers::KANAL,
];

static TOPOLOGIES: LazyLock<Vec<Topology>> = LazyLock::new(|| {
    vec![
        Topology { name: "hop", exercise: Exercise::Flow(Shape::Serial(Vec::new())) },
        Topology { name: "wake", exercise: Exercise::Wake },
    ]
});

static LOADS: [Load; 2] = [Load::Saturated, topologies::WAKE];

fn main() {
    if harness::machine::cores().len() < 2 {
        return println!(
            "waiting: two cores are needed, and this process may use one: nothing measured"
        );
    }
    let cells = || {
        let cells = TOPOLOGIES.iter().zip(LOADS);
        cells.map(|(topology, load)| Cell::new(topology, load, 8, 2)).collect()
    };
    let bench = Bench {
        title: "what waiting costs",
        topologies: &TOPOLOGIES,
        systems: &SYSTEMS,
        baseline: peers::RINGTRACT_PARKS.name,
        cells: cells(),
        quick_cells: cells(),
        loads: &LOADS,
        cores: 2,
        full: Effort {
            rounds: 11,
            budget: Duration::from_secs(30),
            run: (Duration::from_millis(50), Duration::from_millis(500)),
        },
        quick: Effort {
            rounds: 3,
            budget: Duration::from_secs(3),
            run: (Duration::from_millis(50), Duration::from_millis(100)),
        },
        findings: Some((idling::findings, Pictures::CurvesAndBars)),
    };
    bench.run();
}
