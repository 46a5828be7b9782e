//! What the machine took, as plain data, and what it explains.

use std::fmt;
use std::time::Duration;

use super::latency::{Latency, as_float};
use super::table::Nanos;
use crate::measure::hiccups::HiccupSheet;

/// What the machine took from threads that were waiting: interrupts, other threads on their cores, a hypervisor, late timers.
///
/// Looked for while a thread spins, and where it was woken by the clock; not on a thread that works, yields or waits to be rung,
/// nor in a run on the caller's thread. What is shorter than 10 us does not count. All zero where nothing is measured
/// ([`Measure::Off`](crate::Measure::Off)).
///
/// The time that an [`Input`](crate::Input) or [`Output`](crate::Output) takes to say that it has nothing counts too: one that
/// takes 10 us for that looks like a hiccup.
///
/// ```
/// use std::time::Duration;
/// use ringtract::{Pace, paced, source};
///
/// let ticks = || paced(0..20, Pace::even(1_000, Duration::from_secs(1)));
/// let report = source("ticks", 1, ticks).run(drop)?;
/// let hiccups = report.hiccups;
/// assert!(hiccups.watched >= hiccups.taken);
/// println!("the machine took {:.1} % of the time", 100.0 * hiccups.share());
/// # Ok::<(), ringtract::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Hiccups {
    /// The time that was watched.
    pub watched: Duration,
    /// How much of it the machine took.
    pub taken: Duration,
    /// How long each hiccup was.
    pub times: Latency,
}

/// A hiccup of at least this share of the longest time from start to end may be what made it long.
const EXPLAINS: f64 = 0.5;

impl Hiccups {
    pub(crate) fn of(watched: u64, sheet: Option<&HiccupSheet>) -> Self {
        let taken = Duration::from_nanos(sheet.map_or(0, |sheet| sheet.taken));
        let times = sheet.map(|sheet| Latency::of(&sheet.times)).unwrap_or_default();
        Self { watched: Duration::from_nanos(watched), taken, times }
    }

    /// The share of the time watched that the machine took: 0 to 1.
    pub fn share(&self) -> f64 {
        self.taken.as_secs_f64() / self.watched.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// What there is to say of a tail that ends at so many nanoseconds: something where the longest hiccup is at least half of
    /// it.
    pub(crate) fn on_tail(&self, longest: u64) -> Option<String> {
        let share = as_float(self.times.max) / as_float(longest.max(1));
        (share >= EXPLAINS).then(|| {
            let [hiccup, longest] = [self.times.max, longest].map(Nanos);
            format!(
                "the tail may be the machine's: its longest hiccup took {hiccup}, the slowest request {longest}"
            )
        })
    }
}

impl fmt::Display for Hiccups {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { watched, times: Latency { count, p50, p99, max, .. }, .. } = *self;
        if watched.is_zero() {
            return f.write_str("no hiccups: no thread was watched");
        }
        if count == 0 {
            return write!(f, "no hiccups in {watched:.3?} watched");
        }
        let (share, [p50, p99, max]) = (100.0 * self.share(), [p50, p99, max].map(Nanos));
        let plural = if count == 1 { "" } else { "s" };
        write!(
            f,
            "{count} hiccup{plural} in {watched:.3?} watched, {share:.2} % of it: p50 {p50}, p99 {p99}, max {max}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hiccups(count: u64, longest: u64) -> Hiccups {
        let (p50, p99, max) = (20_000, 30_000, longest);
        let times = Latency { count, p50, p99, max, ..Latency::default() };
        Hiccups { watched: Duration::from_secs(2), taken: Duration::from_millis(31), times }
    }

    #[test]
    fn it_is_told_in_a_line() {
        assert_eq!(
            hiccups(7, 12_000_000).to_string(),
            "7 hiccups in 2.000s watched, 1.55 % of it: p50 20 us, p99 30 us, max 12 ms"
        );
        assert_eq!(hiccups(0, 0).to_string(), "no hiccups in 2.000s watched");
        assert_eq!(Hiccups::default().to_string(), "no hiccups: no thread was watched");
    }

    #[test]
    fn a_tail_is_put_down_to_the_machine_only_where_a_hiccup_is_half_of_it() {
        let line = hiccups(7, 12_000_000).on_tail(16_000_000).expect("three quarters");
        assert_eq!(
            line,
            "the tail may be the machine's: its longest hiccup took 12 ms, the slowest request 16 ms"
        );
        assert_eq!(hiccups(7, 12_000_000).on_tail(25_000_000), None);
        assert!(hiccups(7, 12_000_000).on_tail(24_000_000).is_some());
        assert_eq!(hiccups(0, 0).on_tail(0), None);
    }
}
