//! One lane: an SPSC ring from one worker to one worker, with its counters.
//!
//! Two facts of an SPSC ring carry the whole runtime. A free slot cannot disappear, since only this producer
//! fills slots: room that was seen is still there at the put. And a lane that is empty *after* it was seen
//! abandoned stays empty, since the last push happened before the producer was dropped: that is the end.

use std::mem;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::remains::Remains;
use super::track::{TrackRx, TrackTx, bury, track};
use super::{Giver, Load, Taker};
use crate::contract::cleanup::Panics;
use crate::contract::request::Request;
use crate::measure::tally::LaneTally;
use crate::wait::doorbell::{Bell, Doorbell};

/// What one lane is to be.
pub(crate) struct LaneSpec {
    /// Requests it can hold, exactly.
    pub(crate) capacity: usize,
    /// Requests the producer publishes at once, at the latest at the end of its turn.
    pub(crate) batch: usize,
    /// Whether values travel apart from their envelopes, which pays where nothing is measured.
    pub(crate) split: bool,
    /// The load of the consumer, where workers compete.
    pub(crate) load: Option<Arc<Load>>,
    pub(crate) tally: Arc<LaneTally>,
    pub(crate) doorbells: Doorbells,
}

/// Who is to be woken at the ends of a lane: those whose thread parks, and is not the same at both ends.
#[derive(Debug, Default)]
pub(crate) struct Doorbells {
    pub(crate) producer: Option<Arc<Doorbell>>,
    pub(crate) consumer: Option<Arc<Doorbell>>,
}

/// Makes a lane.
pub(crate) fn lane<T>(spec: LaneSpec) -> (LaneTx<T>, LaneRx<T>) {
    let batch = spec.batch.min(spec.capacity);
    let (producer, consumer) = track(spec.capacity, spec.split, if batch > 1 { batch } else { 0 });
    // On a cache line of its own: the producer looks at it once a turn, and nobody writes it before the end.
    let remains = Arc::new(CachePadded::new(Remains::new()));
    let tx = LaneTx {
        ring: producer,
        remains: Arc::clone(&remains),
        batch,
        load: spec.load,
        tally: Arc::clone(&spec.tally),
        put: 0,
        loaded: 0,
        full: false,
        consumer: Bell::new(spec.doorbells.consumer),
    };
    let chunk = (spec.capacity / 4).clamp(1, MOST_AT_ONCE);
    let rx = LaneRx {
        ring: consumer,
        remains,
        chunk,
        tally: spec.tally,
        taken: 0,
        buried: 0,
        empty: false,
        producer: Bell::new(spec.doorbells.producer),
    };
    (tx, rx)
}

/// The most requests taken before their slots are given back to the producer.
const MOST_AT_ONCE: usize = 32;

/// The producer's end.
pub(crate) struct LaneTx<T> {
    pub(super) ring: TrackTx<T>,
    remains: Arc<CachePadded<Remains<T>>>,
    batch: usize,
    load: Option<Arc<Load>>,
    tally: Arc<LaneTally>,
    /// Requests published.
    put: u64,
    /// Requests that are in the load.
    loaded: u64,
    full: bool,
    /// The last field: rung when the ring is dropped.
    consumer: Bell,
}

impl<T> LaneTx<T> {
    /// Whether the next put finds room. Stays true until that put. A lane whose consumer is gone swallows what
    /// is put, so it always has room.
    #[inline(always)]
    pub(crate) fn has_room(&mut self) -> bool {
        let room = match self.ring.staged() {
            0 => !self.ring.is_full(),
            staged => self.ring.cached_slots() > staged || self.ring.slots() > staged,
        };
        room && !self.full || self.has_room_at_the_brim(room)
    }

    /// How many puts find room for certain, after [`has_room`](Self::has_room) said that one does.
    #[inline(always)]
    pub(crate) fn credit(&self) -> usize {
        self.ring.cached_slots().saturating_sub(self.ring.staged()).max(1)
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
        self.remains.is_left()
    }

    /// What the consumer holds, where workers compete: queued, over all its lanes, and in hand.
    pub(crate) fn load(&self) -> usize {
        self.load.as_ref().map_or(0, |load| load.get())
    }

    /// Puts a request, for which [`has_room`](Self::has_room) found room.
    #[inline(always)]
    pub(crate) fn put(&mut self, request: Request<T>) {
        if self.batch > 1 {
            if self.ring.stage(request, self.put) == self.batch {
                self.flush();
            }
        } else {
            self.push(request);
        }
        self.raise_load();
    }

    /// Requests put so far.
    #[inline(always)]
    pub(super) fn given(&self) -> u64 {
        self.put + self.ring.staged() as u64
    }

    /// Counts in the load what was put since the last time. After a panic in the middle of a fill it is the next put, or
    /// the end of the turn, that does it.
    #[inline(always)]
    fn raise_load(&mut self) {
        if let Some(load) = &self.load {
            let given = self.given();
            load.raise(usize::try_from(given - self.loaded).unwrap_or(usize::MAX));
            self.loaded = given;
        }
    }

    #[inline(always)]
    fn push(&mut self, request: Request<T>) {
        let number = self.put;
        self.put += 1;
        if let Err(request) = self.ring.push(request, number) {
            bury(request);
        }
        self.consumer.ring();
    }

    /// Puts what `giver` gives until it has nothing, there is no room, or `budget` is used up. Should it panic, what it
    /// gave before is put.
    #[inline(always)]
    pub(crate) fn fill(&mut self, budget: usize, giver: &mut impl Giver<T>) {
        let mut left = budget;
        while left > 0 && self.has_room() {
            let free = self.credit().min(left);
            if self.batch == 1 {
                let Self { ring, put, consumer, .. } = self;
                if !ring.push_each(free, put, giver, consumer) {
                    break;
                }
                left -= free;
            } else {
                let wanted = free.min(self.batch - self.ring.staged());
                if !self.ring.stage_each(wanted, self.put, giver) {
                    break;
                }
                self.publish();
                left -= wanted;
            }
        }
        self.raise_load();
    }

