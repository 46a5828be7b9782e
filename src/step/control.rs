//! What the owner of a run asks of its steps.

use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::events;
use crate::sync::{AtomicU8, Ordering};
use crate::wait::doorbell::Doorbell;

/// One word that every step reads at every turn. It only ever rises.
#[derive(Debug)]
pub(crate) struct Control {
    word: CachePadded<AtomicU8>,
    /// Those to be woken when it does.
    doorbells: Vec<Arc<Doorbell>>,
}

const START: u8 = 1;
pub(crate) const STOP: u8 = 2;
pub(crate) const ABANDON: u8 = 3;

impl Control {
    pub(crate) fn new(doorbells: Vec<Arc<Doorbell>>) -> Self {
        Self { word: CachePadded::default(), doorbells }
    }

    /// The run has begun.
    pub(crate) fn start(&self) {
        if self.word.fetch_max(START, Ordering::Relaxed) < START {
            events::started();
        }
    }

    #[inline]
    pub(crate) fn has_started(&self) -> bool {
        self.has_reached(START)
    }

    /// Sources and inputs are to end; what is in flight drains.
    pub(crate) fn stop(&self) {
        if self.raise_to(STOP) {
            events::stop_asked();
        }
    }

    /// Every step is to end at its next turn.
    pub(crate) fn abandon(&self) {
        if self.raise_to(ABANDON) {
            events::given_up();
        }
    }

    /// Whether it had not come to this before.
    fn raise_to(&self, word: u8) -> bool {
        // Relaxed: the word carries nothing but itself, and a parked thread is rung after.
        let before = self.word.fetch_max(word, Ordering::Relaxed);
        self.doorbells.iter().for_each(|doorbell| doorbell.ring());
        before < word
    }

    /// Whether it has come to this, [`STOP`] or [`ABANDON`].
    #[inline]
    pub(crate) fn has_reached(&self, word: u8) -> bool {
        self.word.load(Ordering::Relaxed) >= word
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
