//! Lanes, and what workers see of them: a row to put into, a column to take from.

pub(crate) mod feed;
pub(crate) mod fork;
pub(crate) mod inlet;
pub(crate) mod outlet;
pub(crate) mod receiver;
pub(crate) mod ring_lane;
pub(crate) mod track;

use crate::contract::request::Request;

/// What takes requests out of a lane, one at a time.
pub(crate) trait Taker<T> {
    /// Whether the next request can be taken *and* put on.
    fn ready(&mut self) -> bool;
    /// Takes a request, after `ready` said so.
    fn take(&mut self, request: Request<T>);
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
