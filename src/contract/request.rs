//! The envelope a request travels in, and the request a user holds.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use super::answer::{Answer, Unanswered};
use super::cleanup::{Cleanup, Cleanups, Exclusive, Panics, SharedCleanups};
use crate::measure::clock;

/// When a request started, whether it is measured, and whether it is in the hands of a user behind the tract. One
/// word: nanoseconds, and two bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Stamp {
    pub(crate) const NONE: Self = Self(0);
    const MEASURED: u64 = 1;
    const DELIVERED: u64 = 2;
    const FLAGS: u32 = 2;

    pub(crate) fn new(nanos: u64, measured: bool) -> Self {
        Self(nanos.max(1) << Self::FLAGS | u64::from(measured))
    }

    #[inline]
    pub(crate) fn nanos(self) -> Option<u64> {
        let nanos = self.0 >> Self::FLAGS;
        (nanos != 0).then_some(nanos)
    }

    #[inline]
    pub(crate) fn is_measured(self) -> bool {
        self.0 & Self::MEASURED != 0
    }

    fn is_delivered(self) -> bool {
        self.0 & Self::DELIVERED != 0
    }

    #[inline]
    fn set_delivered(&mut self, delivered: bool) {
        self.0 = self.0 & !Self::DELIVERED | (u64::from(delivered) * Self::DELIVERED);
    }
}

/// What travels with a request's value: when it started, and what to do when it dies.
///
/// The runtime owns it. A worker sees it by reference while it holds the request, so returning another value
/// cannot lose what is in it. It is two words long, and owns no memory until a clean-up is added.
pub struct Envelope {
    pub(crate) stamp: Stamp,
    cleanups: Option<Box<Cleanups>>,
}

impl Envelope {
    /// One that says nothing at all.
    pub(crate) const BARE: Self = Self { stamp: Stamp::NONE, cleanups: None };

    #[inline(always)]
    pub(crate) fn is_bare(&self) -> bool {
        self.stamp == Stamp::NONE && self.cleanups.is_none()
    }

    #[inline]
    pub(crate) fn has_cleanups(&self) -> bool {
        self.cleanups.is_some()
    }

    /// When the request started: when its source made it, when it was sent into a feed, or the time given to
    /// [`set_started`](Self::set_started). `None` where the run measures nothing
    /// ([`Measure::Off`](crate::Measure::Off)) and nobody gave a time.
    pub fn started(&self) -> Option<Instant> {
        self.stamp.nanos().map(clock::instant)
    }

    /// How long ago the request started. Reads the clock.
    pub fn age(&self) -> Option<Duration> {
        let started = self.stamp.nanos()?;
        Some(Duration::from_nanos(clock::now().saturating_sub(started)))
    }

    /// Gives the request the time it was meant to start, for latencies free of coordinated omission.
    ///
    /// An instant before the process first used ringtract counts as that moment.
    pub fn set_started(&mut self, started: Instant) {
        self.stamp = Stamp::new(clock::reading(started), self.stamp.is_measured());
    }

    /// Adds a clean-up: run exactly once when the request dies, on the thread where it dies, after those added
    /// before it. It is given `true` if the request reached the end of the tract, `false` if it was
    /// discarded, failed, met a panic, or was dropped at a stop.
    ///
    /// Behind a fan-out (or a worker that emits several values) it waits for the last copy, and is given `true`
    /// only if every copy succeeded. One added in a branch is that branch's alone.
    ///
    /// Allocates. A panic in it is contained and counted.
    pub fn on_end(&mut self, cleanup: impl FnOnce(bool) + Send + 'static) {
        self.add(Cleanup::Once(Exclusive::new(Box::new(cleanup))));
    }

    /// Like [`on_end`](Self::on_end), but behind a fan-out it runs once per copy, with that copy's own ending.
    pub fn on_each_end(&mut self, cleanup: impl Fn(bool) + Send + Sync + 'static) {
        self.add(Cleanup::PerCopy(std::sync::Arc::new(cleanup)));
    }

    fn add(&mut self, cleanup: Cleanup) {
        let delivered = self.stamp.is_delivered();
        let cleanups = self.cleanups.get_or_insert_default();
        cleanups.set_delivered(delivered);
        cleanups.push(cleanup);
    }

    /// How many clean-ups are this envelope's own: those it shares with other copies do not count.
    pub fn cleanups(&self) -> usize {
        self.cleanups.as_ref().map_or(0, |cleanups| cleanups.len())
    }

    /// Removes this envelope's own clean-ups without running them.
    ///
    /// Those that it shares with other copies, from before a fan-out, stay: they are not this copy's to remove.
    pub fn clear_cleanups(&mut self) {
        if let Some(cleanups) = &mut self.cleanups {
            cleanups.clear();
        }
    }

