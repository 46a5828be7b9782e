//! When each line of a replay is due, from the stamps in the lines. Reading the clock and waiting is left to
//! the caller.

use crate::line::Line;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// How fast to replay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Speed {
    /// So many times as fast as it was received.
    Times(NonZeroU32),
    /// Without waiting.
    Max,
}

pub(crate) struct Pace {
    speed: Speed,
    first: Option<u64>,
    due: Duration,
}

impl Pace {
    pub(crate) fn new(speed: Speed) -> Pace {
        Pace { speed, first: None, due: Duration::ZERO }
    }

    /// How long after the start of the replay the line is due: never before the line ahead of it, and
    /// together with that if its own stamp is missing or earlier.
    pub(crate) fn due(&mut self, line: &Line) -> Duration {
        if let Speed::Times(times) = self.speed
            && let Some(received) = line.received()
        {
            let first = *self.first.get_or_insert(received);
            let since = Duration::from_micros(received.saturating_sub(first));
            self.due = self.due.max(since / times.get());
        }
        self.due
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Speed::Times(times) => write!(f, "{times} times"),
            Speed::Max => f.write_str("max"),
        }
    }
}
