//! Figures: medians over rounds with their spread, and ratios to a baseline in the same round.

use serde::Serialize;

use super::cell::Kind;
use super::job::Outcome;
use super::rounds::{Measured, Result};
use super::sink::histogram;

/// A median with the smallest and the largest beside it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        match values[..] {
            [] => Self { min: f64::NAN, median: f64::NAN, max: f64::NAN },
            [first, .., last] => Self { min: first, median: values[values.len() / 2], max: last },
            [only] => Self { min: only, median: only, max: only },
        }
    }
}

/// Nanoseconds that requests took.
#[derive(Debug, Clone, Serialize)]
pub struct Latencies {
    /// Over the rounds.
    pub p50: Spread,
    pub p99: Spread,
    pub p999: Spread,
    /// Of all rounds together: one round has too few requests for it.
    pub p9999: u64,
    pub max: u64,
    /// Requests of all rounds together.
    pub samples: u64,
    /// `1 / (1 - q)` and the median over the rounds of the latency at the quantile `q`, as far as one round reaches.
    #[serde(skip)]
    pub curve: Vec<(f64, f64)>,
}

/// How many times as long as the baseline: the median of the ratios, round by round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ratios {
    /// Of the time for each request.
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
}

/// What a system showed in a cell.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    pub topology: &'static str,
    pub system: &'static str,
    pub load: String,
    pub payload_bytes: usize,
    pub cores: usize,
    /// Requests a second.
    pub rate: Spread,
    /// In nanoseconds; absent where the source is saturated.
    pub latency: Option<Latencies>,
    /// Processor time, in cores.
    pub cores_busy: f64,
    /// Rounds, and those among them in which the source could give each request in time.
    pub rounds: usize,
    pub kept_pace: usize,
    /// What a cache line took from core to core meanwhile, in nanoseconds.
    pub line: Spread,
    /// To the baseline; absent for itself and where it did not run.
    pub times_baseline: Option<Ratios>,
    #[serde(skip)]
    pub kind: Kind,
}

/// The figures of a cell's systems, compared with the one of this name.
pub fn of(result: &Result, baseline: &str) -> Vec<Figures> {
    let base = result.systems.iter().find(|measured| measured.system.name == baseline);
    result.systems.iter().map(|measured| figures(result, measured, base)).collect()
}

fn figures(result: &Result, measured: &Measured, base: Option<&Measured>) -> Figures {
    let (cell, system, rounds) = (&result.cell, measured.system, &measured.rounds);
    let base = base.filter(|base| base.system.name != system.name && !base.rounds.is_empty());
    Figures {
        topology: cell.topology.name,
        system: system.name,
        load: cell.load.to_string(),
        payload_bytes: cell.payload,
        cores: cell.cores,
        rate: Spread::of(rounds.iter().map(Outcome::rate)),
        latency: cell.load.is_timed().then(|| latencies(rounds)),
        cores_busy: Spread::of(rounds.iter().map(|round| round.cores_busy)).median,
        rounds: rounds.len(),
        kept_pace: rounds.iter().filter(|round| round.kept_pace).count(),
        line: Spread::of(result.lines.iter().copied()),
        times_baseline: base.map(|base| ratios(rounds, &base.rounds)),
        kind: system.kind,
    }
}

/// Infinite where nothing arrived that was due after the warm-up: who falls behind that far must not look fast.
fn quantile(round: &Outcome, quantile: f64) -> f64 {
    if round.latencies.is_empty() {
        return f64::INFINITY;
    }
    round.latencies.value_at_quantile(quantile) as f64
}

fn latencies(rounds: &[Outcome]) -> Latencies {
    let at = |share: f64| Spread::of(rounds.iter().map(|round| quantile(round, share)));
    let mut all = histogram();
    rounds.iter().for_each(|round| all.add(&round.latencies).expect("the same bounds"));
    Latencies {
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
        p9999: all.value_at_quantile(0.9999),
        max: all.max(),
        samples: all.len(),
        curve: curve(rounds),
    }
}

/// The quantiles in even steps of the logarithm of `1 / (1 - q)`.
fn curve(rounds: &[Outcome]) -> Vec<(f64, f64)> {
    const STEPS: i32 = 12;
    let samples = rounds.iter().map(|round| round.latencies.len()).min().unwrap_or_default();
    (0..=5 * STEPS)
        .map(|step| 10_f64.powf(f64::from(step) / f64::from(STEPS)))
        .take_while(|inverse| *inverse <= samples as f64)
        .map(|inverse| {
            let at = rounds.iter().map(|round| quantile(round, 1.0 - 1.0 / inverse));
            (inverse, Spread::of(at).median)
        })
        .collect()
}

fn ratios(own: &[Outcome], base: &[Outcome]) -> Ratios {
    let of = |figure: &dyn Fn(&Outcome) -> f64| {
        Spread::of(own.iter().zip(base).map(|(own, base)| figure(own) / figure(base))).median
    };
    Ratios {
        rate: of(&|round| 1.0 / round.rate()),
        p50: of(&|round| quantile(round, 0.5)),
        p99: of(&|round| quantile(round, 0.99)),
        p999: of(&|round| quantile(round, 0.999)),
    }
}
