//! What the benchmarks share.
//!
//! The machine is shared and noisy, so nothing is compared across runs: every system runs once per round, in an
//! order that rotates, on the same cores, and what is quoted is the median over the rounds, and the median of the
//! ratios to the baseline of the same round.
//!
//! ```text
//! args ──> plan of cells ──> rounds ──────────────> figures ──> table, JSON lines, page
//!                             └ system.run(job): pacer ─ ... ─ sink
//! ```
#![allow(dead_code, reason = "every bench is a crate that uses a part of it")]

pub mod args;
pub mod bench;
pub mod cell;
pub mod chart;
pub mod clock;
pub mod figures;
pub mod job;
pub mod load;
pub mod machine;
pub mod pacer;
pub mod page;
pub mod payload;
pub mod plain;
pub mod rounds;
pub mod shape;
pub mod sink;
pub mod table;
