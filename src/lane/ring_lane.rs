//! One lane: an SPSC ring from one worker to one worker, with its counters.
//!
//! Two facts of an SPSC ring carry the whole runtime. A free slot cannot disappear, since only this producer
//! fills slots: room that was seen is still there at the put. And a lane that is empty *after* it was seen
//! abandoned stays empty, since the last push happened before the producer was dropped: that is the end.

use std::sync::Arc;

use super::Load;
use crate::contract::request::Request;
use crate::measure::tally::LaneTally;
use crate::sync::ring;

/// What one lane is to be.
pub(crate) struct LaneSpec {
    /// Requests it can hold, exactly.
    pub(crate) capacity: usize,
    /// Requests the producer publishes at once, at the latest at the end of its turn.
    pub(crate) batch: usize,
    /// The load of the consumer, where workers compete.
    pub(crate) load: Option<Arc<Load>>,
    pub(crate) tally: Arc<LaneTally>,
}

/// Makes a lane.
pub(crate) fn lane<T>(spec: LaneSpec) -> (LaneTx<T>, LaneRx<T>) {
    let (producer, consumer) = ring::RingBuffer::new(spec.capacity);
    let batch = spec.batch.min(spec.capacity);
    let staged = Vec::with_capacity(if batch > 1 { batch } else { 0 });
    let tx = LaneTx {
        ring: producer,
        staged,
        batch,
        load: spec.load,
        tally: Arc::clone(&spec.tally),
        put: 0,
        full: false,
    };
    let chunk = (spec.capacity / 4).clamp(1, MOST_AT_ONCE);
    (tx, LaneRx { ring: consumer, chunk, tally: spec.tally, taken: 0 })
}

/// The most requests taken before their slots are given back to the producer.
const MOST_AT_ONCE: usize = 32;

/// The producer's end.
pub(crate) struct LaneTx<T> {
    ring: ring::Producer<Request<T>>,
    /// Put but not yet published; empty unless the lane is batched.
    staged: Vec<Request<T>>,
    batch: usize,
    load: Option<Arc<Load>>,
    tally: Arc<LaneTally>,
    put: u64,
    full: bool,
}

impl<T> LaneTx<T> {
    /// Whether the next put finds room. Stays true until that put. A lane whose consumer is gone swallows what
    /// is put, so it always has room.
    #[inline(always)]
    pub(crate) fn has_room(&mut self) -> bool {
        let room = if self.staged.is_empty() {
            !self.ring.is_full()
        } else {
            let staged = self.staged.len();
            self.ring.cached_slots() > staged || self.ring.slots() > staged
        };
        room && !self.full || self.has_room_at_the_brim(room)
    }

    /// Once it was full, or is: counts how often that comes about.
    #[cold]
    fn has_room_at_the_brim(&mut self, room: bool) -> bool {
        let open = room || self.is_closed();
        if !open && !self.full {
            self.tally.producer.full_waits.add(1);
        }
        self.full = !open;
        open
    }

    /// Whether the consumer is gone, for good.
    pub(crate) fn is_closed(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// What the consumer holds, as far as can be told: queued and, where workers compete, in hand.
    pub(crate) fn load(&self) -> usize {
        match &self.load {
            Some(load) => load.get(),
            None => self.ring.buffer().capacity() - self.ring.slots(),
        }
    }

    /// Puts a request, for which [`has_room`](Self::has_room) found room.
    #[inline(always)]
    pub(crate) fn put(&mut self, request: Request<T>) {
        self.put += 1;
        if let Some(load) = &self.load {
            load.raise();
        }
        if self.batch > 1 {
            self.staged.push(request);
            if self.staged.len() == self.batch {
                self.flush();
            }
        } else if let Err(ring::PushError::Full(request)) = self.ring.push(request) {
            bury(request);
        }
    }

    /// Puts what `make` makes until it has nothing, there is no room, or `budget` is used up; returns how many.
    /// Batches are written in place.
    #[inline(always)]
    pub(crate) fn fill(
        &mut self,
        budget: usize,
        mut make: impl FnMut() -> Option<Request<T>>,
    ) -> usize {
        let mut moved = 0;
        while moved < budget && self.has_room() {
            let wanted = self.batch.min(budget - moved);
            let got = if wanted == 1 {
                make().map_or(0, |request| {
                    self.put(request);
                    1
                })
            } else {
                self.fill_batch(wanted, &mut make)
            };
            moved += got;
            if got < wanted {
                break;
            }
        }
        moved
    }

    #[inline(always)]
    fn fill_batch(&mut self, wanted: usize, make: impl FnMut() -> Option<Request<T>>) -> usize {
        self.flush();
        let free = self.ring.cached_slots().clamp(1, wanted);
        let Ok(chunk) = self.ring.write_chunk_uninit(free) else { return 0 };
        let got = chunk.fill_from_iter(std::iter::from_fn(make));
        self.put += got as u64;
        if let Some(load) = &self.load {
            (0..got).for_each(|_| load.raise());
        }
        got
    }

    /// Publishes what was put and the count of it.
    #[inline]
    pub(crate) fn flush(&mut self) {
        if !self.staged.is_empty() {
            match self.ring.write_chunk_uninit(self.staged.len()) {
                Ok(chunk) => {
                    chunk.fill_from_iter(self.staged.drain(..));
                }
                Err(_) => self.staged.drain(..).for_each(bury),
            }
        }
        self.tally.producer.put.set(self.put);
    }
}

impl<T> Drop for LaneTx<T> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// A lane is full at the put only where its consumer is gone: the request dies here, and counts as lost in the lane.
#[cold]
fn bury<T>(request: Request<T>) {
    request.envelope.finish(false);
}

/// What takes requests out of a lane, one at a time.
pub(crate) trait Taker<T> {
    /// Whether the next request can be taken *and* put on.
    fn ready(&mut self) -> bool;
    /// Takes a request, after `ready` said so.
    fn take(&mut self, request: Request<T>);
}

/// Why a drain came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// As many as it was allowed.
    Budget,
    /// The taker was not ready.
    Blocked,
    /// Nothing left for now.
    Empty,
    /// Nothing left, ever.
    Closed,
}

