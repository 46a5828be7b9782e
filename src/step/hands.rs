//! A worker's hands: the worker itself, the request it holds, and what becomes of that.

mod at_work;

use std::marker::PhantomData;
use std::sync::Arc;

use super::meter::{Measured, Meter};
use super::post::{FactoryCell, OnPanic, Post};
use crate::contract::answer::Unanswered;
use crate::contract::factory::Factory;
use crate::contract::failure::FailureKind;
use crate::contract::request::{Envelope, SharedEnvelope, Stamp};
use crate::contract::worker::{Outcome, Worker};
use crate::error::Panic;
use crate::events;
use crate::lane::Load;
use crate::measure::tally::{Counter, StepTally};
use crate::wait::doorbell::Doorbell;

/// A worker, and what it has in hand.
pub(super) struct Hands<I, W: Worker<I>, F> {
    /// `None` once it has been closed.
    worker: Option<W>,
    factory: Arc<FactoryCell<F>>,
    /// How many requests it holds, where workers compete.
    load: Option<Arc<Load>>,
    /// Those who may wait for it to hold fewer.
    suppliers: Vec<Arc<Doorbell>>,
    /// What a panic left.
    left: InHand,
    /// A request that became several, some of which are still to come.
    pending: Option<Pending>,
    pub(super) post: Post,
    pub(super) meter: Option<Box<Meter>>,
    pub(super) emitted: u64,
    requests: PhantomData<fn(I)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    None,
    Work,
    Next,
    Put,
}

/// What a panic leaves to be looked into.
struct InHand {
    /// Which code of a user was running.
    call: Call,
    /// The envelope of the request in the worker's hands. Bare if there is none.
    envelope: Envelope,
}

impl InHand {
    const NOTHING: Self = Self { call: Call::None, envelope: Envelope::BARE };
}

struct Pending {
    envelope: SharedEnvelope,
    given: u64,
    stamp: Stamp,
    /// What was decided, where it is measured.
    measured: Option<Measured>,
}

/// What came of a request, if not one value.
pub(super) struct Other<O> {
    outcome: Outcome<O>,
    envelope: Envelope,
    measured: bool,
}

impl<I, W: Worker<I>, F: Factory<Product = W>> Hands<I, W, F> {
    pub(super) fn new(
        worker: W,
        factory: Arc<FactoryCell<F>>,
        load: Option<Arc<Load>>,
        suppliers: Vec<Arc<Doorbell>>,
        post: Post,
    ) -> Self {
        let meter = post.meter();
        Self {
            worker: Some(worker),
            factory,
            load,
            suppliers,
            left: InHand::NOTHING,
            pending: None,
            post,
            meter,
            emitted: 0,
            requests: PhantomData,
        }
    }

    #[inline(always)]
    pub(super) fn are_full(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether the meter looks at every request, measured or not.
    #[inline(always)]
    pub(super) fn asks_for_each(&self) -> bool {
        self.meter.as_ref().is_some_and(|meter| meter.asks_for_each())
    }

    #[inline(always)]
    pub(super) fn have_worker(&self) -> bool {
        self.worker.is_some()
    }

    /// The request in hand came to something else than one value.
    #[inline(never)]
    pub(super) fn come_to(&mut self, other: Other<W::Out>) {
        let Other { outcome, envelope, measured } = other;
        match outcome {
            Outcome::Emit(_) => unreachable!("one value"),
            Outcome::EmitAll => self.become_several(envelope, measured),
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

    fn become_several(&mut self, envelope: Envelope, measured: bool) {
        let stamp = envelope.stamp;
        let measured = self.meter.as_ref().filter(|_| measured).map(|meter| meter.measured());
        let envelope = envelope.share();
        self.pending = Some(Pending { envelope, given: 0, stamp, measured });
    }

    /// The request that became several has given all its values.
    pub(super) fn given_all(&mut self) {
        self.settle(|tally| &tally.discarded, true);
    }

    /// The run ends with a request in hand that became several, and has not given all.
    pub(super) fn drop_rest(&mut self) {
        self.settle(|tally| &tally.dropped, false);
    }

    /// Ends the request that became several. One that gave nothing counts under `nothing`; one that gave something
    /// and then came to grief counts there too, as one outcome more.
    fn settle(&mut self, nothing: fn(&StepTally) -> &Counter, whole: bool) {
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
        let measured = measured.filter(|_| whole && given > 0);
        if let (Some(measured), Some(meter)) = (measured, &self.meter) {
            meter.ended(stamp, &measured, &self.post);
        }
        self.let_go();
    }

    /// The request in hand has come to nothing.
    fn finish(&mut self, envelope: Envelope) {
        let panics = envelope.finish(false);
        self.post.cleanup_panics(panics);
        self.let_go();
    }

    fn let_go(&self) {
        let_go(self.load.as_deref(), &self.suppliers);
    }

    pub(super) fn close_worker(&mut self) {
        if let Some(mut worker) = self.worker.take() {
            self.post.contain(FailureKind::ClosePanicked, || worker.close());
            self.post.contain(FailureKind::ValuePanicked, || drop(worker));
        }
    }

    /// A user's code panicked. The request in hand has failed; if it was the worker's code, that is done with as well. A
    /// panic that is none of theirs is given back.
    #[cold]
    pub(super) fn panicked(&mut self, panic: Panic) -> Result<(), Panic> {
        let InHand { call, envelope } = std::mem::replace(&mut self.left, InHand::NOTHING);
        match call {
            Call::Work => {
                let message = self.post.panicked(FailureKind::Panicked, panic);
                self.post.tally.failed.add(1);
                envelope.note(|| Unanswered::Panicked(message));
                self.finish(envelope);
                self.after_panic();
            }
            Call::Next => {
                let message = self.post.panicked(FailureKind::Panicked, panic);
                if let Some(pending) = &self.pending {
                    pending.envelope.note(Unanswered::Panicked(message));
                }
                self.settle(|tally| &tally.failed, false);
                self.after_panic();
            }
            Call::Put => {
                self.post.panicked(FailureKind::ValuePanicked, panic);
                self.post.tally.failed.add(1);
                self.emitted -= 1;
            }
            Call::None => return Err(panic),
        }
        Ok(())
    }

    /// What the stage does after its worker panicked; leaves no worker where the step is to end.
    fn after_panic(&mut self) {
        self.close_worker();
        if self.post.stage.on_panic == OnPanic::Replace {
            match self.post.make(&self.factory) {
                Ok(worker) => {
                    self.worker = Some(worker);
                    events::replaced(&self.post.stage.path, self.post.worker);
                }
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
}

/// One request less is in hand.
#[inline(always)]
fn let_go(load: Option<&Load>, suppliers: &[Arc<Doorbell>]) {
    if let Some(load) = load {
        load.lower();
        suppliers.iter().for_each(|supplier| supplier.ring());
    }
}
