//! A model of `std::sync::Arc` with `into_inner`, which loom's own does not have. Only for clean-ups.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering, fence};

struct Shared<T> {
    owners: AtomicUsize,
    value: UnsafeCell<Option<T>>,
}

pub(crate) struct Arc<T>(std::sync::Arc<Shared<T>>);

// SAFETY: the value is read through shared references only, until its last owner takes it out.
unsafe impl<T: Send + Sync> Send for Arc<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Arc<T> {}

impl<T> Arc<T> {
    pub(crate) fn new(value: T) -> Self {
        let value = UnsafeCell::new(Some(value));
        Self(std::sync::Arc::new(Shared { owners: AtomicUsize::new(1), value }))
    }

    /// The value, for the last owner; the orderings are those of the standard library.
    pub(crate) fn into_inner(this: Self) -> Option<T> {
        if this.0.owners.fetch_sub(1, Ordering::Release) != 1 {
            return None;
        }
        fence(Ordering::Acquire);
        // SAFETY: this was the last owner.
        this.0.value.with_mut(|value| unsafe { (*value).take() })
    }
}

impl<T> std::ops::Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: an owner exists, so nobody takes the value out.
        self.0.value.with(|value| unsafe { (*value).as_ref() }.expect("an owner exists"))
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        self.0.owners.fetch_add(1, Ordering::Relaxed);
        Self(std::sync::Arc::clone(&self.0))
    }
}
