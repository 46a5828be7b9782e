//! Clean-ups: what is to be done when a request dies, exactly once.
//!
//! An envelope without clean-ups owns no memory. With some, it owns one [`Cleanups`]: its own list, and a share
//! of a [`Trunk`], which holds those that were there before a fan-out and waits for all copies. The copy that
//! gives up the last share runs the trunk's; `Arc::into_inner` says which copy that is, to exactly one of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::sync::{Arc, AtomicBool, Ordering};

pub(crate) enum Cleanup {
    /// Runs once per request, after a fan-out when the last copy has died.
    Once(Box<dyn FnOnce(bool) + Send>),
    /// Runs once per copy.
    PerCopy(std::sync::Arc<dyn Fn(bool) + Send + Sync>),
}

impl Cleanup {
    /// Runs it; 1 if it panicked.
    fn run(self, success: bool) -> u64 {
        let outcome = catch_unwind(AssertUnwindSafe(|| match self {
            Self::Once(cleanup) => cleanup(success),
            Self::PerCopy(cleanup) => cleanup(success),
        }));
        u64::from(outcome.is_err())
    }
}

fn run_all(list: Vec<Cleanup>, success: bool) -> u64 {
    list.into_iter().map(|cleanup| cleanup.run(success)).sum()
}

/// Clean-ups shared by the copies of one request.
struct Trunk {
    /// Never locked: the mutex makes a list shareable that only its last owner opens.
    list: Mutex<Vec<Cleanup>>,
    parent: Option<Arc<Trunk>>,
    failed: AtomicBool,
}

/// Gives up one copy's share, and runs whatever that was the last share of, from the inside out.
fn release(mut trunk: Option<Arc<Trunk>>, mut success: bool) -> u64 {
    let mut panics = 0;
    while let Some(shared) = trunk {
        if !success {
            // Relaxed: the release in `Arc::into_inner`'s decrement pairs with the acquire of its last one.
            shared.failed.store(true, Ordering::Relaxed);
        }
        let Some(last) = Arc::into_inner(shared) else { break };
        success = !last.failed.load(Ordering::Relaxed);
        panics += run_all(last.list.into_inner().unwrap_or_else(PoisonError::into_inner), success);
        trunk = last.parent;
    }
    panics
}

/// The clean-ups of one envelope. Dropped without having been run, they run with failure, or with success
/// once the request was handed to the user.
#[derive(Default)]
pub(crate) struct Cleanups {
    own: Vec<Cleanup>,
    trunk: Option<Arc<Trunk>>,
    delivered: bool,
}

impl Cleanups {
    pub(crate) fn push(&mut self, cleanup: Cleanup) {
        self.own.push(cleanup);
    }

    pub(crate) fn len(&self) -> usize {
        self.own.len()
    }

    /// Forgets this envelope's own, unrun.
    pub(crate) fn clear(&mut self) {
        self.own.clear();
    }

    /// Runs this envelope's own at once; returns how many panicked.
    pub(crate) fn run_own(&mut self, success: bool) -> u64 {
        run_all(std::mem::take(&mut self.own), success)
    }

    /// The request dies; returns how many clean-ups panicked.
    pub(crate) fn finish(&mut self, success: bool) -> u64 {
        self.run_own(success) + release(self.trunk.take(), success)
    }

    pub(crate) fn deliver(&mut self) {
        self.delivered = true;
    }

    /// Turns them into what every copy of the request gets.
    pub(crate) fn share(mut self) -> SharedCleanups {
        let (mut once, mut per_copy) = (Vec::new(), Vec::new());
        for cleanup in std::mem::take(&mut self.own) {
            match cleanup {
                Cleanup::PerCopy(cleanup) => per_copy.push(cleanup),
                cleanup @ Cleanup::Once(_) => once.push(cleanup),
            }
        }
        let parent = self.trunk.take();
        let trunk = if once.is_empty() {
            parent
        } else {
            Some(Arc::new(Trunk { list: Mutex::new(once), parent, failed: AtomicBool::new(false) }))
        };
        SharedCleanups { trunk, per_copy }
    }
}

impl Drop for Cleanups {
    fn drop(&mut self) {
        // A panic of the user who held the request fails it.
        let success = self.delivered && !std::thread::panicking();
        self.finish(success);
    }
}

/// What the copies of one request have in common. Dropped before its time, by a panic, it counts as a copy that
/// failed.
pub(crate) struct SharedCleanups {
    trunk: Option<Arc<Trunk>>,
    per_copy: Vec<std::sync::Arc<dyn Fn(bool) + Send + Sync>>,
}

impl SharedCleanups {
    /// One more copy's clean-ups.
    pub(crate) fn copy(&self) -> Cleanups {
        self.with(self.trunk.clone())
    }

    /// The last copy's, which takes over the share held until now.
    pub(crate) fn into_last(mut self) -> Cleanups {
        let trunk = self.trunk.take();
        self.with(trunk)
    }

    fn with(&self, trunk: Option<Arc<Trunk>>) -> Cleanups {
        let own = self.per_copy.iter().cloned().map(Cleanup::PerCopy).collect();
        Cleanups { own, trunk, delivered: false }
    }

    /// No further copy will come; the share held until now counts as one with this ending.
    pub(crate) fn finish(mut self, success: bool) -> u64 {
        release(self.trunk.take(), success)
    }
}

impl Drop for SharedCleanups {
    fn drop(&mut self) {
        release(self.trunk.take(), false);
    }
}
