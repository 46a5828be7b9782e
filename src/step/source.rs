//! The step of a source: an input and an outlet.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::control::{ABANDON, Control, STOP};
use super::meter::Meter;
use super::post::Post;
use super::{Recall, Step, Turn};
use crate::contract::cleanup::Panics;
use crate::contract::failure::FailureKind;
use crate::contract::input::{Input, Next};
use crate::contract::request::{Envelope, Request, Stamp};
use crate::error::Panic;
use crate::lane::Giver;
use crate::lane::outlet::Outlet;
use crate::measure::Measure;
use crate::measure::clock;
use crate::measure::pauses::Pause;
use crate::measure::tally::{Phase, StepTally};
use crate::wait::idle::Looks;

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
    #[inline]
    fn stamp(&mut self, stamp: Stamp) -> Stamp {
        match self.measure {
            Measure::Off => stamp,
            Measure::OneIn(period) => {
                let measured = self.left == 0;
                self.left = if measured { period.saturating_sub(1) } else { self.left - 1 };
                match stamp.has_start() {
                    true => stamp.renewed(measured),
                    false => Stamp::new(clock::now(), measured),
                }
            }
            Measure::Every(period) => {
                let now = clock::now();
                let measured = now >= self.due;
                if measured {
                    let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
                    self.due = now.saturating_add(period);
                }
                match stamp.has_start() {
                    true => stamp.renewed(measured),
                    false => Stamp::new(now, measured),
                }
            }
        }
    }
}

/// An input and an outlet.
pub(crate) struct SourceStep<S: Input> {
    input: S,
    outlet: Outlet<S::Item>,
    post: Post,
    /// `None` where nothing is measured.
    stamper: Option<Stamper>,
    meter: Option<Box<Meter>>,
    /// The word of the control at which nothing is given any more: a stop, or once that is told, the run's being given up.
    until: u8,
    /// Whether the input has given a request that is now being put.
    putting: bool,
}

/// A turn's view of the input, with what the loop needs at hand.
struct Draw<'a, S: Input, const STAMPED: bool> {
    input: &'a mut S,
    post: &'a Post,
    control: &'a Control,
    tally: &'a StepTally,
    stamper: Option<&'a mut Stamper>,
    meter: Option<&'a mut Meter>,
    putting: &'a mut bool,
    until: u8,
    /// Requests taken before this turn, and by now.
    before: u64,
    taken: u64,
    /// How the input is asked before there is a first request.
    looks: Looks,
    /// Why the input gave nothing, if it did not.
    dry: Option<Dry>,
}

/// Why an input gave nothing.
#[derive(Clone, Copy)]
enum Dry {
    Until(Recall),
    Ended,
}

impl<S: Input, const STAMPED: bool> Giver<S::Item> for Draw<'_, S, STAMPED> {
    /// Panics with the input.
    #[inline(always)]
    fn give(&mut self) -> Option<Request<S::Item>> {
        loop {
            let mut envelope = Envelope::BARE;
            match self.input.poll(&mut envelope) {
                Next::Value(value) => {
                    if let (true, Some(stamper)) = (STAMPED, &mut self.stamper) {
                        let intended = envelope.stamp;
                        envelope.stamp = stamper.stamp(intended);
                        if let (true, Some(meter)) = (envelope.stamp.is_measured(), &mut self.meter)
                        {
                            envelope.stamp = meter.gave(envelope.stamp, intended.has_start());
                        }
                    }
                    self.taken += 1;
                    // Told at each request, so that an input that never comes back can be named.
                    self.tally.taken.set(self.taken);
                    return Some(Request { value, envelope });
                }
                nothing => {
                    let dry = Dry::of(&nothing);
                    // Once it has given something, that is to be published and counted first.
                    let ends = matches!(dry, Dry::Ended) || self.taken > self.before;
                    if ends || !self.goes_on() || !self.looks.again() {
                        self.dry = Some(dry);
                        return None;
                    }
                }
            }
        }
    }

    #[inline]
    fn putting(&mut self) {
        *self.putting = true;
    }

    #[inline]
    fn has_put(&mut self, panics: Panics) {
        *self.putting = false;
        self.post.cleanup_panics(panics);
    }

    #[inline(always)]
    fn goes_on(&self) -> bool {
        !self.control.has_reached(self.until)
    }
}

