//! How many calls of a handle are under way, and who is to be told at the end.

use std::sync::{Arc, Weak};

use crossbeam_utils::CachePadded;

use super::slot::Slot;
use crate::sync::{AtomicU64, Ordering, lock};
use crate::wait::doorbell::Doorbell;

/// Counts the calls of a handle that have ended.
pub(crate) struct Window {
    ended: CachePadded<AtomicU64>,
    /// Rung when one has: the handle may wait for a place.
    pub(super) bell: Arc<Doorbell>,
}

impl Window {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { ended: CachePadded::new(AtomicU64::new(0)), bell: Doorbell::new() })
    }

    /// A call has ended.
    pub(super) fn leave(&self) {
        // Release: pairs with the acquire in `ended`.
        self.ended.fetch_add(1, Ordering::Release);
    }

    /// Calls that have ended. Their requests have left the lane of the handle.
    pub(super) fn ended(&self) -> u64 {
        // Acquire: pairs with the release in `leave`.
        self.ended.load(Ordering::Acquire)
    }
}

/// The slots of all handles of a service.
pub(crate) struct Roll<A>(std::sync::Mutex<Vec<Weak<Slot<A>>>>);

impl<A> Roll<A> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(std::sync::Mutex::new(Vec::new())))
    }

    pub(super) fn add(&self, slot: &Arc<Slot<A>>) {
        let mut slots = lock(&self.0);
        if slots.len() == slots.capacity() {
            // So it never holds more than twice as many as there are.
            slots.retain(|slot| slot.strong_count() > 0);
        }
        slots.push(Arc::downgrade(slot));
    }

    fn slots(&self) -> Vec<Arc<Slot<A>>> {
        lock(&self.0).iter().filter_map(Weak::upgrade).collect()
    }

    /// Wakes every handle that waits for a place: the service is closed.
    pub(crate) fn call_off(&self) {
        self.slots().iter().for_each(|slot| slot.window.bell.ring());
    }

    /// The run is over: tells whoever still waits for an answer that there will be none.
    pub(crate) fn conclude(&self) {
        self.slots().iter().for_each(|slot| slot.conclude());
    }
}
