//! The loops of a worker: over requests, and over the values that one of them becomes.

use std::marker::PhantomData;
use std::sync::Arc;

use super::{Call, Hands, InHand, Other, Pending, let_go};
use crate::contract::cleanup::Panics;
use crate::contract::factory::Factory;
use crate::contract::request::{Envelope, Request};
use crate::contract::worker::{Outcome, Worker};
use crate::lane::{Giver, Load};
use crate::measure::tally::StepTally;
use crate::step::control::Control;
use crate::step::meter::Meter;
use crate::step::post::Post;
use crate::wait::doorbell::Doorbell;

impl<I, W: Worker<I>, F: Factory<Product = W>> Hands<I, W, F> {
    /// The worker at work on these requests; `None` if there is no worker any more.
    #[inline(always)]
    pub(in crate::step) fn work_on<'a, R, const METERED: bool>(
        &'a mut self,
        requests: R,
    ) -> Option<AtWork<'a, I, W, R, METERED>> {
        let asks = METERED && self.asks_for_each();
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
            asks,
            meter: meter.as_deref_mut(),
            taken: post.tally.taken.get(),
            other: None,
            _requests: PhantomData,
        })
    }

    /// The values that are still to come of the request in hand, if it became several.
    pub(in crate::step) fn rest(&mut self) -> Option<Rest<'_, I, W>> {
        let Self { worker, left, pending, post, emitted, .. } = self;
        let (worker, pending, call) = (worker.as_mut()?, pending.as_mut()?, &mut left.call);
        Some(Rest { worker, pending, call, post, emitted, ended: false, requests: PhantomData })
    }
}

/// A worker at work on several requests, with what its loop needs at hand.
pub(in crate::step) struct AtWork<'a, I, W: Worker<I>, R, const METERED: bool> {
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
            Some(meter) if METERED && (stamp.is_measured() || self.asks) => {
                meter.take(stamp, self.taken, self.post)
            }
            _ => false,
        };
        let outcome = self.worker.work(value, &mut in_hand.envelope);
        in_hand.call = Call::None;
        let mut envelope = std::mem::replace(&mut in_hand.envelope, Envelope::BARE);
        if measured && let Some(meter) = &mut self.meter {
            let several = matches!(outcome, Outcome::EmitAll);
            let emitted = several || matches!(outcome, Outcome::Emit(_));
            // By value, so that the envelope need not be anywhere in memory.
            envelope.stamp = meter.worked(emitted, several, envelope.stamp, self.post);
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
    pub(in crate::step) fn end(self) -> (Option<Other<W::Out>>, R) {
        (self.other, self.requests)
    }
}

/// The values to come of a request that became several.
pub(in crate::step) struct Rest<'a, I, W: Worker<I>> {
    worker: &'a mut W,
    pending: &'a mut Pending,
    call: &'a mut Call,
    post: &'a Post,
    emitted: &'a mut u64,
    /// Whether the worker said that there is no more.
    pub(in crate::step) ended: bool,
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
