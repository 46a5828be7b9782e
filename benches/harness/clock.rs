//! Nanoseconds on one clock for all threads: the processor's counter where the kernel keeps time by it, `Instant`
//! elsewhere.

use std::time::{Duration, Instant};

/// A clock with an epoch. Copies agree.
#[derive(Clone)]
pub struct Clock {
    epoch: Instant,
    counter: Option<(quanta::Clock, u64)>,
}

impl Clock {
    pub fn new() -> Self {
        let counter = is_counter_sound().then(|| {
            let counter = quanta::Clock::new();
            let raw = counter.raw();
            (counter, raw)
        });
        Self { epoch: Instant::now(), counter }
    }

    /// Nanoseconds since the epoch.
    #[inline]
    pub fn now(&self) -> u64 {
        match &self.counter {
            Some((counter, start)) => counter.delta_as_nanos(*start, counter.raw()),
            None => nanos(self.epoch.elapsed()),
        }
    }

    /// The instant of a reading.
    pub fn instant(&self, reading: u64) -> Instant {
        self.epoch + Duration::from_nanos(reading)
    }

    pub fn name(&self) -> &'static str {
        if self.counter.is_some() { "time-stamp counter" } else { "Instant" }
    }
}

pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn is_counter_sound() -> bool {
    cfg!(target_os = "linux")
        && std::fs::read_to_string(
            "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        )
        .is_ok_and(|name| name.trim() == "tsc")
}
