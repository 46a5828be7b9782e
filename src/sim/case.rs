//! One case: what is drawn for it, what is planned for it, and its runs.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::rc::Rc;

use fastrand::Rng;

use super::fault::{Fault, lay_out};
use super::order::{Disorder, Order};
use super::run::{Run, Stuck};
use crate::decide::plan::Plan;
use crate::describe::ends::{InputEnd, OutputEnd};
use crate::describe::kit::StageKind;
use crate::describe::tract::NoInput;
use crate::error::Error;
use crate::run::inline::Inline;
use crate::run::setup::{Setup, TroublesFor};
use crate::tell::report::Report;

/// One case of a property: given to it by [`check`](super::check), with everything drawn from one seed.
///
/// While the property has it, time on this thread is the case's own: [`now`](crate::now) stands still until a run lets it
/// pass.
pub struct Case {
    seed: u64,
    edits: Edits,
    random: Rng,
    pub(super) draws: Vec<Draw>,
    /// Faults, those left out included.
    planned: usize,
    faults: Vec<Fault>,
    disorder: Rc<Disorder>,
    runs: u64,
}

/// How a case differs from what its seed says, to make it smaller.
#[derive(Debug, Clone)]
pub(super) struct Edits {
    /// What is taken in place of what is drawn.
    pub(super) draws: Vec<Option<u64>>,
    /// Faults left out, by number.
    pub(super) without: BTreeSet<usize>,
    /// Turns in an order drawn, after which everybody has one after the other.
    pub(super) disorder: u64,
    /// Another order than the seed's, where it is not 0.
    pub(super) order: u64,
}

impl Edits {
    pub(super) fn none() -> Self {
        Self { draws: Vec::new(), without: BTreeSet::new(), disorder: u64::MAX, order: 0 }
    }
}

/// A number drawn, and the least it could have been.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    pub(super) value: u64,
    pub(super) least: u64,
}

impl Case {
    pub(super) fn new(seed: u64, edits: Edits) -> Self {
        Self {
            seed,
            random: Rng::with_seed(seed),
            draws: Vec::new(),
            planned: 0,
            faults: Vec::new(),
            disorder: Rc::new(Disorder { turns: Cell::new(0), most: edits.disorder }),
            runs: 0,
            edits,
        }
    }

    /// The seed that everything is drawn from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number for the property's own use: sizes, values, choices. A failing case is made smaller by smaller numbers, so let
    /// the least stand for the simplest.
    pub fn draw(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (least, most) = (*range.start(), *range.end());
        let drawn = self.random.u64(range);
        let edited = self.edits.draws.get(self.draws.len()).copied().flatten();
        let value = edited.map_or(drawn, |edited| edited.clamp(least, most));
        self.draws.push(Draw { value, least });
        value
    }

    /// Plans a fault for the runs of this case that have not started yet.
    pub fn fault(&mut self, fault: Fault) {
        if !self.edits.without.contains(&self.planned) {
            self.faults.push(fault);
        }
        self.planned += 1;
    }

    /// Plans up to three faults, drawn from those that a run with this plan can have: stalls, panics, failing makes, a stop.
    pub fn any_faults(&mut self, plan: &Plan) {
        let workers = |kind: fn(StageKind) -> bool| {
            let stages = plan.stages.iter().filter(move |stage| kind(stage.kind));
            stages.map(|stage| (stage.path.clone(), stage.workers)).collect::<Vec<_>>()
        };
        let all = workers(|kind| kind != StageKind::Receiver);
        let takers = workers(|kind| kind == StageKind::Worker);
        for _ in 0..self.random.u8(0..=3) {
            let from = if self.random.bool() || takers.is_empty() { &all } else { &takers };
            let Some((stage, workers)) = self.random.choice(from).cloned() else { return };
            let panics = takers.iter().any(|(taker, _)| *taker == stage);
            let worker = self.random.usize(..workers);
            let after = below(&mut self.random, 7);
            let fault = match self.random.u8(..8) {
                0 => Fault::Stop { turn: 1 + below(&mut self.random, 10) },
                1 => Fault::FailingMake { stage, make: self.random.u64(1..=2 * workers as u64) },
                2..=4 if panics => Fault::Panic { stage, worker, request: after + 1 },
                _ => Fault::Stall { stage, worker, after, turns: 1 << self.random.u8(..10) },
            };
            self.fault(fault);
        }
    }

