//! The histograms of one worker, in two sets, so that a reader waits for nobody and nobody waits for a reader.
//!
//! The worker writes into the set that the epoch names. A reader moves the epoch on and takes what is in the other set.
//! Both only ever *try* the lock of a set: a worker that finds it taken, because it had read the epoch just before it
//! moved, uses the other set, which is free, since readers take turns and hold one set at a time. A reader that finds it
//! taken leaves it for next time; nothing in it is lost. So an idle or parked worker holds nobody up: it has no part in
//! the swap.

use std::sync::{Mutex, MutexGuard, TryLockError};

use super::sheets::{Aspect, Precision, Sheets};
use crate::sync::{AtomicUsize, Ordering};

/// The histograms of one worker.
#[derive(Debug)]
pub(crate) struct Pages {
    epoch: AtomicUsize,
    sets: [Mutex<Set>; 2],
}

#[derive(Debug)]
struct Set {
    sheets: Sheets,
    empty: bool,
}

impl Pages {
    pub(crate) fn new(precision: Precision) -> Self {
        let set = || Mutex::new(Set { sheets: Sheets::new(precision), empty: true });
        Self { epoch: AtomicUsize::new(0), sets: [set(), set()] }
    }

    /// Worker: writes down what was measured of one request.
    pub(crate) fn record(&self, values: &[(Aspect, u64)]) {
        // One of the two is free at any time. That both were taken means that a reader went from one to the other in between.
        loop {
            // Relaxed: the locks order what is in the sets, and either set will do.
            let at = self.epoch.load(Ordering::Relaxed) & 1;
            let set = try_lock(&self.sets[at]).or_else(|| try_lock(&self.sets[1 - at]));
            if let Some(mut set) = set {
                set.empty = false;
                values.iter().for_each(|&(aspect, nanos)| set.sheets.record(aspect, nanos));
                return;
            }
        }
    }

    /// Reader, one at a time: moves what was written since the last time into `into`.
    pub(crate) fn drain(&self, into: &mut Option<Sheets>, precision: Precision) {
        let old = self.epoch.fetch_add(1, Ordering::Relaxed) & 1;
        if let Some(mut set) = try_lock(&self.sets[old]) {
            set.drain(into, precision);
        }
    }

    /// Reader: moves everything, once the worker is gone.
    pub(crate) fn drain_all(&self, into: &mut Option<Sheets>, precision: Precision) {
        for set in &self.sets {
            if let Some(mut set) = try_lock(set) {
                set.drain(into, precision);
            }
        }
    }
}

impl Set {
    fn drain(&mut self, into: &mut Option<Sheets>, precision: Precision) {
        if !std::mem::replace(&mut self.empty, true) {
            into.get_or_insert_with(|| Sheets::new(precision)).take_from(&mut self.sheets);
        }
    }
}

fn try_lock(set: &Mutex<Set>) -> Option<MutexGuard<'_, Set>> {
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

    #[test]
    fn nothing_is_lost_between_a_worker_and_a_reader_in_a_hurry() {
        let precision = Precision::default();
        let pages = Pages::new(precision);
        let count = 20_000;
        let mut total = None;
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                (0..count).for_each(|nanos| pages.record(&[(Aspect::Work, nanos)]));
            });
            while !worker.is_finished() {
                pages.drain(&mut total, precision);
            }
        });
        pages.drain_all(&mut total, precision);
        assert_eq!(total.expect("something was written").of(Aspect::Work).len(), count);
    }

    #[test]
    fn a_set_that_is_held_stops_neither_side() {
        let precision = Precision::default();
        let pages = Pages::new(precision);
        let held = pages.sets[0].lock().expect("free");
        pages.record(&[(Aspect::Work, 1)]);
        let mut total = None;
        pages.drain(&mut total, precision);
        assert!(total.is_none(), "the held set is left for next time");
        pages.drain(&mut total, precision);
        assert_eq!(total.expect("the other set").of(Aspect::Work).len(), 1);
        drop(held);
    }
}
