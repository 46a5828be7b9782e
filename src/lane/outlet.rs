//! What one worker puts into: its row of the mesh.
//!
//! An outlet is asked for room first ([`Outlet::ready`]), which also settles where the next request will go, and
//! is then given the request. Routing takes a worker that is free, else the next one whose queue is within its
//! window. The window starts at one request and follows the share of the work that a worker has lately done, so
//! that a slow worker is soon given nothing beyond what it holds, and a quick one is never left waiting for more.

use super::Giver;
use super::fork::Cloner;
use super::ring_lane::LaneTx;
use crate::contract::cleanup::Panics;
use crate::contract::request::Request;

/// What one worker puts into. With a tag of its own: one that hides in a field takes eight instructions to read, twice a
/// request.
#[repr(u8)]
pub(crate) enum Outlet<T> {
    /// The end of the tract: requests die here, with success.
    Final,
    Lane(LaneTx<T>),
    Route(Route<T>),
    Broadcast(Broadcast<T>),
}

/// How a place in the mesh would take the next request; the greater the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Vacancy {
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
            Self::Final => true,
            Self::Lane(lane) => lane.has_room(),
            fork => fork.fork_ready(),
        }
    }

    /// How many requests can be put before it has to be asked again, after [`ready`](Self::ready) said so.
    #[inline(always)]
    fn credit(&self) -> usize {
        match self {
            Self::Final => usize::MAX,
            Self::Lane(lane) => lane.credit(),
            // Who is free changes with each.
            Self::Route(_) | Self::Broadcast(_) => 1,
        }
    }

    #[inline(never)]
    fn fork_ready(&mut self) -> bool {
        match self {
            Self::Final | Self::Lane(_) => true,
            Self::Route(route) => route.choose() > Vacancy::None,
            Self::Broadcast(broadcast) => broadcast.branches.iter_mut().all(Self::ready),
        }
    }

    /// Whether everybody behind it is gone.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Final => false,
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
            for _ in 0..run {
                let Some(request) = giver.give() else { return };
                giver.putting();
                giver.has_put(self.put(request));
            }
            left -= run;
            if left == 0 || !self.ready() {
                return;
            }
        }
    }

    /// Puts a request, after [`ready`](Self::ready) said so. Returns what clean-ups said that panicked.
    #[inline(always)]
    fn put(&mut self, request: Request<T>) -> Panics {
        match self {
            Self::Final => {
                // The value first: if its drop panics, the request has failed.
                let Request { value, envelope } = request;
                drop(value);
                envelope.finish(true)
            }
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
            Self::Final | Self::Lane(_) => self.put(request),
            Self::Route(route) => route.put(request),
            Self::Broadcast(broadcast) => broadcast.put(request),
        }
    }

    /// Publishes what was put.
    pub(crate) fn flush(&mut self) {
        match self {
            Self::Final => {}
            Self::Lane(lane) => lane.flush(),
            Self::Route(route) => route.exits.iter_mut().for_each(|exit| exit.outlet.flush()),
            Self::Broadcast(broadcast) => broadcast.branches.iter_mut().for_each(Self::flush),
        }
    }

    /// Whether somebody behind it is gone whom every request put here would have to reach.
    fn is_broken(&self) -> bool {
        match self {
            Self::Final => false,
            Self::Lane(lane) => lane.is_closed(),
            Self::Route(route) => route.is_broken(),
            Self::Broadcast(broadcast) => broadcast.branches.iter().any(Self::is_broken),
        }
    }

    /// How it would take the next request. Lanes whose consumer is gone take none, or swallow it.
    fn vacancy(&mut self, window: usize, swallow: bool) -> Vacancy {
        match self {
            Self::Final => Vacancy::Free,
            Self::Lane(lane) if lane.is_closed() => {
                if swallow {
                    Vacancy::Free
                } else {
                    Vacancy::None
                }
            }
            Self::Lane(lane) => match lane.load() {
                0 if lane.has_room() => Vacancy::Free,
                load if load < window && lane.has_room() => Vacancy::Queue,
                _ => Vacancy::None,
            },
            Self::Route(route) => route.choose_among(swallow),
            Self::Broadcast(broadcast) => {
                let branches = broadcast.branches.iter_mut();
                branches
                    .map(|branch| branch.vacancy(window, swallow))
                    .min()
                    .unwrap_or(Vacancy::None)
            }
        }
    }
}

