//! What the machine takes from a thread that is waiting: an interrupt, another thread on its core, a hypervisor.
//!
//! A thread that spins looks for work every few dozen nanoseconds, and does nothing else. So what lies between two looks of
//! which neither found any is the machine's, if it is long: nobody else could have used the time. And a thread that sleeps
//! until an instant is woken by the machine's clock, which may be late. Both cost the work nothing, since there was none, and
//! they are taken on the very threads and cores whose latencies they are to explain; a thread beside, that only sleeps and
//! looks at the clock, would see another core, and be one more that wants one. What is taken while a thread works is not
//! seen here: it is in the time of that work. Nor is that of one that yields: it gave its core away.

use std::sync::Arc;

use hdrhistogram::Histogram;

use super::clock;
use super::pages::{Pages, Sheet};
use super::sheets::Precision;
use super::tally::Counter;

/// What is shorter may be a look that took long, in nanoseconds.
const SHORTEST: u64 = 10_000;

/// Hiccups, in nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct HiccupSheet {
    pub(crate) taken: u64,
    pub(crate) times: Histogram<u64>,
}

impl HiccupSheet {
    pub(crate) fn new(precision: Precision) -> Self {
        Self { taken: 0, times: precision.histogram() }
    }

    /// Adds what another has.
    pub(crate) fn add(&mut self, other: &Self) {
        self.taken += other.taken;
        self.times.add(&other.times).expect("histograms of the same bounds");
    }
}

impl Sheet for HiccupSheet {
    fn take_from(&mut self, other: &mut Self) {
        self.add(other);
        other.taken = 0;
        other.times.reset();
    }
}

/// The hiccups of one thread, for readers.
#[derive(Debug)]
pub(crate) struct HiccupLog {
    /// For how long it was looked for any, in nanoseconds.
    pub(crate) watched: Counter,
    pub(crate) pages: Pages<HiccupSheet>,
}

impl HiccupLog {
    pub(crate) fn new(precision: Precision) -> Self {
        Self { watched: Counter::default(), pages: Pages::new(|| HiccupSheet::new(precision)) }
    }
}

/// A thread that looks out for hiccups while it waits.
#[derive(Debug)]
pub(crate) struct Lookout {
    log: Arc<HiccupLog>,
    /// When it looked last, if it has done nothing else since.
    last: Option<u64>,
}

impl Lookout {
    pub(crate) fn new(log: Arc<HiccupLog>) -> Self {
        Self { log, last: None }
    }

    /// There was nothing to do, and the thread has its core all the same.
    pub(crate) fn look(&mut self) {
        self.look_at(clock::now());
    }

    fn look_at(&mut self, now: u64) {
        if let Some(last) = self.last.replace(now) {
            let between = now.saturating_sub(last);
            self.log.watched.add(between);
            self.note(between);
        }
    }

    /// The thread did something else.
    #[inline]
    pub(crate) fn look_away(&mut self) {
        self.last = None;
    }

    /// It was woken by the clock, later than it may be by so many nanoseconds.
    pub(crate) fn woken_late(&self, nanos: u64) {
        self.log.watched.add(nanos);
        self.note(nanos);
    }

    fn note(&self, nanos: u64) {
        if nanos >= SHORTEST {
            self.log.pages.write(|sheet| {
                sheet.taken += nanos;
                sheet.times.saturating_record(nanos);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(looks: impl FnOnce(&mut Lookout)) -> (u64, u64, u64) {
        let precision = Precision::default();
        let log = Arc::new(HiccupLog::new(precision));
        looks(&mut Lookout::new(Arc::clone(&log)));
        let mut sheet = None;
        log.pages.drain_all(&mut sheet, || HiccupSheet::new(precision));
        let (count, taken) = sheet.map_or((0, 0), |sheet| (sheet.times.len(), sheet.taken));
        (log.watched.get(), count, taken)
    }

    #[test]
    fn a_long_time_between_two_looks_is_a_hiccup() {
        let (watched, count, taken) = logged(|lookout| {
            for now in [1_000, 1_050, 51_050, 51_100, 61_099, 71_099] {
                lookout.look_at(now);
            }
        });
        assert_eq!((watched, count, taken), (70_099, 2, 60_000), "9,999 ns are none, 10,000 are");
    }

    #[test]
    fn what_lies_between_looks_with_work_between_them_is_none() {
        let (watched, count, _) = logged(|lookout| {
            lookout.look_at(1_000);
            lookout.look_away();
            lookout.look_at(900_000);
            lookout.look_at(900_100);
        });
        assert_eq!((watched, count), (100, 0));
    }

    #[test]
    fn an_alarm_that_is_late_is_a_hiccup() {
        let (watched, count, taken) = logged(|lookout| {
            lookout.woken_late(9_000);
            lookout.woken_late(200_000);
        });
        assert_eq!((watched, count, taken), (209_000, 1, 200_000));
    }
}
