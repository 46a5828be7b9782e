//! What a request owes somebody who waits for it: an answer, given when it has died.
//!
//! A request that somebody waits for carries a reply among its clean-ups. Values that reach the end are left with it
//! on the way; when the request has died, with all its copies and after every clean-up, the reply is ended. That
//! happens once, however the request dies, since whoever runs the last clean-ups owns the reply.

use std::any::Any;
use std::fmt;

use super::cleanup::Spare;

/// Somebody who waits for what becomes of a request.
pub(crate) trait Answer: Any + Send + Sync {
    /// Something is wrong with the request, or with a copy of it. The first note counts.
    fn note(&self, why: Unanswered);

    /// The request has died and all its clean-ups have run. Gives back what it travelled with, to be used again.
    fn end(&self, spare: Option<Spare>);
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unanswered {
    /// A worker discarded the request.
    Discarded,
    /// A worker failed it, with this message.
    Failed(String),
    /// A worker panicked over it, with this message.
    Panicked(String),
    /// Fewer values reached the end than the answer takes.
    TooFew {
        /// How many did.
        got: usize,
        /// How many it takes.
        least: usize,
    },
    /// It was dropped on the way: the run was given up or its output closed, a value's own code panicked, or a worker
    /// threw its envelope away. One that a worker forgot, or keeps, is told of when the run is over.
    Dropped,
    /// The time limit passed. The call is given up; what becomes of the request is not told.
    TimedOut,
    /// The ticket had given its answer before.
    Taken,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discarded => f.write_str("the request was discarded"),
            Self::Failed(message) => f.write_str(message),
            Self::Panicked(message) => write!(f, "a worker panicked: {message}"),
            Self::TooFew { got, least } => {
                write!(f, "{got} values reached the end, and the answer takes {least}")
            }
            Self::Dropped => f.write_str("the request was dropped on its way"),
            Self::TimedOut => f.write_str("there was no answer within the time limit"),
            Self::Taken => f.write_str("the answer had been taken before"),
        }
    }
}

impl std::error::Error for Unanswered {}
