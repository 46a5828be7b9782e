//! What a thread does when none of its steps can move.

use std::time::{Duration, Instant};

use super::budget::Budget;

/// What a thread does when none of its steps can move: there is nothing to take, or no room to put.
///
/// The same strategy serves the empty and the full side. Latency falls and the heat of an idle core rises
/// towards [`Idle::Spin`]. What a thread waits for rings it, so a thread that parks needs no timeout.
///
/// A thread that carries several stages follows the most eager strategy among them.
///
/// | strategy | woken in about | an idle core is |
/// |---|---|---|
/// | `Spin` | a cache line's way, 50-250 ns | busy |
/// | `Backoff` | as `Spin` while it spins, as `Park` after | quiet after the budget |
/// | `Yield` | the scheduler's whim, from 1 us | busy, but lent to others |
/// | `Park` | a wake-up by the system, 5-50 us | quiet |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Idle {
    /// Asks again at once, with the processor's pause hint now and then, and never parks. For a thread that has its core
    /// to itself. Where a run has more threads than the process may use cores it would fight the very peer it waits for;
    /// there it is replaced by a [`Idle::Backoff`] without spins, and the report says so.
    Spin,
    /// Spins for `spins` turns, yields to the scheduler for `yields` more, then parks until it is rung.
    Backoff {
        /// Turns spent spinning before the first yield. Every step of the thread has turns: with four steps it spins
        /// for a quarter as many rounds.
        spins: u32,
        /// Turns spent yielding before parking.
        yields: u32,
    },
    /// Yields to the scheduler at every turn, and never parks.
    Yield,
    /// Parks at once.
    Park,
}

impl Idle {
    /// Yields before parking where threads outnumber the cores: others on the same core get to do what is waited for, at
    /// a fraction of the cost of a park.
    const CROWDED_YIELDS: u32 = 16;

    /// How eagerly it asks again: the smaller, the sooner.
    pub(crate) fn patience(self) -> u32 {
        match self {
            Self::Spin => 0,
            Self::Backoff { .. } => 1,
            Self::Yield => 2,
            Self::Park => 3,
        }
    }

    /// Whether a thread with this strategy ever parks, and so needs a doorbell.
    pub(crate) fn may_park(self) -> bool {
        matches!(self, Self::Backoff { .. } | Self::Park)
    }

    /// This strategy on a machine where threads outnumber the cores: what spins without end, or for as long as we think
    /// fit, does not spin at all; what was asked for in numbers stays.
    pub(crate) fn crowded(self) -> Self {
        if self == Self::Spin || self == Self::default() {
            return Self::Backoff { spins: 0, yields: Self::CROWDED_YIELDS };
        }
        self
    }
}

impl Default for Idle {
    /// A [`Idle::Backoff`] that spins for about as long as it takes here to wake a thread on a core that sleeps, then yields for
    /// about a millisecond, then parks. What that comes to in turns is measured once per process (about a millisecond, at
    /// the first call). Where threads outnumber the cores, it yields 16 times and does not spin; nor does it where the
    /// process may use one core only.
    fn default() -> Self {
        let Budget { spins, yields, .. } = Budget::measured();
        Self::Backoff { spins, yields }
    }
}

/// Idle turns from one housekeeping of the ends to the next.
const CHORES_EVERY: u64 = 64;
/// How often the only step of a thread that spins looks in one turn: so often that the looks are most of the turn.
const LOOKS: u32 = 16;
/// Idle turns of one look before that.
const SINGLE_LOOKS: u64 = 16;
/// How long a thread sleeps that has to look for itself: twice as long each time, between these.
const SHORTEST_NAP: Duration = Duration::from_micros(50);
const LONGEST_NAP: Duration = Duration::from_millis(1);
/// How late the system's timers may be on top of a wake-up.
pub(crate) const TIMER_SLACK: Duration = Duration::from_micros(60);

/// How a step that finds nothing to take looks for something in the same turn: not at all again, or for a while, with
/// nothing between two looks that could make it late for what comes.
///
/// It is for a step that has its thread to itself, and not before that has been idle for some turns: a look takes the
/// line that it looks at away from whoever writes it, and would hold up one who is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looks {
    /// At most, after the first.
    most: u32,
    used: u32,
    /// Whether the processor is given a hint between.
    pauses: bool,
}

impl Looks {
    pub(crate) const fn once() -> Self {
        Self { most: 0, used: 0, pauses: false }
    }

    /// Whether to look again.
    #[inline(always)]
    pub(crate) fn again(&mut self) -> bool {
        if self.used == self.most {
            return false;
        }
        self.used += 1;
        if self.pauses {
            std::hint::spin_loop();
        }
        true
    }
}

