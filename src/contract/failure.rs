//! What went wrong in user code while a tract ran.

use std::fmt;

/// What went wrong in user code while a tract ran. Handed to the stage's failure handler as it happens, and kept
/// in the report, one for each different message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
pub struct Failure {
    /// The path of the stage.
    pub stage: String,
    /// The worker it first happened to, counted from 0.
    pub worker: usize,
    /// Where in user code.
    pub kind: FailureKind,
    /// What the error or the panic said.
    pub message: String,
    /// How often, in this stage. 1 in a failure handler.
    pub count: u64,
}

/// Where in user code a failure came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub enum FailureKind {
    /// The worker returned [`Outcome::Fail`](crate::Outcome::Fail).
    Failed,
    /// The worker, the source or the output panicked.
    Panicked,
    /// Copying or dropping a value panicked.
    ValuePanicked,
    /// A clean-up panicked.
    CleanupPanicked,
    /// `close` panicked.
    ClosePanicked,
    /// The metrics handler of the stage panicked.
    HandlerPanicked,
    /// The factory could not replace a worker after a panic.
    NotReplaced,
    /// The runtime itself panicked: a defect of ringtract, please report it.
    Defect,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::ValuePanicked => "copy or drop of a value panicked",
            Self::CleanupPanicked => "clean-up panicked",
            Self::ClosePanicked => "close panicked",
            Self::HandlerPanicked => "metrics handler panicked",
            Self::NotReplaced => "worker not replaced",
            Self::Defect => "defect in ringtract",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}] {}: {}", self.stage, self.worker, self.kind, self.message)?;
        if self.count > 1 {
            write!(f, " ({} times)", self.count)?;
        }
        Ok(())
    }
}
