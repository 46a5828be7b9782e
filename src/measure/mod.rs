//! Measuring: the clock, the counters of a step, the latencies of a worker.

pub(crate) mod clock;
pub(crate) mod latency;
pub(crate) mod tally;

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
