//! What grows, what it costs, and a model that says what it would cost elsewhere.

pub mod memory;
pub mod model;
pub mod series;

use crate::harness::bench::Finding;
use crate::harness::page::Shown;

/// All that the cells together say.
pub fn findings(cells: &[Shown]) -> Vec<Finding> {
    let mut findings = series::findings(cells);
    findings.extend(model::finding(cells));
    findings.push(memory::finding());
    findings
}