    /// Runs this envelope's own clean-ups now, in the order added, after which they are gone. Returns how many
    /// of them panicked. Those shared with other copies stay.
    pub fn run_cleanups(&mut self, success: bool) -> u64 {
        self.cleanups
            .as_mut()
            .map_or(0, |cleanups| cleanups.run_own(success).into_iter().count() as u64)
    }

    /// The request dies.
    #[inline]
    pub(crate) fn finish(self, success: bool) -> Panics {
        self.cleanups.map_or(Panics::NONE, |cleanups| finish(cleanups, success))
    }

    /// From now on the request is a user's, behind the tract: dropped, it has succeeded. Or, sent into a tract again,
    /// it is not.
    #[inline]
    pub(crate) fn set_delivered(&mut self, delivered: bool) {
        self.stamp.set_delivered(delivered);
        if let Some(cleanups) = &mut self.cleanups {
            cleanups.set_delivered(delivered);
        }
    }

    /// That of a request which owes somebody an answer.
    pub(crate) fn owing(cleanups: Box<Cleanups>) -> Self {
        Self { stamp: Stamp::NONE, cleanups: Some(cleanups) }
    }

    /// What was given to [`owing`](Self::owing), if the request never got anywhere.
    pub(crate) fn into_cleanups(self) -> Option<Box<Cleanups>> {
        self.cleanups
    }

    /// Whom the request owes an answer.
    pub(crate) fn reply(&self) -> Option<&dyn Answer> {
        Some(&**self.cleanups.as_ref()?.reply()?)
    }

    /// Tells whom the request owes an answer what is wrong with it.
    #[inline]
    pub(crate) fn note(&self, why: impl FnOnce() -> Unanswered) {
        if let Some(reply) = self.reply() {
            reply.note(why());
        }
    }

    /// Turns the envelope into one that can be copied.
    #[inline]
    pub(crate) fn share(self) -> SharedEnvelope {
        SharedEnvelope {
            stamp: self.stamp,
            cleanups: self.cleanups.map(|cleanups| cleanups.share()),
        }
    }
}

#[cold]
fn finish(cleanups: Box<Cleanups>, success: bool) -> Panics {
    cleanups.finish_boxed(success)
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("started", &self.started())
            .field("cleanups", &self.cleanups())
            .finish()
    }
}

/// An envelope on its way to several copies of its request.
pub(crate) struct SharedEnvelope {
    stamp: Stamp,
    cleanups: Option<SharedCleanups>,
}

impl SharedEnvelope {
    #[inline]
    pub(crate) fn copy(&self) -> Envelope {
        let cleanups = self.cleanups.as_ref().map(|shared| Box::new(shared.copy()));
        Envelope { stamp: self.stamp, cleanups }
    }

    #[inline]
    pub(crate) fn into_last(self) -> Envelope {
        let cleanups = self.cleanups.map(|shared| Box::new(shared.into_last()));
        Envelope { stamp: self.stamp, cleanups }
    }

    pub(crate) fn finish(self, success: bool) -> Panics {
        self.cleanups.map_or(Panics::NONE, |shared| shared.finish(success))
    }

    /// Tells whom the request owes an answer what is wrong with it.
    pub(crate) fn note(&self, why: Unanswered) {
        if let Some(cleanups) = &self.cleanups {
            cleanups.note(why);
        }
    }
}

/// A value in its envelope: what an [`Output`](crate::Output) or a [`Receiver`](crate::Receiver) is handed.
///
/// Dereferences to the value. Dropping it ends the request: its clean-ups run with success if it came out of a
/// tract, with failure if it never got in.
///
/// ```
/// use ringtract::Request;
///
/// let mut order = Request::new("buy 10");
/// order.envelope_mut().on_end(|delivered| assert!(!delivered));
/// assert_eq!(order.len(), 6);
/// ```
#[derive(Debug)]
pub struct Request<T> {
    pub(crate) value: T,
    pub(crate) envelope: Envelope,
}

impl<T> Request<T> {
    /// A request without a start, to be sent into a tract.
    pub fn new(value: T) -> Self {
        Self { value, envelope: Envelope::BARE }
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The envelope, to add clean-ups or an intended start.
    pub fn envelope_mut(&mut self) -> &mut Envelope {
        &mut self.envelope
    }

    /// Takes the value out and ends the request.
    pub fn into_value(self) -> T {
        self.value
    }

    /// Takes the request apart; the envelope ends when it is dropped.
    pub fn into_parts(self) -> (T, Envelope) {
        (self.value, self.envelope)
    }
}

impl<T> Request<T> {
    /// The request dies with its value, whose drop may panic as well.
    pub(crate) fn die(self) -> Panics {
        let mut panics = self.envelope.finish(false);
        let value = self.value;
        panics.contain(|| drop(value));
        panics
    }
}

impl<T> Deref for Request<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Request<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
