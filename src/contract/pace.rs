//! When requests are due: schedules, as arithmetic without a clock.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// When each request of a [`paced`](crate::paced) input is due, whatever becomes of those before it.
///
/// A schedule never waits for the tract: it is an *open loop*. So a request that had to wait because something was slow
/// still starts when it was meant to, and the time it waited is part of its latency.
pub struct Pace<T>(Kind<T>);

enum Kind<T> {
    AtOnce,
    Even(Even),
    Poisson(Poisson),
    Follow(Follow<T>),
}

impl<T> Pace<T> {
    /// No schedule: each request starts when the input gives it. For programs that let their users choose.
    pub fn at_once() -> Self {
        Self(Kind::AtOnce)
    }

    /// So many requests in each period, evenly, the first one at once. Exact to the nanosecond over any time. A count of
    /// 0 is taken as 1; with a period of 0 all are due at once.
    ///
    /// `Pace::even(250_000, Duration::from_secs(1))` makes one due every 4 microseconds.
    pub fn even(count: u32, period: Duration) -> Self {
        Self(Kind::Even(Even::new(count, period)))
    }

    /// So many requests in each period on average, as if they came from many who know nothing of each other: the times
    /// between them are exponentially distributed. The same seed gives the same times. A count of 0 is taken as 1.
    pub fn poisson(count: u32, period: Duration, seed: u64) -> Self {
        Self(Kind::Poisson(Poisson::new(count, period, seed)))
    }

    /// As recorded, so many times as fast (0 is taken as 1). `stamp` reads from a value when it was recorded, counted from
    /// any moment; the first that has a stamp is due at once. A value without one, or with one earlier than that of the
    /// value before it, is due together with that.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ringtract::{Pace, paced, source};
    ///
    /// let recorded = [(10, "a"), (12, "b"), (12, "c"), (40, "d")]; // in milliseconds
    /// let feed = move || {
    ///     let stamp = |&(millis, _): &(u64, &str)| Some(Duration::from_millis(millis));
    ///     paced(recorded.into_iter(), Pace::following(10, stamp)) // in 3 ms instead of 30
    /// };
    /// let report = source("feed", 1, feed).run(drop)?;
    /// assert!(report.elapsed >= Duration::from_millis(3));
    /// # Ok::<(), ringtract::Error>(())
    /// ```
    pub fn following(
        times: u32,
        stamp: impl FnMut(&T) -> Option<Duration> + Send + 'static,
    ) -> Self {
        Self(Kind::Follow(Follow::new(times, Box::new(stamp))))
    }

    /// For stamps that may be damaged, and pauses nobody wants to sit through: one further than this from the stamp before
    /// it, ahead or back, is no reason to wait. Its value is due together with the one before, and what follows is timed
    /// from its stamp. Counted as recorded, before any speeding up. Has no effect on schedules that follow no stamps.
    #[must_use]
    pub fn without_gaps_over(mut self, longest: Duration) -> Self {
        if let Kind::Follow(follow) = &mut self.0 {
            follow.longest_gap = nanos(longest);
        }
        self
    }

    /// Whether there is no schedule.
    pub(super) fn is_at_once(&self) -> bool {
        matches!(self.0, Kind::AtOnce)
    }

    /// When the next request is due, in nanoseconds after the first could have been; asked once for each.
    pub(super) fn due(&mut self, value: &T) -> u64 {
        match &mut self.0 {
            Kind::AtOnce => 0,
            Kind::Even(even) => even.due(),
            Kind::Poisson(poisson) => poisson.due(),
            Kind::Follow(follow) => follow.due(value),
        }
    }
}

impl<T> fmt::Debug for Pace<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            Kind::AtOnce => "AtOnce",
            Kind::Even(_) => "Even",
            Kind::Poisson(_) => "Poisson",
            Kind::Follow(_) => "Following",
        };
        f.debug_tuple("Pace").field(&name).finish()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Whole nanoseconds from one to the next, and a rest that is carried so that nothing drifts.
struct Even {
    count: u64,
    step: u64,
    rest: u64,
    next: u64,
    carried: u64,
}

impl Even {
    fn new(count: u32, period: Duration) -> Self {
        let (count, period) = (u64::from(count.max(1)), nanos(period));
        Self { count, step: period / count, rest: period % count, next: 0, carried: 0 }
    }

    fn due(&mut self) -> u64 {
        let due = self.next;
        self.next = due.saturating_add(self.step);
        self.carried += self.rest;
        if self.carried >= self.count {
            self.carried -= self.count;
            self.next = self.next.saturating_add(1);
        }
        due
    }
}

struct Poisson {
    /// Nanoseconds between two on average.
    mean: f64,
    rng: Rng,
    /// The fraction of a nanosecond is kept, so that the average holds at any rate.
    last: f64,
}

