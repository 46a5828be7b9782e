//! The doorbell of a thread: how the others wake it. [The protocol](super).

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::fence::Fence;
use crate::measure::tally::Counter;
use crate::sync::thread::{self, Thread};
use crate::sync::{AtomicBool, Ordering, lock};

/// The longest that a thread is parked without looking around. Nothing depends on it: it is there to notice, and to
/// count, if a wake-up were ever lost.
const WATCHDOG: Duration = Duration::from_secs(1);

/// How the others wake a thread.
pub(crate) struct Doorbell {
    /// What ringers look at: on a line of its own that hardly ever changes.
    door: CachePadded<Door>,
    /// Who is to be woken: the last to have armed it.
    thread: Mutex<Option<Thread>>,
    /// Times that a thread was parked.
    parks: Counter,
    /// Times that somebody rang while it was.
    wakes: Counter,
    /// Times that the watchdog woke it and it found work. Stays 0.
    late_wakes: Counter,
}

struct Door {
    /// Whether somebody is about to sleep, or does. Only ever swapped, so that all changes stand in one order, and a
    /// late ringer's cannot undo a later arming that it did not see.
    armed: AtomicBool,
    fence: Fence,
}

/// What ended a sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Somebody rang.
    Rung,
    /// The time is up.
    Due,
    /// Nobody rang for as long as the watchdog waits.
    Watchdog,
}

impl Doorbell {
    pub(crate) fn new() -> Arc<Self> {
        let door = Door { armed: AtomicBool::new(false), fence: Fence::best() };
        Arc::new(Self {
            door: CachePadded::new(door),
            thread: Mutex::new(None),
            parks: Counter::default(),
            wakes: Counter::default(),
            late_wakes: Counter::default(),
        })
    }

    /// Wakes whoever waits. To be called after the change that they wait for.
    #[inline(always)]
    pub(crate) fn ring(&self) {
        if self.is_wanted() {
            self.wake();
        }
    }

    /// Whether somebody waits, or is about to.
    #[inline(always)]
    fn is_wanted(&self) -> bool {
        // Pairs with the heavy fence in `arm`.
        self.door.fence.light();
        self.door.armed.load(Ordering::Relaxed)
    }

    #[cold]
    fn wake(&self) {
        // AcqRel: pairs with the acquire in `sleep`, so that the waiter sees what this ringer changed, and with the
        // release of `arm`, so that this ringer sees which thread it is.
        if self.door.armed.swap(false, Ordering::AcqRel)
            && let Some(thread) = lock(&self.thread).clone()
        {
            thread.unpark();
        }
    }

    /// Waiter: says that it is about to sleep. After that it must look once more, and then [`sleep`](Self::sleep) or
    /// [`disarm`](Self::disarm). False if it cannot sleep now.
    pub(crate) fn arm(&self) -> bool {
        let current = thread::current();
        let mut known = lock(&self.thread);
        if known.as_ref().is_none_or(|known| known.id() != current.id()) {
            *known = Some(current);
        }
        drop(known);
        // Release: pairs with the swap in `wake`.
        self.door.armed.swap(true, Ordering::AcqRel);
        // Pairs with the light fence in `ring`.
        let fenced = self.door.fence.heavy();
        if !fenced {
            self.disarm();
        }
        fenced
    }

    /// Waiter: it found something, and stays awake.
    pub(crate) fn disarm(&self) {
        self.door.armed.swap(false, Ordering::AcqRel);
    }

    /// Waiter, armed: sleeps until somebody rings, no longer than until `due`.
    ///
    /// User code on this thread may park as well, and take the token of a wake-up that was meant for here; whether
    /// somebody rang is therefore read from `armed`, and the token only ends a sleep.
    pub(crate) fn sleep(&self, due: Option<Instant>) -> Woken {
        self.parks.add(1);
        let woken = self.sleep_until(due);
        self.wakes.add(u64::from(woken == Woken::Rung));
        woken
    }

    fn sleep_until(&self, due: Option<Instant>) -> Woken {
        let watchdog = Instant::now() + WATCHDOG;
        let until = due.map_or(watchdog, |due| due.min(watchdog));
        // Acquire: pairs with the release of the swap in `wake`.
        while self.door.armed.load(Ordering::Acquire) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return match self.door.armed.swap(false, Ordering::Acquire) {
                    false => Woken::Rung,
                    true if due == Some(until) => Woken::Due,
                    true => Woken::Watchdog,
                };
            }
            thread::park_timeout(left);
        }
        Woken::Rung
    }

    /// Waiter: there was something to do, though nobody had rung.
    pub(crate) fn was_late(&self) {
        self.late_wakes.add(1);
    }

    pub(crate) fn parks(&self) -> u64 {
        self.parks.get()
    }

    pub(crate) fn wakes(&self) -> u64 {
        self.wakes.get()
    }

    pub(crate) fn late_wakes(&self) -> u64 {
        self.late_wakes.get()
    }
}

/// So that ends of a run can be woken by whoever feeds them.
impl std::task::Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

impl fmt::Debug for Doorbell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorbell").field("parks", &self.parks()).finish_non_exhaustive()
    }
}

/// Rings when it is dropped: as the last field of what somebody may wait to see go.
#[derive(Debug, Default)]
pub(crate) struct Bell(Option<Arc<Doorbell>>);

impl Bell {
    pub(crate) fn new(doorbell: Option<Arc<Doorbell>>) -> Self {
        Self(doorbell)
    }

    #[inline(always)]
    pub(crate) fn ring(&self) {
        if let Some(doorbell) = &self.0 {
            doorbell.ring();
        }
    }

    /// The first half of [`ring`](Self::ring): if somebody waits, [`wake`](Self::wake) them.
    #[inline(always)]
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|doorbell| doorbell.is_wanted())
    }

    /// The second half.
    #[cold]
    pub(crate) fn wake(&self) {
        if let Some(doorbell) = &self.0 {
            doorbell.wake();
        }
    }

    pub(crate) fn doorbell(&self) -> Option<&Arc<Doorbell>> {
        self.0.as_ref()
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.ring();
    }
}