impl Dry {
    fn of<T>(next: &Next<T>) -> Self {
        match next {
            Next::Nothing => Self::Until(Recall::Soon),
            Next::NotBefore(instant) => Self::Until(Recall::At(*instant)),
            Next::UntilWoken | Next::Value(_) => Self::Until(Recall::WhenRung),
            Next::Ended => Self::Ended,
        }
    }
}

impl<S: Input> SourceStep<S> {
    pub(crate) fn new(input: S, outlet: Outlet<S::Item>, post: Post) -> Self {
        let stamper = (post.measure != Measure::Off).then(|| Stamper::new(post.measure));
        let meter = post.meter();
        Self { input, outlet, post, stamper, meter, until: STOP, putting: false }
    }

    /// Makes and puts up to `budget` requests. Panics with the input, and with what is put.
    #[inline(always)]
    fn pump(&mut self, budget: usize, looks: &mut Looks) -> Option<Dry> {
        if !self.outlet.ready() {
            return None;
        }
        match self.stamper {
            None => self.draw::<false>(budget, looks),
            Some(_) => self.draw::<true>(budget, looks),
        }
    }

    #[inline(never)]
    fn draw<const STAMPED: bool>(&mut self, budget: usize, looks: &mut Looks) -> Option<Dry> {
        let Self { input, outlet, post, stamper, meter, until, putting } = self;
        let taken = post.tally.taken.get();
        let mut once = Looks::once();
        // Where it is measured how long there was nothing, each turn is a moment of that.
        let looks = if meter.is_some() { &mut once } else { looks };
        let draw = Draw::<_, STAMPED> {
            input,
            post,
            control: &post.control,
            tally: &post.tally,
            stamper: stamper.as_mut(),
            putting,
            until: *until,
            before: taken,
            taken,
            looks: *looks,
            meter: meter.as_deref_mut(),
            dry: None,
        };
        let Draw { dry, looks: looked, .. } = outlet.fill(budget, draw);
        *looks = looked;
        dry
    }

    /// The input panicked, or what it gave in being put; whether that was the end of the input.
    #[cold]
    fn panicked(&mut self, panic: Panic) -> bool {
        let ended = !std::mem::replace(&mut self.putting, false);
        if ended {
            self.post.panicked(FailureKind::Panicked, panic);
            self.post.stop_if_asked();
        } else {
            self.post.panicked(FailureKind::ValuePanicked, panic);
            self.post.tally.failed.add(1);
        }
        ended
    }

    /// Closes the input, then the lanes, then hands over what was measured.
    fn end(&mut self) -> Turn {
        let Self { input, post, meter, .. } = self;
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
        let Self { input, post, until, .. } = self;
        if *until == STOP && post.control.is_stopping() {
            *until = ABANDON;
            return post.contain(FailureKind::Panicked, || input.stop()) == Some(true);
        }
        true
    }
}

impl<S: Input> Step for SourceStep<S> {
    fn turn(&mut self, budget: usize, looks: &mut Looks) -> Turn {
        if self.post.control.is_abandoned() || self.outlet.is_closed() || !self.stop() {
            return self.end();
        }
        self.post.tally.enter(Phase::Working);
        let before = self.post.tally.taken.get();
        if let Some(meter) = &mut self.meter {
            meter.begin_turn(before);
        }
        // One boundary around the whole turn: a request that the input did not give is none, and what it gave before
        // has been put.
        let pumped = catch_unwind(AssertUnwindSafe(|| self.pump(budget, looks)));
        let (dry, ended) = match pumped {
            Ok(dry) => (dry, matches!(dry, Some(Dry::Ended))),
            Err(panic) => (None, self.panicked(panic)),
        };
        let tally = &self.post.tally;
        let taken = tally.taken.get();
        tally.emitted.set(taken - tally.failed.get());
        tally.enter(Phase::Waiting);
        if ended {
            return self.end();
        }
        let idle = taken == before;
        if let Some(meter) = &mut self.meter {
            let pause = if dry.is_some() { Pause::Starved } else { Pause::Blocked };
            meter.end_turn(idle.then_some(pause));
        }
        if idle {
            // Unless the input says otherwise, it is room in the outlet that is missing.
            return Turn::Idle(match dry {
                Some(Dry::Until(recall)) => recall,
                _ => Recall::WhenRung,
            });
        }
        self.outlet.flush();
        Turn::Moved
    }

    fn idle(&mut self) {
        let Self { input, post, .. } = self;
        post.contain(FailureKind::Panicked, || input.idle());
    }

    fn abandon(&mut self) {
        self.end();
    }
}
