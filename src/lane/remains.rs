//! What is left in a lane when both its ends are gone.
//!
//! A consumer that goes ends what is in its lane. But its producer does not ask at every put whether anybody is there, so
//! it may put more as long as it knows of room. The ring would drop that as it comes: a value whose drop panics would
//! take the clean-ups of all behind it along, and the panic would be that of whoever happens to go last. So the consumer
//! leaves its end of the ring here instead of dropping it, and of the two ends the one that goes last ends what is there.
//! One swap tells which that is, to exactly one of them, and no put pays for it.

use std::sync::Mutex;

use super::track::TrackRx;
use crate::sync::{AtomicBool, Ordering, lock};

/// What the two ends of a lane share, to agree on who goes last.
pub(super) struct Remains<T> {
    /// Whether one of the ends is gone.
    left: AtomicBool,
    /// The consumer's end of the ring, once it is gone. Never waited for: `left` says who may come here.
    ring: Mutex<Option<Rest<T>>>,
}

/// A ring, and the number in the lane of the next request in it.
struct Rest<T> {
    ring: TrackRx<T>,
    next: u64,
}

impl<T> Remains<T> {
    pub(super) fn new() -> Self {
        Self { left: AtomicBool::new(false), ring: Mutex::new(None) }
    }

    /// Whether one of the ends is gone: to who asks, the other.
    #[inline(always)]
    pub(super) fn is_left(&self) -> bool {
        // Acquire: pairs with the release of the swap in `leave`.
        self.left.load(Ordering::Acquire)
    }

    /// The consumer goes. `next` is the number of the first request in the ring.
    pub(super) fn leave_ring(&self, ring: TrackRx<T>, next: u64) {
        *lock(&self.ring) = Some(Rest { ring, next });
        self.leave();
    }

    /// An end goes, and will neither put nor take any more. If the other is gone already, what is there ends with failure.
    pub(super) fn leave(&self) {
        // Release and acquire: pairs with itself, so that who goes last sees what the other put, or left here.
        if !self.left.swap(true, Ordering::AcqRel) {
            return;
        }
        let rest = lock(&self.ring).take();
        if let Some(Rest { mut ring, mut next }) = rest {
            // Nobody is left to tell of a panic but the panic hook, which has been told.
            let _ = ring.bury_all(&mut next);
        }
    }
}
