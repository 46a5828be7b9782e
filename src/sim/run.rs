//! A simulated run: turns in the order of the seed, time that passes when nothing can move, faults by plan.

use std::fmt;
use std::time::{Duration, Instant};

use super::fault::Hindrances;
use super::order::Order;
use crate::decide::plan::Plan;
use crate::measure::clock;
use crate::run::inline::Inline;
use crate::run::running::Stopper;
use crate::step::Recall;
use crate::tell::report::Report;

/// A simulated run. It moves only inside the methods here, and time passes only in [`pass`](Self::pass) and
/// [`finish`](Self::finish).
///
/// Made by [`Case::start`](super::Case::start). Dropped, it is given up: what is in flight is dropped, with clean-ups.
#[must_use = "it moves only when it is told to"]
pub struct Run {
    inline: Inline,
    order: Order,
    hindrances: Hindrances,
    turns: u64,
    /// How often in a row nothing could move.
    rests: u32,
    /// When something last moved.
    moved: u64,
    /// Whether somebody whose turn it was had none, for a stall.
    skipped: bool,
}

/// When idle steps want their next turn.
#[derive(Default)]
struct Due {
    at: Option<Instant>,
    soon: bool,
}

impl Due {
    fn add(&mut self, recall: Recall) {
        match recall {
            Recall::WhenRung => {}
            Recall::Soon => self.soon = true,
            Recall::At(instant) => self.at = Some(self.at.map_or(instant, |at| at.min(instant))),
        }
    }
}

/// A nap of a step that cannot say when it wants its next turn: this long at first, and then twice as long each time.
const NAP: u64 = 50_000;
/// The longest nap as long as there have not been many, in nanoseconds.
const LONG_NAP: u64 = 1_000_000;
/// Naps in a row after which they grow without bounds.
const MANY_NAPS: u32 = 10_000;
/// Rests in a row after which a run is stuck, whatever its inputs promise.
const MOST_RESTS: u32 = 100_000;
/// As long as this nobody naps who will ever move again: 100 days.
const FOR_EVER: u64 = 100 * 86_400 * 1_000_000_000;

impl Run {
    pub(super) fn new(inline: Inline, order: Order, hindrances: Hindrances) -> Self {
        inline.control().start();
        Self { inline, order, hindrances, turns: 0, rests: 0, moved: clock::now(), skipped: false }
    }

    /// The plan of this run, ends included.
    pub fn plan(&self) -> &Plan {
        self.inline.plan()
    }

    /// Whether every worker has ended.
    pub fn is_finished(&self) -> bool {
        self.inline.is_finished()
    }

    /// Asks the run to stop: sources and inputs end, what is in flight drains.
    pub fn stop(&self) {
        self.inline.stop();
    }

    /// A handle that can ask for the stop from within the run.
    pub fn stopper(&self) -> Stopper {
        self.inline.stopper()
    }

    /// Gives so many turns, or as many as there are to be had.
    pub fn turns(&mut self, count: u64) {
        for _ in 0..count {
            if !self.is_finished() {
                self.turn();
            }
        }
    }

    /// Gives turns until nothing can move at this time. With a source that always has more, it does not return.
    pub fn settle(&mut self) {
        while !self.is_finished() && self.stir().is_none() {}
    }

    /// Lets this much time pass, and gives all the turns that come up in it.
    pub fn pass(&mut self, time: Duration) {
        let end = clock::now().saturating_add(nanos(time));
        while !self.is_finished() {
            let Some(due) = self.stir() else { continue };
            self.inline.rest();
            match self.next_time(&due) {
                Some(next) if next <= end => self.rest_until(next),
                _ => break,
            }
        }
        clock::pass(end);
    }

    /// Gives turns, and lets time pass where nothing can move, until the run has ended.
    ///
    /// # Errors
    ///
    /// [`Stuck`] with the report if nothing will ever move again.
    pub fn finish(mut self) -> Result<Report, Stuck> {
        while !self.is_finished() {
            let Some(due) = self.stir() else { continue };
            self.inline.rest();
            match self.next_time(&due) {
                Some(next) => self.rest_until(next),
                None => return Err(self.stuck()),
            }
        }
        Ok(self.inline.report(Vec::new()))
    }

