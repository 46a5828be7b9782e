//! A model of a chain: what it will cost on a machine with more cores.
//!
//! A chain of n stages has n + 2 steps, cut into contiguous pieces, one for each core. From chains on one core come
//! the costs of a stage, of the ends, and the latencies of both, as straight lines over n; from one chain on two cores
//! comes what crossing from core to core adds. Then
//!
//! ```text
//! time for each request = that of the heaviest piece
//! piece                 = stages in it * (stage + work) + its share of the ends + crossings of it * crossing
//! latency               = ends + n * (stage + work) + (pieces - 1) * (hop + wake, if the other side parks)
//! ```
//!
//! with no wake for threads that spin. The chains on two cores that were not used for it check it.

use std::fmt::Write;

use super::series::{Point, points};
use crate::harness::bench::Finding;
use crate::harness::page::Shown;
use crate::harness::table::time;
use crate::peers::RINGTRACT_SPIN;

/// A straight line.
#[derive(Debug, Clone, Copy)]
struct Line {
    at_zero: f64,
    each: f64,
}

impl Line {
    /// The line with the least relative squares: a line of sizes that double must not follow the largest alone.
    fn through(points: &[(f64, f64)]) -> Option<Self> {
        let weighted = |value: fn((f64, f64)) -> f64| -> f64 {
            points.iter().map(|&point| value(point) / (point.1 * point.1)).sum()
        };
        let (w, x, y) = (weighted(|_| 1.0), weighted(|(x, _)| x), weighted(|(_, y)| y));
        let (xx, xy) = (weighted(|(x, _)| x * x), weighted(|(x, y)| x * y));
        let determinant = w * xx - x * x;
        if points.len() < 2 || determinant.abs() < f64::EPSILON * w * xx {
            return None;
        }
        let each = (w * xy - x * y) / determinant;
        Some(Self { at_zero: (y - each * x) / w, each })
    }

    fn at(self, x: f64) -> f64 {
        self.at_zero + self.each * x
    }
}

/// Everything that is measured.
#[derive(Debug, Clone, Copy)]
struct Model {
    /// Nanoseconds for each request, over stages, on one core.
    cost: Line,
    /// Nanoseconds that a request takes, over stages, on one core.
    latency: Line,
    /// What a lane from core to core adds to the time for each request, at each of its ends.
    crossing: f64,
    /// What it adds to the latency.
    hop: f64,
}

impl Model {
    fn of(one: &[Point], two: &[Point]) -> Option<Self> {
        let line = |cost: fn(&Point) -> Option<f64>| {
            let points = one.iter().filter_map(|point| Some((point.size as f64, cost(point)?)));
            Line::through(&points.collect::<Vec<_>>())
        };
        let mut model = Self {
            cost: line(|point| point.each)?,
            latency: line(|point| point.p50)?,
            crossing: 0.0,
            hop: 0.0,
        };
        let known = two.iter().find(|point| point.size == KNOWN)?;
        model.crossing = (known.each? - model.each(KNOWN, 2)).max(0.0);
        model.hop = (known.p50? - model.latency(KNOWN, 2)).max(0.0);
        Some(model)
    }

    /// Nanoseconds for each request of a chain on so many cores.
    fn each(&self, stages: usize, cores: usize) -> f64 {
        let steps = stages + 2;
        let pieces = cores.min(steps);
        let (least, more) = (steps / pieces, steps % pieces);
        let piece = |piece: usize| {
            let length = least + usize::from(piece < more);
            let ends = usize::from(piece == 0) + usize::from(piece + 1 == pieces);
            let crossings = 2 - ends;
            (length - ends) as f64 * self.cost.each
                + ends as f64 * self.cost.at_zero / 2.0
                + crossings as f64 * self.crossing
        };
        (0..pieces).map(piece).fold(0.0, f64::max)
    }

    /// Nanoseconds that a request takes through a chain on so many cores.
    fn latency(&self, stages: usize, cores: usize) -> f64 {
        let crossings = cores.min(stages + 2) - 1;
        self.latency.at(stages as f64) + crossings as f64 * self.hop
    }
}

/// The chain on two cores that the model knows; the others check it.
const KNOWN: usize = 4;

/// The model, checked, and what it says of machines that are not here. Nothing where chains were not measured on one
/// core and on two.
pub fn finding(cells: &[Shown]) -> Option<Finding> {
    let on = |cores| points(cells, "stages", cores, RINGTRACT_SPIN.name);
    let two = on(2);
    let model = Model::of(&on(1), &two)?;
    let Model { cost, latency, crossing, hop } = model;
    let mut text = format!(
        "each request on one core: {:.1} + {:.2} n ns; latency {:.0} + {:.1} n ns; a crossing adds {crossing:.1} ns each \
         and {hop:.0} ns latency\n\nchains on 2 cores (the model knows n = {KNOWN})\n",
        cost.at_zero, cost.each, latency.at_zero, latency.each
    );
    let _ = writeln!(
        text,
        "  {:>6}{:>12}{:>12}{:>8}{:>14}{:>12}{:>8}",
        "n", "ns each", "predicted", "off by", "latency", "predicted", "off by"
    );
    for point in &two {
        let (Some(each), Some(p50)) = (point.each, point.p50) else { continue };
        let (each_said, p50_said) = (model.each(point.size, 2), model.latency(point.size, 2));
        let _ = writeln!(
            text,
            "  {:>6}{each:>12.1}{each_said:>12.1}{:>7.0}%{:>14}{:>12}{:>7.0}%",
            point.size,
            100.0 * (each_said / each - 1.0),
            time(p50),
            time(p50_said),
            100.0 * (p50_said / p50 - 1.0),
        );
    }
    text.push_str("\npredicted, not measured here: ns each and latency of a chain of n\n");
    let _ = writeln!(text, "  {:>6}{:>20}{:>20}{:>20}", "n", "4 cores", "8 cores", "a core each");
    for stages in [4, 8, 16, 64] {
        let _ = write!(text, "  {stages:>6}");
        for cores in [4, 8, stages + 2] {
            let (each, latency) = (model.each(stages, cores), model.latency(stages, cores));
            let _ = write!(text, "{:>10.1}{:>10}", each, time(latency));
        }
        text.push('\n');
    }
    Some(Finding { heading: "model", text, picture: String::new() })
}