/// The consumer's end.
pub(crate) struct LaneRx<T> {
    ring: ring::Consumer<Request<T>>,
    chunk: usize,
    tally: Arc<LaneTally>,
    taken: u64,
}

impl<T> LaneRx<T> {
    /// Requests in it now; more may come at any time.
    pub(crate) fn len(&self) -> usize {
        self.ring.slots()
    }

    /// Hands up to `budget` requests to `taker`; returns how many, and why no more.
    ///
    /// Slots are given back to the producer a chunk at a time, so that both sides touch the shared indices seldom;
    /// in a lane too small for chunks, one at a time before the work, so that both sides can work at once.
    pub(crate) fn drain(&mut self, budget: usize, taker: &mut impl Taker<T>) -> (usize, Drained) {
        let mut moved = 0;
        let end = loop {
            if moved == budget {
                break Drained::Budget;
            }
            let waiting = match self.ring.cached_slots() {
                0 => self.look(),
                known => known,
            };
            if waiting == 0 {
                // Abandoned first, then empty again: what was pushed last is not missed.
                // Pairs with the release of the producer's drop, inside the ring.
                if self.ring.is_abandoned() && self.ring.slots() == 0 {
                    break Drained::Closed;
                }
                break Drained::Empty;
            }
            let wanted = waiting.min(self.chunk).min(budget - moved);
            let got = self.drain_chunk(wanted, taker);
            moved += got;
            if got < wanted {
                break Drained::Blocked;
            }
        };
        if moved > 0 {
            self.taken += moved as u64;
            self.tally.consumer.taken.set(self.taken);
        }
        (moved, end)
    }

    /// Asks the ring itself how many are waiting, which costs a shared cache line.
    fn look(&mut self) -> usize {
        let waiting = self.ring.slots();
        self.tally.consumer.high_water.raise_to(waiting as u64);
        waiting
    }

    fn drain_chunk(&mut self, wanted: usize, taker: &mut impl Taker<T>) -> usize {
        if wanted == 1 {
            if !taker.ready() {
                return 0;
            }
            return self.ring.pop().map_or(0, |request| {
                taker.take(request);
                1
            });
        }
        let Ok(chunk) = self.ring.read_chunk(wanted) else { return 0 };
        let mut requests = chunk.into_iter();
        while taker.ready() {
            match requests.next() {
                Some(request) => taker.take(request),
                None => break,
            }
        }
        requests.iterated()
    }

    /// Takes one request.
    pub(crate) fn pop(&mut self) -> Option<Request<T>> {
        if self.ring.cached_slots() == 0 && self.look() == 0 {
            return None;
        }
        let request = self.ring.pop().ok()?;
        self.taken += 1;
        self.tally.consumer.taken.set(self.taken);
        Some(request)
    }

    /// Whether nothing is left and nothing will come.
    pub(crate) fn is_closed(&self) -> bool {
        self.ring.is_abandoned() && self.ring.slots() == 0
    }

    /// Ends whatever is in it now with failure, uncounted: the lane's own count of what was put and taken tells.
    /// Returns how many clean-ups panicked.
    pub(crate) fn drop_all(&mut self) -> u64 {
        let mut panics = 0;
        while let Ok(request) = self.ring.pop() {
            panics += request.envelope.finish(false);
        }
        panics
    }
}
