//! What the requests and workers of a run should come to, counted beside the run's own books.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use ringtract::{Ledger, Report, StageKind};

/// Counted by sources, workers, ends and clean-ups.
#[derive(Default)]
pub(crate) struct Account {
    /// Requests that were given a clean-up, and clean-ups that ran.
    pub(crate) born: Count,
    pub(crate) died: Count,
    /// Sources and workers.
    pub(crate) made: Count,
    pub(crate) closed: Count,
    /// Values that reached the end.
    pub(crate) delivered: Count,
    /// Makes left until a factory fails, once.
    pub(crate) makes_left: AtomicI64,
    /// Stalls that workers may still have.
    pub(crate) stalls_left: AtomicI64,
    pub(crate) jam: Jam,
}

/// A counter of many threads, read when they are gone.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Account {
    /// For a run whose factories fail at this make, if at all.
    pub(crate) fn open(&self, failing_make: Option<u16>) {
        for count in [&self.born, &self.died, &self.made, &self.closed, &self.delivered] {
            count.0.store(0, Ordering::Relaxed);
        }
        self.makes_left.store(failing_make.map_or(i64::MAX, i64::from), Ordering::Relaxed);
        self.stalls_left.store(8, Ordering::Relaxed);
        self.jam.armed.store(false, Ordering::Relaxed);
    }

    /// Whatever was made has ended, once each.
    pub(crate) fn closes(&self) -> Result<(), String> {
        same("requests made", self.born.get(), "clean-ups run", self.died.get())?;
        same("workers made", self.made.get(), "workers closed", self.closed.get())
    }

    /// The run's books say so too.
    pub(crate) fn agrees(&self, report: &Report) -> Result<(), String> {
        self.closes()?;
        let receiver = report.stages.iter().position(|stage| stage.kind == StageKind::Receiver);
        let Some(receiver) = receiver else { return balances(report, self.delivered.get()) };
        // It may have read on since the report was made, and may have left before it had read all.
        let lanes = report.lanes.iter().filter(|lane| lane.to.stage == receiver);
        let (taken, unread) =
            lanes.fold((0, 0), |(taken, unread), lane| (taken + lane.taken, unread + lane.unread));
        let read = self.delivered.get();
        if !(taken..=taken + unread).contains(&read) {
            return Err(format!("{read} values were read, of {taken} taken and {unread} waiting"));
        }
        balances(report, taken + unread)
    }
}

/// Every request, and all it became, was delivered, discarded, failed or dropped, exactly one of them.
pub(crate) fn balances(report: &Report, delivered: u64) -> Result<(), String> {
    if let Some(imbalance) = report.imbalances.first() {
        return Err(format!("the books contradict each other: {imbalance}"));
    }
    if let Some(late) = report.unfinished.first() {
        return Err(format!("{}[{}] did not end: {:?}", late.stage, late.worker, late.phase));
    }
    let sum = |kinds: &[StageKind], field: fn(&Ledger) -> u64| -> u64 {
        let of_kind = report.stages.iter().filter(|stage| kinds.contains(&stage.kind));
        of_kind.map(|stage| field(&stage.ledger)).sum()
    };
    let sources = &[StageKind::Source, StageKind::Input][..];
    let before_the_end = &[StageKind::Source, StageKind::Input, StageKind::Worker][..];
    let all = &[StageKind::Source, StageKind::Input, StageKind::Worker, StageKind::Output][..];
    // A fan-out is given one and puts several; the last workers of a service are given some and put none.
    let put: u64 = report.lanes.iter().map(|lane| lane.put).sum();
    let began = sum(sources, |ledger| ledger.taken) + sum(all, |ledger| ledger.extra) + put;
    let lost = sum(all, |ledger| ledger.discarded + ledger.failed + ledger.dropped);
    let emitted = sum(before_the_end, |ledger| ledger.emitted);
    let ended = emitted + delivered + lost + report.dropped_in_lanes();
    same("began or were put", began, "ended or were emitted", ended)
        .map_err(|error| format!("{error}\n{report}"))
}

fn same(one: &str, first: u64, other: &str, second: u64) -> Result<(), String> {
    if first == second { Ok(()) } else { Err(format!("{first} {one}, {second} {other}")) }
}

/// Where one worker gets stuck until it is let go.
#[derive(Default)]
pub(crate) struct Jam {
    armed: AtomicBool,
    stuck: Mutex<bool>,
    changed: Condvar,
}

impl Jam {
    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
    }

    /// The first worker to pass while it is armed stays here.
    pub(crate) fn pass(&self) {
        if self.armed.load(Ordering::Relaxed) && self.armed.swap(false, Ordering::Relaxed) {
            let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
            *stuck = true;
            self.changed.notify_all();
            let freed = self.changed.wait_while(stuck, |stuck| *stuck);
            drop(freed);
        }
    }

    /// Waits until somebody is stuck.
    pub(crate) fn await_stuck(&self) {
        let stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(stuck, |stuck| !*stuck));
    }

    pub(crate) fn free(&self) {
        *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.changed.notify_all();
    }
}
