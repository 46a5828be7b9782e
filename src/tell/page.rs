//! The report as one HTML file: no script, nothing fetched, light and dark.

use std::fmt::{self, Display, Write};

use super::bars::slowest_bars;
use super::charts::{Curve, age_at_the_end, percentile_chart, timeline_chart};
use super::latency::{Latency, as_float};
use super::report::Report;
use super::table::Nanos;
use super::timeline::Timeline;
use super::topology::topology;
use crate::describe::kit::StageKind;
use crate::measure::sheets::Aspect;

const STYLE: &str = include_str!("page.css");

impl Report {
    /// The report as one HTML file that opens from disk, without scripts, and that browsers keep from fetching anything: the topology with how
    /// busy its stages were and how full its lanes, percentiles, how the tail went over time with the hiccups of the machine
    /// beside it, and the ledger. It follows the reader's choice of light or dark. An empty timeline is left out.
    pub fn to_html(&self, timeline: &Timeline) -> String {
        let mut page = String::new();
        // A `String` takes whatever is written.
        let _ = self.write_page(&mut page, timeline);
        page
    }

    fn write_page(&self, page: &mut String, timeline: &Timeline) -> fmt::Result {
        write!(
            page,
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'\"><title>ringtract</title><style>{STYLE}</style>\n\
             <h1>A run of {:.3?}</h1>\n<p class=\"verdict\">{}</p>\n",
            self.elapsed,
            Escaped(&self.verdict.to_string())
        )?;
        self.write_figures(page)?;
        section(
            page,
            "Topology",
            "Bars: how busy the workers of a stage were. On the lines: the most requests ever in a lane, of its capacity.",
            &topology(self),
        )?;
        for (title, note, aspect) in [
            ("Age", "From the start of a request to its leaving a stage.", Aspect::Age),
            ("Work", "Time in the worker.", Aspect::Work),
        ] {
            let curves: Vec<_> = self.curves(aspect).collect();
            section(page, title, note, &percentile_chart(&curves, note))?;
        }
        section(
            page,
            "Over time",
            &format!(
                "Age of the requests at the end of the tract, by intervals. {}.",
                self.hiccups
            ),
            &timeline_chart(self, timeline),
        )?;
        section(
            page,
            "Slowest requests",
            "Each from its start to its end: faint while it waited to be taken, half while the worker had no room to put anything, \
             full while it was worked on.",
            &slowest_bars(self),
        )?;
        section(
            page,
            "Ledger",
            "Every request a stage took has one outcome.",
            &self.ledger_table(),
        )?;
        section(page, "Times", "", &self.times_table())?;
        self.failures_list(page)?;
        page.push_str("</html>\n");
        Ok(())
    }

    /// What most people look for first.
    fn write_figures(&self, page: &mut String) -> fmt::Result {
        let is_source = |kind: StageKind| matches!(kind, StageKind::Source | StageKind::Input);
        let sources = self.stages.iter().filter(|stage| is_source(stage.kind));
        let made: u64 = sources.map(|stage| stage.ledger.taken).sum();
        let rate = as_float(made) / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let mut figures =
            vec![("requests", made.to_string()), ("per second", format!("{rate:.0}"))];
        let age = age_at_the_end(self, |stage| self.histogram(stage, Aspect::Age).cloned());
        if let Some(Latency { p50, p99, max, .. }) = age.as_ref().map(Latency::of) {
            let named = [("age at the end, p50", p50), ("p99", p99), ("max", max)];
            figures.extend(named.map(|(name, nanos)| (name, Nanos(nanos).to_string())));
        }
        let failed: u64 = self.stages.iter().map(|stage| stage.ledger.failed).sum();
        let dropped: u64 = self.stages.iter().map(|stage| stage.ledger.dropped).sum();
        let dropped = dropped + self.dropped_in_lanes();
        figures.extend([("failed", failed.to_string()), ("dropped", dropped.to_string())]);
        page.push_str("<dl>");
        for (name, figure) in figures {
            write!(page, "<div><dt>{name}</dt><dd>{figure}</dd></div>")?;
        }
        page.push_str("</dl>\n");
        Ok(())
    }

    fn curves(&self, aspect: Aspect) -> impl Iterator<Item = Curve<'_>> {
        self.stages.iter().enumerate().filter_map(move |(at, stage)| {
            Some(Curve { name: &stage.path, stage: at, histogram: self.histogram(at, aspect)? })
        })
    }

    fn ledger_table(&self) -> String {
        let header =
            ["stage", "workers", "taken", "extra", "emitted", "discarded", "failed", "dropped"];
        let rows = self.stages.iter().filter(|stage| !stage.workers.is_empty()).map(|stage| {
            let ledger = &stage.ledger;
            let counts = [
                stage.workers.len() as u64,
                ledger.taken,
                ledger.extra,
                ledger.emitted,
                ledger.discarded,
                ledger.failed,
                ledger.dropped,
            ];
            let mut row = vec![stage.path.clone()];
            row.extend(counts.map(|count| count.to_string()));
            row
        });
        table(&header, rows)
    }

    fn times_table(&self) -> String {
        let header = ["stage", "what", "count", "min", "mean", "p50", "p90", "p99", "p99.9", "max"];
        let rows = self.stages.iter().flat_map(|stage| {
            let times = &stage.times;
            let all = [times.wait, times.work, times.blocked, times.age, times.tract, times.queue];
            let all = Aspect::ALL.into_iter().zip(all).filter(|(_, latency)| latency.count > 0);
            all.map(|(aspect, latency)| {
                let Latency { count, min, mean, p50, p90, p99, p999, max } = latency;
                let mut row = vec![stage.path.clone(), aspect.name().to_owned(), count.to_string()];
                row.extend([min, mean, p50, p90, p99, p999, max].map(|n| Nanos(n).to_string()));
                row
            })
        });
        table(&header, rows)
    }

    fn failures_list(&self, page: &mut String) -> fmt::Result {
        let failures = self.failures.iter().map(ToString::to_string);
        for line in failures.chain(self.imbalances.iter().cloned()) {
            writeln!(page, "<p>{}</p>", Escaped(&line))?;
        }
        Ok(())
    }
}

fn section(page: &mut String, title: &str, note: &str, body: &str) -> fmt::Result {
    if body.is_empty() {
        return Ok(());
    }
    let id = title.to_lowercase().replace(' ', "-");
    writeln!(
        page,
        "<section id=\"{id}\"><h2>{title}</h2>\n<p class=\"note\">{}</p>\n<div class=\"wide\">{body}</div></section>",
        Escaped(note)
    )
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut html = String::from("<table><tr>");
    header.iter().for_each(|cell| html.extend(["<th>", cell, "</th>"]));
    for row in rows {
        html.push_str("</tr>\n<tr>");
        for cell in row {
            let _ = write!(html, "<td>{}</td>", Escaped(&cell));
        }
    }
    html.push_str("</tr></table>");
    html
}

/// Text inside HTML.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}
