//! Tracts that are called.

use std::sync::mpsc;

use ringtract::{Report, Tract, worker};

/// A pool of two that doubles.
pub fn double() -> Tract<u64, u64> {
    worker("double", 2, || |n: u64| 2 * n)
}

/// What a stage emitted.
pub fn emitted(report: &Report, stage: &str) -> u64 {
    report.stage(stage).expect("a stage").ledger.emitted
}

/// A worker that lets a request through for each word it is sent.
pub fn gated() -> (mpsc::Sender<()>, Tract<u64, u64>) {
    let (open, gate) = mpsc::channel::<()>();
    let mut gate = Some(gate);
    let tract = worker("gated", 1, move || {
        let gate = gate.take().expect("made once");
        move |n: u64| {
            gate.recv().expect("opened");
            n
        }
    });
    (open, tract)
}