    /// Publishes what was staged.
    fn publish(&mut self) {
        self.put += self.ring.staged() as u64;
        self.ring.publish();
        self.consumer.ring();
    }

    /// Publishes what was put and the count of it.
    #[inline]
    pub(crate) fn flush(&mut self) {
        if self.ring.staged() > 0 {
            self.publish();
        }
        self.raise_load();
        self.tally.producer.put.set(self.put);
    }
}

impl<T> Drop for LaneTx<T> {
    fn drop(&mut self) {
        self.flush();
        self.remains.leave();
    }
}

/// Why a drain came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// As many as it was allowed.
    Budget,
    /// The taker was not ready.
    Blocked,
    /// Nothing left for now; nothing known of, if something was taken.
    Empty,
    /// Nothing left, ever.
    Closed,
}

/// The consumer's end.
pub(crate) struct LaneRx<T> {
    ring: TrackRx<T>,
    remains: Arc<CachePadded<Remains<T>>>,
    chunk: usize,
    tally: Arc<LaneTally>,
    taken: u64,
    /// Ended with failure instead of taken.
    buried: u64,
    /// Whether it was found empty the last time.
    empty: bool,
    /// The last field: rung when the ring is dropped.
    producer: Bell,
}

impl<T> LaneRx<T> {
    /// Requests in it now; more may come at any time.
    pub(crate) fn len(&self) -> usize {
        self.ring.slots()
    }

    /// Whether there is nothing in it now, though there may be later.
    #[inline(always)]
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.ring.cached_slots() == 0 && self.look() == 0 && !self.ring.is_abandoned()
    }

    /// Hands up to `budget` requests to `taker`; returns how many, and why no more.
    ///
    /// Slots are given back to the producer a chunk at a time, so that both sides touch the shared indices seldom;
    /// in a lane too small for chunks, one at a time before the work, so that both sides can work at once.
    ///
    /// Having taken what it knew of, it does not look for more: a consumer that keeps up would find a request or two at
    /// each look, and each look takes the producer's index away from it.
    pub(crate) fn drain(&mut self, budget: usize, taker: &mut impl Taker<T>) -> (usize, Drained) {
        let before = self.taken;
        let last = before + budget as u64;
        let end = loop {
            if self.taken == last {
                break Drained::Budget;
            }
            let waiting = match self.ring.cached_slots() {
                0 if self.taken > before => break Drained::Empty,
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
            let left = usize::try_from(last - self.taken).unwrap_or(usize::MAX);
            let wanted = waiting.min(self.chunk).min(left);
            let end = self.taken + wanted as u64;
            self.drain_chunk(wanted, taker);
            if self.taken < end {
                break Drained::Blocked;
            }
        };
        if self.taken > before {
            self.tally.consumer.taken.set(self.taken);
        }
        (usize::try_from(self.taken - before).unwrap_or(usize::MAX), end)
    }

    /// Asks the ring itself how many are waiting, which costs a shared cache line.
    #[inline(always)]
    fn look(&mut self) -> usize {
        let waiting = self.ring.slots();
        if waiting > 0 {
            self.empty = false;
            self.tally.consumer.high_water.raise_to(waiting as u64);
        } else if !self.empty {
            self.empty = true;
            self.tally.consumer.empty_waits.add(1);
        }
        waiting
    }

    #[inline(always)]
    fn drain_chunk(&mut self, wanted: usize, taker: &mut impl Taker<T>) {
        if !taker.ready() {
            return;
        }
        let Self { ring, taken, producer, .. } = self;
        if wanted > 1 {
            ring.take_chunk(wanted, taken, taker);
            producer.ring();
        } else if let Some(request) = ring.pop(*taken) {
            *taken += 1;
            producer.ring();
            taker.take_aside(&mut std::iter::once(request));
        }
    }

    /// Takes one request.
    pub(crate) fn pop(&mut self) -> Option<Request<T>> {
        if self.ring.cached_slots() == 0 && self.look() == 0 {
            return None;
        }
        let request = self.ring.pop(self.taken)?;
        self.taken += 1;
        self.announce();
        Some(request)
    }

    /// Makes known what was taken.
    pub(crate) fn announce(&self) {
        self.tally.consumer.taken.set(self.taken);
        self.producer.ring();
    }

    /// The doorbell of the thread that puts into it.
    pub(crate) fn supplier(&self) -> Option<&Arc<Doorbell>> {
        self.producer.doorbell()
    }

    /// Whether nothing is left and nothing will come.
    pub(crate) fn is_closed(&self) -> bool {
        self.ring.is_abandoned() && self.ring.slots() == 0
    }

    /// Ends whatever is in it now with failure, uncounted: the lane's own count of what was put and taken tells.
    pub(crate) fn drop_all(&mut self) -> Panics {
        let mut next = self.taken + self.buried;
        let panics = self.ring.bury_all(&mut next);
        self.buried = next - self.taken;
        panics
    }
}

impl<T> Drop for LaneRx<T> {
    fn drop(&mut self) {
        self.tally.consumer.taken.set(self.taken);
        // Nobody is left to tell of a panic but the panic hook, which has been told.
        let _ = self.drop_all();
        self.tally.consumer.gone.set(1);
        let ring = mem::replace(&mut self.ring, TrackRx::of_nothing());
        self.remains.leave_ring(ring, self.taken + self.buried);
    }
}
