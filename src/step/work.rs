//! The step of a worker: an inlet, a worker, an outlet.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::hands::Hands;
use super::post::{FactoryCell, Post};
use super::{Recall, Step, Turn};
use crate::contract::factory::Factory;
use crate::contract::request::Request;
use crate::contract::worker::Worker;
use crate::lane::inlet::Inlet;
use crate::lane::outlet::Outlet;
use crate::lane::ring_lane::Drained;
use crate::lane::{Load, Taker};
use crate::measure::pauses::Pause;
use crate::measure::tally::Phase;
use crate::wait::idle::Looks;

/// An inlet, a worker, an outlet.
pub(crate) struct WorkStep<I, W: Worker<I>, F> {
    inlet: Inlet<I>,
    bench: Bench<I, W, F>,
}

/// The worker and everything behind it: what the inlet hands requests to.
struct Bench<I, W: Worker<I>, F> {
    hands: Hands<I, W, F>,
    outlet: Outlet<W::Out>,
}

/// The most values of one request that are put in one turn, so that an endless one lets the others have theirs.
const MOST_OF_ONE: usize = 256;

impl<I, W: Worker<I>, F: Factory<Product = W>> WorkStep<I, W, F> {
    pub(crate) fn new(
        worker: W,
        factory: Arc<FactoryCell<F>>,
        inlet: Inlet<I>,
        load: Option<Arc<Load>>,
        outlet: Outlet<W::Out>,
        post: Post,
    ) -> Self {
        let suppliers = if load.is_some() { inlet.suppliers() } else { Vec::new() };
        let hands = Hands::new(worker, factory, load, suppliers, post);
        Self { inlet, bench: Bench { hands, outlet } }
    }

    /// The inlet is not to be read again: what waits in it is dropped.
    fn end_early(&mut self) -> Turn {
        let panics = self.inlet.drop_all();
        self.bench.hands.post.cleanup_panics(panics);
        self.bench.end()
    }
}

impl<I, W: Worker<I>, F: Factory<Product = W>> Step for WorkStep<I, W, F> {
    fn turn(&mut self, budget: usize, looks: &mut Looks) -> Turn {
        let Self { inlet, bench: Bench { hands, outlet } } = self;
        if hands.post.control.is_abandoned() || outlet.is_closed() {
            return self.end_early();
        }
        if !hands.are_full() && inlet.is_quiet(looks) {
            if let Some(meter) = &mut hands.meter {
                meter.starved_turn(hands.post.tally.taken.get());
            }
            return Turn::Idle(Recall::WhenRung);
        }
        let before = (hands.post.tally.taken.get(), hands.emitted);
        let was_full = hands.are_full();
        if let Some(meter) = &mut hands.meter {
            meter.begin_turn(before.0);
        }
        let end = self.drain(budget);
        let Bench { hands, outlet } = &mut self.bench;
        hands.post.tally.enter(Phase::Waiting);
        // The end of a request that became several has made room for others, though none was taken or put.
        let settled = was_full && !hands.are_full();
        let idle = !settled && before == (hands.post.tally.taken.get(), hands.emitted);
        if !idle {
            hands.post.tally.emitted.set(hands.emitted);
            outlet.flush();
        }
        if let Some(meter) = &mut hands.meter {
            let pause = if end == Drained::Blocked { Pause::Blocked } else { Pause::Starved };
            meter.end_turn(idle.then_some(pause));
        }
        if !hands.have_worker() {
            return self.end_early();
        }
        if end == Drained::Closed && !hands.are_full() {
            return self.bench.end();
        }
        if idle { Turn::Idle(Recall::WhenRung) } else { Turn::Moved }
    }

    fn abandon(&mut self) {
        self.end_early();
    }
}

impl<I, W: Worker<I>, F: Factory<Product = W>> WorkStep<I, W, F> {
    /// Works on up to `budget` requests; returns why on no more.
    #[inline(always)]
    fn drain(&mut self, budget: usize) -> Drained {
        let Self { inlet, bench } = self;
        // One boundary around the whole turn: counts and rings agree wherever it is left.
        let drained = catch_unwind(AssertUnwindSafe(|| match bench.has_given_all() {
            true => inlet.drain(budget, bench),
            false => Drained::Blocked,
        }));
        drained.unwrap_or_else(|panic| {
            bench.hands.panicked(panic).unwrap_or_else(|not_ours| resume_unwind(not_ours));
            inlet.announce();
            Drained::Budget
        })
    }
}

impl<I, W: Worker<I>, F: Factory<Product = W>> Taker<I> for Bench<I, W, F> {
    #[inline(always)]
    fn ready(&mut self) -> bool {
        self.has_given_all()
            && self.hands.have_worker()
            && !self.hands.post.control.is_abandoned()
            && self.outlet.ready()
    }

    #[inline(always)]
    fn take_each<const METERED: bool>(&mut self, mut requests: impl Iterator<Item = Request<I>>) {
        match METERED || !self.hands.asks_for_each() {
            true => self.work_on_each::<METERED>(requests),
            false => self.take_aside(&mut requests),
        }
    }
}

impl<I, W: Worker<I>, F: Factory<Product = W>> Bench<I, W, F> {
    #[inline(always)]
    fn work_on_each<const METERED: bool>(
        &mut self,
        mut requests: impl Iterator<Item = Request<I>>,
    ) {
        self.hands.post.tally.enter(Phase::Working);
        loop {
            let Some(work) = self.hands.work_on::<_, METERED>(requests) else { return };
            let (other, rest) = self.outlet.fill(usize::MAX, work).end();
            let Some(other) = other else { return };
            requests = rest;
            self.hands.come_to(other);
            if !self.ready() {
                return;
            }
        }
    }

    /// Puts what there is room for of a request that became several. True once all of it is put, or if there is
    /// no such request.
    #[inline(always)]
    fn has_given_all(&mut self) -> bool {
        !self.hands.are_full() || self.gives_the_rest()
    }

    #[inline(never)]
    fn gives_the_rest(&mut self) -> bool {
        self.hands.post.tally.enter(Phase::Working);
        if self.outlet.ready()
            && let Some(rest) = self.hands.rest()
            && self.outlet.fill(MOST_OF_ONE, rest).ended
        {
            self.hands.given_all();
        }
        !self.hands.are_full()
    }

    /// Closes the worker, then the lanes, then hands over what was measured.
    fn end(&mut self) -> Turn {
        let Self { hands, outlet } = self;
        if hands.post.ended {
            return Turn::Ended;
        }
        hands.post.tally.enter(Phase::Closing);
        hands.post.tally.emitted.set(hands.emitted);
        hands.drop_rest();
        hands.close_worker();
        *outlet = Outlet::Final;
        hands.post.end(hands.meter.as_deref());
        Turn::Ended
    }
}
