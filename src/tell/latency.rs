//! Distributions of times, and shares of time, as plain data.

use hdrhistogram::Histogram;

use crate::measure::pauses::Spell;
use crate::measure::sheets::{Aspect, Sheets};

/// A distribution of times, in nanoseconds, as exact as the [`Precision`](crate::Precision) of the run: 1 % by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Latency {
    /// Requests measured.
    pub count: u64,
    /// The shortest.
    pub min: u64,
    /// The mean.
    pub mean: u64,
    /// Half are at most this.
    pub p50: u64,
    /// 90 % are at most this.
    pub p90: u64,
    /// 99 % are at most this.
    pub p99: u64,
    /// 99.9 % are at most this.
    pub p999: u64,
    /// The longest; 68.7 s or more counts as 68.7 s, unless the run has another precision.
    pub max: u64,
}

impl Latency {
    /// Of a histogram, in one pass over it.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let count = histogram.len();
        if count == 0 {
            return Self::default();
        }
        let (min, max) = (histogram.min(), histogram.max());
        let mut quantiles = [(0.5, max), (0.9, max), (0.99, max), (0.999, max)];
        let (mut below, mut next, mut sum) = (0, 0, 0.0);
        for bucket in histogram.iter_recorded() {
            let value = bucket.value_iterated_to();
            let here = bucket.count_at_value();
            below += here;
            sum += as_float(histogram.median_equivalent(value)) * as_float(here);
            while next < quantiles.len() && as_float(below) >= quantiles[next].0 * as_float(count) {
                quantiles[next].1 = value.min(max);
                next += 1;
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a mean of times"
        )]
        let mean = (sum / as_float(count)) as u64;
        let [p50, p90, p99, p999] = quantiles.map(|(_, value)| value);
        Self { count, min, mean, p50, p90, p99, p999, max }
    }

    pub(crate) fn in_sheets(sheets: Option<&Sheets>, aspect: Aspect) -> Self {
        sheets.map(|sheets| Self::of(sheets.of(aspect))).unwrap_or_default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and times, for a ratio")]
pub(crate) fn as_float(n: u64) -> f64 {
    n as f64
}

/// How the workers of a stage spent their time, as shares of it. They add up to 1, or are all 0 where nothing is measured.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Shares {
    /// Working, or waiting for a turn on a thread that others use as well.
    pub busy: f64,
    /// Waiting for requests.
    pub starved: f64,
    /// Waiting for room to put them.
    pub blocked: f64,
}

impl Shares {
    pub(crate) fn of(spell: Spell) -> Self {
        if spell.present == 0 {
            return Self::default();
        }
        let share = |nanos| (as_float(nanos) / as_float(spell.present)).min(1.0);
        let (starved, blocked) = (share(spell.starved), share(spell.blocked));
        Self { busy: (1.0 - starved - blocked).max(0.0), starved, blocked }
    }
}

/// All that was measured of a stage, or of a stage in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Times {
    /// How long the worker waited for a request. Nothing for a source.
    pub wait: Latency,
    /// Time in the worker. Nothing for a source.
    pub work: Latency,
    /// How long the worker waited for room to put a request, which it does before it takes it. Nothing for a source.
    pub blocked: Latency,
    /// Time from the start of a request to its leaving this stage. At a source how late it was against the starts that
    /// its input gave, which an open-loop input does.
    pub age: Latency,
    /// Time from the start of a request to its end, at the stages where requests end their lives with success.
    pub tract: Latency,
    /// How long requests lay before the worker: from the end of their work at the stage before, or from a source's giving
    /// them, to their being taken. Nothing for a source.
    pub queue: Latency,
}

impl Times {
    pub(crate) fn of(sheets: Option<&Sheets>) -> Self {
        let of = |aspect| Latency::in_sheets(sheets, aspect);
        Self {
            wait: of(Aspect::Wait),
            work: of(Aspect::Work),
            blocked: of(Aspect::Blocked),
            age: of(Aspect::Age),
            tract: of(Aspect::Tract),
            queue: of(Aspect::Queue),
        }
    }
}
