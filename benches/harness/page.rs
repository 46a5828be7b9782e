//! The figures as one page that needs nothing else, legible light and dark.

use std::fmt::Write;

use super::bench::Finding;
use super::chart;
use super::figures::Figures;
use super::machine::Machine;
use super::table;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5d6670; --ground: #fff; --card: #f6f7f9; --rule: #d9dde2;
  --ringtract: #d02f48; --disruptor: #2166b8; --crossbeam: #1b8050; --kanal: #a86a00; --flume: #8145b5;
  --std: #5c6b2a; --tokio: #0c8290; --rtrb: #6b7480; --floor: #7d8791; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaee; --soft: #9aa4af; --ground: #14171a; --card: #1c2024;
  --rule: #343b43; --ringtract: #ff6d84; --disruptor: #6cb0ff; --crossbeam: #5ccb97; --kanal: #f0b455; --flume: #c79bf2;
  --std: #b9cc74; --tokio: #54d3e0; --rtrb: #aab4bf; --floor: #78828d; } }
body { margin: 0 auto; max-width: 1240px; padding: 24px; font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--ground); }
h1 { font-size: 26px; margin: 0 0 4px } h2 { margin: 40px 0 8px; font-size: 20px }
h3 { margin: 0 0 8px; font-size: 15px } p { margin: 4px 0 } .soft { color: var(--soft) }
nav a { margin-right: 14px; color: inherit }
.cell { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 14px; margin: 12px 0 }
.pictures { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; align-items: start }
.pictures > * { min-width: 0 } @media (max-width: 900px) { .pictures { grid-template-columns: 1fr } }
svg { width: 100%; height: auto; display: block } svg text { font: 11px system-ui, sans-serif; fill: var(--soft) }
path { fill: none; stroke-width: 1.8 } .grid { stroke: var(--rule) } .one { stroke: var(--ink); stroke-width: 1.4 }
.faint { opacity: .5 } path:hover { stroke-width: 4 }
.legend span { display: inline-block; margin-right: 14px; font-size: 13px; white-space: nowrap }
.legend svg { display: inline-block; width: 26px; height: 8px; margin-right: 5px; vertical-align: middle }
pre { overflow-x: auto; font: 11px/1.45 ui-monospace, monospace; margin: 8px 0 0 } summary { cursor: pointer }
path.ringtract { stroke: var(--ringtract); stroke-width: 2.6 } rect.ringtract { fill: var(--ringtract) }
path.disruptor { stroke: var(--disruptor) } rect.disruptor { fill: var(--disruptor) }
path.crossbeam { stroke: var(--crossbeam) } rect.crossbeam { fill: var(--crossbeam) }
path.kanal { stroke: var(--kanal) } rect.kanal { fill: var(--kanal) }
path.flume { stroke: var(--flume) } rect.flume { fill: var(--flume) }
path.std { stroke: var(--std) } rect.std { fill: var(--std) }
path.tokio { stroke: var(--tokio) } rect.tokio { fill: var(--tokio) }
path.rtrb { stroke: var(--rtrb) } rect.rtrb { fill: var(--rtrb) }
path.floor { stroke: var(--floor) } rect.floor { fill: var(--floor) }
";

/// A cell's title and figures.
pub type Shown = (String, Vec<Figures>);

/// What the pictures of a page are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pictures {
    CurvesAndBars,
    Growth,
}

impl Pictures {
    /// How to read them.
    fn reading(self, baseline: &str) -> String {
        match self {
            Self::CurvesAndBars => format!(
                "Curves show the median over the rounds at each percentile; bars show the median over the rounds of the \
                 ratio to <b>{baseline}</b> in the same round: right of 1 takes longer. <i>hiccups</i> is no pipeline at \
                 all: what the machine takes from whoever runs there."
            ),
            Self::Growth => {
                "Lines show the median over the rounds at each size; both axes are logarithmic."
                    .to_owned()
            }
        }
    }
}

/// The page.
pub fn page(
    title: &str,
    pictures: Pictures,
    machine: &Machine,
    baseline: &str,
    cells: &[Shown],
    findings: &[Finding],
) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n\
         <h1>{title}</h1>\n<p class=\"soft\">{machine}</p>\n\
         <p>Every system runs once in each round, in rotating order, on the same cores. {} \
         Latency counts from when a request was due.</p>\n<nav>",
        pictures.reading(baseline)
    );
    let topologies = topologies(cells);
    let names = topologies.iter().copied().chain(findings.iter().map(|finding| finding.heading));
    for name in names {
        let _ = write!(html, "<a href=\"#{name}\">{name}</a>");
    }
    html.push_str("</nav>\n");
    for Finding { heading, text, picture } in findings {
        let _ = writeln!(
            html,
            "<h2 id=\"{heading}\">{heading}</h2>\n<div class=\"cell\">\
             <div class=\"pictures\">{picture}</div><pre>{}</pre></div>",
            text.trim_start_matches('\n').trim_end()
        );
    }
    for topology in topologies {
        let _ = writeln!(html, "<h2 id=\"{topology}\">{topology}</h2>");
        let own = cells.iter().filter(|(_, figures)| belongs(figures, topology));
        own.for_each(|(title, figures)| cell(&mut html, title, baseline, figures));
    }
    html + "</body></html>\n"
}

fn belongs(figures: &[Figures], topology: &str) -> bool {
    figures.first().is_some_and(|line| line.topology == topology)
}

fn topologies(cells: &[Shown]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for line in cells.iter().filter_map(|(_, figures)| figures.first()) {
        if !names.contains(&line.topology) {
            names.push(line.topology);
        }
    }
    names
}

fn cell(html: &mut String, title: &str, baseline: &str, figures: &[Figures]) {
    let table = table::cell(title, baseline, figures);
    // The title stands above already.
    let table = table.trim_start().split_once('\n').map_or("", |(_, rest)| rest.trim_end());
    let (percentiles, ratios) = (chart::percentiles(figures), chart::ratios(figures));
    let _ = write!(html, "<div class=\"cell\"><h3>{title}</h3><div class=\"pictures\">");
    if figures.iter().any(|line| line.latency.is_some()) {
        let legend = chart::legend(figures.iter().map(|line| line.system));
        let _ = writeln!(
            html,
            "<div>{percentiles}</div><div>{ratios}</div></div>{legend}\
             <details><summary class=\"soft\">figures</summary><pre>{table}</pre></details></div>"
        );
    } else {
        let _ = writeln!(html, "<div>{ratios}</div><pre>{table}</pre></div></div>");
    }
}
