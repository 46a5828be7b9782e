//! What a thread does when none of its steps can move.

/// What a thread does when none of its steps can move: there is nothing to take, or no room to put.
///
/// The same strategy serves the empty and the full side. Latency falls and the heat of an idle core rises
/// from the last variant to the first.
///
/// A thread that carries several stages follows the most eager strategy among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Idle {
    /// Asks again at once, with the processor's pause hint between. For a thread that has its core to
    /// itself. Where a run has more threads than the process may use cores, it is treated as
    /// [`Idle::Backoff`] with the default number of spins, and the report says so: spinning would fight
    /// the very peer it waits for.
    Spin,
    /// Spins for `spins` turns, then yields to the scheduler at every turn.
    Backoff {
        /// Turns spent spinning before the first yield.
        spins: u32,
    },
    /// Yields to the scheduler at every turn.
    Yield,
}

impl Idle {
    const DEFAULT_SPINS: u32 = 128;

    /// How eagerly it asks again: the smaller, the sooner.
    pub(crate) fn patience(self) -> u32 {
        match self {
            Self::Spin => 0,
            Self::Backoff { .. } => 1,
            Self::Yield => 2,
        }
    }

    /// This strategy on a machine where threads outnumber the cores.
    pub(crate) fn crowded(self) -> Self {
        match self {
            Self::Spin => Self::default(),
            other => other,
        }
    }
}

impl Default for Idle {
    /// 128 spins, then yielding.
    fn default() -> Self {
        Self::Backoff { spins: Self::DEFAULT_SPINS }
    }
}

/// Idle turns from one housekeeping of the ends to the next.
const CHORES_EVERY: u32 = 64;

/// The state of one waiting thread.
#[derive(Debug)]
pub(crate) struct Waiter {
    idle: Idle,
    turns: u32,
}

impl Waiter {
    pub(crate) fn new(idle: Idle) -> Self {
        Self { idle, turns: 0 }
    }

    /// Something moved: the next idle turn is the first again.
    pub(crate) fn reset(&mut self) {
        self.turns = 0;
    }

    /// Whether the ends of the run should see to their housekeeping: at the first idle turn, and now and then after,
    /// so that it does not slow down the looking.
    #[inline]
    pub(crate) fn is_time_for_chores(&self) -> bool {
        self.turns.is_multiple_of(CHORES_EVERY)
    }

    /// One idle turn.
    #[inline]
    pub(crate) fn wait(&mut self) {
        let spin = match self.idle {
            Idle::Spin => true,
            Idle::Backoff { spins } => self.turns < spins,
            Idle::Yield => false,
        };
        self.turns = self.turns.saturating_add(1);
        if spin {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}
