//! Time as nanoseconds since the process first asked.
//!
//! The processor's time-stamp counter through `quanta` where the kernel itself keeps time by it, which it does
//! only after it has checked that the counters of all cores agree; `Instant` elsewhere. Read in a loop on the
//! reference machine, the counter costs 10 ns and `Instant` 23 ns.
//!
//! A [simulated](crate::sim) run has a time of its own. It stays on one thread, and so does its time: where a thread pretends,
//! every reading gives what was pretended.

use std::cell::Cell;
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

thread_local! {
    /// What this thread takes for the time; 0 for the time itself.
    static PRETENDED: Cell<u64> = const { Cell::new(0) };
}

/// Runs code on a thread that pretends, from the time as it is until [`pass`] lets it go on.
pub(crate) fn pretend<R>(code: impl FnOnce() -> R) -> R {
    struct Restore(u64);
    impl Drop for Restore {
        fn drop(&mut self) {
            PRETENDED.set(self.0);
        }
    }
    let now = now().max(1);
    let _restore = Restore(PRETENDED.replace(now));
    code()
}

/// Lets the time that this thread pretends go on to this reading.
pub(crate) fn pass(until: u64) {
    PRETENDED.set(until.max(1));
}

/// Nanoseconds since the process's epoch.
#[inline]
pub(crate) fn now() -> u64 {
    let pretended = PRETENDED.get();
    if pretended != 0 {
        return pretended;
    }
    let clock = Clock::global();
    match &clock.counter {
        Some((counter, start)) => counter.delta_as_nanos(*start, counter.raw()),
        None => nanos(clock.epoch.elapsed()),
    }
}

/// The time now: [`Instant::now`], except in a [simulated](crate::sim) run, which has a time of its own.
///
/// For inputs that pace themselves, so that they can be simulated.
///
/// ```
/// use std::time::{Duration, Instant};
/// use ringtract::{Envelope, Input, Next, Request};
///
/// /// Ticks every second.
/// struct Timer(Instant);
///
/// impl Input for Timer {
///     type Item = Instant;
///
///     fn poll(&mut self, _request: &mut Envelope) -> Next<Instant> {
///         if ringtract::now() < self.0 {
///             return Next::NotBefore(self.0);
///         }
///         let due = self.0;
///         self.0 += Duration::from_secs(1);
///         Next::Value(due)
///     }
/// }
///
/// let mut timer = Timer(ringtract::now() + Duration::from_secs(1));
/// let mut request = Request::new(());
/// assert!(matches!(timer.poll(request.envelope_mut()), Next::NotBefore(_)));
/// ```
pub fn instant_now() -> Instant {
    match PRETENDED.get() {
        0 => Instant::now(),
        pretended => instant(pretended),
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
    fn pretended_time_stands_still_until_it_is_let_go_on_and_is_this_threads_alone() {
        let outside = now();
        pretend(|| {
            let start = now();
            assert!(start >= outside);
            assert_eq!((now(), instant_now()), (start, instant(start)));
            pass(start + 3_600_000_000_000);
            assert_eq!(instant_now() - instant(start), Duration::from_secs(3_600));
            pretend(|| assert_eq!(now(), start + 3_600_000_000_000));
            let there = std::thread::spawn(now).join().expect("reads a clock");
            assert!(there < start + 3_600_000_000_000);
        });
        assert!(now() < outside + 3_600_000_000_000);
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
