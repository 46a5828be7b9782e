//! The sink of every system: counts, sums, and records latencies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;
use hdrhistogram::Histogram;

use super::clock::Clock;
use super::job::Job;
use super::load::Load;
use super::payload::STAGE_BITS;

/// What arrived.
#[derive(Debug, Clone)]
pub struct Sunk {
    pub count: u64,
    /// Of all words, without the stages they count.
    pub sum: u64,
    /// Stages that all of them passed.
    pub stages: u64,
    /// When the sink saw the end.
    pub ended: u64,
    pub latencies: Histogram<u64>,
}

pub struct Sink {
    clock: Clock,
    is_timed: bool,
    arrived: Option<Arc<CachePadded<AtomicU64>>>,
    warm_up: u64,
    warm_from: u64,
    sunk: Sunk,
}

/// A histogram of latencies up to a minute, of 0.1 %.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("constant bounds are valid")
}

impl Sink {
    pub fn new(job: &Job) -> Self {
        let tells = matches!(job.load, Load::Bursts { .. } | Load::Closed);
        Self {
            clock: job.clock.clone(),
            is_timed: job.load.is_timed(),
            arrived: tells.then(|| Arc::clone(&job.arrived)),
            // The first tenth finds cold caches and pages that nobody has touched.
            warm_up: super::clock::nanos(job.duration) / 10,
            warm_from: 0,
            sunk: Sunk { count: 0, sum: 0, stages: 0, ended: 0, latencies: histogram() },
        }
    }

    /// A request has arrived.
    #[inline]
    pub fn take(&mut self, word: u64) {
        let said = word >> STAGE_BITS;
        self.sunk.count += 1;
        self.sunk.sum = self.sunk.sum.wrapping_add(said);
        self.sunk.stages += word & ((1 << STAGE_BITS) - 1);
        if self.is_timed {
            self.record(said);
        }
    }

    #[inline]
    fn record(&mut self, due: u64) {
        let now = self.clock.now();
        if self.warm_from == 0 {
            self.warm_from = due + self.warm_up;
        }
        if due >= self.warm_from {
            self.sunk.latencies.saturating_record(now.saturating_sub(due).max(1));
        }
        if let Some(arrived) = &self.arrived {
            arrived.store(self.sunk.count, Relaxed);
        }
    }

    /// The end has come.
    pub fn finish(mut self) -> Sunk {
        self.sunk.ended = self.clock.now();
        self.sunk
    }
}
