//! The slowest requests as bars: a piece for each hop, in the colour of its stage, faint for the time in a lane, half for the
//! time without room, full for the work.

use std::fmt::Write;

use super::chart::{class, time_ticks};
use super::latency::as_float;
use super::page::Escaped;
use super::report::Report;
use super::slow::{Hop, SlowRequest};
use super::table::Nanos;

const WIDTH: f64 = 860.0;
/// Left, right, bottom.
const PAD: [f64; 3] = [64.0, 26.0, 46.0];
const ROW: f64 = 26.0;
const THICK: f64 = 16.0;

/// The bars; nothing where no request was measured.
pub(crate) fn slowest_bars(report: &Report) -> String {
    let longest = report.slowest.iter().map(|slow| slow.took).max().unwrap_or(0);
    if longest == 0 {
        return String::new();
    }
    let floor = ROW * as_float(report.slowest.len() as u64);
    let height = floor + PAD[2];
    let across =
        |nanos: u64| PAD[0] + as_float(nanos) / as_float(longest) * (WIDTH - PAD[0] - PAD[1]);
    let mut svg = format!(
        "<figure><div class=\"wide\"><svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"slowest requests\">"
    );
    for (share, label) in time_ticks(as_float(longest) / 1e9) {
        let x = PAD[0] + share * (WIDTH - PAD[0] - PAD[1]);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{floor}\"/>\
             <text class=\"dim\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            floor + 17.0
        );
    }
    let _ = write!(
        svg,
        "<text class=\"dim\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">time since its start</text>",
        WIDTH / 2.0,
        height - 8.0
    );
    for (row, slow) in report.slowest.iter().enumerate() {
        let top = ROW * as_float(row as u64);
        let _ = write!(
            svg,
            "<g class=\"request\"><text class=\"dim\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            PAD[0] - 8.0,
            top + ROW / 2.0 + 4.0,
            Nanos(slow.took)
        );
        for Piece { class, from, to, title } in pieces(report, slow) {
            let (left, y) = (across(from), top + (ROW - THICK) / 2.0);
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{left:.2}\" y=\"{y}\" width=\"{:.2}\" height=\"{THICK}\">\
                 <title>{}</title></rect>",
                across(to) - left,
                Escaped(&title)
            );
        }
        svg.push_str("</g>");
    }
    svg.push_str("</svg></div><figcaption>");
    let met = |path: &str| {
        report.slowest.iter().any(|slow| slow.hops.iter().any(|hop| hop.stage == path))
    };
    for (stage, told) in report.stages.iter().enumerate().filter(|(_, told)| met(&told.path)) {
        let _ = write!(svg, "<span class=\"{}\">{}</span>", class(stage), Escaped(&told.path));
    }
    svg.push_str("</figcaption></figure>");
    svg
}

/// A part of a request's time.
struct Piece {
    class: String,
    from: u64,
    to: u64,
    title: String,
}

fn pieces(report: &Report, slow: &SlowRequest) -> Vec<Piece> {
    let (mut pieces, mut from) = (Vec::new(), 0);
    let mut piece = |class: String, nanos: u64, title: String| {
        if nanos > 0 {
            pieces.push(Piece { class, from, to: from + nanos, title });
        }
        from += nanos;
    };
    piece("untold".to_owned(), slow.untold, format!("{} not told", Nanos(slow.untold)));
    for Hop { stage, worker, wait, blocked, work } in &slow.hops {
        let at = report.stages.iter().position(|told| told.path == *stage).unwrap_or(0);
        for (nanos, part, what) in [
            (*wait, "wait", "waiting for"),
            (*blocked, "blocked", "blocked at"),
            (*work, "work", "working in"),
        ] {
            let title = format!("{} {what} {stage}[{worker}]", Nanos(nanos));
            piece(format!("piece {part} {}", class(at)), nanos, title);
        }
    }
    pieces
}
