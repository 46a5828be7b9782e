//! Lanes, and what workers see of them: a row to put into, a column to take from.

pub(crate) mod feed;
pub(crate) mod fork;
pub(crate) mod inlet;
pub(crate) mod outlet;
mod prefault;
pub(crate) mod receiver;
pub(crate) mod ring_lane;
pub(crate) mod track;

use crate::contract::cleanup::Panics;
use crate::contract::request::Request;

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
}

/// What takes requests out of a lane.
pub(crate) trait Taker<T> {
    /// Whether the next request can be taken *and* put on.
    fn ready(&mut self) -> bool;
    /// Takes requests for as long as it is ready, of which there is at least one, and it is ready now. The loop is the
    /// taker's, so that what does not change from one request to the next stays in registers.
    fn take_each(&mut self, requests: &mut (impl Iterator<Item = Request<T>> + ?Sized));
}

/// How many requests a pool's worker holds: queued and in hand, over all its lanes.
///
/// Producers raise it as they put, the worker lowers it when it is done with a request, so it tells who is free.
/// It is a hint and publishes nothing: every access is relaxed, and two producers may briefly overshoot.
#[derive(Debug, Default)]
pub(crate) struct Load(crossbeam_utils::CachePadded<crate::sync::AtomicUsize>);

impl Load {
    #[inline]
    pub(crate) fn get(&self) -> usize {
        self.0.load(crate::sync::Ordering::Relaxed)
    }

    #[inline]
    fn raise(&self) {
        self.0.fetch_add(1, crate::sync::Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn lower(&self) {
        self.0.fetch_sub(1, crate::sync::Ordering::Relaxed);
    }

    /// The worker is gone: never again free.
    fn retire(&self) {
        self.0.store(usize::MAX / 2, crate::sync::Ordering::Relaxed);
    }
}
