//! What one worker puts into: its row of the mesh.
//!
//! An outlet is asked for room first ([`Outlet::ready`]), which also settles where the next request will go, and
//! is then given the request. How one of several is chosen is told in [`route`](super::route).

use std::sync::Arc;

use super::Giver;
use super::fork::{Cloner, End};
use super::ring_lane::LaneTx;
use super::route::Route;
use crate::contract::cleanup::Panics;
use crate::contract::request::{Envelope, Request};

/// What one worker puts into. With a tag of its own: one that hides in a field takes eight instructions to read, twice a
/// request.
#[repr(u8)]
pub(crate) enum Outlet<T> {
    /// The end of the tract: requests die here, with success.
    Final,
    /// The end of the tract as well, where this is done with requests.
    End(Arc<dyn End<T>>),
    Lane(LaneTx<T>),
    Route(Route<T>),
    Broadcast(Broadcast<T>),
}

/// How a place in the mesh would take the next request; the greater the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Vacancy {
    None,
    /// Behind others that wait there.
    Queue,
    /// At once.
    Free,
}

impl<T> Outlet<T> {
    /// Whether the next request can be put, and settles where. True until that put, but a choice among workers
    /// grows stale: ask right before.
    #[inline(always)]
    pub(crate) fn ready(&mut self) -> bool {
        match self {
            Self::Final | Self::End(_) => true,
            Self::Lane(lane) => lane.has_room(),
            fork => fork.fork_ready(),
        }
    }

    /// How many requests can be put before it has to be asked again, after [`ready`](Self::ready) said so.
    #[inline(always)]
    pub(super) fn credit(&self) -> usize {
        match self {
            Self::Final | Self::End(_) => usize::MAX,
            Self::Lane(lane) => lane.credit(),
            Self::Route(route) => route.credit(),
            Self::Broadcast(broadcast) => {
                broadcast.branches.iter().map(Self::credit).min().unwrap_or(1)
            }
        }
    }

    #[inline(never)]
    fn fork_ready(&mut self) -> bool {
        match self {
            Self::Final | Self::End(_) | Self::Lane(_) => true,
            Self::Route(route) => route.ready(),
            Self::Broadcast(broadcast) => broadcast.branches.iter_mut().all(Self::ready),
        }
    }

