//! What the tests look for in reports.

use ringtract::{FailureKind, Ledger, Report};

/// The failures of a stage: kind, message, count.
pub fn failures_of(report: &Report, stage: &str) -> Vec<(FailureKind, String, u64)> {
    let of_stage = report.failures.iter().filter(|failure| failure.stage == stage);
    of_stage.map(|failure| (failure.kind, failure.message.clone(), failure.count)).collect()
}

pub fn ledger(report: &Report, stage: &str) -> Ledger {
    report.stage(stage).unwrap_or_else(|| panic!("no stage {stage}")).ledger
}

/// Every stage's ledger balances, and all counts agree with each other.
pub fn assert_balanced(report: &Report) {
    for stage in &report.stages {
        assert!(stage.ledger.is_balanced(), "{}: {:?}", stage.path, stage.ledger);
        assert!(stage.workers.iter().all(Ledger::is_balanced), "{}", stage.path);
    }
    assert!(report.imbalances.is_empty(), "{:?}", report.imbalances);
}
