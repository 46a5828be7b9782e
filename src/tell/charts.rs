//! What the page draws of latencies: percentiles on the 1/(1-q) axis, and how the tail went over time.

use hdrhistogram::Histogram;

use super::chart::{Bars, Chart, Line, time_ticks};
use super::latency::as_float;
use super::report::Report;
use super::timeline::{Interval, Timeline};
use crate::measure::sheets::Aspect;

/// A stage's distribution.
pub(crate) struct Curve<'a> {
    pub(crate) name: &'a str,
    pub(crate) histogram: &'a Histogram<u64>,
}

/// Percentile curves; nothing where there are none.
pub(crate) fn percentile_chart(curves: &[Curve<'_>], up: &str) -> String {
    let most = curves.iter().map(|curve| curve.histogram.len()).max().unwrap_or(0);
    // As many nines as there are requests to tell them from, 2 at least.
    let nines = as_float(most.max(1)).log10().ceil().max(2.0);
    let ticks = (0..20).map(f64::from).take_while(|nine| *nine <= nines).map(|nine| {
        let label = match nine {
            0.0 => "0 %".to_owned(),
            nine => format!("{} %", 100.0 - 100.0 * 10_f64.powf(-nine)),
        };
        (nine / nines, label)
    });
    let lines = curves.iter().map(|curve| percentile_line(curve, nines));
    let (lines, ticks) = (lines.collect(), ticks.collect());
    Chart { lines, bars: None, ticks, across: "share of requests that are no slower", up }.draw()
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

/// Age at the stages that nothing comes after, over time, with the longest hiccups; nothing where there is one interval.
pub(crate) fn timeline_chart(report: &Report, timeline: &Timeline) -> String {
    let intervals = timeline.until_the_end(report);
    let end = report.elapsed.as_secs_f64();
    if intervals.len() < 2 {
        return String::new();
    }
    let last = last_stages(report);
    let aged: Vec<_> =
        intervals.iter().filter_map(|interval| Some((interval, age(interval, &last)?))).collect();
    let middle = |interval: &Interval| {
        (interval.elapsed.as_secs_f64() - interval.length.as_secs_f64() / 2.0) / end
    };
    let lines = [("p50", 0.5), ("p99", 0.99), ("max", 1.0)].map(|(name, quantile)| Line {
        name: name.to_owned(),
        points: aged
            .iter()
            .map(|(interval, age)| (middle(interval), as_float(age.value_at_quantile(quantile))))
            .collect(),
    });
    let bars = intervals.iter().filter(|interval| interval.longest_hiccup > 0).map(|interval| {
        let to = interval.elapsed.as_secs_f64();
        let from = to - interval.length.as_secs_f64();
        (from / end, to / end, as_float(interval.longest_hiccup))
    });
    let bars = Bars { name: "longest hiccup of the machine".to_owned(), bars: bars.collect() };
    let watched = !report.hiccups.watched.is_zero();
    Chart {
        lines: lines.into(),
        bars: watched.then_some(bars),
        ticks: time_ticks(end),
        across: "time since the start",
        up: "age over time",
    }
    .draw()
}

/// The stages that nothing comes after that was measured.
fn last_stages(report: &Report) -> Vec<usize> {
    let measured = |stage: usize| report.histogram(stage, Aspect::Age).is_some();
    let is_last = |stage: &usize| {
        let mut after = report.plan.meshes.iter().filter(|mesh| mesh.from == *stage);
        measured(*stage) && after.all(|mesh| !measured(mesh.to))
    };
    (0..report.stages.len()).filter(is_last).collect()
}

/// The ages of the requests that left these stages in an interval, all together.
fn age(interval: &Interval, stages: &[usize]) -> Option<Histogram<u64>> {
    let mut ages = stages.iter().filter_map(|&stage| interval.histogram(stage, Aspect::Age));
    let mut all = ages.next()?;
    for age in ages {
        all.add(&age).expect("histograms of the same bounds");
    }
    Some(all)
}
