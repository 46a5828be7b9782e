//! What one worker takes from: its column of the mesh, merged fairly.

use std::sync::Arc;

use super::ring_lane::{Drained, LaneRx};
use super::{Load, Taker};
use crate::contract::cleanup::Panics;
use crate::wait::doorbell::Doorbell;
use crate::wait::idle::Looks;

/// What one worker takes from: a lane from each worker before it.
///
/// A turn starts at the lane after the one where the last turn ended, and gives no lane more than its share while
/// others wait. The order within a lane is kept; between lanes there is none.
pub(crate) struct Inlet<T> {
    lanes: Vec<LaneRx<T>>,
    next: usize,
    load: Option<Arc<Load>>,
}

impl<T> Inlet<T> {
    pub(crate) fn new(lanes: Vec<LaneRx<T>>, load: Option<Arc<Load>>) -> Self {
        Self { lanes, next: 0, load }
    }

    /// Whether there was nothing to take at any look, though there may be later. What a waiting thread asks again and
    /// again, so that it is quick to see what comes.
    #[inline(always)]
    pub(crate) fn is_quiet(&mut self, looks: &mut Looks) -> bool {
        while !self.lanes.is_empty() && self.lanes.iter_mut().all(LaneRx::is_quiet) {
            if !looks.again() {
                return true;
            }
        }
        false
    }

    /// Hands up to `budget` requests to `taker`; returns why no more.
    pub(crate) fn drain(&mut self, budget: usize, taker: &mut impl Taker<T>) -> Drained {
        let Self { lanes, next, .. } = self;
        let mut moved = 0;
        let mut visits = lanes.len();
        while visits > 0 {
            let share = (budget - moved).div_ceil(visits);
            visits -= 1;
            let (got, end) = lanes[*next].drain(share, taker);
            moved += got;
            match end {
                Drained::Closed => {
                    lanes.swap_remove(*next);
                }
                // A lane that got its turn and nothing out of it has it again.
                Drained::Blocked if got == 0 => {}
                Drained::Blocked | Drained::Empty | Drained::Budget => *next += 1,
            }
            if *next >= lanes.len() {
                *next = 0;
            }
            if end == Drained::Blocked {
                return Drained::Blocked;
            }
            if moved == budget {
                return Drained::Budget;
            }
        }
        if lanes.is_empty() { Drained::Closed } else { Drained::Empty }
    }

    /// Makes known what was taken, after a taker panicked in the middle of it.
    pub(crate) fn announce(&self) {
        self.lanes.iter().for_each(LaneRx::announce);
    }

    /// The doorbells of the threads that put into it.
    pub(crate) fn suppliers(&self) -> Vec<Arc<Doorbell>> {
        let mut doorbells: Vec<Arc<Doorbell>> = Vec::new();
        for doorbell in self.lanes.iter().filter_map(LaneRx::supplier) {
            if !doorbells.iter().any(|known| Arc::ptr_eq(known, doorbell)) {
                doorbells.push(Arc::clone(doorbell));
            }
        }
        doorbells
    }

    /// Ends what is waiting with failure, and closes the lanes. Returns what clean-ups
    /// and drops said that panicked.
    pub(crate) fn drop_all(&mut self) -> Panics {
        if let Some(load) = &self.load {
            load.retire();
        }
        let mut panics = Panics::NONE;
        self.lanes.drain(..).for_each(|mut lane| panics.join(lane.drop_all()));
        panics
    }
}

impl<T> Drop for Inlet<T> {
    /// Whatever became of the worker, nobody is to send it anything.
    fn drop(&mut self) {
        if let Some(load) = &self.load {
            load.retire();
        }
    }
}
