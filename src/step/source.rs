//! The step of a source: an input and an outlet.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::control::{ABANDON, STOP};
use super::meter::Meter;
use super::post::Post;
use super::{Recall, Step, Turn};
use crate::contract::failure::FailureKind;
use crate::contract::input::{Input, Next};
use crate::contract::request::{Envelope, Request, Stamp};
use crate::lane::Giver;
use crate::lane::outlet::Outlet;
use crate::measure::Measure;
use crate::measure::clock;
use crate::measure::pauses::Pause;
use crate::measure::tally::Phase;

/// Stamps requests with the time they were made, and picks those to be measured.
struct Stamper {
    measure: Measure,
    /// Requests until the next measured one.
    left: u32,
    /// When the next one is measured, where that is a matter of time.
    due: u64,
}

impl Stamper {
    fn new(measure: Measure) -> Self {
        Self { measure, left: 0, due: 0 }
    }

    /// Completes the stamp of a new request. One that has a start keeps it.
    fn stamp(&mut self, stamp: &mut Stamp) {
        match self.measure {
            Measure::Off => {}
            Measure::OneIn(period) => {
                let measured = self.left == 0;
                self.left = if measured { period.saturating_sub(1) } else { self.left - 1 };
                *stamp = Stamp::new(stamp.nanos().unwrap_or_else(clock::now), measured);
            }
            Measure::Every(period) => {
                let now = clock::now();
                let measured = now >= self.due;
                if measured {
                    let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
                    self.due = now.saturating_add(period);
                }
                *stamp = Stamp::new(stamp.nanos().unwrap_or(now), measured);
            }
        }
    }
}

/// Records by how much the input was late, if it gave the request a time to start.
#[cold]
fn late(meter: &Meter, intended: Stamp) {
    if let Some(start) = intended.nanos() {
        meter.late(clock::now().saturating_sub(start));
    }
}

/// An input and an outlet.
pub(crate) struct SourceStep<S: Input> {
    spring: Spring<S>,
    outlet: Outlet<S::Item>,
    /// Whether `put` may run user code: a copy, or the drop of a value.
    guarded: bool,
}

/// The input and everything before the outlet: what makes requests.
struct Spring<S> {
    input: S,
    post: Post,
    stamper: Stamper,
    meter: Option<Box<Meter>>,
    taken: u64,
    /// The word of the control at which nothing is given any more: a stop, or once that is told, the run's being given up.
    until: u8,
    /// When the input is to be asked again.
    recall: Recall,
    ended: bool,
    /// Whether the input had nothing, as against no room in the outlet.
    starved: bool,
}

impl<S: Input> Giver<S::Item> for Spring<S> {
    /// Panics with the input.
    #[inline(always)]
    fn give(&mut self) -> Option<Request<S::Item>> {
        if self.post.control.has_reached(self.until) {
            return None;
        }
        let mut envelope = Envelope::BARE;
        match self.input.poll(&mut envelope) {
            Next::Value(value) => {
                if !matches!(self.stamper.measure, Measure::Off) {
                    self.stamp(&mut envelope.stamp);
                }
                self.taken += 1;
                // Told at each request, so that an input that never comes back can be named.
                self.post.tally.taken.set(self.taken);
                Some(Request { value, envelope })
            }
            nothing => {
                self.nothing(&nothing);
                None
            }
        }
    }
}

impl<S: Input> Spring<S> {
    /// Stamps a new request; a call of its own, so that it costs nothing where nothing is measured.
    #[inline(never)]
    fn stamp(&mut self, stamp: &mut Stamp) {
        let intended = *stamp;
        self.stamper.stamp(stamp);
        if let (true, Some(meter)) = (stamp.is_measured(), &self.meter) {
            late(meter, intended);
        }
    }

    fn nothing(&mut self, next: &Next<S::Item>) {
        self.starved = true;
        match next {
            Next::Nothing => self.recall = Recall::Soon,
            Next::NotBefore(instant) => self.recall = Recall::At(*instant),
            Next::UntilWoken | Next::Value(_) => self.recall = Recall::WhenRung,
            Next::Ended => self.ended = true,
        }
    }
}

