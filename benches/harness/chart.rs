//! Pictures as inline SVG: percentile curves, bars of ratios, lines of growth.

use std::fmt::Write;

use super::figures::Figures;
use super::table::{rate, ratio, time};

const WIDTH: f64 = 560.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;

/// How a system is drawn: the class of its colour, and its dashes.
#[derive(Debug, Clone, Copy)]
struct Pen {
    class: &'static str,
    dashes: &'static str,
}

const FAMILIES: [&str; 8] =
    ["ringtract", "disruptor", "crossbeam", "kanal", "flume", "std", "tokio", "rtrb"];

/// One colour for each family, other dashes for each of its forms.
fn pen(system: &str) -> Pen {
    let class = FAMILIES.iter().copied().find(|family| system.starts_with(family));
    let dashes = match system {
        "ringtract spin" | "disruptor spin" | "rtrb ring" | "cache line" => "",
        "unpark, timed" => "4 2",
        "unpark, there and back" => "8 3 2 3",
        _ if system.ends_with("spin") => "7 3",
        _ if system.ends_with("batch") || system.ends_with("hand") => "2 3",
        _ if system.ends_with("metrics") || system.ends_with("sleep") => "8 3 2 3",
        "ringtract" | "ringtract, parks" | "disruptor yield" => "4 2",
        _ => "",
    };
    Pen { class: class.unwrap_or("floor"), dashes }
}

/// A logarithmic axis from one end of the picture to the other.
struct Axis {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Axis {
    /// An axis that holds all of these, from a power of ten to a power of ten.
    fn over(values: impl Iterator<Item = f64> + Clone, start: f64, end: f64) -> Self {
        let from = values.clone().fold(f64::INFINITY, f64::min).max(1e-9).log10().floor();
        let to = values.fold(0.0, f64::max).max(1e-9).log10().ceil().max(from + 1.0);
        Self { from, to, start, end }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.max(1e-9).log10() - self.from) / (self.to - self.from);
        self.start + share.clamp(0.0, 1.0) * (self.end - self.start)
    }

    /// The powers of ten on it.
    fn powers(&self) -> impl Iterator<Item = f64> + use<> {
        let (from, to) = (self.from as i32, self.to as i32);
        (from..=to).map(|power| 10_f64.powi(power))
    }
}

fn open(height: f64, label: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\" \
         xmlns=\"http://www.w3.org/2000/svg\">\n"
    )
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn text(svg: &mut String, anchor: &str, (x, y): (f64, f64), text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

fn path(svg: &mut String, pen: Pen, title: &str, points: &[(f64, f64)]) {
    let mut way = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let _ = write!(way, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { "L" });
    }
    let Pen { class, dashes } = pen;
    let _ = writeln!(
        svg,
        "<path class=\"{class}\" stroke-dasharray=\"{dashes}\" d=\"{way}\"><title>{title}</title></path>"
    );
}

/// Latency over 1/(1-q), both logarithmic: the further right, the rarer.
pub fn percentiles(figures: &[Figures]) -> String {
    const HEIGHT: f64 = 400.0;
    // The first is drawn last, and so on top.
    let curves: Vec<(&Figures, &[(f64, f64)])> = figures
        .iter()
        .rev()
        .filter_map(|line| Some((line, line.latency.as_ref()?.curve.as_slice())))
        .collect();
    let values = curves.iter().flat_map(|(_, points)| points.iter().map(|(_, nanos)| *nanos));
    let across = Axis { from: 0.0, to: 5.0, start: LEFT, end: WIDTH - RIGHT };
    let up = Axis::over(values, HEIGHT - BOTTOM, TOP);
    let mut svg = open(HEIGHT, "latency by percentile");
    for (power, name) in across.powers().zip(["0", "90", "99", "99.9", "99.99", "99.999"]) {
        let x = across.at(power);
        line(&mut svg, "grid", (x, TOP), (x, HEIGHT - BOTTOM));
        let anchor = if power >= 1e5 { "end" } else { "middle" };
        text(&mut svg, anchor, (x, HEIGHT - BOTTOM + 16.0), &format!("{name} %"));
    }
    grid(&mut svg, &up, time);
    text(&mut svg, "middle", (WIDTH / 2.0, HEIGHT - 6.0), "percentile of requests");
    for (line, points) in &curves {
        let points: Vec<_> =
            points.iter().map(|(inverse, nanos)| (across.at(*inverse), up.at(*nanos))).collect();
        path(&mut svg, pen(line.system), line.system, &points);
    }
    svg + "</svg>\n"
}

/// Horizontal lines with what they stand for.
fn grid(svg: &mut String, up: &Axis, name: fn(f64) -> String) {
    for power in up.powers() {
        let y = up.at(power);
        line(svg, "grid", (LEFT, y), (WIDTH - RIGHT, y));
        text(svg, "end", (LEFT - 6.0, y + 4.0), &name(power));
    }
}

