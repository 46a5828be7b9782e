//! What can be set for a stage, or for all stages of a group at once.

use std::fmt;

use crate::measure::metrics::SharedHandler;
use crate::step::post::{FailureHandler, OnPanic};
use crate::system::Priority;
use crate::wait::idle::Idle;

/// Options as written: what is not set is inherited from the group around, and in the end from the run.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) capacity: Option<usize>,
    pub(crate) batch: Option<usize>,
    pub(crate) cores: Option<Vec<usize>>,
    pub(crate) priority: Option<Priority>,
    pub(crate) idle: Option<Idle>,
    pub(crate) blocking: Option<bool>,
    pub(crate) on_panic: Option<OnPanic>,
    pub(crate) on_failure: Option<FailureHandler>,
    pub(crate) close_factory: Option<bool>,
    pub(crate) metrics: Option<SharedHandler>,
}

impl Options {
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            capacity,
            batch,
            cores,
            priority,
            idle,
            blocking,
            on_panic,
            on_failure,
            close_factory,
            metrics,
        } = self;
        capacity.is_none()
            && batch.is_none()
            && cores.is_none()
            && priority.is_none()
            && idle.is_none()
            && blocking.is_none()
            && on_panic.is_none()
            && on_failure.is_none()
            && close_factory.is_none()
            && metrics.is_none()
    }

    /// These, and what they leave open from `outer`.
    pub(crate) fn within(&self, outer: &Self) -> Self {
        Self {
            capacity: self.capacity.or(outer.capacity),
            batch: self.batch.or(outer.batch),
            cores: self.cores.clone().or_else(|| outer.cores.clone()),
            priority: self.priority.or(outer.priority),
            idle: self.idle.or(outer.idle),
            blocking: self.blocking.or(outer.blocking),
            on_panic: self.on_panic.or(outer.on_panic),
            on_failure: self.on_failure.clone().or_else(|| outer.on_failure.clone()),
            close_factory: self.close_factory.or(outer.close_factory),
            metrics: self.metrics.clone().or_else(|| outer.metrics.clone()),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}
