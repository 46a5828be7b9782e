//! Steps: a worker with its inlet and its outlet, as something a thread can give turns to.
//!
//! A step never blocks. It looks for room in its outlet before it takes a request, so what was taken can always
//! be put, and a full lane means "not my turn". That is why a step neither knows nor cares whether it has a
//! thread to itself, shares one, or runs on the caller's.

use std::time::Instant;

use crate::wait::idle::Looks;

pub(crate) mod control;
mod hands;
pub(crate) mod meter;
pub(crate) mod post;
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod trouble;
pub(crate) mod work;

/// What came of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Something was taken or put.
    Moved,
    /// Nothing can move until then.
    Idle(Recall),
    /// The step has closed its worker and its lanes, and is not to be asked again.
    Ended,
}

/// When an idle step is to be given its next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recall {
    /// When the thread's doorbell rings.
    WhenRung,
    /// At this instant, or when the doorbell rings.
    At(Instant),
    /// Before long: it waits for something that cannot ring.
    Soon,
}

impl Recall {
    /// The sooner of the two.
    pub(crate) fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Soon, _) | (_, Self::Soon) => Self::Soon,
            (Self::At(one), Self::At(two)) => Self::At(one.min(two)),
            (Self::At(instant), _) | (_, Self::At(instant)) => Self::At(instant),
            (Self::WhenRung, Self::WhenRung) => Self::WhenRung,
        }
    }
}

/// Something a thread can give turns to.
pub(crate) trait Step {
    /// Moves up to `budget` requests. A step that finds nothing to take may use these looks up before it says so.
    fn turn(&mut self, budget: usize, looks: &mut Looks) -> Turn;

    /// The whole thread found nothing to do.
    fn idle(&mut self) {}

    /// Ends at once: what waits or is in hand is dropped, with clean-ups. Before the start this is how a worker
    /// is closed that never got to work.
    fn abandon(&mut self);
}
