//! The figures as a table for people.

use std::fmt::Write;

use super::cell::Kind;
use super::figures::{Figures, Latencies, Spread};

/// One cell, a system on each line.
pub fn cell(title: &str, baseline: &str, figures: &[Figures]) -> String {
    let mut table = format!("\n{title}");
    if let Some(line) = figures.first().map(|line| line.line).filter(|line| line.median > 0.0) {
        let _ = write!(table, "; a cache line crosses in {}", time(line.median));
        let _ = write!(table, " {}", between(&line, time));
    }
    table.push('\n');
    let is_timed = figures.iter().any(|figures| figures.latency.is_some());
    let _ = if is_timed {
        writeln!(
            table,
            "  {:<26}{:>9} {:<19}{:>9}{:>9}{:>9}{:>9}{:>7}{:>10}{:>9}{:>9}",
            "latency",
            "p50",
            "(min .. max)",
            "p99",
            "p99.9",
            "p99.99",
            "max",
            "cores",
            "x p50",
            "x p99",
            "x p99.9"
        )
    } else {
        writeln!(
            table,
            "  {:<26}{:>9} {:<19}{:>9}{:>7}{:>10}",
            "throughput", "a second", "(min .. max)", "ns each", "cores", "x"
        )
    };
    for line in figures {
        let _ = match &line.latency {
            Some(latency) => timed(&mut table, line, latency),
            None => saturated(&mut table, line),
        };
    }
    losses(&mut table, baseline, figures);
    table
}

fn timed(table: &mut String, line: &Figures, latency: &Latencies) -> std::fmt::Result {
    let Latencies { p50, p99, p999, p9999, max, samples, .. } = latency;
    let of_all = |nanos: u64| time(if *samples == 0 { f64::INFINITY } else { nanos as f64 });
    write!(
        table,
        "  {:<26}{:>9} {:<19}{:>9}{:>9}{:>9}{:>9}{:>7.2}",
        line.system,
        time(p50.median),
        between(p50, time),
        time(p99.median),
        time(p999.median),
        of_all(*p9999),
        of_all(*max),
        line.cores_busy,
    )?;
    if let Some(times) = line.times_baseline {
        write!(table, "{:>10}{:>9}{:>9}", ratio(times.p50), ratio(times.p99), ratio(times.p999))?;
    }
    if line.kept_pace < line.rounds {
        write!(
            table,
            "  lost the pace in {} of {} rounds",
            line.rounds - line.kept_pace,
            line.rounds
        )?;
    }
    writeln!(table)
}

fn saturated(table: &mut String, line: &Figures) -> std::fmt::Result {
    write!(
        table,
        "  {:<26}{:>9} {:<19}{:>9}{:>7.2}",
        line.system,
        rate(line.rate.median),
        between(&line.rate, rate),
        format!("{:.1}", 1e9 / line.rate.median),
        line.cores_busy,
    )?;
    if let Some(times) = line.times_baseline {
        write!(table, "{:>10}", ratio(times.rate))?;
    }
    writeln!(table)
}

/// Figures of a peer that are better than the baseline's, as `p50 (x 0.80)`.
fn ahead(line: &Figures) -> Vec<String> {
    let Some(times) = line.times_baseline.filter(|_| line.kind == Kind::Peer) else {
        return Vec::new();
    };
    let compared = match line.latency {
        Some(_) => vec![("p50", times.p50), ("p99", times.p99), ("p99.9", times.p999)],
        None => vec![("throughput", times.rate)],
    };
    let ahead = compared.into_iter().filter(|(_, times)| *times < 1.0);
    ahead.map(|(figure, times)| format!("{figure} (x {times:.2})")).collect()
}

/// Says where the baseline is behind a peer.
fn losses(table: &mut String, baseline: &str, figures: &[Figures]) {
    for line in figures {
        let ahead = ahead(line);
        if !ahead.is_empty() {
            let _ =
                writeln!(table, "  {baseline} LOSES to {} in {}", line.system, ahead.join(", "));
        }
    }
}

/// In how many cells the baseline is behind some peer, and in which.
pub fn summary(baseline: &str, cells: &[(String, Vec<Figures>)]) -> String {
    let lost: Vec<&str> = cells
        .iter()
        .filter(|(_, figures)| figures.iter().any(|line| !ahead(line).is_empty()))
        .map(|(title, _)| title.as_str())
        .collect();
    let compared = cells
        .iter()
        .filter(|(_, figures)| {
            figures.iter().any(|line| line.kind == Kind::Peer && line.times_baseline.is_some())
        })
        .count();
    if compared == 0 {
        return String::new();
    }
    let mut summary = format!(
        "\n{baseline} loses something to some peer in {} of {compared} cells\n",
        lost.len()
    );
    lost.iter().for_each(|title| summary.push_str(&format!("  {title}\n")));
    summary
}

fn between(spread: &Spread, show: fn(f64) -> String) -> String {
    format!("({} .. {})", show(spread.min), show(spread.max))
}

/// Nanoseconds, to three digits and with their unit; `never` if there is no end to them.
pub fn time(nanos: f64) -> String {
    match nanos {
        f64::INFINITY => "never".to_owned(),
        ..1e3 => format!("{nanos:.0}ns"),
        ..1e6 => format!("{}us", digits(nanos / 1e3)),
        ..1e9 => format!("{}ms", digits(nanos / 1e6)),
        _ => format!("{}s", digits(nanos / 1e9)),
    }
}

/// So many a second.
pub fn rate(rate: f64) -> String {
    match rate {
        ..1e3 => format!("{rate:.0}"),
        ..1e6 => format!("{}k", digits(rate / 1e3)),
        _ => format!("{}M", digits(rate / 1e6)),
    }
}

pub fn ratio(times: f64) -> String {
    if !times.is_finite() {
        return "-".to_owned();
    }
    if times < 1e3 { format!("{} x", digits(times)) } else { format!("{} x", rate(times)) }
}

fn digits(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
