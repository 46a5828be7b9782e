//! The step of a source: an input and an outlet.

use super::post::Post;
use super::{Step, Turn};
use crate::contract::failure::FailureKind;
use crate::contract::input::{Input, Next};
use crate::contract::request::{Envelope, Request, Stamp};
use crate::lane::outlet::Outlet;
use crate::measure::Measure;
use crate::measure::clock;
use crate::measure::tally::Phase;

/// Stamps requests with the time they were made, and picks those to be measured.
struct Stamper {
    measure: Measure,
    /// Requests until the next measured one.
    left: u32,
}

impl Stamper {
    fn new(measure: Measure) -> Self {
        Self { measure, left: 0 }
    }

    /// Completes the stamp of a new request. One that has a start keeps it.
    #[inline(always)]
    fn stamp(&mut self, stamp: &mut Stamp) {
        let Measure::OneIn(period) = self.measure else { return };
        let measured = self.left == 0;
        self.left = if measured { period.saturating_sub(1) } else { self.left - 1 };
        *stamp = Stamp::new(stamp.nanos().unwrap_or_else(clock::now), measured);
    }
}

/// An input and an outlet.
pub(crate) struct SourceStep<S: Input> {
    input: S,
    outlet: Outlet<S::Item>,
    post: Post,
    stamper: Stamper,
    stopping: bool,
    taken: u64,
    emitted: u64,
    /// Whether `put` may run user code: a copy, or the drop of a value.
    guarded: bool,
}

impl<S: Input> SourceStep<S> {
    pub(crate) fn new(input: S, outlet: Outlet<S::Item>, post: Post) -> Self {
        let stamper = Stamper::new(post.measure);
        let guarded = outlet.runs_user_code();
        Self { input, outlet, post, stamper, stopping: false, taken: 0, emitted: 0, guarded }
    }

    /// Makes and puts up to `budget` requests; returns how many, and whether the input has ended.
    #[inline(always)]
    fn pump(&mut self, budget: usize) -> (usize, bool) {
        let Self { input, outlet, post, stamper, guarded, taken, stopping, .. } = self;
        let mut ended = false;
        let mut make = || {
            if post.control.is_abandoned() || !*stopping && post.control.is_stopping() {
                return None;
            }
            let mut envelope = Envelope::new(Stamp::NONE);
            match post.contain(FailureKind::Panicked, || input.poll(&mut envelope)) {
                Some(Next::Value(value)) => {
                    stamper.stamp(&mut envelope.stamp);
                    *taken += 1;
                    // Told at each request, so that an input that never comes back can be named.
                    post.tally.taken.set(*taken);
                    return Some(Request { value, envelope });
                }
                Some(Next::Nothing | Next::NotBefore(_)) => {}
                Some(Next::Ended) => ended = true,
                None => {
                    ended = true;
                    post.stop_if_asked();
                }
            }
            None
        };
        if let Outlet::Lane(lane) = outlet {
            let moved = lane.fill(budget, make);
            self.emitted += moved as u64;
            return (moved, ended);
        }
        let mut moved = 0;
        while moved < budget && outlet.ready() {
            let Some(request) = make() else { break };
            moved += 1;
            let panics = match *guarded {
                true => post.contain(FailureKind::ValuePanicked, || outlet.put(request)),
                false => Some(outlet.put(request)),
            };
            match panics {
                Some(panics) => {
                    self.emitted += 1;
                    post.cleanup_panics(panics);
                }
                None => post.tally.failed.add(1),
            }
        }
        (moved, ended)
    }

    /// Closes the input, then the lanes, then hands over what was measured.
    fn end(&mut self) -> Turn {
        if self.post.ended {
            return Turn::Ended;
        }
        self.post.tally.enter(Phase::Closing);
        let input = &mut self.input;
        self.post.contain(FailureKind::ClosePanicked, || input.close());
        let left = self.post.contain(FailureKind::ClosePanicked, || input.left_over()).unwrap_or(0);
        self.post.tally.taken.add(left);
        self.post.tally.dropped.add(left);
        self.outlet = Outlet::Final;
        self.post.end(None);
        Turn::Ended
    }
}

impl<S: Input> Step for SourceStep<S> {
    fn turn(&mut self, budget: usize) -> Turn {
        if self.post.control.is_abandoned() || self.outlet.is_closed() {
            return self.end();
        }
        if self.post.control.is_stopping() && !self.stopping {
            self.stopping = true;
            let input = &mut self.input;
            if self.post.contain(FailureKind::Panicked, || input.stop()) != Some(true) {
                return self.end();
            }
        }
        self.post.tally.enter(Phase::Working);
        let (moved, ended) = self.pump(budget);
        self.post.tally.emitted.set(self.emitted);
        self.post.tally.enter(Phase::Waiting);
        if ended {
            return self.end();
        }
        if moved == 0 {
            return Turn::Idle;
        }
        self.outlet.flush();
        Turn::Moved
    }

    fn idle(&mut self) {
        let input = &mut self.input;
        self.post.contain(FailureKind::Panicked, || input.idle());
    }

    fn abandon(&mut self) {
        self.end();
    }
}
