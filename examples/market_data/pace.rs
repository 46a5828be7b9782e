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

/// In µs. A stamp further than this from the one before, ahead or back, is no reason to wait: one digit gone wrong
/// would stall the replay for years. The line is due at once, and the replay goes on from its stamp, so that
/// a pause of the feed that really was longer is left out, and a damaged stamp costs the gaps beside it.
const LONGEST_GAP: u64 = 60_000_000;

pub(crate) struct Pace {
    speed: Speed,
    /// The stamp that the next one is compared with.
    last: Option<u64>,
    /// What has passed in the feed, in µs.
    passed: u64,
}

impl Pace {
    pub(crate) fn new(speed: Speed) -> Pace {
        Pace { speed, last: None, passed: 0 }
    }

    /// How long after the start of the replay the line is due: never before the line ahead of it, and
    /// together with that if its own stamp is missing, earlier, or not believed.
    pub(crate) fn due(&mut self, line: &Line) -> Duration {
        let Speed::Times(times) = self.speed else { return Duration::ZERO };
        if let Some(received) = line.received() {
            let last = self.last.unwrap_or(received);
            if received.abs_diff(last) > LONGEST_GAP {
                self.last = Some(received);
            } else {
                self.last = Some(received.max(last));
                self.passed += received.saturating_sub(last);
            }
        }
        Duration::from_micros(self.passed) / times.get()
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
