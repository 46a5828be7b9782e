//! What is asked of the operating system: on which core a thread runs, what it is called, how urgent it is, and that
//! memory stays where it is.
//!
//! None of this can be relied on: a container, a limit or a missing right may be in the way. So every request is
//! answered by a [`Grant`], looked up again where the system can be asked, and ends up in the report. Nothing here is on
//! the path of a request.

use std::fmt;
use std::time::Duration;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod os;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod os;
#[cfg(all(target_os = "linux", feature = "priority"))]
mod urgency;

/// What became of something that was asked of the system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
pub enum Grant {
    /// Nobody asked.
    #[default]
    NotAsked,
    /// The system did it, and where it can be asked, it says so.
    Granted,
    /// The system did not do it, or did not keep to it: its reason.
    Refused(String),
}

impl Grant {
    /// Whether it was asked for and done.
    pub fn is_granted(&self) -> bool {
        *self == Self::Granted
    }

    /// The system's reason, where it was asked and did not do it.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused(reason) => Some(reason),
            Self::NotAsked | Self::Granted => None,
        }
    }

    fn of(answer: Result<(), String>) -> Self {
        answer.map_or_else(Self::Refused, |()| Self::Granted)
    }
}

/// How urgent a thread is to the system's scheduler.
///
/// A thread that shares a core with one more urgent runs only while that one sleeps: yielding is not enough. So a stage
/// with a priority needs either a core that nobody else needs, neither its neighbours nor the caller, or a way to wait
/// that ends in parking. Where as many threads have a priority as there are cores, `Idle::Spin` steps down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Priority {
    /// Linux's `SCHED_FIFO` at this level, from 1 to 99, before everything that is not real-time. It needs the right
    /// `CAP_SYS_NICE`, or a limit `RLIMIT_RTPRIO` of at least the level.
    Fifo(u8),
}

impl Priority {
    /// Whether there is such a level.
    pub(crate) fn is_valid(self) -> bool {
        let Self::Fifo(level) = self;
        (1..=99).contains(&level)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Fifo(level) = self;
        write!(f, "SCHED_FIFO {level}")
    }
}

/// The cores that the calling thread may use, as the system says; empty if it does not.
pub(crate) fn usable_cores() -> Vec<usize> {
    os::usable_cores()
}

/// Pins the calling thread to a core, and asks whether it is.
pub(crate) fn pin(core: usize) -> Grant {
    Grant::of(os::pin(core).and_then(|()| os::check_pin(core)))
}

/// Whether the calling thread, once pinned to a core, still is.
pub(crate) fn still_pinned(core: usize) -> Grant {
    Grant::of(os::check_pin(core).map_err(|reason| format!("the pin did not hold: {reason}")))
}

/// Gives the calling thread a name as far as the system has room for it; returns what the system shows, where it says.
pub(crate) fn name_thread(name: &str) -> Option<String> {
    os::name_thread(name)
}

/// Gives the calling thread a priority, and asks whether it has it.
pub(crate) fn prioritise(priority: Priority) -> Grant {
    #[cfg(all(target_os = "linux", feature = "priority"))]
    return Grant::of(urgency::prioritise(priority));
    #[cfg(not(all(target_os = "linux", feature = "priority")))]
    Grant::Refused(format!("{priority} is not supported here"))
}

/// How long the calling thread has waited for a core so far, ready to run; `None` where the system does not say.
pub(crate) fn time_queued() -> Option<Duration> {
    os::time_queued()
}

/// Keeps the memory that this process has by now from being paged out, which also brings all of it in.
pub(crate) fn lock_memory() -> Grant {
    Grant::of(os::lock_memory())
}

/// A name cut to so many bytes: `~` and its end, which tells more than its beginning, from a whole character on.
#[cfg(target_os = "linux")]
fn cut_name(name: &str, limit: usize) -> String {
    if name.len() <= limit {
        return name.to_owned();
    }
    let rest = (name.len() - (limit - 1)..=name.len()).find(|&at| name.is_char_boundary(at));
    format!("~{}", &name[rest.unwrap_or(name.len())..])
}
