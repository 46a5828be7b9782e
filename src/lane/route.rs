//! To one of several: how a worker is chosen among those that compete.
//!
//! A worker that is free is chosen, else the next one whose queue is within its window. The window starts at one request
//! and follows the share of the work that a worker has lately done, so that a slow worker is soon given nothing beyond
//! what it holds, and a quick one is never left waiting for more.
//!
//! Looking who is free costs a cache line per worker, which is nothing beside a request that takes microseconds, and
//! everything beside one that takes nanoseconds. So windows have a depth: it doubles while workers run dry as soon as all
//! were found full, and halves while they do not. Deeper than at first, a worker is given as much as its window holds
//! before anybody is looked at again. (The idea is that of Linux' dynamic queue limits, `lib/dynamic_queue_limits.c`.)

use super::outlet::{Outlet, Vacancy};
use super::{BUDGET, Giver};
use crate::contract::cleanup::Panics;
use crate::contract::request::Request;

/// To one of several.
pub(crate) struct Route<T> {
    pub(super) exits: Vec<Exit<T>>,
    /// Where the search starts.
    next: usize,
    chosen: usize,
    /// Requests that the chosen one is to be given before anybody is looked at.
    run: usize,
    /// Requests until the windows are set anew.
    round: usize,
    depth: usize,
    /// Whether nobody could be chosen the last time.
    blocked: bool,
    /// How often somebody had run dry when all had just been found full, less how often nobody had.
    dry: isize,
    /// Requests put since the last flush; more than enough once it was blocked.
    lately: usize,
}

pub(super) struct Exit<T> {
    pub(super) outlet: Outlet<T>,
    /// The most requests its worker may hold for another to be sent.
    window: usize,
    /// Requests sent in this round.
    sent: usize,
}

/// The window of a worker with an even share, at first and at the most. A greater share widens it in proportion.
const SHALLOW: usize = 4;
const DEEP: usize = 32;
/// The widest window of any.
const WIDEST: usize = 32;
/// How many windows a worker with an even share is sent in a round.
const WINDOWS: usize = 4;

impl<T> Route<T> {
    /// Each of several producers starts its search at another exit.
    pub(crate) fn new(outlets: Vec<Outlet<T>>, producer: usize) -> Self {
        let exits: Vec<_> =
            outlets.into_iter().map(|outlet| Exit { outlet, window: 1, sent: 0 }).collect();
        let round = exits.len() * WINDOWS * SHALLOW;
        let next = producer % exits.len().max(1);
        let (depth, blocked) = (SHALLOW, false);
        Self { exits, next, chosen: next, run: 0, round, depth, blocked, dry: 0, lately: 0 }
    }

    /// Its outlets, to stand in a wider route.
    pub(crate) fn into_outlets(self) -> impl Iterator<Item = Outlet<T>> {
        self.exits.into_iter().map(|exit| exit.outlet)
    }

    /// Whether the next request can be put, and settles where.
    #[inline]
    pub(super) fn ready(&mut self) -> bool {
        let Exit { outlet, window, .. } = &mut self.exits[self.chosen];
        // In a run nobody is looked at; otherwise it is enough that this one would do, since the put looks for a better.
        match self.run {
            0 => outlet.vacancy(*window, false) > Vacancy::None || self.choose() > Vacancy::None,
            _ => outlet.ready() || self.choose() > Vacancy::None,
        }
    }

    /// How many can be put to the one that is chosen.
    pub(super) fn credit(&self) -> usize {
        self.run.min(self.exits[self.chosen].outlet.credit()).max(1)
    }

