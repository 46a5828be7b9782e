//! A chart of times, as SVG: a frame with a logarithmic axis of times and an axis of anything, lines and bars in it, and a
//! legend under it that wraps where there is little room.
//!
//! Colours are classes of the page's style, which has them for light and for dark. There are eight; where there are more
//! lines, they come again dashed.

use std::fmt::Write;

use super::latency::as_float;
use super::page::Escaped;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 330.0;
/// Left, right, top, bottom.
const PAD: [f64; 4] = [64.0, 26.0, 12.0, 46.0];
const COLOURS: usize = 8;

/// A line: points as share of the width, and nanoseconds.
pub(crate) struct Line {
    pub(crate) name: String,
    /// The number of its colour.
    pub(crate) colour: usize,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Bars that stand on the axis: from and to as share of the width, and nanoseconds.
pub(crate) struct Bars {
    pub(crate) name: String,
    pub(crate) bars: Vec<(f64, f64, f64)>,
}

pub(crate) struct Chart<'a> {
    pub(crate) lines: Vec<Line>,
    pub(crate) bars: Option<Bars>,
    /// Places on the axis that is not of times, and what is there.
    pub(crate) ticks: Vec<(f64, String)>,
    /// What that axis is of.
    pub(crate) across: &'a str,
    /// What the axis of times is of.
    pub(crate) up: &'a str,
}

impl Chart<'_> {
    /// The chart; nothing where there is nothing in it.
    pub(crate) fn draw(&self) -> String {
        let Some(scale) = self.scale() else { return String::new() };
        let mut svg = format!(
            "<figure><div class=\"wide\"><svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            Escaped(self.up)
        );
        self.draw_frame(&mut svg, &scale);
        if let Some(Bars { bars, .. }) = &self.bars {
            for &(from, to, nanos) in bars.iter().filter(|bar| bar.2 > 0.0) {
                let (left, top) = (across(from), scale.up(nanos));
                let _ = write!(
                    svg,
                    "<rect class=\"hiccup\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                    (across(to) - left).max(1.5),
                    HEIGHT - PAD[3] - top
                );
            }
        }
        for line in &self.lines {
            draw_line(&mut svg, line, &scale);
        }
        svg.push_str("</svg></div><figcaption>");
        for Line { name, colour, .. } in &self.lines {
            let _ = write!(svg, "<span class=\"{}\">{}</span>", class(*colour), Escaped(name));
        }
        if let Some(Bars { name, .. }) = &self.bars {
            let _ = write!(svg, "<span class=\"hiccup\">{}</span>", Escaped(name));
        }
        svg.push_str("</figcaption></figure>");
        svg
    }

    /// Whole decades around all that is drawn.
    fn scale(&self) -> Option<Scale> {
        let lines = self.lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
        let bars = self.bars.iter().flat_map(|bars| bars.bars.iter().map(|bar| bar.2));
        let (mut least, mut most) = (f64::MAX, 0.0_f64);
        for nanos in lines.chain(bars.filter(|nanos| *nanos > 0.0)) {
            least = least.min(nanos.max(1.0));
            most = most.max(nanos);
        }
        let bottom = least.log10().floor();
        (most > 0.0).then(|| Scale { bottom, top: most.log10().ceil().max(bottom + 1.0) })
    }

    fn draw_frame(&self, svg: &mut String, scale: &Scale) {
        let [left, _, upper, lower] = PAD;
        let (right, floor) = (across(1.0), HEIGHT - lower);
        for nanos in scale.ticks() {
            let at = scale.up(nanos);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{left}\" x2=\"{right:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 8.0,
                at + 4.0,
                round_time(nanos)
            );
        }
        for (share, label) in &self.ticks {
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{upper}\" y2=\"{floor:.1}\"/>\
                 <text class=\"dim\" x=\"{0:.1}\" y=\"{1:.1}\" text-anchor=\"middle\">{label}</text>",
                across(*share),
                floor + 17.0
            );
        }
        let _ = write!(
            svg,
            "<text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(left, right),
            HEIGHT - 8.0,
            Escaped(self.across)
        );
    }
}

/// The axis of times, in powers of ten.
struct Scale {
    bottom: f64,
    top: f64,
}

impl Scale {
    fn up(&self, nanos: f64) -> f64 {
        let share = (nanos.max(1.0).log10() - self.bottom) / (self.top - self.bottom);
        HEIGHT - PAD[3] - share.max(0.0) * (HEIGHT - PAD[2] - PAD[3])
    }

    /// The decades; with twice and five times each where there are few.
    fn ticks(&self) -> Vec<f64> {
        let steps: &[f64] = if self.top - self.bottom <= 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut ticks = Vec::new();
        let mut decade = self.bottom;
        while decade <= self.top {
            ticks.extend(steps.iter().map(|step| step * 10_f64.powf(decade)));
            decade += 1.0;
        }
        ticks.retain(|nanos| nanos.log10() <= self.top + 1e-9);
        ticks
    }
}

fn across(share: f64) -> f64 {
    PAD[0] + share * (WIDTH - PAD[0] - PAD[1])
}

fn draw_line(svg: &mut String, line: &Line, scale: &Scale) {
    let mut points = String::new();
    for &(share, nanos) in &line.points {
        let _ = write!(points, "{:.1},{:.1} ", across(share), scale.up(nanos));
    }
    let _ = write!(
        svg,
        "<polyline class=\"{}\" points=\"{points}\"><title>{}</title></polyline>",
        class(line.colour),
        Escaped(&line.name)
    );
}

/// The class of a line of that colour.
pub(crate) fn class(colour: usize) -> String {
    let dashed = if colour >= COLOURS { " dashed" } else { "" };
    format!("line c{}{dashed}", colour % COLOURS)
}

/// A time of one digit.
fn round_time(nanos: f64) -> String {
    let (unit, size) = [("s", 1e9), ("ms", 1e6), ("us", 1e3)]
        .into_iter()
        .find(|&(_, size)| nanos >= size * (1.0 - 1e-9))
        .unwrap_or(("ns", 1.0));
    format!("{:.0} {unit}", nanos / size)
}

/// Shares of the width, one for each of so many steps of time, and what to call them.
pub(crate) fn time_ticks(seconds: f64) -> Vec<(f64, String)> {
    // A fifth of the time, made round: 1, 2 or 5 of some power of ten.
    let rough = seconds / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = step.into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let (unit, size) = match step {
        step if step >= 1.0 => ("s", 1.0),
        step if step >= 1e-3 => ("ms", 1e-3),
        _ => ("us", 1e-6),
    };
    let marks = (0_u64..).map(|mark| as_float(mark) * step);
    let marks = marks.take_while(|at| *at <= seconds * (1.0 + 1e-9));
    marks.map(|at| (at / seconds, format!("{:.0} {unit}", at / size))).collect()
}
