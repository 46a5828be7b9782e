//! The latencies of one worker, in HDR histograms that are allocated once and never resized.

use hdrhistogram::Histogram;

use super::clock;

/// Longest latency told apart, in nanoseconds: a little over a minute. Longer ones count as this.
const LONGEST: u64 = 1 << 36;
/// Two significant digits: 1 % resolution.
const DIGITS: u8 = 2;

pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("constant bounds are valid")
}

/// The latencies one worker saw, in nanoseconds.
#[derive(Debug)]
pub(crate) struct Latencies {
    /// Time spent in the worker.
    pub(crate) work: Histogram<u64>,
    /// Time from the start of the request to its leaving the worker.
    pub(crate) age: Histogram<u64>,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { work: histogram(), age: histogram() }
    }

    /// Records a measured request that started at `start`, came to the worker at `taken` and leaves it now.
    pub(crate) fn record(&mut self, start: u64, taken: u64) {
        let now = clock::now();
        self.work.saturating_record(now.saturating_sub(taken));
        self.age.saturating_record(now.saturating_sub(start));
    }
}
