//! The step of a worker: an inlet, a worker, an outlet.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::meter::{Measured, Meter};
use super::post::{FactoryCell, OnPanic, Post};
use super::{Recall, Step, Turn};
use crate::contract::answer::Unanswered;
use crate::contract::factory::Factory;
use crate::contract::failure::FailureKind;
use crate::contract::request::{Envelope, Request, SharedEnvelope, Stamp};
use crate::contract::worker::{Outcome, Worker};
use crate::error::Panic;
use crate::lane::inlet::Inlet;
use crate::lane::outlet::Outlet;
use crate::lane::ring_lane::Drained;
use crate::lane::{Load, Taker};
use crate::measure::pauses::Pause;
use crate::measure::tally::Phase;
use crate::wait::doorbell::Doorbell;

/// An inlet, a worker, an outlet.
pub(crate) struct WorkStep<I, W: Worker<I>, F> {
    inlet: Inlet<I>,
    bench: Bench<I, W, F>,
}

/// The worker and everything behind it: what the inlet hands requests to.
struct Bench<I, W: Worker<I>, F> {
    /// `None` once it has been closed.
    worker: Option<W>,
    factory: Arc<FactoryCell<F>>,
    /// How many requests it holds, where workers compete.
    load: Option<Arc<Load>>,
    /// Those who may wait for it to hold fewer.
    suppliers: Vec<Arc<Doorbell>>,
    outlet: Outlet<W::Out>,
    /// Which of the worker's methods is running, should it panic.
    call: Call,
    /// The envelope of the request in the worker's hands, where a panic leaves it. Bare at all other times.
    in_hand: Envelope,
    /// A request that became several, some of which are still to come.
    pending: Option<Pending>,
    post: Post,
    meter: Option<Box<Meter>>,
    taken: u64,
    emitted: u64,
    guarded: bool,
    requests: std::marker::PhantomData<fn(I)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    None,
    Work,
    Next,
}

struct Pending {
    envelope: SharedEnvelope,
    given: u64,
    stamp: Stamp,
    measured: Measured,
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
        let meter = post.meter();
        let suppliers = if load.is_some() { inlet.suppliers() } else { Vec::new() };
        let guarded = outlet.runs_user_code();
        let bench = Bench {
            worker: Some(worker),
            factory,
            load,
            suppliers,
            outlet,
            call: Call::None,
            in_hand: Envelope::BARE,
            pending: None,
            post,
            meter,
            taken: 0,
            emitted: 0,
            guarded,
            requests: std::marker::PhantomData,
        };
        Self { inlet, bench }
    }

    /// The inlet is not to be read again: what waits in it is dropped.
    fn end_early(&mut self) -> Turn {
        let panics = self.inlet.drop_all();
        self.bench.post.cleanup_panics(panics);
        self.bench.end()
    }
}

impl<I, W: Worker<I>, F: Factory<Product = W>> Step for WorkStep<I, W, F> {
    fn turn(&mut self, budget: usize) -> Turn {
        let Self { inlet, bench } = self;
        if bench.post.control.is_abandoned() || bench.outlet.is_closed() {
            return self.end_early();
        }
        if bench.pending.is_none() && inlet.is_quiet() {
            if let Some(meter) = &mut bench.meter {
                meter.starved_turn(bench.taken);
            }
            return Turn::Idle(Recall::WhenRung);
        }
        let before = (bench.taken, bench.emitted);
        if let Some(meter) = &mut bench.meter {
            meter.begin_turn(bench.taken);
        }
        // One boundary around the whole turn: counts and rings agree wherever it is left.
        let drained = catch_unwind(AssertUnwindSafe(|| match bench.has_given_all() {
            true => inlet.drain(budget, bench),
            false => Drained::Blocked,
        }));
        let end = drained.unwrap_or_else(|panic| {
            bench.panicked(panic);
            inlet.announce();
            Drained::Budget
        });
        bench.post.tally.enter(Phase::Waiting);
        let idle = before == (bench.taken, bench.emitted);
        if !idle {
            bench.post.tally.emitted.set(bench.emitted);
            bench.outlet.flush();
        }
        if let Some(meter) = &mut bench.meter {
            let pause = if end == Drained::Blocked { Pause::Blocked } else { Pause::Starved };
            meter.end_turn(idle.then_some(pause));
        }
        if bench.worker.is_none() {
            return self.end_early();
        }
        if end == Drained::Closed && bench.pending.is_none() {
            return bench.end();
        }
        if idle { Turn::Idle(Recall::WhenRung) } else { Turn::Moved }
    }

