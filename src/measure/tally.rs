//! Counters with one writer and any number of readers.
//!
//! Each is written by the one thread that runs the step, with plain loads and stores, so counting costs no
//! locked instruction. A reader on another thread sees a value that was true a moment ago; after the thread
//! has been joined it sees the last one.

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// A counter with a single writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.set(self.get() + n);
    }

    #[inline]
    pub(crate) fn raise_to(&self, value: u64) {
        if value > self.get() {
            self.set(value);
        }
    }
}

/// What became of the requests that one worker took, and what it is doing.
#[derive(Debug, Default)]
pub(crate) struct StepTally {
    /// Requests taken from the inlet, or made by the source.
    pub(crate) taken: Counter,
    /// Values put into the outlet, or handed to the output.
    pub(crate) emitted: Counter,
    /// Outcomes of a request beyond its first: the other values of one that became several.
    pub(crate) extra: Counter,
    pub(crate) discarded: Counter,
    pub(crate) failed: Counter,
    /// Requests taken that could not be passed on because the run was given up.
    pub(crate) dropped: Counter,
    /// Panics of the worker, whether they failed a request or not.
    pub(crate) panics: Counter,
    pub(crate) cleanup_panics: Counter,
    phase: AtomicU8,
}

impl StepTally {
    #[inline]
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Waiting,
            1 => Phase::Working,
            2 => Phase::Closing,
            _ => Phase::Ended,
        }
    }
}

/// What a step is doing, as seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
#[repr(u8)]
pub enum Phase {
    /// Waiting for a request, for room, or for its turn on the thread.
    Waiting = 0,
    /// Taking requests: in the worker, the source or the output.
    Working = 1,
    /// In the `close` of its worker.
    Closing = 2,
    /// Gone.
    Ended = 3,
}

/// What went through one lane. The two sides are written by different threads, so they lie on different cache lines.
#[derive(Debug, Default)]
pub(crate) struct LaneTally {
    pub(crate) producer: CachePadded<ProducerTally>,
    pub(crate) consumer: CachePadded<ConsumerTally>,
}

#[derive(Debug, Default)]
pub(crate) struct ProducerTally {
    pub(crate) put: Counter,
    /// Times that the lane was found full after it had not been.
    pub(crate) full_waits: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct ConsumerTally {
    pub(crate) taken: Counter,
    /// Times that the lane was found empty after it had not been.
    pub(crate) empty_waits: Counter,
    /// The most requests ever found in it.
    pub(crate) high_water: Counter,
    /// 1 once the consumer is gone.
    pub(crate) gone: Counter,
}
