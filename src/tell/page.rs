//! The report as one HTML file: no script, nothing fetched, light and dark.

use std::fmt::{self, Display, Write};

use super::charts::{Curve, percentile_chart, timeline};
use super::latency::Latency;
use super::report::Report;
use super::snapshot::Snapshot;
use super::table::Nanos;
use super::topology::topology;
use crate::measure::sheets::Aspect;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#5b6672;--paper:#fff;--card:#f5f7f9;--line:#cfd6dd;--bar:#2f7ed8;--hot:#d6453d}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--dim:#98a4b0;--paper:#14181c;--card:#1e242a;--line:#3a444e;--bar:#5aa0ee;--hot:#f2716a}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1060px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
.verdict{background:var(--card);border-left:4px solid var(--hot);padding:.6rem 1rem;margin:1rem 0}
.wide{overflow-x:auto}svg{display:block;max-width:100%;height:auto}
svg text{fill:var(--ink);font:12px system-ui,sans-serif}svg .dim{fill:var(--dim)}
.box{fill:var(--card);stroke:var(--line)}.grid{stroke:var(--line);stroke-width:.6}.edge{stroke:var(--dim);fill:none}
.busy{fill:var(--bar)}.track{fill:var(--line)}.full{fill:var(--hot)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;white-space:nowrap}
td,th{padding:.15rem .7rem;text-align:right;border-bottom:1px solid var(--line)}td:first-child,th:first-child{text-align:left}
th{color:var(--dim);font-weight:500}.note{color:var(--dim);font-size:.9rem}";

impl Report {
    /// The report as one HTML file that opens from disk, without scripts and without a network: the topology with how
    /// busy its stages were and how full its lanes, percentiles, how latencies went over the time of these snapshots, and the
    /// ledger. It follows the reader's choice of light or dark.
    pub fn to_html(&self, snapshots: &[Snapshot]) -> String {
        let mut page = String::new();
        // A `String` takes whatever is written.
        let _ = self.write_page(&mut page, snapshots);
        page
    }

    fn write_page(&self, page: &mut String, snapshots: &[Snapshot]) -> fmt::Result {
        write!(
            page,
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>ringtract</title><style>{STYLE}</style>\n\
             <h1>A run of {:.3?}</h1>\n<p class=\"verdict\">{}</p>\n",
            self.elapsed,
            Escaped(&self.verdict.to_string())
        )?;
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
            section(page, title, note, &percentile_chart(&curves))?;
        }
        if snapshots.len() > 1 {
            section(
                page,
                "Over time",
                "Age at the last stages: p50, p99 and the maximum of each interval.",
                &timeline(self, snapshots),
            )?;
        }
        section(
            page,
            "Ledger",
            "Every request a stage took has one outcome.",
            &self.ledger_table(),
        )?;
        section(page, "Times", "", &self.times_table())?;
        self.failures_list(page)
    }

    fn curves(&self, aspect: Aspect) -> impl Iterator<Item = Curve<'_>> {
        self.stages.iter().enumerate().filter_map(move |(at, stage)| {
            Some(Curve { name: &stage.path, histogram: self.histogram(at, aspect)? })
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
            let all = [times.wait, times.work, times.blocked, times.age, times.tract];
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
    writeln!(
        page,
        "<h2>{title}</h2>\n<p class=\"note\">{note}</p>\n<div class=\"wide\">{body}</div>"
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
