//! How fast to replay: by the stamps in the lines, or without waiting.

use crate::line::Line;
use ringtract::Pace;
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

/// One digit of a stamp gone wrong would stall the replay for years.
const LONGEST_GAP: Duration = Duration::from_secs(60);

impl Speed {
    /// When lines are due; what could not be read is due at once.
    pub(crate) fn pace<E>(self) -> Pace<Result<Line, E>> {
        let received = |line: &Result<Line, E>| {
            line.as_ref().ok().and_then(Line::received).map(Duration::from_micros)
        };
        match self {
            Speed::Times(times) => {
                Pace::following(times.get(), received).without_gaps_over(LONGEST_GAP)
            }
            Speed::Max => Pace::at_once(),
        }
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
