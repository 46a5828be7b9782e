//! What lies under a lane: one ring, or two side by side.
//!
//! A cache line that crosses cores costs the same whatever is in it, so small slots are what makes a lane fast. Where a
//! run measures, every request has a start, and value and envelope share a slot. Where it does not, envelopes are nearly
//! always bare: then values travel alone, and the few envelopes that say something travel in a ring beside, each with
//! the number of its request. An envelope is pushed before its value and popped before its value's slot is given
//! back, so whoever has the value has the envelope, and a ring with room for the value has room for both.

use super::{Giver, Taker};
use crate::contract::cleanup::Panics;
use crate::contract::request::{Envelope, Request};
use crate::sync::ring::{self, Consumer, Producer, RingBuffer};
use crate::wait::doorbell::Bell;

/// An envelope on its own, with the number of its request in the lane.
pub(crate) struct Letter {
    number: u64,
    envelope: Envelope,
}

/// Makes the rings of a lane, with place to put up to `staged` requests aside.
pub(crate) fn track<T>(capacity: usize, split: bool, staged: usize) -> (TrackTx<T>, TrackRx<T>) {
    if split {
        let (values, from_values) = RingBuffer::new(capacity);
        let (letters, from_letters) = RingBuffer::new(capacity);
        let tx = TrackTx::Split { values, letters, staged: Vec::with_capacity(staged) };
        return (tx, TrackRx::Split { values: from_values, letters: from_letters });
    }
    let (requests, from_requests) = RingBuffer::new(capacity);
    let tx = TrackTx::Whole { requests, staged: Vec::with_capacity(staged) };
    (tx, TrackRx::Whole(from_requests))
}

/// Bytes that a request takes in a track.
pub(crate) fn slot_bytes<T>(split: bool) -> usize {
    if split { size_of::<T>() + size_of::<Letter>() } else { size_of::<Request<T>>() }
}

/// Bytes of a track beyond its slots.
pub(crate) fn header_bytes(split: bool) -> usize {
    size_of::<RingBuffer<()>>() * if split { 2 } else { 1 }
}

/// The producer's end. With a tag of its own, as for an [outlet](super::outlet::Outlet).
#[repr(u8)]
pub(crate) enum TrackTx<T> {
    Whole { requests: Producer<Request<T>>, staged: Vec<Request<T>> },
    Split { values: Producer<T>, letters: Producer<Letter>, staged: Vec<T> },
}

