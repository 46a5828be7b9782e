//! A worker's hands: the worker itself, the request it holds, and what becomes of that.

use std::marker::PhantomData;
use std::sync::Arc;

use super::control::Control;
use super::meter::{Measured, Meter};
use super::post::{FactoryCell, OnPanic, Post};
use crate::contract::answer::Unanswered;
use crate::contract::cleanup::Panics;
use crate::contract::factory::Factory;
use crate::contract::failure::FailureKind;
use crate::contract::request::{Envelope, Request, SharedEnvelope, Stamp};
use crate::contract::worker::{Outcome, Worker};
use crate::error::Panic;
use crate::events;
use crate::lane::{Giver, Load};
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

    #[inline(always)]
    pub(super) fn have_worker(&self) -> bool {
        self.worker.is_some()
    }

    /// The worker at work on these requests; `None` if there is no worker any more.
    #[inline(always)]
    pub(super) fn work_on<'a, R, const METERED: bool>(
        &'a mut self,
        requests: R,
    ) -> Option<AtWork<'a, I, W, R, METERED>> {
        let Self { worker, load, suppliers, left, post, meter, emitted, .. } = self;
        Some(AtWork {
            requests,
            worker: worker.as_mut()?,
            load: load.as_deref(),
            suppliers,
            in_hand: Holding {
                now: InHand::NOTHING,
                emitted: *emitted,
                left,
                all_emitted: emitted,
            },
            control: &post.control,
            tally: &post.tally,
            post,
            asks: meter.as_ref().is_some_and(|meter| meter.asks_for_each()),
            meter: meter.as_deref_mut(),
            taken: post.tally.taken.get(),
            other: None,
            _requests: PhantomData,
        })
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

    /// The values that are still to come of the request in hand, if it became several.
    pub(super) fn rest(&mut self) -> Option<Rest<'_, I, W>> {
        let Self { worker, left, pending, post, emitted, .. } = self;
        let (worker, pending, call) = (worker.as_mut()?, pending.as_mut()?, &mut left.call);
        Some(Rest { worker, pending, call, post, emitted, ended: false, requests: PhantomData })
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

/// A worker at work on several requests, with what its loop needs at hand.
pub(super) struct AtWork<'a, I, W: Worker<I>, R, const METERED: bool> {
    requests: R,
    worker: &'a mut W,
    load: Option<&'a Load>,
    suppliers: &'a [Arc<Doorbell>],
    in_hand: Holding<'a>,
    control: &'a Control,
    tally: &'a StepTally,
    post: &'a Post,
    meter: Option<&'a mut Meter>,
    /// Whether the meter looks at every request, measured or not.
    asks: bool,
    taken: u64,
    /// What the last request came to, if not one value.
    other: Option<Other<W::Out>>,
    _requests: PhantomData<fn(I)>,
}

/// What is in hand and how much was emitted, in registers as long as nobody panics.
struct Holding<'a> {
    now: InHand,
    emitted: u64,
    left: &'a mut InHand,
    all_emitted: &'a mut u64,
}

impl Drop for Holding<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.all_emitted = self.emitted;
        // What was there is bare and owns nothing, so there is nothing to drop.
        let now = std::mem::replace(&mut self.now, InHand::NOTHING);
        std::mem::forget(std::mem::replace(self.left, now));
    }
}

impl<I, W, R, const METERED: bool> Giver<W::Out> for AtWork<'_, I, W, R, METERED>
where
    W: Worker<I>,
    R: Iterator<Item = Request<I>>,
{
    /// Panics with the worker.
    #[inline(always)]
    fn give(&mut self) -> Option<Request<W::Out>> {
        let Request { value, envelope } = self.requests.next()?;
        self.taken += 1;
        // Told at each request, so that one that never comes back can be named.
        self.tally.taken.set(self.taken);
        let stamp = envelope.stamp;
        let in_hand = &mut self.in_hand.now;
        in_hand.call = Call::Work;
        // As above.
        std::mem::forget(std::mem::replace(&mut in_hand.envelope, envelope));
        let measured = match &mut self.meter {
            Some(meter) if METERED && (self.asks || stamp.is_measured()) => {
                meter.take(stamp, self.taken, self.post)
            }
            _ => false,
        };
        let outcome = self.worker.work(value, &mut in_hand.envelope);
        in_hand.call = Call::None;
        let mut envelope = std::mem::replace(&mut in_hand.envelope, Envelope::BARE);
        if measured {
            self.record(&outcome, &mut envelope.stamp);
        }
        match outcome {
            Outcome::Emit(value) => {
                self.in_hand.emitted += 1;
                let_go(self.load, self.suppliers);
                Some(Request { value, envelope })
            }
            outcome => {
                self.other = Some(Other { outcome, envelope, measured });
                None
            }
        }
    }

    #[inline]
    fn putting(&mut self) {
        self.in_hand.now.call = Call::Put;
    }

    #[inline]
    fn has_put(&mut self, panics: Panics) {
        self.in_hand.now.call = Call::None;
        self.post.cleanup_panics(panics);
    }

    /// Asked after the work, not before: a request that was taken out of a lane is worked on.
    #[inline(always)]
    fn goes_on(&self) -> bool {
        !self.control.is_abandoned()
    }
}

impl<I, W: Worker<I>, R, const METERED: bool> AtWork<'_, I, W, R, METERED> {
    /// What the last request came to, if not one value; and the requests that are left.
    #[inline(always)]
    pub(super) fn end(self) -> (Option<Other<W::Out>>, R) {
        (self.other, self.requests)
    }

    #[cold]
    fn record(&mut self, outcome: &Outcome<W::Out>, stamp: &mut Stamp) {
        if let Some(meter) = &mut self.meter {
            let several = matches!(outcome, Outcome::EmitAll);
            let emitted = several || matches!(outcome, Outcome::Emit(_));
            meter.worked(emitted, several, stamp, self.post);
        }
    }
}

/// The values to come of a request that became several.
pub(super) struct Rest<'a, I, W: Worker<I>> {
    worker: &'a mut W,
    pending: &'a mut Pending,
    call: &'a mut Call,
    post: &'a Post,
    emitted: &'a mut u64,
    /// Whether the worker said that there is no more.
    pub(super) ended: bool,
    requests: PhantomData<fn(I)>,
}

impl<I, W: Worker<I>> Giver<W::Out> for Rest<'_, I, W> {
    /// Panics with the worker.
    fn give(&mut self) -> Option<Request<W::Out>> {
        *self.call = Call::Next;
        let next = self.worker.next();
        *self.call = Call::None;
        let Some(value) = next else {
            self.ended = true;
            return None;
        };
        self.pending.given += 1;
        if self.pending.given > 1 {
            self.post.tally.extra.add(1);
        }
        *self.emitted += 1;
        Some(Request { value, envelope: self.pending.envelope.copy() })
    }

    fn putting(&mut self) {
        *self.call = Call::Put;
    }

    fn has_put(&mut self, panics: Panics) {
        *self.call = Call::None;
        self.post.cleanup_panics(panics);
    }

    fn goes_on(&self) -> bool {
        true
    }
}
