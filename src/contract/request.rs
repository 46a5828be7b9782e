//! The envelope a request travels in, and the request a user holds.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use super::answer::{Answer, Unanswered};
use super::cleanup::{Cleanup, Cleanups, Exclusive, Panics, Reply, SharedCleanups, Spare};
use crate::measure::clock;
use crate::measure::trail::HOP_BITS;

/// When a request started, whether it is measured, whether it is in the hands of a user behind the tract, and which hop
/// noted it last. One word: from the top 14 bits for the hop, 48 of nanoseconds, and two flags.
///
/// 48 bits of nanoseconds are 78 hours: a start is told apart from others for half of that, before and after now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Stamp {
    pub(crate) const NONE: Self = Self(0);
    const MEASURED: u64 = 1;
    const DELIVERED: u64 = 2;
    const FLAGS: u32 = 2;
    const NANOS: u64 = (1 << (u64::BITS - Self::FLAGS - HOP_BITS)) - 1;
    const HOP_AT: u32 = u64::BITS - HOP_BITS;

    pub(crate) fn new(nanos: u64, measured: bool) -> Self {
        Self((nanos & Self::NANOS).max(1) << Self::FLAGS | u64::from(measured))
    }

    /// The same start, without anything else that was said.
    pub(crate) fn renewed(self, measured: bool) -> Self {
        Self::new(self.start(), measured)
    }

    #[inline]
    pub(crate) fn has_start(self) -> bool {
        self.start() != 0
    }

    /// The start, to be compared with others; 0 for none.
    #[inline]
    pub(crate) fn start(self) -> u64 {
        self.0 >> Self::FLAGS & Self::NANOS
    }

    /// How long ago it started, at this time of the clock; 0 if that is yet to come.
    #[inline]
    pub(crate) fn age_at(self, now: u64) -> Option<u64> {
        let age = now.wrapping_sub(self.start()) & Self::NANOS;
        self.has_start().then_some(if age > Self::NANOS / 2 { 0 } else { age })
    }

    /// The time of the clock at which it started, seen from this one.
    fn nanos_at(self, now: u64) -> Option<u64> {
        let after = self.start().wrapping_sub(now) & Self::NANOS;
        let before = now.wrapping_sub(self.start()) & Self::NANOS;
        let start =
            if after < before { now.saturating_add(after) } else { now.saturating_sub(before) };
        self.has_start().then_some(start)
    }

    /// The place of what the last hop noted of it; 0 for nothing.
    #[inline]
    pub(crate) fn hop(self) -> u16 {
        (self.0 >> Self::HOP_AT) as u16
    }

    #[inline]
    pub(crate) fn set_hop(&mut self, hop: u16) {
        self.0 = self.0 & ((1 << Self::HOP_AT) - 1) | u64::from(hop) << Self::HOP_AT;
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

    /// One that says no more than when its request started.
    #[inline]
    pub(crate) fn stamped(stamp: Stamp) -> Self {
        Self { stamp, cleanups: None }
    }

    #[inline]
    pub(crate) fn has_cleanups(&self) -> bool {
        self.cleanups.is_some()
    }

    /// When the request started: when its source made it, when it was sent into a feed, or the time given to
    /// [`set_started`](Self::set_started). `None` where the run measures nothing
    /// ([`Measure::Off`](crate::Measure::Off)) and nobody gave a time. Reads the clock.
    ///
    /// A start is kept for 39 hours: of an older request it is too young by a multiple of 78.
    pub fn started(&self) -> Option<Instant> {
        if !self.stamp.has_start() {
            return None;
        }
        self.stamp.nanos_at(clock::now()).map(clock::instant)
    }

    /// How long ago the request started. Reads the clock, and is right for as long as [`started`](Self::started).
    pub fn age(&self) -> Option<Duration> {
        if !self.stamp.has_start() {
            return None;
        }
        self.stamp.age_at(clock::now()).map(Duration::from_nanos)
    }

    /// Gives the request the time it was meant to start, for latencies free of coordinated omission.
    ///
    /// An instant before the process first used ringtract counts as that moment, and one more than 39 hours from now as
    /// 39 hours from now. Reads the clock.
    pub fn set_started(&mut self, started: Instant) {
        let (now, most) = (clock::now(), Stamp::NANOS / 2);
        let start =
            clock::reading(started).clamp(now.saturating_sub(most), now.saturating_add(most));
        let delivered = self.stamp.is_delivered();
        self.stamp = Stamp::new(start, self.stamp.is_measured());
        self.stamp.set_delivered(delivered);
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

    /// Whether the request is a user's, behind the tract: dropped, it has succeeded.
    #[inline]
    pub(crate) fn set_delivered(&mut self, delivered: bool) {
        self.stamp.set_delivered(delivered);
        if let Some(cleanups) = &mut self.cleanups {
            cleanups.set_delivered(delivered);
        }
    }

    /// Sent into a tract, it is no user's any more. Touches the clean-ups only where it was.
    #[inline]
    pub(crate) fn set_sent(&mut self) {
        if self.stamp.is_delivered() {
            self.set_delivered(false);
        }
    }

    /// That of a request which owes somebody an answer.
    pub(crate) fn owing(spare: Spare) -> Self {
        Self { stamp: Stamp::NONE, cleanups: spare.into_cleanups() }
    }

    /// What was given to [`owing`](Self::owing), if the request never got anywhere, or its death comes to nothing but an
    /// answer.
    pub(crate) fn into_spare(self) -> Option<Spare> {
        self.cleanups.map(Spare::of)
    }

    /// Whom the request owes an answer.
    pub(crate) fn reply(&self) -> Option<&dyn Answer> {
        Some(&**self.cleanups.as_ref()?.reply()?)
    }

    /// Whom the request owes an answer, if its death comes to nothing else.
    #[inline]
    pub(crate) fn sole_reply(&self) -> Option<&Reply> {
        self.cleanups.as_ref()?.sole_reply()
    }

    /// Where this copy stands among all that the request became.
    pub(crate) fn trail(&self) -> &[u32] {
        self.cleanups.as_ref().map_or(&[], |cleanups| cleanups.trail())
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
    pub(crate) fn copy(&mut self) -> Envelope {
        let cleanups = self.cleanups.as_mut().map(|shared| Box::new(shared.copy()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_keeps_its_start_its_flags_and_its_hop_apart() {
        let mut stamp = Stamp::new(123_456_789, true);
        stamp.set_hop((1 << HOP_BITS) - 1);
        stamp.set_delivered(true);
        assert_eq!((stamp.start(), stamp.hop()), (123_456_789, (1 << HOP_BITS) - 1));
        assert!(stamp.is_measured() && stamp.is_delivered());
        stamp.set_hop(5);
        stamp.set_delivered(false);
        assert_eq!((stamp.start(), stamp.hop()), (123_456_789, 5));
        assert!(stamp.is_measured() && !stamp.is_delivered());
        assert!(stamp.renewed(false) == Stamp::new(123_456_789, false));
        assert!(!Stamp::NONE.has_start() && Stamp::new(0, false).has_start());
    }

    #[test]
    fn a_start_is_known_on_both_sides_of_a_wrap() {
        let wrap = Stamp::NANOS + 1;
        for now in [5_000, wrap - 10, wrap, wrap + 5, 3 * wrap + 7, u64::MAX] {
            for age in [0, 1, 4_000, Stamp::NANOS / 2] {
                let stamp = Stamp::new(now.saturating_sub(age), false);
                let age = age.min(now);
                // A start whose bits are all 0 is taken for 1.
                let slack = u64::from(now.saturating_sub(age) & Stamp::NANOS == 0);
                assert_eq!(stamp.age_at(now), Some(age.saturating_sub(slack)), "{now} {age}");
                assert_eq!(stamp.nanos_at(now), Some(now - age + slack), "{now} {age}");
            }
            let to_come = Stamp::new(now.saturating_add(77), false);
            assert_eq!(to_come.age_at(now), Some(0));
        }
    }
}