    /// Whether everybody behind it is gone.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Final | Self::End(_) => false,
            Self::Lane(lane) => lane.is_closed(),
            Self::Route(route) => route.is_closed(),
            Self::Broadcast(broadcast) => broadcast.branches.iter().all(Self::is_closed),
        }
    }

    /// Puts what `giver` gives until it has nothing, there is no room, or `budget` is used up, after
    /// [`ready`](Self::ready) said that there is room for one. The giver comes and goes by value, so that in the loop of
    /// a lane it need not be anywhere in memory.
    #[inline(always)]
    pub(crate) fn fill<G: Giver<T>>(&mut self, budget: usize, mut giver: G) -> G {
        match self {
            Self::Lane(lane) => {
                lane.fill(budget, &mut giver);
                giver
            }
            fork => {
                let mut giver = giver;
                fork.fill_fork(budget, &mut giver);
                giver
            }
        }
    }

    #[inline(never)]
    fn fill_fork(&mut self, budget: usize, giver: &mut impl Giver<T>) {
        let mut left = budget;
        loop {
            let run = self.credit().min(left);
            let filled = if let Self::Route(route) = self { route.fill(run, giver) } else { None };
            let all = match filled {
                Some(all) => all,
                None => self.put_each(run, giver),
            };
            left -= run;
            if !all || left == 0 || !self.ready() {
                return;
            }
        }
    }

    /// Puts `n` requests of `giver`, for which there is room; false if it has nothing more.
    #[inline(always)]
    fn put_each(&mut self, n: usize, giver: &mut impl Giver<T>) -> bool {
        for _ in 0..n {
            let Some(request) = giver.give() else { return false };
            giver.putting();
            giver.has_put(self.put(request));
            if !giver.goes_on() {
                return false;
            }
        }
        true
    }

    /// Puts a request, after [`ready`](Self::ready) said so. Returns what clean-ups said that panicked.
    #[inline(always)]
    pub(super) fn put(&mut self, request: Request<T>) -> Panics {
        match self {
            Self::Final => {
                // The value first: if its drop panics, the request has failed.
                let Request { value, envelope } = request;
                drop(value);
                envelope.finish(true)
            }
            Self::End(end) => end.end(request),
            Self::Lane(lane) => {
                lane.put(request);
                Panics::NONE
            }
            fork => fork.fork_put(request),
        }
    }

    #[inline(never)]
    fn fork_put(&mut self, request: Request<T>) -> Panics {
        match self {
            Self::Final | Self::End(_) | Self::Lane(_) => self.put(request),
            Self::Route(route) => route.put(request),
            Self::Broadcast(broadcast) => broadcast.put(request),
        }
    }

    /// Publishes what was put.
    pub(crate) fn flush(&mut self) {
        match self {
            Self::Final | Self::End(_) => {}
            Self::Lane(lane) => lane.flush(),
            Self::Route(route) => route.flush(),
            Self::Broadcast(broadcast) => broadcast.branches.iter_mut().for_each(Self::flush),
        }
    }

    /// Whether somebody behind it is gone whom every request put here would have to reach.
    pub(super) fn is_broken(&self) -> bool {
        match self {
            Self::Final | Self::End(_) => false,
            Self::Lane(lane) => lane.is_closed(),
            Self::Route(route) => route.is_broken(),
            Self::Broadcast(broadcast) => broadcast.branches.iter().any(Self::is_broken),
        }
    }

    /// How it would take the next request. Lanes whose consumer is gone take none, or swallow it.
    pub(super) fn vacancy(&mut self, window: usize, swallow: bool) -> Vacancy {
        match self {
            Self::Final | Self::End(_) => Vacancy::Free,
            Self::Lane(lane) => {
                let vacancy = match lane.load() {
                    0 => Vacancy::Free,
                    load if load < window => Vacancy::Queue,
                    // Or gone.
                    _ if !swallow => return Vacancy::None,
                    _ => Vacancy::None,
                };
                match lane.is_closed() {
                    true if swallow => Vacancy::Free,
                    false if lane.has_room() => vacancy,
                    _ => Vacancy::None,
                }
            }
            Self::Route(route) => route.vacancy(swallow),
            Self::Broadcast(broadcast) => {
                let branches = broadcast.branches.iter_mut();
                branches
                    .map(|branch| branch.vacancy(window, swallow))
                    .min()
                    .unwrap_or(Vacancy::None)
            }
        }
    }

    /// Requests that wait behind it, where workers compete.
    pub(super) fn backlog(&self) -> usize {
        match self {
            Self::Final | Self::End(_) => 0,
            Self::Lane(lane) => lane.load(),
            Self::Route(route) => route.backlog(),
            Self::Broadcast(broadcast) => {
                broadcast.branches.iter().map(Self::backlog).max().unwrap_or(0)
            }
        }
    }
}

/// To each of several: all but the last get a copy, the last gets the value itself.
pub(crate) struct Broadcast<T> {
    pub(super) branches: Vec<Outlet<T>>,
    clone: fn(&T) -> T,
}

impl<T: 'static> Broadcast<T> {
    pub(crate) fn new(branches: Vec<Outlet<T>>, cloner: &Cloner) -> Self {
        Self { branches, clone: cloner.typed() }
    }
}

impl<T> Broadcast<T> {
    fn put(&mut self, request: Request<T>) -> Panics {
        if request.envelope.has_cleanups() {
            return self.put_shared(request);
        }
        let Some((last, others)) = self.branches.split_last_mut() else { return Panics::NONE };
        let stamp = request.envelope.stamp;
        let mut panics = Panics::NONE;
        for branch in others {
            let value = (self.clone)(&request.value);
            panics.join(branch.put(Request { value, envelope: Envelope::stamped(stamp) }));
        }
        panics.join(last.put(request));
        panics
    }

    /// The clean-ups are every copy's, and run when the last has died.
    #[cold]
    fn put_shared(&mut self, request: Request<T>) -> Panics {
        let Some((last, others)) = self.branches.split_last_mut() else { return Panics::NONE };
        let Request { value, envelope } = request;
        let mut shared = envelope.share();
        let mut panics = Panics::NONE;
        for branch in others {
            let copy = Request { value: (self.clone)(&value), envelope: shared.copy() };
            panics.join(branch.put(copy));
        }
        panics.join(last.put(Request { value, envelope: shared.into_last() }));
        panics
    }
}