impl<S: Input> SourceStep<S> {
    pub(crate) fn new(input: S, outlet: Outlet<S::Item>, post: Post) -> Self {
        let stamper = Stamper::new(post.measure);
        let meter = post.meter();
        let guarded = outlet.runs_user_code();
        let spring = Spring {
            input,
            post,
            stamper,
            meter,
            taken: 0,
            until: STOP,
            recall: Recall::WhenRung,
            ended: false,
            starved: false,
        };
        Self { spring, outlet, guarded }
    }

    /// Makes and puts up to `budget` requests. Panics with the input.
    #[inline(always)]
    fn pump(&mut self, budget: usize) {
        let Self { spring, outlet, .. } = self;
        match outlet {
            Outlet::Lane(lane) => lane.fill(budget, spring),
            _ => self.pump_into_fork(budget),
        }
    }

    #[inline(never)]
    fn pump_into_fork(&mut self, budget: usize) {
        let Self { spring, outlet, guarded } = self;
        for _ in 0..budget {
            if !outlet.ready() {
                break;
            }
            let Some(request) = spring.give() else { break };
            let post = &spring.post;
            let panics = match *guarded {
                true => post.contain(FailureKind::ValuePanicked, || outlet.put(request)),
                false => Some(outlet.put(request)),
            };
            match panics {
                Some(panics) => post.cleanup_panics(panics),
                None => post.tally.failed.add(1),
            }
        }
    }

    /// Closes the input, then the lanes, then hands over what was measured.
    fn end(&mut self) -> Turn {
        let Spring { input, post, meter, .. } = &mut self.spring;
        if post.ended {
            return Turn::Ended;
        }
        post.tally.enter(Phase::Closing);
        post.contain(FailureKind::ClosePanicked, || input.close());
        let left = post.contain(FailureKind::ClosePanicked, || input.left_over()).unwrap_or(0);
        post.tally.taken.add(left);
        post.tally.dropped.add(left);
        self.outlet = Outlet::Final;
        post.end(meter.as_deref());
        Turn::Ended
    }

    /// Tells the input of the stop; false if it has nothing more to give.
    fn stop(&mut self) -> bool {
        let Spring { input, post, until, .. } = &mut self.spring;
        if *until == STOP && post.control.is_stopping() {
            *until = ABANDON;
            return post.contain(FailureKind::Panicked, || input.stop()) == Some(true);
        }
        true
    }
}

impl<S: Input> Step for SourceStep<S> {
    fn turn(&mut self, budget: usize) -> Turn {
        if self.spring.post.control.is_abandoned() || self.outlet.is_closed() || !self.stop() {
            return self.end();
        }
        self.spring.post.tally.enter(Phase::Working);
        // Unless the input says otherwise, it is room in the outlet that is missing.
        self.spring.recall = Recall::WhenRung;
        let before = self.spring.taken;
        if let Some(meter) = &mut self.spring.meter {
            meter.begin_turn(before);
            self.spring.starved = false;
        }
        // One boundary around the whole turn: only the input can panic in it, and a request that it did not give is
        // none. What it gave before has been put.
        let pumped = catch_unwind(AssertUnwindSafe(|| self.pump(budget)));
        let Spring { post, taken, ended, recall, .. } = &self.spring;
        post.tally.emitted.set(*taken - post.tally.failed.get());
        post.tally.enter(Phase::Waiting);
        if let Err(panic) = pumped {
            post.panicked(FailureKind::Panicked, panic);
            post.stop_if_asked();
            return self.end();
        }
        if *ended {
            return self.end();
        }
        let (idle, recall) = (*taken == before, *recall);
        if let Some(meter) = &mut self.spring.meter {
            let pause = if self.spring.starved { Pause::Starved } else { Pause::Blocked };
            meter.end_turn(idle.then_some(pause));
        }
        if idle {
            return Turn::Idle(recall);
        }
        self.outlet.flush();
        Turn::Moved
    }

    fn idle(&mut self) {
        let Spring { input, post, .. } = &mut self.spring;
        post.contain(FailureKind::Panicked, || input.idle());
    }

    fn abandon(&mut self) {
        self.end();
    }
}