    /// The faults planned so far.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Runs a tract to its end. The placement of the setup says nothing here.
    ///
    /// # Errors
    ///
    /// Whatever prevents the start, as [`Setup::init`]; [`Stuck`] if the run does not end.
    pub fn run<O: Send + 'static>(
        &mut self,
        setup: Setup<'_, NoInput, O>,
        output: OutputEnd<O>,
    ) -> Result<Report, SimError> {
        Ok(self.start(setup, output)?.finish()?)
    }

    /// Runs a tract to its end, between an input and an output.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_fed<I: Send + 'static, O: Send + 'static>(
        &mut self,
        setup: Setup<'_, I, O>,
        input: InputEnd<I>,
        output: OutputEnd<O>,
    ) -> Result<Report, SimError> {
        Ok(self.start_fed(setup, input, output)?.finish()?)
    }

    /// Makes every worker, for a run that the property moves by hand.
    ///
    /// # Errors
    ///
    /// As [`Setup::init`], and [`Error::NoSuchVictim`] for a fault that the run cannot have.
    pub fn start<O: Send + 'static>(
        &mut self,
        setup: Setup<'_, NoInput, O>,
        output: OutputEnd<O>,
    ) -> Result<Run, Error> {
        self.begin(|seed, faults| setup.simulated(seed, None, output, faults))
    }

    /// Like [`start`](Self::start), between an input and an output.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_fed<I: Send + 'static, O: Send + 'static>(
        &mut self,
        setup: Setup<'_, I, O>,
        input: InputEnd<I>,
        output: OutputEnd<O>,
    ) -> Result<Run, Error> {
        self.begin(|seed, faults| setup.simulated(seed, Some(input), output, faults))
    }

    fn begin(
        &mut self,
        init: impl FnOnce(u64, &mut TroublesFor<'_>) -> Result<Inline, Error>,
    ) -> Result<Run, Error> {
        // Apart from what the property draws, so that a smaller draw leaves the order as it is.
        let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let seed = (seed ^ self.edits.order << 32).wrapping_add(self.runs);
        self.runs += 1;
        let mut hindrances = None;
        let inline = init(seed, &mut |plan| {
            let (troubles, scheduled) = lay_out(&self.faults, plan)?;
            hindrances = Some(scheduled);
            Ok(troubles)
        })?;
        let order = Order::new(seed, &self.disorder);
        Ok(Run::new(inline, order, hindrances.unwrap_or_default()))
    }

    pub(super) fn turns(&self) -> u64 {
        self.disorder.turns.get()
    }

    pub(super) fn planned(&self) -> usize {
        self.planned
    }
}

/// A number of less than so many bits, small ones as likely as large ones.
fn below(random: &mut Rng, bits: u8) -> u64 {
    let bits = random.u8(..bits);
    random.u64(..1 << bits)
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// Why a simulated run has no report to be content with.
#[derive(Debug)]
#[non_exhaustive]
pub enum SimError {
    /// It could not be made.
    Refused(Error),
    /// It does not end.
    Stuck(Stuck),
}

impl From<Error> for SimError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Stuck> for SimError {
    fn from(stuck: Stuck) -> Self {
        Self::Stuck(stuck)
    }
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Stuck(stuck) => stuck.fmt(f),
        }
    }
}

impl std::error::Error for SimError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Stuck(stuck) => Some(stuck),
        }
    }
}