impl<T> TrackTx<T> {
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Whole { requests, .. } => requests.is_full(),
            Self::Split { values, .. } => values.is_full(),
        }
    }

    pub(crate) fn slots(&self) -> usize {
        match self {
            Self::Whole { requests, .. } => requests.slots(),
            Self::Split { values, .. } => values.slots(),
        }
    }

    #[inline(always)]
    pub(crate) fn cached_slots(&self) -> usize {
        match self {
            Self::Whole { requests, .. } => requests.cached_slots(),
            Self::Split { values, .. } => values.cached_slots(),
        }
    }

    /// Pushes the request with this number in the lane; gives it back if there is no room.
    #[inline(always)]
    pub(crate) fn push(&mut self, request: Request<T>, number: u64) -> Result<(), Request<T>> {
        match self {
            Self::Whole { requests, .. } => {
                requests.push(request).map_err(|ring::PushError::Full(back)| back)
            }
            Self::Split { values, letters, .. } => {
                let value = post(request, letters, number);
                // Where there is no room, nobody reads the letter either: it dies with the ring.
                values.push(value).map_err(|ring::PushError::Full(value)| Request::new(value))
            }
        }
    }

    /// Pushes `n` requests of `giver`, one by one, and rings for each, since the next may be long in coming; false if it
    /// has nothing more. `put` is the number of the first, and counts on as they are pushed.
    #[inline(always)]
    pub(crate) fn push_each(
        &mut self,
        n: usize,
        put: &mut u64,
        giver: &mut impl Giver<T>,
        consumer: &Bell,
    ) -> bool {
        let mut count = Count::on(put);
        match self {
            Self::Whole { requests, .. } => {
                for _ in 0..n {
                    let Some(request) = giver.give() else { return false };
                    count.up();
                    requests.push(request).unwrap_or_else(|ring::PushError::Full(back)| bury(back));
                    consumer.ring();
                    if !giver.goes_on() {
                        return false;
                    }
                }
            }
            Self::Split { values, letters, .. } => {
                let mut left = n;
                while left > 0 {
                    // What is out of the ordinary is done out here: the loop inside has no calls, so that what it needs
                    // stays in registers.
                    match push_plain(values, &mut left, &mut count, giver, consumer) {
                        Pushed::All => break,
                        Pushed::Dry => return false,
                        Pushed::Rung => consumer.wake(),
                        Pushed::Lost(value) => bury(Request::new(value)),
                        Pushed::Lettered(request) => {
                            let value = post(request, letters, count.total());
                            count.up();
                            left -= 1;
                            values.push(value).unwrap_or_else(|ring::PushError::Full(value)| {
                                bury(Request::new(value));
                            });
                            consumer.ring();
                        }
                    }
                    if !giver.goes_on() {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Puts `n` requests of `giver` aside; false if it has nothing more. `put` is the number of the first that is aside.
    #[inline(always)]
    pub(crate) fn stage_each(&mut self, n: usize, put: u64, giver: &mut impl Giver<T>) -> bool {
        match self {
            Self::Whole { staged, .. } => {
                for _ in 0..n {
                    let Some(request) = giver.give() else { return false };
                    staged.push(request);
                    if !giver.goes_on() {
                        return false;
                    }
                }
            }
            Self::Split { letters, staged, .. } => {
                for _ in 0..n {
                    let Some(request) = giver.give() else { return false };
                    staged.push(post(request, letters, put + staged.len() as u64));
                    if !giver.goes_on() {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Puts a request aside, to be published with others; returns how many are aside now. `put` is the number of the first
    /// of them.
    #[inline(always)]
    pub(crate) fn stage(&mut self, request: Request<T>, put: u64) -> usize {
        match self {
            Self::Whole { staged, .. } => {
                staged.push(request);
                staged.len()
            }
            Self::Split { letters, staged, .. } => {
                staged.push(post(request, letters, put + staged.len() as u64));
                staged.len()
            }
        }
    }

    /// Requests put aside.
    #[inline(always)]
    pub(crate) fn staged(&self) -> usize {
        match self {
            Self::Whole { staged, .. } => staged.len(),
            Self::Split { staged, .. } => staged.len(),
        }
    }

    /// Publishes what was put aside, all at once.
    #[inline]
    pub(crate) fn publish(&mut self) {
        match self {
            Self::Whole { requests, staged } => publish(requests, staged).for_each(bury),
            Self::Split { values, staged, .. } => {
                publish(values, staged).map(Request::new).for_each(bury);
            }
        }
    }
}

/// Why a run of pushes ended.
enum Pushed<T> {
    All,
    /// The giver had nothing more.
    Dry,
    /// This one has an envelope that says something, and is yet to be pushed.
    Lettered(Request<T>),
    /// The consumer is gone.
    Lost(T),
    /// Somebody is to be woken.
    Rung,
}

/// Pushes up to `left` requests of `giver` whose envelopes are bare.
#[inline(always)]
fn push_plain<T>(
    values: &mut Producer<T>,
    left: &mut usize,
    count: &mut Count<'_>,
    giver: &mut impl Giver<T>,
    consumer: &Bell,
) -> Pushed<T> {
    while *left > 0 {
        let Some(request) = giver.give() else { return Pushed::Dry };
        if !request.envelope.is_bare() {
            return Pushed::Lettered(request);
        }
        *left -= 1;
        count.up();
        if let Err(ring::PushError::Full(value)) = values.push(request.value) {
            return Pushed::Lost(value);
        }
        if consumer.is_wanted() {
            return Pushed::Rung;
        }
        if !giver.goes_on() {
            return Pushed::Dry;
        }
    }
    Pushed::All
}

/// Pushes all of what is staged, for which there is room; returns what is left where the consumer is gone.
#[inline(always)]
fn publish<'a, V>(ring: &mut Producer<V>, staged: &'a mut Vec<V>) -> std::vec::Drain<'a, V> {
    let mut staged = staged.drain(..);
    if let Ok(chunk) = ring.write_chunk_uninit(staged.len()) {
        chunk.fill_from_iter(&mut staged);
    }
    staged
}

/// A lane is full at the put only where its consumer is gone: the request dies here, and counts as lost in the lane.
#[cold]
pub(crate) fn bury<T>(request: Request<T>) {
    // There is nobody to tell of a panic but the panic hook, which has been told.
    let _ = request.die();
}

/// Pushes the envelope of a request, unless it is bare, ahead of the value.
#[inline(always)]
fn post<T>(request: Request<T>, letters: &mut Producer<Letter>, number: u64) -> T {
    let Request { value, envelope } = request;
    if !envelope.is_bare() {
        // Where there is room for the value there is room for its letter.
        let _ = letters.push(Letter { number, envelope });
    }
    value
}

/// The consumer's end.
#[repr(u8)]
pub(crate) enum TrackRx<T> {
    Whole(Consumer<Request<T>>),
    Split { values: Consumer<T>, letters: Consumer<Letter> },
}

impl<T> TrackRx<T> {
    /// A ring that holds nothing, ever.
    pub(crate) fn of_nothing() -> Self {
        track(0, false, 0).1
    }

    pub(crate) fn slots(&self) -> usize {
        match self {
            Self::Whole(requests) => requests.slots(),
            Self::Split { values, .. } => values.slots(),
        }
    }

    #[inline(always)]
    pub(crate) fn cached_slots(&self) -> usize {
        match self {
            Self::Whole(requests) => requests.cached_slots(),
            Self::Split { values, .. } => values.cached_slots(),
        }
    }

    #[inline(always)]
    pub(crate) fn is_abandoned(&self) -> bool {
        match self {
            Self::Whole(requests) => requests.is_abandoned(),
            Self::Split { values, .. } => values.is_abandoned(),
        }
    }

    /// Pops the next request, which has this number in the lane.
    #[inline(always)]
    pub(crate) fn pop(&mut self, number: u64) -> Option<Request<T>> {
        match self {
            Self::Whole(requests) => requests.pop().ok(),
            Self::Split { values, letters } => {
                if values.is_empty() {
                    return None;
                }
                let envelope = fetch(letters, number);
                values.pop().ok().map(|value| Request { value, envelope })
            }
        }
    }

    /// Ends whatever is in it now with failure, one by one, so that no panic keeps another from its end. `next` is the
    /// number of the next one, and counts on.
    pub(crate) fn bury_all(&mut self, next: &mut u64) -> Panics {
        let mut panics = Panics::NONE;
        while let Some(request) = self.pop(*next) {
            *next += 1;
            panics.join(request.die());
        }
        panics
    }

    /// Hands over up to `n` requests, as long as the taker is ready, and gives their slots back together. `taken` is
    /// the number of the next one, and counts on as they are taken: should the taker panic, the count and the
    /// ring agree.
    #[inline(always)]
    pub(crate) fn take_chunk(&mut self, n: usize, taken: &mut u64, taker: &mut impl Taker<T>) {
        match self {
            Self::Whole(requests) => {
                let Ok(chunk) = requests.read_chunk(n) else { return };
                let count = Count::on(taken);
                taker.take_each::<true>(Counted { requests: chunk.into_iter(), count });
            }
            Self::Split { values, letters } => {
                // Letters are pushed first: if there is none now, none of these values has one.
                let bare = letters.slots() == 0;
                let Ok(chunk) = values.read_chunk(n) else { return };
                let values = chunk.into_iter();
                if bare {
                    let requests = values.map(Request::new);
                    taker.take_each::<false>(Counted { requests, count: Count::on(taken) });
                } else {
                    taker.take_aside(&mut values.map(|value| {
                        let envelope = fetch(letters, *taken);
                        *taken += 1;
                        Request { value, envelope }
                    }));
                }
            }
        }
    }
}

/// Counts on a total, in a register as long as it lives, and writes it down however the loop around it is left.
struct Count<'a> {
    total: &'a mut u64,
    now: u64,
}

impl<'a> Count<'a> {
    #[inline(always)]
    fn on(total: &'a mut u64) -> Self {
        let now = *total;
        Self { total, now }
    }

    #[inline(always)]
    fn up(&mut self) {
        self.now += 1;
    }

    #[inline(always)]
    fn total(&self) -> u64 {
        self.now
    }
}

impl Drop for Count<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.total = self.now;
    }
}

/// Requests that are counted as they are taken.
struct Counted<'a, R> {
    requests: R,
    count: Count<'a>,
}

impl<T, R: Iterator<Item = Request<T>>> Iterator for Counted<'_, R> {
    type Item = Request<T>;

    #[inline(always)]
    fn next(&mut self) -> Option<Request<T>> {
        let request = self.requests.next()?;
        self.count.up();
        Some(request)
    }
}

/// The envelope of the request with this number: bare, unless there is a letter.
#[inline(always)]
fn fetch(letters: &mut Consumer<Letter>, number: u64) -> Envelope {
    let has_letter = letters.peek().is_ok_and(|letter| letter.number == number);
    let letter = if has_letter { letters.pop().ok() } else { None };
    letter.map_or(Envelope::BARE, |letter| letter.envelope)
}
