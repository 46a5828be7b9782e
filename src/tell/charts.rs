//! Charts of latencies, as SVG: percentiles on the 1/(1-q) axis, and over time. Times are on a logarithmic axis.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::latency::as_float;
use super::page::Escaped;
use super::report::Report;
use super::snapshot::Snapshot;
use super::table::Nanos;
use crate::measure::sheets::Aspect;

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 320.0;
/// Left, right, top, bottom.
const PAD: [f64; 4] = [70.0, 190.0, 12.0, 30.0];
/// Told apart by hue, legible on light and on dark.
const COLOURS: [&str; 8] =
    ["#2f7ed8", "#d6453d", "#2e9e5b", "#b8860b", "#8e5bd0", "#d06a9c", "#2a9aa8", "#7a8794"];

/// A stage's distribution.
pub(crate) struct Curve<'a> {
    pub(crate) name: &'a str,
    pub(crate) histogram: &'a Histogram<u64>,
}

/// A line of a chart: points as share of the width, and nanoseconds.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

/// Percentile curves; nothing where there are none.
pub(crate) fn percentile_chart(curves: &[Curve<'_>]) -> String {
    let most = curves.iter().map(|curve| curve.histogram.len()).max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    // As many nines as there are requests to tell them from, 2 at least.
    let nines = as_float(most).log10().ceil().max(2.0);
    let lines: Vec<_> = curves.iter().map(|curve| percentile_line(curve, nines)).collect();
    let ticks = (0..20).map(f64::from).take_while(|nine| *nine <= nines).map(|nine| {
        let label = match nine {
            0.0 => "0 %".to_owned(),
            nine => format!("{} %", 100.0 - 100.0 * 10_f64.powf(-nine)),
        };
        (nine / nines, label)
    });
    chart(&lines, &ticks.collect::<Vec<_>>())
}

fn percentile_line(curve: &Curve<'_>, nines: f64) -> Line {
    let histogram = curve.histogram;
    let smallest = 1.0 / as_float(histogram.len());
    let points = histogram.iter_quantiles(8).map(|point| {
        let above = (1.0 - point.quantile_iterated_to()).max(smallest);
        ((-above.log10() / nines).clamp(0.0, 1.0), as_float(point.value_iterated_to()))
    });
    Line { name: curve.name.to_owned(), points: points.collect() }
}

/// Age at the stages that nothing comes after, over the time of the snapshots.
pub(crate) fn timeline(report: &Report, snapshots: &[Snapshot]) -> String {
    let end = snapshots.last().map_or(0.0, |snapshot| snapshot.elapsed.as_secs_f64());
    if end == 0.0 {
        return String::new();
    }
    let is_last = |stage: usize| {
        let mut after = report.plan.meshes.iter().filter(|mesh| mesh.from == stage);
        after.all(|mesh| snapshots.iter().all(|s| s.stages[mesh.to].times.age.count == 0))
    };
    let mut lines = Vec::new();
    for stage in (0..report.stages.len()).filter(|&stage| is_last(stage)) {
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            let points = snapshots.iter().filter_map(|snapshot| {
                let histogram = snapshot.histogram(stage, Aspect::Age)?;
                let value = histogram.value_at_quantile(quantile);
                Some((snapshot.elapsed.as_secs_f64() / end, as_float(value)))
            });
            let name = format!("{} {name}", report.plan.stages[stage].name);
            lines.push(Line { name, points: points.collect() });
        }
    }
    let ticks = (0..=5).map(|at| {
        let share = f64::from(at) / 5.0;
        (share, format!("{:.2} s", share * end))
    });
    chart(&lines, &ticks.collect::<Vec<_>>())
}

fn chart(lines: &[Line], ticks: &[(f64, String)]) -> String {
    let values = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.1.max(1.0)));
    if values().next().is_none() {
        return String::new();
    }
    let bottom = values().fold(f64::MAX, f64::min).log10().floor();
    let top = values().fold(1.0, f64::max).log10().ceil().max(bottom + 1.0);
    let [left, right, upper, lower] = PAD;
    let x = |share: f64| left + share * (WIDTH - left - right);
    let y = |nanos: f64| {
        let share = (nanos.max(1.0).log10() - bottom) / (top - bottom);
        HEIGHT - lower - share * (HEIGHT - upper - lower)
    };
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" role=\"img\">");
    let mut decade = bottom;
    while decade <= top {
        let at = y(10_f64.powf(decade));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a label")]
        let label = Nanos(10_f64.powf(decade) as u64);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            x(1.0),
            left - 8.0,
            at + 4.0
        );
        decade += 1.0;
    }
    for (share, label) in ticks {
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{upper}\" y2=\"{1:.1}\"/>\
             <text class=\"dim\" x=\"{0:.1}\" y=\"{2:.1}\" text-anchor=\"middle\">{label}</text>",
            x(*share),
            HEIGHT - lower,
            HEIGHT - 10.0
        );
    }
    for (number, Line { name, points }) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let mut path = String::new();
        for (share, nanos) in points {
            let _ = write!(path, "{:.1},{:.1} ", x(*share), y(*nanos));
        }
        let row = upper + 14.0 + 18.0 * as_float(number as u64);
        let _ = write!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{path}\"/>\
             <rect x=\"{0:.1}\" y=\"{1:.1}\" width=\"12\" height=\"4\" fill=\"{colour}\"/>\
             <text x=\"{2:.1}\" y=\"{row:.1}\">{3}</text>",
            x(1.0) + 14.0,
            row - 6.0,
            x(1.0) + 32.0,
            Escaped(name)
        );
    }
    svg.push_str("</svg>");
    svg
}