/// To one of several.
pub(crate) struct Route<T> {
    pub(super) exits: Vec<Exit<T>>,
    /// Where the search starts.
    next: usize,
    chosen: usize,
    /// Requests until the windows are set anew.
    round: usize,
}

pub(super) struct Exit<T> {
    pub(super) outlet: Outlet<T>,
    /// The most requests its worker may hold for another to be sent.
    window: usize,
    /// Requests sent in this round.
    sent: usize,
}

impl<T> Route<T> {
    /// A worker with an even share of the work sees this many requests in a round.
    const EVEN_SHARE: usize = 16;
    /// The window of a worker with an even share. A greater share widens it in proportion.
    const EVEN_WINDOW: usize = 4;
    const WIDEST: usize = 32;

    /// Each of several producers starts its search at another exit.
    pub(crate) fn new(outlets: Vec<Outlet<T>>, producer: usize) -> Self {
        let exits: Vec<_> =
            outlets.into_iter().map(|outlet| Exit { outlet, window: 1, sent: 0 }).collect();
        let round = exits.len() * Self::EVEN_SHARE;
        let next = producer % exits.len().max(1);
        Self { exits, next, chosen: next, round }
    }

    /// Its outlets, to stand in a wider route.
    pub(crate) fn into_outlets(self) -> impl Iterator<Item = Outlet<T>> {
        self.exits.into_iter().map(|exit| exit.outlet)
    }

    /// Chooses the first that is free, else the first whose queue is within its window. Where nobody is whole, so
    /// that nobody can be chosen, those that are gone swallow requests: others must not be held up.
    fn choose(&mut self) -> Vacancy {
        match self.choose_among(false) {
            Vacancy::None if self.is_broken() => self.choose_among(true),
            vacancy => vacancy,
        }
    }

    fn choose_among(&mut self, swallow: bool) -> Vacancy {
        let mut best = Vacancy::None;
        let count = self.exits.len();
        for offset in 0..count {
            let at = self.next + offset;
            let at = if at < count { at } else { at - count };
            let exit = &mut self.exits[at];
            let vacancy = exit.outlet.vacancy(exit.window, swallow);
            if vacancy > best {
                best = vacancy;
                self.chosen = at;
                if best == Vacancy::Free {
                    break;
                }
            }
        }
        best
    }

    fn is_closed(&self) -> bool {
        self.exits.iter().all(|exit| exit.outlet.is_closed())
    }

    fn is_broken(&self) -> bool {
        self.exits.iter().all(|exit| exit.outlet.is_broken())
    }

    fn put(&mut self, request: Request<T>) -> Panics {
        // Chosen before the work, which may have taken long: if somebody else is free by now, all the better. The
        // room that was found then is there in any case.
        self.choose();
        self.next = if self.chosen + 1 < self.exits.len() { self.chosen + 1 } else { 0 };
        let exit = &mut self.exits[self.chosen];
        exit.sent += 1;
        let panics = exit.outlet.put(request);
        self.round -= 1;
        if self.round == 0 {
            self.end_round();
        }
        panics
    }

    /// What was sent is what was done, but for a window's worth: nothing is sent to a worker that does not finish.
    fn end_round(&mut self) {
        for exit in &mut self.exits {
            exit.window = (exit.sent * Self::EVEN_WINDOW / Self::EVEN_SHARE).clamp(1, Self::WIDEST);
            exit.sent = 0;
        }
        self.round = self.exits.len() * Self::EVEN_SHARE;
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
        let Some((last, others)) = self.branches.split_last_mut() else { return Panics::NONE };
        let Request { value, envelope } = request;
        let shared = envelope.share();
        let mut panics = Panics::NONE;
        for branch in others {
            let copy = Request { value: (self.clone)(&value), envelope: shared.copy() };
            panics.join(branch.put(copy));
        }
        panics.join(last.put(Request { value, envelope: shared.into_last() }));
        panics
    }
}
