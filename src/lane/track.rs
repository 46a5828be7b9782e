//! What lies under a lane: one ring, or two side by side.
//!
//! A cache line that crosses cores costs the same whatever is in it, so small slots are what makes a lane fast. Where a
//! run measures, every request has a start, and value and envelope share a slot. Where it does not, envelopes are nearly
//! always bare: then values travel alone, and the few envelopes that say something travel in a ring beside, each with
//! the number of its request. An envelope is pushed before its value and popped before its value's slot is given
//! back, so whoever has the value has the envelope, and a ring with room for the value has room for both.

use super::Taker;
use crate::contract::request::{Envelope, Request, Stamp};
use crate::sync::ring::{self, Consumer, Producer, RingBuffer};

/// An envelope on its own, with the number of its request in the lane.
pub(crate) struct Letter {
    number: u64,
    envelope: Envelope,
}

/// Makes the rings of a lane.
pub(crate) fn track<T>(capacity: usize, split: bool) -> (TrackTx<T>, TrackRx<T>) {
    if split {
        let (values, from_values) = RingBuffer::new(capacity);
        let (letters, from_letters) = RingBuffer::new(capacity);
        let tx = TrackTx::Split { values, letters, pushed: 0 };
        return (tx, TrackRx::Split { values: from_values, letters: from_letters, popped: 0 });
    }
    let (requests, from_requests) = RingBuffer::new(capacity);
    (TrackTx::Whole(requests), TrackRx::Whole(from_requests))
}

/// Bytes that a request takes in a track.
pub(crate) fn slot_bytes<T>(split: bool) -> usize {
    if split { size_of::<T>() + size_of::<Letter>() } else { size_of::<Request<T>>() }
}

/// Bytes of a track beyond its slots.
pub(crate) fn header_bytes(split: bool) -> usize {
    size_of::<RingBuffer<()>>() * if split { 2 } else { 1 }
}

/// The producer's end.
pub(crate) enum TrackTx<T> {
    Whole(Producer<Request<T>>),
    Split { values: Producer<T>, letters: Producer<Letter>, pushed: u64 },
}

impl<T> TrackTx<T> {
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Whole(requests) => requests.is_full(),
            Self::Split { values, .. } => values.is_full(),
        }
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

    /// Pushes a request; gives it back if there is no room.
    #[inline(always)]
    pub(crate) fn push(&mut self, request: Request<T>) -> Result<(), Request<T>> {
        match self {
            Self::Whole(requests) => {
                requests.push(request).map_err(|ring::PushError::Full(back)| back)
            }
            Self::Split { values, letters, pushed } => {
                let value = post(request, letters, *pushed);
                *pushed += 1;
                // Where there is no room, nobody reads the letter either: it dies with the ring.
                values.push(value).map_err(|ring::PushError::Full(value)| Request::new(value))
            }
        }
    }

    /// Pushes what `make` makes, at most `n` requests for which there is room, all at once; returns how many.
    #[inline(always)]
    pub(crate) fn fill(&mut self, n: usize, mut make: impl FnMut() -> Option<Request<T>>) -> usize {
        match self {
            Self::Whole(requests) => {
                let chunk = requests.write_chunk_uninit(n);
                chunk.map_or(0, |chunk| chunk.fill_from_iter(std::iter::from_fn(make)))
            }
            Self::Split { values, letters, pushed } => {
                let Ok(chunk) = values.write_chunk_uninit(n) else { return 0 };
                chunk.fill_from_iter(std::iter::from_fn(|| {
                    let value = post(make()?, letters, *pushed);
                    *pushed += 1;
                    Some(value)
                }))
            }
        }
    }
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
pub(crate) enum TrackRx<T> {
    Whole(Consumer<Request<T>>),
    Split { values: Consumer<T>, letters: Consumer<Letter>, popped: u64 },
}

impl<T> TrackRx<T> {
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

    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<Request<T>> {
        match self {
            Self::Whole(requests) => requests.pop().ok(),
            Self::Split { values, letters, popped } => {
                if values.is_empty() {
                    return None;
                }
                let envelope = fetch(letters, *popped);
                *popped += 1;
                values.pop().ok().map(|value| Request { value, envelope })
            }
        }
    }

    /// Hands over up to `n` requests, as long as the taker is ready, and gives their slots back together; returns how
    /// many.
    #[inline(always)]
    pub(crate) fn take_chunk(&mut self, n: usize, taker: &mut impl Taker<T>) -> usize {
        match self {
            Self::Whole(requests) => {
                let Ok(chunk) = requests.read_chunk(n) else { return 0 };
                let mut requests = chunk.into_iter();
                while taker.ready() {
                    let Some(request) = requests.next() else { break };
                    taker.take(request);
                }
                requests.iterated()
            }
            Self::Split { values, letters, popped } => {
                let Ok(chunk) = values.read_chunk(n) else { return 0 };
                let mut values = chunk.into_iter();
                // Letters are pushed first: if there is none now, none of these values has one.
                if letters.slots() == 0 {
                    while taker.ready() {
                        let Some(value) = values.next() else { break };
                        taker.take(Request { value, envelope: Envelope::new(Stamp::NONE) });
                    }
                    *popped += values.iterated() as u64;
                    return values.iterated();
                }
                while values.iterated() < n && taker.ready() {
                    let envelope = fetch(letters, *popped);
                    let Some(value) = values.next() else { break };
                    *popped += 1;
                    taker.take(Request { value, envelope });
                }
                values.iterated()
            }
        }
    }
}

/// The envelope of the request with this number: bare, unless there is a letter.
#[inline(always)]
fn fetch(letters: &mut Consumer<Letter>, number: u64) -> Envelope {
    let has_letter = letters.peek().is_ok_and(|letter| letter.number == number);
    let letter = if has_letter { letters.pop().ok() } else { None };
    letter.map_or(Envelope::new(Stamp::NONE), |letter| letter.envelope)
}
