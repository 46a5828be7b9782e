//! A throttle: how often, over all who ask, the answer is yes.

use std::time::{Duration, Instant};

use super::clock;
use crate::sync::{AtomicU64, Ordering};

/// Says yes always, never, or once per period over all who ask, from any thread.
///
/// With a period the answer is no until one whole period has passed, then yes once per period. Periods in which nobody
/// asked are not made up for.
///
/// ```
/// use std::time::{Duration, Instant};
/// use ringtract::Throttle;
///
/// let start = Instant::now();
/// let second = Duration::from_secs(1);
/// let throttle = Throttle::every_from(second, start);
/// assert!(!throttle.asks_at(start));
/// assert!(throttle.asks_at(start + 5 * second));
/// assert!(!throttle.asks_at(start + 5 * second));
/// assert!(throttle.asks_at(start + 6 * second));
/// ```
#[derive(Debug)]
pub struct Throttle(Rate);

#[derive(Debug)]
enum Rate {
    Always,
    Never,
    Every {
        period: u64,
        /// When the answer is yes again.
        due: AtomicU64,
    },
}

impl Throttle {
    /// Always yes.
    pub const fn always() -> Self {
        Self(Rate::Always)
    }

    /// Never yes.
    pub const fn never() -> Self {
        Self(Rate::Never)
    }

    /// Yes once per period, counted from now. A period of 0 is [`always`](Self::always).
    pub fn every(period: Duration) -> Self {
        Self::every_from(period, clock::instant_now())
    }

    /// Yes once per period, counted from `start`.
    pub fn every_from(period: Duration, start: Instant) -> Self {
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        if period == 0 {
            return Self::always();
        }
        let due = AtomicU64::new(clock::reading(start).saturating_add(period));
        Self(Rate::Every { period, due })
    }

    /// The answer now. Reads the clock only where there is a period.
    pub fn asks(&self) -> bool {
        self.answer(clock::now)
    }

    /// The answer at an instant.
    pub fn asks_at(&self, now: Instant) -> bool {
        self.answer(|| clock::reading(now))
    }

    fn answer(&self, now: impl FnOnce() -> u64) -> bool {
        match &self.0 {
            Rate::Always => true,
            Rate::Never => false,
            Rate::Every { period, due } => {
                let (now, at) = (now(), due.load(Ordering::Relaxed));
                // Relaxed: the word carries nothing but itself, and only one of those who ask swaps it.
                let (took, seen) = (Ordering::Relaxed, Ordering::Relaxed);
                now >= at
                    && due.compare_exchange(at, now.saturating_add(*period), took, seen).is_ok()
            }
        }
    }
}