/// How many times as long as the baseline each system takes, on a logarithmic axis around 1.
pub fn ratios(figures: &[Figures]) -> String {
    const NAMES: f64 = 150.0;
    const ROW: f64 = 22.0;
    let bars: Vec<(&Figures, Vec<(&str, f64)>)> = figures
        .iter()
        .filter_map(|line| {
            let times = line.times_baseline?;
            let bars = match line.latency {
                Some(_) => vec![("p50", times.p50), ("p99", times.p99)],
                None => vec![("time", times.rate)],
            };
            bars.iter().all(|(_, times)| times.is_finite()).then_some((line, bars))
        })
        .collect();
    let values = bars.iter().flat_map(|(_, bars)| bars.iter().map(|(_, times)| *times));
    let end = WIDTH - RIGHT - 56.0;
    let across = Axis::over(values.chain([0.5, 2.0]), NAMES, end);
    let height = TOP + ROW * bars.len() as f64 + BOTTOM;
    let mut svg = open(height, "times the baseline");
    for power in across.powers() {
        let x = across.at(power);
        let class = if power == 1.0 { "one" } else { "grid" };
        line(&mut svg, class, (x, TOP), (x, height - BOTTOM));
        text(&mut svg, "middle", (x, height - BOTTOM + 16.0), &short(power));
    }
    let is_timed = bars.iter().any(|(line, _)| line.latency.is_some());
    let pair = if is_timed { "; p50 above, p99 faint below" } else { "" };
    let caption = format!("times as long: right of 1 is slower{pair}");
    text(&mut svg, "middle", (WIDTH / 2.0, height - 6.0), &caption);
    for (row, (line, bars)) in bars.iter().enumerate() {
        let top = TOP + ROW * row as f64;
        text(&mut svg, "end", (NAMES - 8.0, top + 15.0), line.system);
        let thick = (ROW - 6.0) / bars.len() as f64;
        for (at, (name, times)) in bars.iter().enumerate() {
            let (one, x) = (across.at(1.0), across.at(*times));
            let (left, wide) = (one.min(x), (one - x).abs().max(1.0));
            let y = top + 3.0 + thick * at as f64;
            let class = pen(line.system).class;
            let faint = if at > 0 { " faint" } else { "" };
            let _ = writeln!(
                svg,
                "<rect class=\"{class}{faint}\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" \
                 height=\"{:.1}\"><title>{}: {name} {}</title></rect>",
                thick - 1.0,
                line.system,
                ratio(*times),
            );
        }
        let shown = bars.iter().map(|(_, times)| *times).fold(1.0, f64::max);
        text(&mut svg, "start", (across.at(shown) + 6.0, top + 15.0), &ratio(bars[0].1));
    }
    svg + "</svg>\n"
}

fn short(power: f64) -> String {
    if power >= 1.0 { rate(power) } else { format!("{power}") }
}

/// Lines over a size that doubles, from the smallest to the largest: what each point costs. Both axes are logarithmic.
pub fn growth(cost: &str, size: &str, lines: &[(&str, Vec<(f64, f64)>)]) -> String {
    const HEIGHT: f64 = 300.0;
    /// Below the title.
    const TOP: f64 = 30.0;
    let points = || lines.iter().flat_map(|(_, points)| points.iter().copied());
    let mut sizes: Vec<f64> = points().map(|(size, _)| size).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let (least, most) =
        (sizes.first().copied().unwrap_or(1.0), sizes.last().copied().unwrap_or(1.0));
    let width = WIDTH - RIGHT - LEFT;
    let across = |size: f64| {
        LEFT + 10.0 + (width - 20.0) * (size / least).ln() / (most / least).ln().max(0.1)
    };
    let up = Axis::over(points().map(|(_, cost)| cost), HEIGHT - BOTTOM, TOP);
    let mut svg = open(HEIGHT, &format!("{cost}, by {size}"));
    text(&mut svg, "start", (LEFT, 16.0), cost);
    grid(&mut svg, &up, time);
    for size in sizes {
        line(&mut svg, "grid", (across(size), TOP), (across(size), HEIGHT - BOTTOM));
        text(&mut svg, "middle", (across(size), HEIGHT - BOTTOM + 16.0), &size.to_string());
    }
    text(&mut svg, "middle", (WIDTH / 2.0, HEIGHT - 6.0), size);
    for (system, points) in lines {
        let points: Vec<_> =
            points.iter().map(|(size, cost)| (across(*size), up.at(*cost))).collect();
        path(&mut svg, pen(system), system, &points);
    }
    svg + "</svg>\n"
}

/// What stands for what.
pub fn legend<'a>(systems: impl Iterator<Item = &'a str>) -> String {
    let mut html = "<p class=\"legend\">".to_owned();
    for system in systems {
        let Pen { class, dashes } = pen(system);
        let _ = write!(
            html,
            "<span><svg viewBox=\"0 0 26 8\"><path class=\"{class}\" stroke-dasharray=\"{dashes}\" \
             d=\"M0 4L26 4\"/></svg>{system}</span> "
        );
    }
    html + "</p>\n"
}