impl Poisson {
    fn new(count: u32, period: Duration, seed: u64) -> Self {
        let mean = period.as_secs_f64() * 1e9 / f64::from(count.max(1));
        Self { mean, rng: Rng::with_seed(seed), last: 0.0 }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
    fn due(&mut self) -> u64 {
        // In (0, 1], so that the logarithm is a number.
        let chance = 1.0 - self.rng.f64();
        self.last -= self.mean * chance.ln();
        self.last as u64
    }
}

/// When a value was recorded.
type ReadStamp<T> = Box<dyn FnMut(&T) -> Option<Duration> + Send>;

struct Follow<T> {
    times: u64,
    stamp: ReadStamp<T>,
    longest_gap: u64,
    /// The stamp that the next one is compared with.
    last: Option<u64>,
    /// What has passed in the recording.
    passed: u64,
}

impl<T> Follow<T> {
    fn new(times: u32, stamp: ReadStamp<T>) -> Self {
        Self { times: u64::from(times.max(1)), stamp, longest_gap: u64::MAX, last: None, passed: 0 }
    }

    fn due(&mut self, value: &T) -> u64 {
        if let Some(stamp) = (self.stamp)(value).map(nanos) {
            let last = self.last.unwrap_or(stamp);
            if stamp.abs_diff(last) > self.longest_gap {
                self.last = Some(stamp);
            } else {
                self.last = Some(stamp.max(last));
                self.passed = self.passed.saturating_add(stamp.saturating_sub(last));
            }
        }
        self.passed / self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn dues(mut pace: Pace<u64>, count: usize) -> Vec<u64> {
        (0..count).map(|_| pace.due(&0)).collect()
    }

    fn follow(pace: Pace<Option<u64>>, millis: &[Option<u64>]) -> Vec<u64> {
        let mut pace = pace;
        millis.iter().map(|value| pace.due(value) / 1_000_000).collect()
    }

    fn stamped(times: u32) -> Pace<Option<u64>> {
        Pace::following(times, |value: &Option<u64>| value.map(Duration::from_millis))
    }

    #[test]
    fn an_even_schedule_is_exact_and_does_not_drift() {
        assert_eq!(dues(Pace::even(4, SECOND), 4), [0, 250_000_000, 500_000_000, 750_000_000]);
        let thirds = dues(Pace::even(3, Duration::from_nanos(10)), 3_000_001);
        assert!((0..).zip(&thirds).all(|(n, due)| *due == n * 10 / 3), "n-th at n * 10 / 3");
    }

    #[test]
    fn odd_arguments_of_an_even_schedule_are_harmless() {
        assert_eq!(dues(Pace::even(0, SECOND), 2), [0, 1_000_000_000]);
        assert_eq!(dues(Pace::even(5, Duration::ZERO), 3), [0; 3]);
        let (max, end) = (Duration::MAX, u64::MAX);
        assert_eq!(dues(Pace::even(1, max), 3), [0, end, end]);
    }

    #[test]
    fn poisson_times_have_the_mean_and_the_spread_of_exponential_ones() {
        let (count, mean) = (200_000, 4_000.0);
        let dues = dues(Pace::poisson(250_000, SECOND, 7), count);
        let mut last = 0;
        let gaps: Vec<f64> =
            dues.iter().map(|&due| (due - std::mem::replace(&mut last, due)) as f64).collect();
        let average = gaps.iter().sum::<f64>() / count as f64;
        let variance = gaps.iter().map(|gap| (gap - average).powi(2)).sum::<f64>() / count as f64;
        assert!((average / mean - 1.0).abs() < 0.01, "{average}");
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.02, "{variance}");
        let long = gaps.iter().filter(|&&gap| gap > 2.0 * mean).count() as f64 / count as f64;
        assert!((long - (-2.0_f64).exp()).abs() < 0.005, "{long} are longer than twice the mean");
    }

    #[test]
    fn the_same_seed_gives_the_same_times() {
        let times = |seed| dues(Pace::poisson(1_000, SECOND, seed), 100);
        assert_eq!(times(3), times(3));
        assert_ne!(times(3), times(4));
    }

    #[test]
    fn stamps_are_followed_at_any_speed() {
        let stamps = [None, Some(100_500), Some(101_000), None, Some(100_700), Some(104_500)];
        assert_eq!(follow(stamped(1), &stamps), [0, 0, 500, 500, 500, 4_000]);
        assert_eq!(follow(stamped(10), &stamps), [0, 0, 50, 50, 50, 400]);
        assert_eq!(follow(stamped(0), &stamps), [0, 0, 500, 500, 500, 4_000]);
    }

    #[test]
    fn a_stamp_too_far_away_is_no_reason_to_wait() {
        let stamps = [Some(1_000), Some(1_500), Some(999_000), Some(2_000), Some(2_100)];
        let pace = || stamped(1).without_gaps_over(SECOND);
        assert_eq!(follow(pace(), &stamps), [0, 500, 500, 500, 600]);
        assert_eq!(follow(pace(), &[Some(5_000), Some(6_000), Some(7_001)]), [0, 1_000, 1_000]);
    }
}
