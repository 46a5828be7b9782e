//! The topology of a run as a drawing: stages in columns, by how many stages a request passes before.
//!
//! A lane that skips columns passes each of them in a row of its own, so that it runs under no stage. Rows follow those
//! of the stages before, which keeps branches apart, and columns stand around one middle line.

use std::fmt::Write;

use super::latency::as_float;
use super::page::Escaped;
use super::report::Report;
use crate::decide::plan::MeshPlan;
use crate::describe::kit::StageKind;

const HEIGHT: f64 = 56.0;
/// The least and the most that a box is wide.
const WIDTHS: (f64, f64) = (140.0, 260.0);
const GAP: (f64, f64) = (96.0, 26.0);
const MARGIN: f64 = 12.0;
/// About how wide a letter is.
const LETTER: f64 = 7.2;

/// Something that has a place in a column: a stage, or a mesh that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Stage(usize),
    Mesh(usize),
}

struct Drawing<'a> {
    report: &'a Report,
    columns: Vec<Vec<Cell>>,
    width: f64,
}

/// The drawing, as SVG.
pub(crate) fn topology(report: &Report) -> String {
    let drawing = Drawing::of(report);
    let rows = drawing.columns.iter().map(Vec::len).max().unwrap_or(0);
    let count = as_float(drawing.columns.len() as u64);
    let width = 2.0 * MARGIN + count * (drawing.width + GAP.0) - GAP.0;
    let height = 2.0 * MARGIN + as_float(rows as u64) * (HEIGHT + GAP.1) - GAP.1;
    let mut svg = format!(
        "<svg class=\"topology\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         style=\"min-width:{:.0}px\" role=\"img\" aria-label=\"topology\">",
        0.75 * width
    );
    for mesh in 0..report.plan.meshes.len() {
        drawing.edge(&mut svg, mesh);
    }
    for stage in 0..report.stages.len() {
        drawing.node(&mut svg, stage);
    }
    svg.push_str("</svg>");
    svg
}

impl<'a> Drawing<'a> {
    fn of(report: &'a Report) -> Self {
        let meshes = &report.plan.meshes;
        let mut depths = vec![0_usize; report.stages.len()];
        // The longest way to each: no way is longer than there are stages.
        for _ in 0..report.stages.len() {
            for mesh in meshes {
                depths[mesh.to] = depths[mesh.to].max(depths[mesh.from] + 1);
            }
        }
        let mut columns = vec![Vec::new(); depths.iter().max().map_or(0, |depth| depth + 1)];
        for (stage, &depth) in depths.iter().enumerate() {
            columns[depth].push(Cell::Stage(stage));
        }
        for (number, mesh) in meshes.iter().enumerate() {
            for column in &mut columns[depths[mesh.from] + 1..depths[mesh.to]] {
                column.push(Cell::Mesh(number));
            }
        }
        let longest = report.plan.stages.iter().map(|stage| title(&stage.name, stage.workers));
        let letters = longest.map(|title| title.chars().count() as u64).max().unwrap_or(0);
        let width = (as_float(letters) * LETTER + 22.0).clamp(WIDTHS.0, WIDTHS.1);
        let mut drawing = Self { report, columns, width };
        for column in 1..drawing.columns.len() {
            let mut cells = std::mem::take(&mut drawing.columns[column]);
            cells.sort_by(|&one, &other| {
                drawing.height_before(one, column).total_cmp(&drawing.height_before(other, column))
            });
            drawing.columns[column] = cells;
        }
        drawing
    }

    /// How low what leads to a cell stands, on the average.
    fn height_before(&self, cell: Cell, column: usize) -> f64 {
        let meshes = &self.report.plan.meshes;
        let leads_here = |at: usize| match cell {
            Cell::Stage(stage) => meshes[at].to == stage,
            Cell::Mesh(mesh) => at == mesh,
        };
        let before = (0..meshes.len()).filter(|&at| leads_here(at));
        let heights = before.filter_map(|at| {
            let passing = self.middle(Cell::Mesh(at), column - 1);
            passing.or_else(|| self.middle(Cell::Stage(meshes[at].from), column - 1))
        });
        let (count, sum) =
            heights.fold((0_u32, 0.0), |(count, sum), height| (count + 1, sum + height));
        sum / f64::from(count.max(1))
    }

    /// The middle line of a cell, if it is in that column.
    fn middle(&self, cell: Cell, column: usize) -> Option<f64> {
        let most = self.columns.iter().map(Vec::len).max().unwrap_or(0);
        let cells = &self.columns[column];
        let row = cells.iter().position(|known| *known == cell)?;
        let row = as_float(row as u64) + as_float((most - cells.len()) as u64) / 2.0;
        Some(MARGIN + row * (HEIGHT + GAP.1) + HEIGHT / 2.0)
    }

    fn left(&self, column: usize) -> f64 {
        MARGIN + as_float(column as u64) * (self.width + GAP.0)
    }

