//! The one place that decides between `std` and `loom`.
//!
//! Everything two threads of a tract say to each other goes through what is named here: the ring, the
//! atomics, the fence and the reference count of shared clean-ups. Under `--cfg loom` they are the model
//! checker's, and the ring is a model with the contract and the orderings of `rtrb`.

#[cfg(not(loom))]
pub(crate) use {
    rtrb as ring,
    std::sync::Arc,
    std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(loom)]
pub(crate) use {
    arc::Arc,
    loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(loom)]
#[path = "../loom-tests/src/arc.rs"]
mod arc;

#[cfg(loom)]
#[path = "../loom-tests/src/ring.rs"]
pub(crate) mod ring;

/// Threads that yield and park. In a model nothing takes time, so a timeout never comes.
pub(crate) mod thread {
    #[cfg(loom)]
    pub(crate) use loom::thread::{Thread, current, yield_now};
    #[cfg(not(loom))]
    pub(crate) use std::thread::{Thread, current, park_timeout, yield_now};

    #[cfg(loom)]
    pub(crate) fn park_timeout(_limit: std::time::Duration) {
        loom::thread::park();
    }
}

/// Locks that are part of a protocol. Those that only guard data are the standard library's, and no model looks at them.
pub(crate) mod locks {
    #[cfg(loom)]
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
    #[cfg(not(loom))]
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
}

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whether or not somebody panicked while holding it: user code may panic under our locks, and what
/// they guard stays whole.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// [`lock`] for one of the [`locks`].
pub(crate) fn hold<T>(mutex: &locks::Mutex<T>) -> locks::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
