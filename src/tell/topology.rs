//! The topology of a run as a drawing: stages in columns, by how many stages a request passes before.

use std::fmt::Write;

use super::latency::as_float;
use super::page::Escaped;
use super::report::Report;

const BOX: (usize, usize) = (150, 56);
const GAP: (usize, usize) = (90, 26);
const MARGIN: usize = 12;

/// The drawing, as SVG.
pub(crate) fn topology(report: &Report) -> String {
    let meshes = &report.plan.meshes;
    let count = report.stages.len();
    let mut columns = vec![0_usize; count];
    // The longest way to each: no way is longer than there are stages.
    for _ in 0..count {
        for mesh in meshes {
            columns[mesh.to] = columns[mesh.to].max(columns[mesh.from] + 1);
        }
    }
    let mut heights = vec![0_usize; count];
    let places: Vec<(usize, usize)> = columns
        .iter()
        .map(|&column| {
            let row = heights[column];
            heights[column] += 1;
            (MARGIN + column * (BOX.0 + GAP.0), MARGIN + row * (BOX.1 + GAP.1))
        })
        .collect();
    let width = places.iter().map(|place| place.0).max().unwrap_or(0) + BOX.0 + MARGIN;
    let height = places.iter().map(|place| place.1).max().unwrap_or(0) + BOX.1 + MARGIN;
    let mut svg = format!("<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\">");
    for mesh in meshes {
        edge(&mut svg, report, (mesh.from, mesh.to), (places[mesh.from], places[mesh.to]));
    }
    for (stage, place) in places.iter().enumerate() {
        node(&mut svg, report, stage, *place);
    }
    svg.push_str("</svg>");
    svg
}

fn edge(
    svg: &mut String,
    report: &Report,
    (from, to): (usize, usize),
    (start, end): ((usize, usize), (usize, usize)),
) {
    let (x1, y1) = (start.0 + BOX.0, start.1 + BOX.1 / 2);
    let (x2, y2) = (end.0, end.1 + BOX.1 / 2);
    let middle = usize::midpoint(x1, x2);
    let lanes = report.lanes.iter().filter(|lane| (lane.from.stage, lane.to.stage) == (from, to));
    let (mut most, mut capacity) = (0, 0);
    for lane in lanes {
        most = most.max(lane.high_water);
        capacity = lane.capacity;
    }
    let class = if most == capacity as u64 { "full" } else { "dim" };
    let label = usize::midpoint(y1, y2) - 5;
    let _ = write!(
        svg,
        "<path class=\"edge\" d=\"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}\"/>\
         <text class=\"{class}\" x=\"{middle}\" y=\"{label}\" text-anchor=\"middle\">{most} of {capacity}</text>"
    );
}

fn node(svg: &mut String, report: &Report, stage: usize, (x, y): (usize, usize)) {
    let (planned, told) = (&report.plan.stages[stage], &report.stages[stage]);
    let size = if planned.workers > 1 { format!(" × {}", planned.workers) } else { String::new() };
    let width = as_float(BOX.0 as u64 - 20);
    let busy = told.shares.busy;
    let class = if busy >= 0.9 { "full" } else { "busy" };
    let _ = write!(
        svg,
        "<g><title>{}</title><rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"6\"/>\
         <text x=\"{tx}\" y=\"{}\">{}{size}</text><text class=\"dim\" x=\"{tx}\" y=\"{}\">{} taken</text>\
         <rect class=\"track\" x=\"{tx}\" y=\"{bar}\" width=\"{width}\" height=\"6\" rx=\"3\"/>\
         <rect class=\"{class}\" x=\"{tx}\" y=\"{bar}\" width=\"{:.1}\" height=\"6\" rx=\"3\"/></g>",
        Escaped(&told.path),
        BOX.0,
        BOX.1,
        y + 19,
        Escaped(&planned.name),
        y + 36,
        told.ledger.taken,
        width * busy,
        tx = x + 10,
        bar = y + BOX.1 - 13,
    );
}
