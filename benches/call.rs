//! A call: a thread on one core calls a worker on another and waits for its answer.
//!
//! ```text
//! [caller] ──> [worker]
//!     ^            │ to whoever called
//!     └────────────┘
//! ```
//!
//! A service of one worker, against a bare pair of `rtrb` rings polled by hand, which know one caller only; against a
//! channel of requests with a channel of answers for each caller; and against tokio's, with a `oneshot` for each answer.
//! The caller is on one core and the worker on the other, and metrics are off. `cargo bench --bench call`

mod harness;
mod peers;
mod topologies;

use std::time::Duration;

use harness::bench::Bench;
use harness::cell::{Cell, System};
use harness::load::Load;
use harness::rounds::Effort;

static SYSTEMS: [System; 8] = [
    peers::RINGTRACT_SPIN,
    peers::RING,
    peers::CACHE_LINE,
    peers::CROSSBEAM_SPIN,
    peers::TOKIO_SPIN,
    peers::RINGTRACT,
    peers::CROSSBEAM,
    peers::TOKIO,
];

fn main() {
    let topology = topologies::named("call");
    if harness::machine::cores().len() < 2 {
        return println!(
            "call: two cores are needed, and this process may use one: nothing measured"
        );
    }
    let bench = Bench {
        title: "a call there and back, on two cores",
        topologies: std::slice::from_ref(topology),
        systems: &SYSTEMS,
        baseline: peers::RINGTRACT_SPIN.name,
        cells: [8, 64].map(|payload| Cell::new(topology, Load::Closed, payload, 2)).into(),
        quick_cells: vec![Cell::new(topology, Load::Closed, 8, 2)],
        loads: &[Load::Closed],
        cores: 2,
        full: Effort {
            rounds: 15,
            budget: Duration::from_secs(40),
            run: (Duration::from_millis(20), Duration::from_millis(200)),
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