    fn stuck(&self) -> Stuck {
        let since = Duration::from_nanos(clock::now().saturating_sub(self.moved));
        Stuck { report: Box::new(self.inline.report(self.inline.unfinished(since))) }
    }

    /// A few turns; `None` if something moved, else when something may.
    fn stir(&mut self) -> Option<Due> {
        for _ in 0..2 * self.inline.places().len() {
            if self.turn().is_none() {
                self.rests = 0;
                self.moved = clock::now();
                return None;
            }
        }
        // The draw may have missed those that can move.
        let (mut due, mut moved) = (Due::default(), false);
        self.skipped = false;
        for at in (0..self.inline.places().len()).rev() {
            match self.give(at, 1) {
                None => moved = true,
                Some(recall) => due.add(recall),
            }
        }
        // Where all others wait, a stall is over.
        if !moved && self.skipped {
            self.hindrances.end_stalls();
            moved = true;
        }
        if moved {
            self.rests = 0;
            self.moved = clock::now();
        }
        (!moved).then_some(due)
    }

    /// The turn of whoever is drawn.
    fn turn(&mut self) -> Option<Recall> {
        let (at, budget) = self.order.pick(self.inline.places());
        self.give(at, budget)
    }

    /// A turn, unless a fault prevents it.
    fn give(&mut self, at: usize, mut budget: usize) -> Option<Recall> {
        let place = self.inline.places()[at];
        let taken = self.inline.taken(place);
        let mut stalled = false;
        for stall in &mut self.hindrances.stalls {
            stall.begun |= stall.place == place && stall.after <= taken;
            stalled |= stall.place == place && stall.holds();
        }
        if stalled {
            self.skipped = true;
            return Some(Recall::WhenRung);
        }
        let Hindrances { stalls, stops, close } = &mut self.hindrances;
        stalls.iter_mut().filter(|stall| stall.holds()).for_each(|stall| stall.turns -= 1);
        self.turns += 1;
        if stops.contains(&self.turns) {
            self.inline.stop();
        }
        if let Some((_, after)) = close.filter(|(stage, _)| *stage == place.stage) {
            let left = usize::try_from(after.saturating_sub(taken)).unwrap_or(usize::MAX);
            if left == 0 {
                self.inline.abandon(at);
                return None;
            }
            budget = budget.min(left);
        }
        self.inline.give_turn(at, budget)
    }

    /// The time of the next turn; `None` if there will be none.
    fn next_time(&self, due: &Due) -> Option<u64> {
        let now = clock::now();
        if self.rests > MOST_RESTS {
            return None;
        }
        let at = due.at.map(clock::reading);
        let soon = due.soon || at.is_some_and(|at| at <= now);
        let long = if self.rests > MANY_NAPS { FOR_EVER } else { LONG_NAP };
        let nap = NAP.max(now.saturating_sub(self.moved)).min(long);
        let up = soon.then(|| now.saturating_add(nap));
        let next = [at.filter(|at| *at > now), up].into_iter().flatten().min()?;
        (next.saturating_sub(self.moved) < FOR_EVER || at == Some(next)).then_some(next)
    }

    fn rest_until(&mut self, time: u64) {
        self.rests += 1;
        clock::pass(time);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.inline.places().len();
        f.debug_struct("Run").field("workers_left", &left).finish_non_exhaustive()
    }
}

/// A simulated run in which nothing will ever move again. The report names those that have not ended.
#[derive(Debug)]
pub struct Stuck {
    /// What the run came to.
    pub report: Box<Report>,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing will ever move again, and these have not ended:")?;
        for late in &self.report.unfinished {
            write!(f, " {}[{}] ({:?} after {})", late.stage, late.worker, late.phase, late.taken)?;
        }
        Ok(())
    }
}

impl std::error::Error for Stuck {}
