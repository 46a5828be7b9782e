//! Lanes, and what workers see of them: a row to put into, a column to take from.

pub(crate) mod feed;
pub(crate) mod fork;
pub(crate) mod inlet;
pub(crate) mod outlet;
mod prefault;
pub(crate) mod receiver;
mod remains;
pub(crate) mod ring_lane;
pub(crate) mod route;
pub(crate) mod track;

use crossbeam_utils::CachePadded;

use crate::contract::cleanup::Panics;
use crate::contract::request::Request;
use crate::sync::{AtomicUsize, Ordering::Relaxed};

/// The most requests that a thread lets a step move in one turn: enough to pay for the turn, few enough that others on the
/// thread do not wait long.
pub(crate) const BUDGET: usize = 64;

/// What makes the requests that are put, one at a time. A trait and not a closure, so that it can be made part of the
/// loop that puts them.
pub(crate) trait Giver<T> {
    /// Makes a request, if there is one now.
    fn give(&mut self) -> Option<Request<T>>;
    /// The request that it gave is being put where that may run user code. Should that panic, it is the request that
    /// has failed.
    fn putting(&mut self);
    /// It has been put, and these clean-ups panicked.
    fn has_put(&mut self, panics: Panics);
    /// Whether it may be asked for another after the one that has just been put.
    fn goes_on(&self) -> bool;
}

/// What takes requests out of a lane.
pub(crate) trait Taker<T> {
    /// Whether the next request can be taken *and* put on.
    fn ready(&mut self) -> bool;
    /// Takes requests for as long as it is ready, of which there is at least one, and it is ready now. The loop is the
    /// taker's, so that what does not change from one request to the next stays in registers.
    /// `METERED` is false where it is known beforehand that none of them is measured, and true in the loop that looks at
    /// each.
    fn take_each<const METERED: bool>(&mut self, requests: impl Iterator<Item = Request<T>>);
    /// The same off the main roads, where the loop is compiled once for all.
    #[inline(never)]
    fn take_aside(&mut self, requests: &mut dyn Iterator<Item = Request<T>>) {
        self.take_each::<true>(requests);
    }
}

/// How many requests a pool's worker holds: queued and in hand, over all its lanes.
///
/// Producers count what they send, the worker counts what it is done with, each on a cache line of its own; the difference
/// tells who is free. It is a hint and publishes nothing: every access is relaxed, and two producers may briefly overshoot.
#[derive(Debug, Default)]
pub(crate) struct Load {
    sent: CachePadded<AtomicUsize>,
    done: CachePadded<AtomicUsize>,
    /// Those who may send.
    producers: AtomicUsize,
}

impl Load {
    /// Another producer may send from now on. To be called before any does.
    pub(crate) fn add_producer(&self) {
        self.producers.fetch_add(1, Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> usize {
        let load = self.sent.load(Relaxed).wrapping_sub(self.done.load(Relaxed));
        // What was sent may not have been counted, or seen, yet.
        if load > usize::MAX / 2 { 0 } else { load }
    }

    #[inline]
    fn raise(&self, by: usize) {
        if self.producers.load(Relaxed) == 1 {
            // Nobody else writes it, so that no locked instruction is needed.
            self.sent.store(self.sent.load(Relaxed).wrapping_add(by), Relaxed);
        } else {
            self.sent.fetch_add(by, Relaxed);
        }
    }

    /// To be called by the worker alone, as [`retire`](Self::retire).
    #[inline]
    pub(crate) fn lower(&self) {
        self.done.store(self.done.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// The worker is gone: never again free.
    fn retire(&self) {
        self.done.store(self.sent.load(Relaxed).wrapping_sub(usize::MAX / 4), Relaxed);
    }
}
