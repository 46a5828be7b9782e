//! What the page draws of latencies: percentiles on the 1/(1-q) axis, and how the tail went over time.

use hdrhistogram::Histogram;

use super::chart::{Bars, Chart, Line, time_ticks};
use super::latency::as_float;
use super::report::Report;
use super::timeline::Timeline;
use crate::measure::sheets::Aspect;

/// A stage's distribution. A stage has the same colour in every chart.
pub(crate) struct Curve<'a> {
    pub(crate) name: &'a str,
    pub(crate) stage: usize,
    pub(crate) histogram: &'a Histogram<u64>,
}

/// Percentile curves; nothing where there are none.
pub(crate) fn percentile_chart(curves: &[Curve<'_>], up: &str) -> String {
    let most = curves.iter().map(|curve| curve.histogram.len()).max().unwrap_or(0);
    // As many nines as there are requests to tell them from, 1 at least.
    let nines = as_float(most).max(10.0).log10();
    let ticks = (0..20).map(f64::from).take_while(|nine| *nine <= nines + 1e-9).map(|nine| {
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
    Line { name: curve.name.to_owned(), colour: curve.stage, points: points.collect() }
}

/// Age of the requests at the end of the tract over time, with the longest hiccups; nothing where there is one interval.
pub(crate) fn timeline_chart(report: &Report, timeline: &Timeline) -> String {
    let intervals = timeline.until_the_end(report);
    let end = report.elapsed.as_secs_f64();
    if intervals.len() < 2 {
        return String::new();
    }
    let aged: Vec<_> = intervals
        .iter()
        .filter_map(|interval| {
            let age = age_at_the_end(report, |stage| interval.histogram(stage, Aspect::Age))?;
            let middle = interval.elapsed.as_secs_f64() - interval.length.as_secs_f64() / 2.0;
            Some((middle / end, age))
        })
        .collect();
    let line = |(name, quantile, colour): (&str, f64, usize)| {
        let at = |(middle, age): &(f64, Histogram<u64>)| {
            (*middle, as_float(age.value_at_quantile(quantile)))
        };
        Line { name: name.to_owned(), colour, points: aged.iter().map(at).collect() }
    };
    let hiccups = intervals.iter().filter(|interval| interval.longest_hiccup > 0);
    let bars = hiccups.map(|interval| {
        let to = interval.elapsed.as_secs_f64();
        let from = to - interval.length.as_secs_f64();
        (from / end, to / end, as_float(interval.longest_hiccup))
    });
    let bars = Bars { name: "longest hiccup of the machine".to_owned(), bars: bars.collect() };
    let watched = !report.hiccups.watched.is_zero();
    Chart {
        lines: [("max", 1.0, 7), ("p99", 0.99, 1), ("p50", 0.5, 0)].map(line).into(),
        bars: watched.then_some(bars),
        ticks: time_ticks(end),
        across: "time since the start",
        up: "age over time",
    }
    .draw()
}

/// The ages of the requests that leave the stages after which nothing is measured, all together.
pub(crate) fn age_at_the_end(
    report: &Report,
    age: impl Fn(usize) -> Option<Histogram<u64>>,
) -> Option<Histogram<u64>> {
    let measured = |stage: usize| report.histogram(stage, Aspect::Age).is_some();
    let is_last = |stage: &usize| {
        let mut after = report.plan.meshes.iter().filter(|mesh| mesh.from == *stage);
        measured(*stage) && after.all(|mesh| !measured(mesh.to))
    };
    let mut ages = (0..report.stages.len()).filter(is_last).filter_map(age);
    let mut all = ages.next()?;
    for age in ages {
        all.add(&age).expect("histograms of the same bounds");
    }
    Some(all)
}
