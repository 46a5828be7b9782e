//! The step of an output: an inlet and the output itself.

use super::post::Post;
use super::{Step, Turn};
use crate::contract::cleanup::overhear;
use crate::contract::failure::FailureKind;
use crate::contract::output::{Output, Room};
use crate::contract::request::Request;
use crate::lane::Taker;
use crate::lane::inlet::Inlet;
use crate::lane::ring_lane::Drained;
use crate::measure::clock;
use crate::measure::latency::Latencies;
use crate::measure::tally::Phase;

/// An inlet and an output.
pub(crate) struct SinkStep<T, P> {
    inlet: Inlet<T>,
    end: End<P>,
}

/// The output and its counters: what the inlet hands requests to.
struct End<P> {
    output: P,
    closed: bool,
    taken: u64,
    emitted: u64,
    post: Post,
    latencies: Option<Latencies>,
}

impl<T, P: Output<T>> SinkStep<T, P> {
    pub(crate) fn new(output: P, inlet: Inlet<T>, post: Post) -> Self {
        let latencies = post.latencies();
        Self { inlet, end: End { output, closed: false, taken: 0, emitted: 0, post, latencies } }
    }

    fn end_early(&mut self) -> Turn {
        let panics = self.inlet.drop_all();
        self.end.post.cleanup_panics(panics);
        self.end.close::<T>()
    }
}

impl<T, P: Output<T>> Taker<T> for End<P> {
    #[inline(always)]
    fn ready(&mut self) -> bool {
        if self.closed || self.post.control.is_abandoned() {
            return false;
        }
        let output = &mut self.output;
        match self.post.contain(FailureKind::Panicked, || output.room()) {
            Some(Room::Free) => true,
            Some(Room::Full | Room::Absent) => false,
            // An output that panics when asked for room cannot be relied on for any.
            Some(Room::Closed) | None => {
                self.closed = true;
                false
            }
        }
    }

    #[inline(always)]
    fn take(&mut self, mut request: Request<T>) {
        self.taken += 1;
        self.post.tally.enter(Phase::Working);
        self.post.tally.taken.set(self.taken);
        let stamp = request.envelope.stamp;
        let taken = if stamp.is_measured() { clock::now() } else { 0 };
        request.envelope.set_delivered(true);
        let output = &mut self.output;
        let put = if request.envelope.has_cleanups() {
            let post = &self.post;
            let (put, panics) =
                overhear(|| post.contain(FailureKind::Panicked, || output.put(request)));
            self.post.cleanup_panics(panics);
            put
        } else {
            self.post.contain(FailureKind::Panicked, || output.put(request))
        };
        match put {
            Some(()) => self.emitted += 1,
            None => self.post.tally.failed.add(1),
        }
        if let (true, Some(latencies)) = (stamp.is_measured(), &mut self.latencies) {
            latencies.record(stamp.nanos().unwrap_or(taken), taken);
        }
    }
}

impl<P> End<P> {
    fn close<T>(&mut self) -> Turn
    where
        P: Output<T>,
    {
        if self.post.ended {
            return Turn::Ended;
        }
        self.post.tally.enter(Phase::Closing);
        let output = &mut self.output;
        self.post.contain(FailureKind::ClosePanicked, || output.close());
        self.post.end(self.latencies.take());
        Turn::Ended
    }
}

impl<T, P: Output<T>> Step for SinkStep<T, P> {
    fn turn(&mut self, budget: usize) -> Turn {
        if self.end.post.control.is_abandoned() {
            return self.end_early();
        }
        let (moved, end) = self.inlet.drain(budget, &mut self.end);
        if moved > 0 {
            self.end.post.tally.emitted.set(self.end.emitted);
            self.end.post.tally.enter(Phase::Waiting);
        }
        if self.end.closed {
            return self.end_early();
        }
        match end {
            Drained::Closed => self.end.close::<T>(),
            _ if moved > 0 => Turn::Moved,
            _ => Turn::Idle,
        }
    }

    fn idle(&mut self) {
        let output = &mut self.end.output;
        self.end.post.contain(FailureKind::Panicked, || output.idle());
    }

    fn abandon(&mut self) {
        self.end_early();
    }
}
