//! The step of an output: an inlet and the output itself.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::meter::Meter;
use super::post::Post;
use super::{Recall, Step, Turn};
use crate::contract::cleanup::overhear;
use crate::contract::failure::FailureKind;
use crate::contract::output::{Output, Room};
use crate::contract::request::{Request, Stamp};
use crate::error::Panic;
use crate::lane::Taker;
use crate::lane::inlet::Inlet;
use crate::lane::ring_lane::Drained;
use crate::measure::pauses::Pause;
use crate::measure::tally::Phase;
use crate::wait::idle::Looks;

/// An inlet and an output.
pub(crate) struct SinkStep<T, P> {
    inlet: Inlet<T>,
    end: End<P>,
}

/// The output and its counters: what the inlet hands requests to.
struct End<P> {
    output: P,
    closed: bool,
    /// Which of the output's methods is running, should it panic.
    call: Call,
    /// When the output is to be asked for room again.
    recall: Recall,
    post: Post,
    meter: Option<Box<Meter>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    None,
    Room,
    Put,
}

impl<T, P: Output<T>> SinkStep<T, P> {
    pub(crate) fn new(output: P, inlet: Inlet<T>, post: Post) -> Self {
        let meter = post.meter();
        let (closed, call, recall) = (false, Call::None, Recall::WhenRung);
        Self { inlet, end: End { output, closed, call, recall, post, meter } }
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
        self.call = Call::Room;
        let room = self.output.room();
        self.call = Call::None;
        if room != Room::Free {
            self.no_room(room);
        }
        room == Room::Free
    }

    #[inline(always)]
    fn take_each<const METERED: bool>(&mut self, mut requests: impl Iterator<Item = Request<T>>) {
        match METERED || !self.asks_for_each() {
            true => self.put_each::<T, METERED>(requests),
            false => self.take_aside(&mut requests),
        }
    }
}

impl<P> End<P> {
    /// Whether the meter looks at every request, measured or not.
    #[inline(always)]
    fn asks_for_each(&self) -> bool {
        self.meter.as_ref().is_some_and(|meter| meter.asks_for_each())
    }

    #[inline(always)]
    fn put_each<T, const METERED: bool>(&mut self, requests: impl Iterator<Item = Request<T>>)
    where
        P: Output<T>,
    {
        self.post.tally.enter(Phase::Working);
        let asks = METERED && self.asks_for_each();
        let Self { output, post, meter, call, .. } = self;
        let mut call = Calling { call: Call::None, left: call };
        let (control, tally) = (&*post.control, &**post.tally);
        let mut taken = tally.taken.get();
        for mut request in requests {
            taken += 1;
            // Told at each request, so that one that never comes back can be named.
            tally.taken.set(taken);
            call.call = Call::Put;
            let measured = match meter {
                Some(meter) if METERED && (request.envelope.stamp.is_measured() || asks) => meter
                    .take(request.envelope.stamp, taken, post)
                    .then(|| (&mut **meter, tally.failed.get())),
                _ => None,
            };
            request.envelope.set_delivered(true);
            if request.envelope.has_cleanups() {
                put_overheard(output, post, request);
            } else {
                output.put(request);
            }
            call.call = Call::None;
            if let Some((meter, failed)) = measured {
                let delivered = failed == tally.failed.get();
                meter.worked(delivered, false, Stamp::NONE, post);
            }
            if control.is_abandoned() {
                return;
            }
            call.call = Call::Room;
            let room = output.room();
            call.call = Call::None;
            if room != Room::Free {
                drop(call);
                return self.no_room(room);
            }
        }
    }
}

/// Which method is running, in a register as long as it returns, and left where a panic is looked into.
struct Calling<'a> {
    call: Call,
    left: &'a mut Call,
}

impl Drop for Calling<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.left = self.call;
    }
}

/// Puts a request whose clean-ups may run, and panic, in there.
#[cold]
fn put_overheard<T>(output: &mut impl Output<T>, post: &Post, request: Request<T>) {
    let (put, panics) = overhear(|| post.contain(FailureKind::Panicked, || output.put(request)));
    post.cleanup_panics(panics);
    if put.is_none() {
        post.tally.failed.add(1);
    }
}

impl<P> End<P> {
    #[cold]
    fn no_room(&mut self, room: Room) {
        match room {
            Room::Closed => self.closed = true,
            Room::Full | Room::Absent => self.recall = Recall::Soon,
            Room::UntilWoken | Room::Free => self.recall = Recall::WhenRung,
        }
    }

    /// The output panicked, and with it the drain of the inlet.
    #[cold]
    fn panicked(&mut self, panic: Panic) {
        match std::mem::replace(&mut self.call, Call::None) {
            Call::Put => self.post.tally.failed.add(1),
            // An output that panics when asked for room cannot be relied on for any.
            Call::Room => self.closed = true,
            // None of the output's.
            Call::None => resume_unwind(panic),
        }
        self.post.panicked(FailureKind::Panicked, panic);
    }

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
        self.post.end(self.meter.as_deref());
        Turn::Ended
    }
}

impl<T, P: Output<T>> Step for SinkStep<T, P> {
    fn turn(&mut self, budget: usize, looks: &mut Looks) -> Turn {
        if self.end.post.control.is_abandoned() {
            return self.end_early();
        }
        let Self { inlet, end } = self;
        if inlet.is_quiet(looks) {
            if let Some(meter) = &mut end.meter {
                meter.starved_turn(end.post.tally.taken.get());
            }
            return Turn::Idle(Recall::WhenRung);
        }
        // Unless the output says otherwise, it is requests that are missing.
        end.recall = Recall::WhenRung;
        let before = end.post.tally.taken.get();
        if let Some(meter) = &mut end.meter {
            meter.begin_turn(before);
        }
        // One boundary around the whole turn: counts and rings agree wherever it is left.
        let drained = catch_unwind(AssertUnwindSafe(|| inlet.drain(budget, end)));
        let ended = drained.unwrap_or_else(|panic| {
            end.panicked(panic);
            inlet.announce();
            Drained::Budget
        });
        let tally = &end.post.tally;
        let moved = tally.taken.get() > before;
        if moved {
            tally.emitted.set(tally.taken.get() - tally.failed.get());
            tally.enter(Phase::Waiting);
        }
        if let Some(meter) = &mut end.meter {
            let pause = if ended == Drained::Blocked { Pause::Blocked } else { Pause::Starved };
            meter.end_turn((!moved).then_some(pause));
        }
        if end.closed {
            return self.end_early();
        }
        match ended {
            Drained::Closed => end.close::<T>(),
            _ if moved => Turn::Moved,
            _ => Turn::Idle(end.recall),
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
