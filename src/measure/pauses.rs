//! How long a worker was starved, blocked or neither, with one writer and any number of readers.

use super::clock;
use super::tally::Counter;

/// Why a step does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// There is nothing to take.
    Starved = 1,
    /// There is no room to put.
    Blocked = 2,
}

/// The pauses of one worker. In nanoseconds; a reader may see them out of step with each other by a turn.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    begin: Counter,
    end: Counter,
    starved: Counter,
    blocked: Counter,
    /// The pause it is in, since when; 0 for none.
    now: Counter,
    since: Counter,
}

impl Pauses {
    pub(crate) fn begin(&self, now: u64) {
        self.begin.set(now);
    }

    /// When its first turn began, once it has.
    pub(crate) fn begun(&self) -> Option<u64> {
        Some(self.begin.get()).filter(|&begin| begin != 0)
    }

    pub(crate) fn end(&self) {
        self.end.set(clock::now());
        self.now.set(0);
    }

    pub(crate) fn enter(&self, pause: Pause, now: u64) {
        self.since.set(now);
        self.now.set(pause as u64);
    }

    pub(crate) fn leave(&self) {
        self.now.set(0);
    }

    /// The pause it is in has lasted until now.
    pub(crate) fn extend(&self, pause: Pause, now: u64) -> u64 {
        let nanos = now.saturating_sub(self.since.get());
        self.since.set(now);
        match pause {
            Pause::Starved => self.starved.add(nanos),
            Pause::Blocked => self.blocked.add(nanos),
        }
        nanos
    }

    /// How long it was there, starved and blocked, until now; all 0 if it does not measure.
    pub(crate) fn read(&self) -> Spell {
        let begin = self.begin.get();
        if begin == 0 {
            return Spell::default();
        }
        let now = match self.end.get() {
            0 => clock::now(),
            end => end,
        };
        let pending = now.saturating_sub(self.since.get());
        let (mut starved, mut blocked) = (self.starved.get(), self.blocked.get());
        match self.now.get() {
            1 => starved += pending,
            2 => blocked += pending,
            _ => {}
        }
        Spell { present: now.saturating_sub(begin), starved, blocked }
    }
}

/// What came of some time, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spell {
    pub(crate) present: u64,
    pub(crate) starved: u64,
    pub(crate) blocked: u64,
}

impl Spell {
    pub(crate) fn add(&mut self, other: Self) {
        self.present += other.present;
        self.starved += other.starved;
        self.blocked += other.blocked;
    }

    /// What is new since an earlier reading.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            present: self.present.saturating_sub(earlier.present),
            starved: self.starved.saturating_sub(earlier.starved),
            blocked: self.blocked.saturating_sub(earlier.blocked),
        }
    }
}