/// The state of one waiting thread.
#[derive(Debug)]
pub(crate) struct Waiter {
    idle: Idle,
    /// Idle rounds so far.
    turns: u64,
    /// The round at which the spinning ends.
    spun_out: u64,
    /// The round of the next housekeeping.
    chores_at: u64,
    /// Whether there is one step, so that nobody waits while it looks.
    alone: bool,
    nap: Duration,
}

impl Waiter {
    pub(crate) fn new(idle: Idle) -> Self {
        Self { alone: false, ..Self::of_steps(idle, 1) }
    }

    /// Of a thread that gives turns to so many steps in each round.
    pub(crate) fn of_steps(idle: Idle, steps: usize) -> Self {
        let spins = if let Idle::Backoff { spins, .. } = idle { spins } else { 0 };
        let steps = u32::try_from(steps).unwrap_or(u32::MAX).max(1);
        let spun_out = spins.div_ceil(steps).into();
        Self { idle, turns: 0, spun_out, chores_at: 0, alone: steps == 1, nap: SHORTEST_NAP }
    }

    /// Something moved: the next idle turn is the first again.
    #[inline]
    pub(crate) fn reset(&mut self) {
        (self.turns, self.chores_at) = (0, 0);
        self.nap = SHORTEST_NAP;
    }

    /// Whether the ends of the run should see to their housekeeping: at the first idle turn, and now and then after,
    /// so that it does not slow down the looking.
    #[inline]
    pub(crate) fn is_time_for_chores(&mut self) -> bool {
        let is_time = self.turns >= self.chores_at;
        if is_time {
            self.chores_at = self.turns + CHORES_EVERY;
        }
        is_time
    }

    /// How the steps are to look in the next turn, should there be nothing at first.
    #[inline]
    pub(crate) fn looks(&self) -> Looks {
        if !self.alone || self.turns < SINGLE_LOOKS || !self.spins_next() {
            return Looks::once();
        }
        if self.idle == Idle::Spin {
            return Looks { most: LOOKS - 1, used: 0, pauses: false };
        }
        // Each counts as a turn, of which a thread that backs off has only so many.
        let left = u32::try_from(self.spun_out - self.turns).unwrap_or(LOOKS);
        Looks { most: left.min(LOOKS) - 1, used: 0, pauses: true }
    }

    /// Each of these [looks](Self::looks) that was used counts as an idle turn.
    #[inline]
    pub(crate) fn looked(&mut self, looks: Looks) {
        self.turns += u64::from(looks.used);
    }

    /// Whether the next idle turn keeps the core: a spin.
    #[inline]
    pub(crate) fn spins_next(&self) -> bool {
        match self.idle {
            Idle::Spin => true,
            Idle::Backoff { .. } => self.turns < self.spun_out,
            Idle::Yield | Idle::Park => false,
        }
    }

    /// One idle turn: spins or yields, and returns true; false if it is time to park.
    #[inline]
    pub(crate) fn wait(&mut self) -> bool {
        let turn = self.turns;
        self.turns += 1;
        match self.idle {
            Idle::Spin => std::hint::spin_loop(),
            Idle::Yield => std::thread::yield_now(),
            Idle::Backoff { .. } if turn < self.spun_out => std::hint::spin_loop(),
            Idle::Backoff { yields, .. } if turn - self.spun_out < u64::from(yields) => {
                std::thread::yield_now();
            }
            Idle::Backoff { .. } | Idle::Park => return false,
        }
        true
    }

    /// An idle turn of a thread that would park, but is due too soon; true if it was a spin.
    pub(crate) fn linger(&self) -> bool {
        let spins = !matches!(self.idle, Idle::Backoff { spins: 0, .. });
        if spins {
            std::hint::spin_loop()
        } else {
            std::thread::yield_now()
        }
        spins
    }

    /// The end of a nap from now: for a thread that must look for itself, since what it waits for cannot ring.
    pub(crate) fn end_of_nap(&mut self) -> Instant {
        let nap = self.nap;
        self.nap = (2 * nap).min(LONGEST_NAP);
        Instant::now() + nap
    }

    /// When to wake up to be awake at `due`: a thread that backs off is early by a wake-up, and spins for the rest.
    /// `None` if that is now.
    pub(crate) fn alarm(&self, due: Instant) -> Option<Instant> {
        let margin = match self.idle {
            Idle::Backoff { .. } => Budget::measured().wake_up + TIMER_SLACK,
            _ => Duration::ZERO,
        };
        let left = due.saturating_duration_since(Instant::now());
        left.checked_sub(margin).filter(|left| !left.is_zero()).map(|left| Instant::now() + left)
    }
}
