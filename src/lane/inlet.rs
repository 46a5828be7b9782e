//! What one worker takes from: its column of the mesh, merged fairly.

use std::sync::Arc;

use super::Load;
use super::ring_lane::{Drained, LaneRx, Taker};

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

    /// Hands up to `budget` requests to `taker`; returns how many, and why no more.
    pub(crate) fn drain(&mut self, budget: usize, taker: &mut impl Taker<T>) -> (usize, Drained) {
        match &self.load {
            None => drain(&mut self.lanes, &mut self.next, budget, taker),
            Some(load) => {
                let mut counted = Counted { taker, load };
                drain(&mut self.lanes, &mut self.next, budget, &mut counted)
            }
        }
    }

    /// Ends what is waiting with failure, and closes the lanes. Returns how many clean-ups panicked.
    pub(crate) fn drop_all(&mut self) -> u64 {
        if let Some(load) = &self.load {
            load.retire();
        }
        self.lanes.drain(..).map(|mut lane| lane.drop_all()).sum()
    }
}

fn drain<T>(
    lanes: &mut Vec<LaneRx<T>>,
    next: &mut usize,
    budget: usize,
    taker: &mut impl Taker<T>,
) -> (usize, Drained) {
    let mut moved = 0;
    let mut visits = lanes.len();
    while visits > 0 {
        let share = (budget - moved).div_ceil(visits);
        visits -= 1;
        let (got, end) = lanes[*next].drain(share, taker);
        moved += got;
        match end {
            Drained::Blocked => return (moved, Drained::Blocked),
            Drained::Closed => {
                lanes.swap_remove(*next);
            }
            Drained::Empty | Drained::Budget => *next += 1,
        }
        if *next >= lanes.len() {
            *next = 0;
        }
        if moved == budget {
            return (moved, Drained::Budget);
        }
    }
    if lanes.is_empty() { (moved, Drained::Closed) } else { (moved, Drained::Empty) }
}

/// A taker that lowers the worker's load as it finishes each request.
struct Counted<'a, K> {
    taker: &'a mut K,
    load: &'a Load,
}

impl<T, K: Taker<T>> Taker<T> for Counted<'_, K> {
    fn ready(&mut self) -> bool {
        self.taker.ready()
    }

    fn take(&mut self, request: crate::contract::request::Request<T>) {
        self.taker.take(request);
        self.load.lower();
    }
}
