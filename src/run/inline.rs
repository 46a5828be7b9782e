//! A run on the caller's thread, in an order drawn from a seed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::books::Books;
use super::running::{Stopper, ending, receiver_post};
use super::spawn::thread_reports;
use super::thread::{Recruit, Seat};
use super::wiring::WiredStep;
use crate::decide::plan::{Plan, WorkerPlace};
use crate::error::Error;
use crate::measure::clock;
use crate::step::control::Control;
use crate::step::post::StagePost;
use crate::step::{Recall, Turn};
use crate::tell::report::{Ending, MemoryReport, Report, Unfinished};
use crate::wait::idle::{Idle, Looks, Waiter};

/// A run on the caller's thread: it moves only inside [`turn`](Self::turn) and [`finish`](Self::finish).
///
/// Which worker has the next turn, and how many requests it may move, is drawn from the seed: the same seed gives the
/// same order of everything, as long as the ends give and take the same. Workers may be `!Send`, and so is this.
///
/// Dropped, it is given up: what is in flight is dropped, with clean-ups.
///
/// ```
/// use ringtract::{collect, source, worker};
///
/// let (output, numbers) = collect();
/// let tract = source("numbers", 1, || 0..5).then(worker("double", 1, || |n: u32| 2 * n));
/// let mut run = tract.setup().init_inline(output)?;
/// while !run.is_finished() {
///     run.turn();
/// }
/// run.finish();
/// assert_eq!(numbers.take(), [0, 2, 4, 6, 8]);
/// # Ok::<(), ringtract::Error>(())
/// ```
#[must_use = "it moves only when it is given turns"]
pub struct Inline {
    seats: Vec<Seat>,
    /// Whose the seats are.
    places: Vec<WorkerPlace>,
    books: Books,
    random: fastrand::Rng,
    started: Instant,
}

/// The most requests a step moves in one turn: few, so that many orders are possible.
const BUDGET: usize = 8;

impl Inline {
    pub(crate) fn new(steps: Vec<WiredStep>, books: Books, seed: u64) -> Result<Self, Error> {
        let mut run = Self {
            seats: Vec::with_capacity(steps.len()),
            places: Vec::with_capacity(steps.len()),
            books,
            random: fastrand::Rng::with_seed(seed),
            started: clock::instant_now(),
        };
        for WiredStep { place, builder } in steps {
            let stage = Arc::clone(&run.books.posts[place.stage]);
            run.seats.push(Recruit { builder, stage, worker: place.worker }.build()?);
            run.places.push(place);
        }
        Ok(run)
    }

    /// The plan of this run, ends included.
    pub fn plan(&self) -> &Plan {
        &self.books.plan
    }

    /// Whether every worker has ended.
    pub fn is_finished(&self) -> bool {
        self.seats.is_empty()
    }

    /// Gives one round of turns, in an order drawn from the seed; returns whether anything moved.
    pub fn turn(&mut self) -> bool {
        self.books.control.start();
        let mut moved = false;
        for _ in 0..self.seats.len() {
            if self.seats.is_empty() {
                break;
            }
            let at = self.random.usize(..self.seats.len());
            let budget = self.random.usize(1..=BUDGET);
            moved |= self.give_turn(at, budget).is_none();
        }
        if !moved {
            // The draw may have missed those that could move.
            for at in (0..self.seats.len()).rev() {
                moved |= self.give_turn(at, 1).is_none();
            }
        }
        if !moved {
            self.rest();
        }
        moved
    }

    /// Gives the step in this seat one turn; `None` if it moved, else when it wants the next.
    pub(crate) fn give_turn(&mut self, at: usize, budget: usize) -> Option<Recall> {
        let step = &mut self.seats[at].step;
        let turn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            step.turn(budget, &mut Looks::once())
        }));
        match turn {
            Ok(Turn::Moved) => None,
            Ok(Turn::Idle(recall)) => Some(recall),
            Ok(Turn::Ended) => {
                self.vacate(at).leave();
                None
            }
            Err(panic) => {
                self.vacate(at).came_to_grief(&self.books.control, panic);
                None
            }
        }
    }

    /// Ends the step in this seat at once.
    pub(crate) fn abandon(&mut self, at: usize) {
        self.vacate(at).abandon(&self.books.control);
    }

    fn vacate(&mut self, at: usize) -> Seat {
        self.places.remove(at);
        self.seats.remove(at)
    }

    /// There is nothing to do for anybody.
    pub(crate) fn rest(&mut self) {
        self.seats.iter_mut().for_each(|seat| seat.step.idle());
    }

    /// Whose the seats are that are left, in the order in which they were taken.
    pub(crate) fn places(&self) -> &[WorkerPlace] {
        &self.places
    }

    /// How many requests this worker has taken.
    pub(crate) fn taken(&self, place: WorkerPlace) -> u64 {
        self.books.tallies[place.stage][place.worker].taken.get()
    }

    pub(crate) fn control(&self) -> &Control {
        &self.books.control
    }

    /// Asks the run to stop: sources and inputs end, what is in flight drains as turns are given.
    pub fn stop(&self) {
        self.books.control.stop();
    }

    /// A handle that can ask for the stop from any thread.
    pub fn stopper(&self) -> Stopper {
        Stopper { control: Arc::clone(&self.books.control) }
    }

    /// Gives turns until the run has ended.
    ///
    /// With a receiver that nobody else reads, it does not end: read it between turns instead.
    pub fn finish(mut self) -> Report {
        let mut waiter = Waiter::new(Idle::Yield);
        while !self.is_finished() {
            if self.turn() {
                waiter.reset();
            } else {
                waiter.wait();
            }
        }
        self.report(Vec::new())
    }

    /// The report as things are, with the workers that will not end.
    pub(crate) fn report(&self, unfinished: Vec<Unfinished>) -> Report {
        let ending = match unfinished.is_empty() {
            true => ending(&self.books.control),
            false => Ending::GivenUp,
        };
        let threads = thread_reports(&self.books, &[]);
        let elapsed = clock::instant_now().saturating_duration_since(self.started);
        self.books.report(ending, elapsed, threads, unfinished)
    }

    /// The workers that have not ended, where nothing has moved for so long.
    pub(crate) fn unfinished(&self, since: Duration) -> Vec<Unfinished> {
        let workers = self.places.iter().map(|&WorkerPlace { stage, worker }| {
            let tally = &self.books.tallies[stage][worker];
            let (phase, taken) = (tally.phase(), tally.taken.get());
            let stage = self.books.plan.stages[stage].path.clone();
            Unfinished { stage, worker, phase, taken, since }
        });
        workers.collect()
    }

    pub(crate) fn set_memory(&mut self, memory: MemoryReport) {
        self.books.memory = memory;
    }

    pub(crate) fn output_post(&self) -> Option<Arc<StagePost>> {
        receiver_post(&self.books)
    }
}

impl Drop for Inline {
    fn drop(&mut self) {
        for seat in self.seats.drain(..) {
            seat.abandon(&self.books.control);
        }
    }
}

impl fmt::Debug for Inline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inline").field("workers_left", &self.seats.len()).finish_non_exhaustive()
    }
}
