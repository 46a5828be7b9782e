//! Measuring: the clock, the counters of a step, the histograms of a worker, handlers of metrics.

use std::time::Duration;

pub(crate) mod clock;
pub(crate) mod hiccups;
pub(crate) mod metrics;
pub(crate) mod pages;
pub(crate) mod pauses;
pub(crate) mod sheets;
pub(crate) mod slowest;
pub(crate) mod tally;
pub(crate) mod throttle;
pub(crate) mod trail;

/// Which requests are measured.
///
/// The decision is made once per request, where it enters the tract, and holds at every stage it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
pub enum Measure {
    /// None. No clock is read, and requests carry no start. Counters are kept all the same.
    Off,
    /// One request in this many, counted at each source; every request carries its start. 0 is taken as 1.
    OneIn(u32),
    /// At each source the first request, and then the next one whenever this time has passed since the last that was
    /// measured; every request carries its start.
    Every(Duration),
}

impl Measure {
    /// Every request.
    pub const ALL: Self = Self::OneIn(1);
}

impl Default for Measure {
    /// One request in 64: a clock read of about 10 ns per request at the source, and next to nothing after.
    fn default() -> Self {
        Self::OneIn(64)
    }
}