    /// Chooses the first that is free, else the first whose queue is within its window. Where nobody is whole, so
    /// that nobody can be chosen, those that are gone swallow requests: others must not be held up.
    fn choose(&mut self) -> Vacancy {
        let vacancy = match self.vacancy(false) {
            Vacancy::None if self.is_broken() => self.vacancy(true),
            vacancy => vacancy,
        };
        if vacancy == Vacancy::None {
            self.blocked = true;
            self.lately = usize::MAX / 2;
            return vacancy;
        }
        if std::mem::replace(&mut self.blocked, false) {
            self.dry += if vacancy == Vacancy::Free { 1 } else { -1 };
        }
        if self.depth > SHALLOW {
            let Exit { outlet, window, .. } = &self.exits[self.chosen];
            // Not more than an even share, or who was given much would be given more.
            self.run = self.depth.min(*window).saturating_sub(outlet.backlog()).max(1);
        }
        vacancy
    }

    /// How the best of them would take the next request, and which that is.
    pub(super) fn vacancy(&mut self, swallow: bool) -> Vacancy {
        self.run = 0;
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

    pub(super) fn backlog(&self) -> usize {
        self.exits.iter().map(|exit| exit.outlet.backlog()).min().unwrap_or(0)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.exits.iter().all(|exit| exit.outlet.is_closed())
    }

    pub(super) fn is_broken(&self) -> bool {
        self.exits.iter().all(|exit| exit.outlet.is_broken())
    }

    pub(super) fn put(&mut self, request: Request<T>) -> Panics {
        if self.run == 0 {
            // Not before the work, which may have taken long. The room that was found then is there in any case.
            self.choose();
            self.run = self.run.max(1);
        }
        self.count(1);
        self.exits[self.chosen].outlet.put(request)
    }

    /// Counts what the chosen one is sent, towards the end of its run and of the round.
    #[inline(always)]
    fn count(&mut self, sent: usize) {
        self.exits[self.chosen].sent += sent;
        self.lately += sent;
        self.run -= sent;
        if self.run == 0 {
            self.turn_to_next();
        }
        self.round = self.round.saturating_sub(sent);
        if self.round == 0 {
            self.end_round();
        }
    }

    /// Puts `n` requests of `giver` in a run, to the one that is chosen and has room for them; whether it has more. `None`,
    /// and nothing is put, where there is no run, or not to one lane.
    #[inline(always)]
    pub(super) fn fill(&mut self, n: usize, giver: &mut impl Giver<T>) -> Option<bool> {
        let Outlet::Lane(lane) = &mut self.exits[self.chosen].outlet else { return None };
        if self.run < 2 {
            return None;
        }
        let before = lane.given();
        lane.fill(n, giver);
        let put = usize::try_from(lane.given() - before).unwrap_or(usize::MAX);
        self.count(put);
        Some(put == n && giver.goes_on())
    }

    /// Publishes what was put, at the end of a turn. One that could have given every worker its fill and did not is
    /// no reason for depth.
    pub(super) fn flush(&mut self) {
        self.exits.iter_mut().for_each(|exit| exit.outlet.flush());
        if self.lately < (self.depth * self.exits.len()).min(BUDGET) {
            self.depth = (self.depth / 2).max(SHALLOW);
        }
        if self.run > 0 {
            self.run = 0;
            self.turn_to_next();
        }
        self.lately = 0;
    }

    #[inline]
    fn turn_to_next(&mut self) {
        self.next = if self.chosen + 1 < self.exits.len() { self.chosen + 1 } else { 0 };
    }

    /// So deep that a turn fills every worker, where that is deeper than at first: who is filled again before others
    /// have had their turn is given more than his share.
    fn deepest(&self) -> usize {
        (BUDGET / self.exits.len()).clamp(2 * SHALLOW, DEEP)
    }

    /// What was sent is what was done, but for a window's worth: nothing is sent to a worker that does not finish.
    fn end_round(&mut self) {
        match self.dry {
            1.. => self.depth = (self.depth * 2).min(self.deepest()),
            0 => {}
            _ => self.depth = (self.depth / 2).max(SHALLOW),
        }
        self.dry = 0;
        for exit in &mut self.exits {
            exit.window = (exit.sent / WINDOWS).clamp(1, WIDEST);
            exit.sent = 0;
        }
        self.round = self.exits.len() * WINDOWS * self.depth;
    }
}