    /// Where a cell is: its column and its middle line.
    fn place(&self, cell: Cell) -> (usize, f64) {
        let mut columns = 0..self.columns.len();
        columns.find_map(|column| Some((column, self.middle(cell, column)?))).unwrap_or_default()
    }

    fn edge(&self, svg: &mut String, number: usize) {
        let mesh = &self.report.plan.meshes[number];
        let (start, first) = self.place(Cell::Stage(mesh.from));
        let (end, last) = self.place(Cell::Stage(mesh.to));
        let row = |column| self.middle(Cell::Mesh(number), column).unwrap_or(last);
        let mut path = format!("M{:.1} {first:.1}", self.left(start) + self.width);
        let mut y = first;
        for column in start + 1..=end {
            let (next, to) = (row(column), self.left(column));
            let middle = to - GAP.0 / 2.0;
            let _ = write!(path, "C{middle:.1} {y:.1} {middle:.1} {next:.1} {to:.1} {next:.1}");
            if column < end {
                let _ = write!(path, "H{:.1}", to + self.width);
            }
            y = next;
        }
        let lanes = self.report.lanes.iter();
        let lanes = lanes.filter(|lane| (lane.from.stage, lane.to.stage) == (mesh.from, mesh.to));
        let most = lanes.map(|lane| lane.high_water).max().unwrap_or(0);
        let class = if most >= mesh.capacity as u64 { "full" } else { "dim" };
        let (x, y, anchor) =
            self.label_place(mesh, self.left(start) + self.width, (first, row(start + 1)));
        let _ = write!(
            svg,
            "<path class=\"edge\" d=\"{path}\"/><text class=\"{class} on-edge\" x=\"{x:.1}\" y=\"{y:.1}\" \
             text-anchor=\"{anchor}\">{most} of {}</text>",
            mesh.capacity
        );
    }

    /// Where the label of an edge is out of the way in the first gap, which begins at `x` and leads from one height to
    /// another: at its flat end, where only one edge ends, on the side from which that does not come.
    fn label_place(
        &self,
        mesh: &MeshPlan,
        x: f64,
        (from, to): (f64, f64),
    ) -> (f64, f64, &'static str) {
        let meshes = &self.report.plan.meshes;
        let leaving = meshes.iter().filter(|other| other.from == mesh.from).count();
        let side = |coming_down: bool| if coming_down { 15.0 } else { -5.0 };
        if (from - to).abs() < 1.0 || leaving > 1 && arriving(meshes, mesh) > 1 {
            return (x + GAP.0 / 2.0, f64::midpoint(from, to) - 5.0, "middle");
        }
        match leaving {
            1 => (x + 7.0, from + side(to < from), "start"),
            _ => (x + GAP.0 - 7.0, to + side(from < to), "end"),
        }
    }

    fn node(&self, svg: &mut String, number: usize) {
        let (planned, told) = (&self.report.plan.stages[number], &self.report.stages[number]);
        let (column, middle) = self.place(Cell::Stage(number));
        let (x, y) = (self.left(column), middle - HEIGHT / 2.0);
        let is_receiver = told.kind == StageKind::Receiver;
        let count = if is_receiver {
            let lanes = self.report.lanes.iter().filter(|lane| lane.to.stage == number);
            format!("{} received", lanes.map(|lane| lane.taken).sum::<u64>())
        } else {
            format!("{} taken", told.ledger.taken)
        };
        let inner = x + 10.0;
        let _ = write!(
            svg,
            "<g><title>{}</title><rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{HEIGHT}\" rx=\"6\"/>\
             <text x=\"{inner:.1}\" y=\"{:.1}\">{}</text><text class=\"dim\" x=\"{inner:.1}\" y=\"{:.1}\">{count}</text>",
            Escaped(&told.path),
            self.width,
            y + 19.0,
            Escaped(&title(&planned.name, planned.workers)),
            y + 36.0,
        );
        if !is_receiver {
            let (bar, whole, busy) = (y + HEIGHT - 13.0, self.width - 20.0, told.shares.busy);
            let class = if busy >= 0.9 { "full" } else { "busy" };
            let _ = write!(
                svg,
                "<rect class=\"track\" x=\"{inner:.1}\" y=\"{bar:.1}\" width=\"{whole:.1}\" height=\"6\" rx=\"3\"/>\
                 <rect class=\"{class}\" x=\"{inner:.1}\" y=\"{bar:.1}\" width=\"{:.1}\" height=\"6\" rx=\"3\"/>",
                whole * busy
            );
        }
        svg.push_str("</g>");
    }
}

/// How many meshes end where this one does.
fn arriving(meshes: &[MeshPlan], mesh: &MeshPlan) -> usize {
    meshes.iter().filter(|other| other.to == mesh.to).count()
}

/// A name with the size of its pool, cut to what a box holds.
fn title(name: &str, workers: usize) -> String {
    const MOST: usize = 30;
    let mut title = name.to_owned();
    if name.chars().count() > MOST {
        title = name.chars().take(MOST - 1).chain(['…']).collect();
    }
    if workers > 1 {
        let _ = write!(title, " × {workers}");
    }
    title
}
