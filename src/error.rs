//! Everything that can be refused or go wrong before a tract runs.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::system::Priority;

/// The error of user code, whatever it is.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a tract cannot be planned, initialised or started. Each names the stage by its path and says what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A stage with a pool of no workers.
    EmptyPool {
        /// The path of the stage.
        path: String,
    },
    /// A group without members.
    EmptyGroup {
        /// The path of the group.
        path: String,
    },
    /// A lane capacity that no ring can have.
    Capacity {
        /// The path of the stage whose lanes these are; empty for the run's own setting.
        path: String,
        /// What was asked.
        asked: usize,
    },
    /// A batch of no requests.
    EmptyBatch {
        /// The path of the stage.
        path: String,
    },
    /// Histograms that cannot be made.
    Precision {
        /// The longest time asked for, in nanoseconds.
        longest: u64,
        /// The significant digits asked for.
        digits: u8,
    },
    /// A core that this process may not use.
    NoSuchCore {
        /// The path of the stage.
        path: String,
        /// The core asked for.
        core: usize,
        /// The cores there are to choose from.
        cores: Vec<usize>,
    },
    /// A stage that asks for cores, and names none.
    NoCores {
        /// The path of the stage.
        path: String,
    },
    /// A priority that no thread can have.
    NoSuchPriority {
        /// The path of the stage; empty for the run's own setting.
        path: String,
        /// What was asked.
        asked: Priority,
    },
    /// A partition that was worked out for another tract: here is the first stage that differs.
    OtherTract {
        /// The stage that was measured, with its size, if there was one more.
        measured: Option<String>,
        /// The stage that is here in its place, if there is one.
        here: Option<String>,
    },
    /// A placement on no threads.
    NoThreads,
    /// A placement that has no threads of its own, where threads are needed.
    InlineNeedsCaller,
    /// The factory of a stage returned an error, here the source.
    FactoryFailed {
        /// The path of the stage.
        path: String,
        /// The worker that was to be made, counted from 0.
        worker: usize,
        /// The factory's own error.
        source: BoxError,
    },
    /// The factory of a stage panicked.
    FactoryPanicked {
        /// The path of the stage.
        path: String,
        /// The worker that was to be made, counted from 0.
        worker: usize,
        /// What it said.
        message: String,
    },
    /// The factory of a stage has been closed after an earlier run, as the stage asked.
    FactoryClosed {
        /// The path of the stage.
        path: String,
    },
    /// A fan-out in a tract that is to answer each call once.
    FanOutInService {
        /// The path of the fan-out.
        path: String,
    },
    /// A fault planned for what the simulated run does not have.
    NoSuchVictim {
        /// What was planned.
        fault: String,
        /// The stages there are, with the sizes of their pools.
        stages: Vec<String>,
    },
    /// The system gave no thread.
    Thread {
        /// The name of the thread.
        name: String,
        /// The system's error.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyPool { path } => {
                write!(f, "stage `{path}` has a pool of 0 workers: give it at least 1")
            }
            Self::EmptyGroup { path } => {
                write!(f, "group `{path}` has no members: give it at least 1")
            }
            Self::Capacity { path, asked } if path.is_empty() => {
                write!(
                    f,
                    "a run's lanes cannot have the capacity {asked}: choose 1 to {MAX_CAPACITY}"
                )
            }
            Self::Capacity { path, asked } => {
                write!(
                    f,
                    "the lanes of `{path}` cannot have the capacity {asked}: choose 1 to {MAX_CAPACITY}"
                )
            }
            Self::EmptyBatch { path } => {
                write!(f, "stage `{path}` has a batch of 0: choose 1 for none, or more")
            }
            Self::Precision { longest, digits } => {
                write!(
                    f,
                    "no histogram goes to {longest} ns with {digits} digits: choose at least 2 ns, and 1 to 5 digits"
                )
            }
            Self::NoSuchCore { path, core, cores } => {
                write!(
                    f,
                    "stage `{path}` asks for core {core}, but this process may use {cores:?}: choose one of them"
                )
            }
            Self::NoCores { path } => {
                write!(f, "stage `{path}` asks for cores but names none: name at least 1")
            }
            Self::NoSuchPriority { path, asked } => {
                let who =
                    if path.is_empty() { "a run".to_owned() } else { format!("stage `{path}`") };
                write!(f, "{who} asks for {asked}: choose a level from 1 to 99")
            }
            Self::OtherTract { measured, here } => {
                let named =
                    |stage: &Option<String>| stage.clone().unwrap_or("no more stages".into());
                write!(
                    f,
                    "a partition for another tract: it was measured with {}, here is {}: measure this tract, or choose another placement",
                    named(measured),
                    named(here)
                )
            }
            Self::NoThreads => {
                write!(f, "a placement on 0 threads: choose at least 1, or `Placement::Inline`")
            }
            Self::InlineNeedsCaller => write!(
                f,
                "an inline placement has no threads to start: use `run`, or `init_inline`, or another placement"
            ),
            Self::FactoryFailed { path, worker, source } => {
                write!(f, "the factory of `{path}` could not make worker {worker}: {source}")
            }
            Self::FactoryPanicked { path, worker, message } => {
                write!(f, "the factory of `{path}` panicked making worker {worker}: {message}")
            }
            Self::FactoryClosed { path } => write!(
                f,
                "the factory of `{path}` was closed after an earlier run: leave out `close_factory` to run it again"
            ),
            Self::FanOutInService { path } => write!(
                f,
                "the fan-out `{path}` makes several values of one call: say how they make one answer, with `first`, `all` or `at_least`"
            ),
            Self::NoSuchVictim { fault, stages } => write!(
                f,
                "{fault} is planned, but the stages are {}: name one of them, and a worker that it has",
                stages.join(", ")
            ),
            Self::Thread { name, source } => {
                write!(f, "the system gave no thread for `{name}`: {source}; use fewer threads")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::FactoryFailed { source, .. } => Some(&**source),
            Self::Thread { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The largest lane capacity: 16,777,216, far beyond any sensible ring.
pub(crate) const MAX_CAPACITY: usize = 1 << 24;

/// What a caught panic carries.
pub(crate) type Panic = Box<dyn std::any::Any + Send>;

/// What a caught panic said.
pub(crate) fn panic_message(panic: Panic) -> String {
    match panic.downcast::<&str>() {
        Ok(text) => (*text).to_owned(),
        Err(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(odd) => {
                if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(odd)))
                    && !(again.is::<String>() || again.is::<&str>())
                {
                    // What it carries may panic as well when it is dropped, and so on.
                    std::mem::forget(again);
                }
                "a panic without a message".to_owned()
            }
        },
    }
}
