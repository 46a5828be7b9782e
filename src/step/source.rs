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
    /// Whether `put` may run user code: a copy, or the drop of a value.
    guarded: bool,
}

/// What one request of a source came to.
enum Given {
    One,
    None,
    End,
}

impl<S: Input> SourceStep<S> {
    pub(crate) fn new(input: S, outlet: Outlet<S::Item>, post: Post) -> Self {
        let stamper = Stamper::new(post.measure);
        let guarded = outlet.runs_user_code();
        Self { input, outlet, post, stamper, stopping: false, guarded }
    }

    fn give(&mut self) -> Given {
        let mut envelope = Envelope::new(Stamp::NONE);
        let input = &mut self.input;
        let next = self.post.contain(FailureKind::Panicked, || input.next(&mut envelope));
        match next {
            Some(Next::Value(value)) => {
                self.stamper.stamp(&mut envelope.stamp);
                self.post.tally.taken.add(1);
                self.put(Request { value, envelope });
                Given::One
            }
            Some(Next::Nothing | Next::NotBefore(_)) => Given::None,
            Some(Next::Ended) | None => Given::End,
        }
    }

    fn put(&mut self, request: Request<S::Item>) {
        let outlet = &mut self.outlet;
        let panics = if self.guarded {
            self.post.contain(FailureKind::ValuePanicked, || outlet.put(request))
        } else {
            Some(outlet.put(request))
        };
        match panics {
            Some(panics) => {
                self.post.tally.emitted.add(1);
                self.post.cleanup_panics(panics);
            }
            None => self.post.tally.failed.add(1),
        }
    }

    /// Closes the input, then the lanes, then hands over what was measured.
    fn end(&mut self) -> Turn {
        if self.post.tally.phase() == Phase::Ended {
            return Turn::Ended;
        }
        self.post.tally.enter(Phase::Closing);
        let input = &mut self.input;
        self.post.contain(FailureKind::ClosePanicked, || input.close());
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
        let mut moved = 0;
        let mut ended = false;
        while moved < budget && self.outlet.ready() {
            match self.give() {
                Given::One => moved += 1,
                Given::None => break,
                Given::End => {
                    ended = true;
                    break;
                }
            }
        }
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