    fn abandon(&mut self) {
        self.end_early();
    }
}

impl<I, W: Worker<I>, F: Factory<Product = W>> Taker<I> for Bench<I, W, F> {
    #[inline(always)]
    fn ready(&mut self) -> bool {
        (self.pending.is_none() || self.has_given_all())
            && self.worker.is_some()
            && !self.post.control.is_abandoned()
            && self.outlet.ready()
    }

    #[inline(always)]
    fn take_each(&mut self, requests: &mut (impl Iterator<Item = Request<I>> + ?Sized)) {
        self.post.tally.enter(Phase::Working);
        loop {
            for _ in 0..self.outlet.credit() {
                let Some(request) = requests.next() else { return };
                self.take(request);
                if self.pending.is_some() || self.post.control.is_abandoned() {
                    break;
                }
            }
            if !self.ready() {
                return;
            }
        }
    }
}

impl<I, W: Worker<I>, F: Factory<Product = W>> Bench<I, W, F> {
    #[inline(always)]
    fn take(&mut self, request: Request<I>) {
        let Some(worker) = &mut self.worker else { return };
        self.taken += 1;
        // Told at each request, so that one that never comes back can be named.
        self.post.tally.taken.set(self.taken);
        let Request { value, envelope } = request;
        let measured = match &mut self.meter {
            None => false,
            Some(meter) => meter.take(envelope.stamp, self.taken, &self.post),
        };
        // What was there is bare and owns nothing, so there is nothing to drop.
        std::mem::forget(std::mem::replace(&mut self.in_hand, envelope));
        self.call = Call::Work;
        let outcome = worker.work(value, &mut self.in_hand);
        self.call = Call::None;
        let envelope = std::mem::replace(&mut self.in_hand, Envelope::BARE);
        if measured {
            self.record(&outcome);
        }
        match outcome {
            Outcome::Emit(value) => {
                self.put(Request { value, envelope });
                self.let_go();
            }
            Outcome::EmitAll => {
                self.become_several(envelope, measured);
                self.has_given_all();
            }
            Outcome::Discard => {
                self.post.tally.discarded.add(1);
                envelope.note(|| Unanswered::Discarded);
                self.finish(envelope);
            }
            Outcome::Fail(error) => {
                self.post.tally.failed.add(1);
                let message = self.post.contain(FailureKind::Panicked, || error.to_string());
                let message = message.unwrap_or_else(|| "an error that cannot be shown".to_owned());
                envelope.note(|| Unanswered::Failed(message.clone()));
                self.post.fail(FailureKind::Failed, message);
                self.finish(envelope);
            }
        }
    }

    #[inline(never)]
    fn become_several(&mut self, envelope: Envelope, measured: bool) {
        let stamp = envelope.stamp;
        let decided = self.meter.as_ref().filter(|_| measured).map(|meter| meter.measured());
        let (envelope, measured) = (envelope.share(), decided.unwrap_or_default());
        self.pending = Some(Pending { envelope, given: 0, stamp, measured });
    }

    #[cold]
    fn record(&mut self, outcome: &Outcome<W::Out>) {
        if let Some(meter) = &mut self.meter {
            let several = matches!(outcome, Outcome::EmitAll);
            let emitted = several || matches!(outcome, Outcome::Emit(_));
            meter.worked(emitted, several, &self.post);
        }
    }

    #[inline(always)]
    fn put(&mut self, request: Request<W::Out>) {
        let outlet = &mut self.outlet;
        let panics = if self.guarded {
            self.post.contain(FailureKind::ValuePanicked, || outlet.put(request))
        } else {
            Some(outlet.put(request))
        };
        match panics {
            Some(panics) => {
                self.emitted += 1;
                self.post.cleanup_panics(panics);
            }
            None => self.post.tally.failed.add(1),
        }
    }

    /// The request in hand has come to nothing.
    fn finish(&mut self, envelope: Envelope) {
        let panics = envelope.finish(false);
        self.post.cleanup_panics(panics);
        self.let_go();
    }

