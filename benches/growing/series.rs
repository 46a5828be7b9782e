//! Series of cells that differ in one size, as tables and pictures.

use std::fmt::Write;
use std::sync::LazyLock;

use crate::harness::bench::Finding;
use crate::harness::cell::{CAPACITY, Cell, Exercise, Topology};
use crate::harness::chart;
use crate::harness::figures::Figures;
use crate::harness::load::Load;
use crate::harness::page::Shown;
use crate::harness::payload::PAYLOADS;
use crate::harness::shape::Shape;
use crate::harness::table::time;

/// What a source does: all it can, and next to nothing.
pub static LOADS: [Load; 2] = [Load::Saturated, Load::Paced(10_000)];

/// What grows.
struct Series {
    name: &'static str,
    sizes: &'static [usize],
    shape: fn(usize) -> Shape,
}

const DOUBLING: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// A source, something, and a sink; what is something grows.
static SHAPES: [Series; 3] = [
    Series { name: "stages", sizes: &DOUBLING, shape: Shape::chain },
    Series { name: "pool", sizes: &DOUBLING, shape: Shape::Pool },
    Series {
        name: "fan-out",
        sizes: &[1, 2, 4, 8, 16],
        shape: |size| Shape::FanOut(vec![Shape::Pool(1); size]),
    },
];

/// One worker between lanes that grow.
const CAPACITIES: [usize; 9] = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536];

fn name(series: &str, size: usize) -> &'static str {
    format!("{series} {size}").leak()
}

/// A topology for each size: what a cell is of can be seen from its name.
pub static TOPOLOGIES: LazyLock<Vec<Topology>> = LazyLock::new(|| {
    let one = |name| Topology { name, exercise: Exercise::Flow(Shape::Pool(1)) };
    let shapes = SHAPES.iter().flat_map(|Series { name: series, sizes, shape }| {
        sizes.iter().map(|&size| Topology {
            name: name(series, size),
            exercise: Exercise::Flow(shape(size)),
        })
    });
    let capacities = CAPACITIES.iter().map(|&size| one(name("capacity", size)));
    let payloads = PAYLOADS.iter().map(|&size| one(name("payload", size)));
    shapes.chain(capacities).chain(payloads).collect()
});

/// The series and the size that a topology is of.
fn parts(topology: &str) -> (&str, usize) {
    let (series, size) = topology.split_once(' ').expect("a series and a size");
    (series, size.parse().expect("a size"))
}

/// What the size of a series counts.
fn counted(series: &str) -> &'static str {
    match series {
        "stages" => "stages, beside a source and a sink",
        "pool" => "workers of the pool",
        "fan-out" => "branches of the fan-out",
        "capacity" => "requests that a lane holds",
        "payload" => "bytes of a value",
        other => unreachable!("the series {other}"),
    }
}

/// Every series, up to a size.
pub fn cells(cores: usize, most: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    for topology in TOPOLOGIES.iter() {
        let (series, size) = parts(topology.name);
        let (payload, capacity) = match series {
            "payload" => (size, CAPACITY),
            "capacity" => (8, size),
            _ => (8, CAPACITY),
        };
        // The model is made from chains on one core.
        let on = if series == "stages" && cores > 1 { vec![1, cores] } else { vec![cores] };
        let is_lane = matches!(series, "capacity" | "payload");
        if size > if is_lane { most.saturating_mul(64) } else { most } {
            continue;
        }
        for cores in on {
            for load in LOADS {
                cells.push(Cell { topology, load, payload, cores, capacity });
            }
        }
    }
    cells
}

/// What a size costs a system.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub size: usize,
    /// Nanoseconds for each request of a saturated source.
    pub each: Option<f64>,
    /// Nanoseconds that the median request takes when there is hardly another.
    pub p50: Option<f64>,
}

/// What each size of a series cost a system on so many cores.
pub fn points(cells: &[Shown], series: &str, cores: usize, system: &str) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    let lines = cells.iter().flat_map(|(_, figures)| figures);
    for line in lines.filter(|line| line.system == system && line.cores == cores) {
        let (own, size) = parts(line.topology);
        if own != series {
            continue;
        }
        let at = points.iter().position(|point| point.size == size).unwrap_or_else(|| {
            points.push(Point { size, each: None, p50: None });
            points.len() - 1
        });
        match &line.latency {
            Some(latency) => points[at].p50 = Some(latency.p50.median),
            None => points[at].each = Some(1e9 / line.rate.median),
        }
    }
    points
}

/// A table and a picture for each series.
pub fn findings(cells: &[Shown]) -> Vec<Finding> {
    let lines: Vec<&Figures> = cells.iter().flat_map(|(_, figures)| figures).collect();
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    let mut systems: Vec<&str> = Vec::new();
    for line in lines {
        let kind = (parts(line.topology).0, line.cores);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        if !systems.contains(&line.system) {
            systems.push(line.system);
        }
    }
    kinds.sort_by_key(|(series, cores)| (*series, *cores));
    kinds.into_iter().map(|(series, cores)| finding(cells, series, cores, &systems)).collect()
}

fn finding(cells: &[Shown], series: &str, cores: usize, systems: &[&str]) -> Finding {
    let all: Vec<(&str, Vec<Point>)> =
        systems.iter().map(|system| (*system, points(cells, series, cores, system))).collect();
    let all: Vec<_> = all.into_iter().filter(|(_, points)| !points.is_empty()).collect();
    let plural = if cores == 1 { "" } else { "s" };
    let heading = format!("{series}, on {cores} core{plural}").leak();
    let mut text = format!("  {:>8}", "size");
    for (system, _) in &all {
        let _ = write!(text, "  {system:>21}");
    }
    let _ = write!(text, "\n  {:>8}", "");
    all.iter().for_each(|_| text.push_str("      ns each       p50"));
    text.push('\n');
    let sizes = all.first().map_or(&[][..], |(_, points)| points);
    for (at, Point { size, .. }) in sizes.iter().enumerate() {
        let _ = write!(text, "  {size:>8}");
        for (_, points) in &all {
            let shown =
                |cost: Option<f64>, show: fn(f64) -> String| cost.map_or_else(String::new, show);
            let point = points.get(at).copied().unwrap_or(Point { size: 0, each: None, p50: None });
            let each = shown(point.each, |cost| format!("{cost:.1}"));
            let _ = write!(text, "  {each:>11}{:>10}", shown(point.p50, time));
        }
        text.push('\n');
    }
    let picture = |what: &str, cost: fn(&Point) -> Option<f64>| {
        let lines = all.iter().map(|(system, points)| {
            let points = points.iter().filter_map(|point| Some((point.size as f64, cost(point)?)));
            (*system, points.collect::<Vec<_>>())
        });
        let lines: Vec<_> = lines.filter(|(_, points)| !points.is_empty()).collect();
        if lines.is_empty() { String::new() } else { chart::growth(what, counted(series), &lines) }
    };
    let picture = [
        picture("time for each request, saturated", |point| point.each),
        picture("median latency, 10 k/s", |point| point.p50),
        chart::legend(all.iter().map(|(system, _)| *system)),
    ];
    Finding { heading, text, picture: picture.concat() }
}
