//! What one thread writes down, in two sets, so that a reader waits for nobody and nobody waits for a reader.
//!
//! The writer writes into the set that the epoch names. A reader moves the epoch on and takes what is in the other set.
//! Both only ever *try* the lock of a set: a writer that finds it taken, because it had read the epoch just before it
//! moved, uses the other set, which is free, since readers take turns and hold one set at a time. A reader that finds it
//! taken leaves it for next time; nothing in it is lost. So an idle or parked writer holds nobody up: it has no part in
//! the swap.

use std::sync::TryLockError;

use crate::sync::locks::{Mutex, MutexGuard};
use crate::sync::{AtomicUsize, Ordering};

/// What is written down and added up: histograms, for example.
pub(crate) trait Sheet {
    /// Adds what another has, and empties that.
    fn take_from(&mut self, other: &mut Self);
}

/// What one thread writes down for readers.
#[derive(Debug)]
pub(crate) struct Pages<S> {
    epoch: AtomicUsize,
    sets: [Mutex<Set<S>>; 2],
}

#[derive(Debug)]
struct Set<S> {
    sheet: S,
    blank: bool,
}

impl<S: Sheet> Pages<S> {
    pub(crate) fn new(sheet: impl Fn() -> S) -> Self {
        let set = || Mutex::new(Set { sheet: sheet(), blank: true });
        Self { epoch: AtomicUsize::new(0), sets: [set(), set()] }
    }

    /// Writer: writes something down.
    pub(crate) fn write(&self, write: impl FnOnce(&mut S)) {
        // One of the two is free at any time. That both were taken means that a reader went from one to the other in between.
        loop {
            // Relaxed: the locks order what is in the sets, and either set will do.
            let at = self.epoch.load(Ordering::Relaxed) & 1;
            let set = try_lock(&self.sets[at]).or_else(|| try_lock(&self.sets[1 - at]));
            if let Some(mut set) = set {
                set.blank = false;
                return write(&mut set.sheet);
            }
        }
    }

    /// Reader, one at a time: moves what was written since the last time into `into`, which is made first if need be.
    pub(crate) fn drain(&self, into: &mut Option<S>, new: impl Fn() -> S) {
        let old = self.epoch.fetch_add(1, Ordering::Relaxed) & 1;
        if let Some(mut set) = try_lock(&self.sets[old]) {
            set.drain(into, new);
        }
    }

    /// Reader: moves everything, once the writer is gone.
    pub(crate) fn drain_all(&self, into: &mut Option<S>, new: impl Fn() -> S) {
        for set in &self.sets {
            if let Some(mut set) = try_lock(set) {
                set.drain(into, &new);
            }
        }
    }
}

impl<S: Sheet> Set<S> {
    fn drain(&mut self, into: &mut Option<S>, new: impl FnOnce() -> S) {
        if !std::mem::replace(&mut self.blank, true) {
            into.get_or_insert_with(new).take_from(&mut self.sheet);
        }
    }
}

fn try_lock<S>(set: &Mutex<Set<S>>) -> Option<MutexGuard<'_, Set<S>>> {
    match set.try_lock() {
        Ok(set) => Some(set),
        // Nothing in there panics halfway.
        Err(TryLockError::Poisoned(set)) => Some(set.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers written down.
    #[derive(Debug, Default)]
    struct Numbers(Vec<u64>);

    impl Sheet for Numbers {
        fn take_from(&mut self, other: &mut Self) {
            self.0.append(&mut other.0);
        }
    }

    #[test]
    fn nothing_is_lost_between_a_writer_and_a_reader_in_a_hurry() {
        let pages = Pages::new(Numbers::default);
        let count = 20_000;
        let mut total = None;
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                (0..count).for_each(|n| pages.write(|numbers| numbers.0.push(n)));
            });
            while !writer.is_finished() {
                pages.drain(&mut total, Numbers::default);
            }
        });
        pages.drain_all(&mut total, Numbers::default);
        let mut numbers = total.expect("something was written").0;
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..count));
    }

    #[test]
    fn a_set_that_is_held_stops_neither_side() {
        let pages = Pages::new(Numbers::default);
        let held = pages.sets[0].lock().expect("free");
        pages.write(|numbers| numbers.0.push(7));
        let mut total = None;
        pages.drain(&mut total, Numbers::default);
        assert!(total.is_none(), "the held set is left for next time");
        pages.drain(&mut total, Numbers::default);
        assert_eq!(total.expect("the other set").0, [7]);
        drop(held);
    }
}