    /// One request less is in hand.
    #[inline(always)]
    fn let_go(&self) {
        if let Some(load) = &self.load {
            load.lower();
            self.suppliers.iter().for_each(|supplier| supplier.ring());
        }
    }

    /// Puts what there is room for of a request that became several. True once all of it is put, or if there is
    /// no such request.
    fn has_given_all(&mut self) -> bool {
        for _ in 0..MOST_OF_ONE {
            let (Some(pending), Some(worker)) = (&mut self.pending, &mut self.worker) else {
                return true;
            };
            if !self.outlet.ready() {
                return false;
            }
            self.post.tally.enter(Phase::Working);
            self.call = Call::Next;
            let next = worker.next();
            self.call = Call::None;
            match next {
                Some(value) => {
                    pending.given += 1;
                    if pending.given > 1 {
                        self.post.tally.extra.add(1);
                    }
                    let envelope = pending.envelope.copy();
                    self.put(Request { value, envelope });
                }
                None => self.settle(|tally| &tally.discarded, true),
            }
        }
        self.pending.is_none()
    }

    /// Ends the request that became several. One that gave nothing counts under `nothing`; one that gave something
    /// and then came to grief counts there too, as one outcome more.
    fn settle(
        &mut self,
        nothing: fn(&crate::measure::tally::StepTally) -> &crate::measure::tally::Counter,
        whole: bool,
    ) {
        let Some(Pending { envelope, given, stamp, measured }) = self.pending.take() else {
            return;
        };
        if given == 0 && whole {
            envelope.note(Unanswered::Discarded);
        }
        if given == 0 || !whole {
            nothing(&self.post.tally).add(1);
        }
        if given > 0 && !whole {
            self.post.tally.extra.add(1);
        }
        let panics =
            if given == 0 { envelope.into_last().finish(false) } else { envelope.finish(whole) };
        self.post.cleanup_panics(panics);
        if let (true, Some(meter)) = (whole && given > 0 && measured.is_any(), &self.meter) {
            meter.ended(stamp, measured, &self.post);
        }
        self.let_go();
    }

    fn close_worker(&mut self) {
        if let Some(mut worker) = self.worker.take() {
            self.post.contain(FailureKind::ClosePanicked, || worker.close());
            self.post.contain(FailureKind::ValuePanicked, || drop(worker));
        }
    }

    /// The worker panicked, and with it the drain of the inlet: the request in its hands has failed.
    #[cold]
    fn panicked(&mut self, panic: Panic) {
        match std::mem::replace(&mut self.call, Call::None) {
            Call::Work => {
                let message = self.post.panicked(FailureKind::Panicked, panic);
                self.post.tally.failed.add(1);
                let envelope = std::mem::replace(&mut self.in_hand, Envelope::BARE);
                envelope.note(|| Unanswered::Panicked(message));
                self.finish(envelope);
            }
            Call::Next => {
                let message = self.post.panicked(FailureKind::Panicked, panic);
                if let Some(pending) = &self.pending {
                    pending.envelope.note(Unanswered::Panicked(message));
                }
                self.settle(|tally| &tally.failed, false);
            }
            // None of the worker's.
            Call::None => resume_unwind(panic),
        }
        self.after_panic();
    }

    /// What the stage does after its worker panicked; leaves no worker where the step is to end.
    #[cold]
    fn after_panic(&mut self) {
        self.close_worker();
        if self.post.stage.on_panic == OnPanic::Replace {
            match self.post.make(&self.factory) {
                Ok(worker) => self.worker = Some(worker),
                Err(error) => {
                    let message = self.post.contain(FailureKind::Panicked, || error.to_string());
                    self.post.fail(FailureKind::NotReplaced, message.unwrap_or_default());
                }
            }
        }
        if self.worker.is_none() {
            self.post.control.stop();
        }
    }

    /// Closes the worker, then the lanes, then hands over what was measured.
    fn end(&mut self) -> Turn {
        if self.post.ended {
            return Turn::Ended;
        }
        self.post.tally.enter(Phase::Closing);
        self.post.tally.emitted.set(self.emitted);
        self.settle(|tally| &tally.dropped, false);
        self.close_worker();
        self.outlet = Outlet::Final;
        self.post.end(self.meter.as_deref());
        Turn::Ended
    }
}
