//! What comes of waiting, beside what it should at most cost.

pub mod crowded;
pub mod quiet;

use std::fmt::Write;

use crate::harness::bench::Finding;
use crate::harness::figures::Ratios;
use crate::harness::page::Shown;
use crate::harness::{chart, table};
use crate::peers::{RINGTRACT_PARKS, RINGTRACT_SPIN, UNPARK, UNPARK_BACK, UNPARK_TIMED};

/// All of it.
pub fn findings(cells: &[Shown]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = cells.iter().map(compared).collect();
    findings.push(quiet::finding());
    findings.push(crowded::finding());
    findings
}

/// A cell, with what it says of a parking thread.
fn compared((title, figures): &Shown) -> Finding {
    let topology = figures.first().map_or("", |line| line.topology);
    let mut text = table::cell(title, RINGTRACT_PARKS.name, figures);
    let to = |system: &str| -> Option<Ratios> {
        figures.iter().find(|line| line.system == system)?.times_baseline
    };
    if let Some(times) = to(RINGTRACT_SPIN.name).filter(|_| topology == "hop") {
        // Who takes so many times as long for each request gives so many times fewer.
        let _ = writeln!(
            text,
            "a lane that may park has {:.3} of the throughput of one that never parks; wanted: at least 0.95",
            times.rate
        );
    }
    for (system, wanted) in
        [(UNPARK.name, ""), (UNPARK_TIMED.name, ""), (UNPARK_BACK.name, "; wanted: at most 1.3")]
    {
        if let Some(times) = to(system) {
            let _ = writeln!(
                text,
                "a request wakes a parked thread in {:.2} times what `{system}` takes{wanted}",
                1.0 / times.p50
            );
        }
    }
    let picture = [
        chart::percentiles(figures),
        chart::ratios(figures),
        chart::legend(figures.iter().map(|line| line.system)),
    ];
    let is_timed = figures.iter().any(|line| line.latency.is_some());
    let picture = if is_timed { picture.concat() } else { picture[1..].concat() };
    Finding { heading: topology, text, picture }
}
