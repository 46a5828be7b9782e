//! What the owner of a run asks of its steps.

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU8, Ordering};

/// One word that every step reads at every turn. It only ever rises.
#[derive(Debug, Default)]
pub(crate) struct Control(CachePadded<AtomicU8>);

const START: u8 = 1;
pub(crate) const STOP: u8 = 2;
pub(crate) const ABANDON: u8 = 3;

impl Control {
    /// The run has begun.
    pub(crate) fn start(&self) {
        self.0.fetch_max(START, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn has_started(&self) -> bool {
        self.has_reached(START)
    }

    /// Sources and inputs are to end; what is in flight drains.
    pub(crate) fn stop(&self) {
        // Relaxed: the word carries nothing but itself.
        self.0.fetch_max(STOP, Ordering::Relaxed);
    }

    /// Every step is to end at its next turn.
    pub(crate) fn abandon(&self) {
        self.0.fetch_max(ABANDON, Ordering::Relaxed);
    }

    /// Whether it has come to this, [`STOP`] or [`ABANDON`].
    #[inline]
    pub(crate) fn has_reached(&self, word: u8) -> bool {
        self.0.load(Ordering::Relaxed) >= word
    }

    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        self.has_reached(STOP)
    }

    #[inline]
    pub(crate) fn is_abandoned(&self) -> bool {
        self.has_reached(ABANDON)
    }
}
