//! Cost against size: what one more stage, worker, branch, slot or byte costs, what it predicts, and what memory a
//! plan takes.
//!
//! ```text
//! stages 1-64      [source] ──> [1] ──> ... ──> [n] ──> [sink]      on 1 core and on 2
//! pool 1-64        [source] ──> [1 of n] ──> [sink]
//! fan-out 1-16     [source] ══> [each of n] ──> [sink]
//! capacity 1-64k   [source] ──> [1] ──> [sink]                      with lanes of n requests
//! payload 8-4096   [source] ──> [1] ──> [sink]                      with values of n bytes
//! ```
//!
//! `cargo bench --bench growth`

mod growing;
mod harness;
mod peers;

use std::time::Duration;

use growing::series;
use harness::bench::Bench;
use harness::cell::System;
use harness::page::Pictures;
use harness::rounds::Effort;

#[global_allocator]
static ALLOCATOR: growing::memory::Counting = growing::memory::Counting;

static SYSTEMS: [System; 4] =
    [peers::RINGTRACT_SPIN, peers::BY_HAND, peers::CROSSBEAM, peers::KANAL];

fn main() {
    let cores = harness::machine::cores().len().min(2);
    let bench = Bench {
        title: "cost against size",
        topologies: &series::TOPOLOGIES,
        systems: &SYSTEMS,
        baseline: peers::RINGTRACT_SPIN.name,
        cells: series::cells(cores, usize::MAX),
        quick_cells: series::cells(cores, 4),
        loads: &series::LOADS,
        cores,
        full: Effort {
            rounds: 5,
            budget: Duration::from_secs(110),
            run: (Duration::from_millis(10), Duration::from_millis(200)),
        },
        quick: Effort {
            rounds: 2,
            budget: Duration::from_secs(8),
            run: (Duration::from_millis(5), Duration::from_millis(50)),
        },
        findings: Some((growing::findings, Pictures::Growth)),
    };
    bench.run();
}
