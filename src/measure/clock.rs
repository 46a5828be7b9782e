//! Time as nanoseconds since the process first asked.
//!
//! The processor's time-stamp counter through `quanta` where the kernel itself keeps time by it, which it does
//! only after it has checked that the counters of all cores agree; `Instant` elsewhere. Read in a loop on the
//! reference machine, the counter costs 10 ns and `Instant` 23 ns.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Set by the first reading.
static CLOCK: OnceLock<Clock> = OnceLock::new();

struct Clock {
    epoch: Instant,
    counter: Option<(quanta::Clock, u64)>,
}

impl Clock {
    fn new() -> Self {
        let counter = counter_is_sound().then(|| {
            let clock = quanta::Clock::new();
            let raw = clock.raw();
            (clock, raw)
        });
        Self { epoch: Instant::now(), counter }
    }

    fn global() -> &'static Self {
        CLOCK.get_or_init(Self::new)
    }
}

/// Whether the clock has ever been read in this process: for tests that claim it was not.
pub fn was_read() -> bool {
    CLOCK.get().is_some()
}

/// Whether the kernel trusts the counter across cores. Where nobody can be asked, it is not trusted.
fn counter_is_sound() -> bool {
    cfg!(target_os = "linux")
        && std::fs::read_to_string(
            "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        )
        .is_ok_and(|name| name.trim() == "tsc")
}

/// Nanoseconds since the process's epoch.
#[inline]
pub(crate) fn now() -> u64 {
    let clock = Clock::global();
    match &clock.counter {
        Some((counter, start)) => counter.delta_as_nanos(*start, counter.raw()),
        None => nanos(clock.epoch.elapsed()),
    }
}

/// The instant of a reading of [`now`], as exact as the two clocks run alike (parts per million).
pub(crate) fn instant(nanos: u64) -> Instant {
    Clock::global().epoch + Duration::from_nanos(nanos)
}

/// The reading that belongs to an instant; 0 for one before the epoch.
pub(crate) fn reading(instant: Instant) -> u64 {
    nanos(instant.saturating_duration_since(Clock::global().epoch))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_and_instants_agree() {
        let before = Instant::now();
        let reading_now = now();
        let after = Instant::now();
        let slack = Duration::from_millis(1);
        assert!(instant(reading_now) + slack >= before && instant(reading_now) <= after + slack);
        let round_trip = reading(instant(reading_now));
        assert_eq!(round_trip, reading_now);
    }

    #[test]
    fn it_never_runs_backwards_across_threads() {
        let mut last = now();
        for _ in 0..1_000 {
            let there = std::thread::spawn(now).join().expect("reads a clock");
            let here = now();
            assert!(last <= there && there <= here);
            last = here;
        }
    }
}
