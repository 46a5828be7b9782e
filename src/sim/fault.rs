//! Faults, by plan.

use std::fmt;

use crate::decide::plan::{Plan, StagePlan, WorkerPlace};
use crate::describe::kit::StageKind;
use crate::error::Error;
use crate::step::trouble::Troubles;

/// Something that is to go wrong in a simulated run. Stages are named by their name or whole path; the ends given to a run
/// are `input` and `output`; where several stages have the name, their workers are counted through.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A worker takes its time: once it has taken so many requests, it has no turn until others have had this many, or
    /// all wait.
    Stall {
        /// The stage.
        stage: String,
        /// The worker, counted from 0.
        worker: usize,
        /// Requests it has taken before.
        after: u64,
        /// Turns of others.
        turns: u64,
    },
    /// A worker, or the output, panics with a request in its hands. The panic hook is not told.
    Panic {
        /// The stage; not a source.
        stage: String,
        /// The worker, counted from 0.
        worker: usize,
        /// The request, counted from 1.
        request: u64,
    },
    /// A factory fails: as the workers are made, or later as one is replaced.
    FailingMake {
        /// The stage.
        stage: String,
        /// The make, counted from 1 over all workers of the stage.
        make: u64,
    },
    /// The run is asked to stop.
    Stop {
        /// At this turn, counted from 1 over all workers.
        turn: u64,
    },
    /// The output given to the run closes.
    CloseOutput {
        /// Requests it has taken before.
        after: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stall { stage, worker, after, turns } => {
                write!(f, "a stall of `{stage}`[{worker}] for {turns} turns after request {after}")
            }
            Self::Panic { stage, worker, request } => {
                write!(f, "a panic of `{stage}`[{worker}] at request {request}")
            }
            Self::FailingMake { stage, make } => {
                write!(f, "a failure of the factory of `{stage}` at make {make}")
            }
            Self::Stop { turn } => write!(f, "a stop at turn {turn}"),
            Self::CloseOutput { after } => {
                write!(f, "the close of the output after request {after}")
            }
        }
    }
}

/// The faults that the scheduler sees to.
#[derive(Debug, Default)]
pub(super) struct Hindrances {
    pub(super) stalls: Vec<Stall>,
    pub(super) stops: Vec<u64>,
    /// The place of the output, and after how many requests it closes.
    pub(super) close: Option<(usize, u64)>,
}

impl Hindrances {
    /// Those whose worker is stalled now are over.
    pub(super) fn end_stalls(&mut self) {
        self.stalls.iter_mut().filter(|stall| stall.begun).for_each(|stall| stall.turns = 0);
    }
}

#[derive(Debug)]
pub(super) struct Stall {
    pub(super) place: WorkerPlace,
    pub(super) after: u64,
    pub(super) turns: u64,
    pub(super) begun: bool,
}

impl Stall {
    /// Whether its worker is to have no turn now.
    pub(super) fn holds(&self) -> bool {
        self.begun && self.turns > 0
    }
}

/// Lays faults out on a plan: what the steps see to, and what the scheduler sees to.
pub(super) fn lay_out(faults: &[Fault], plan: &Plan) -> Result<(Troubles, Hindrances), Error> {
    let mut troubles = Troubles::of_stages(plan.stages.len());
    let mut makes = vec![Vec::new(); plan.stages.len()];
    let mut hindrances = Hindrances::default();
    for fault in faults {
        let victim =
            |name: &str, worker| find(plan, name, worker).ok_or_else(|| nobody(fault, plan));
        match fault {
            Fault::Stall { stage, worker, after, turns } => {
                let place = victim(stage, *worker)?;
                hindrances.stalls.push(Stall { place, after: *after, turns: *turns, begun: false });
            }
            Fault::Panic { stage, worker, request } => {
                let WorkerPlace { stage, worker } = victim(stage, *worker)?;
                if !takes(&plan.stages[stage]) {
                    return Err(nobody(fault, plan));
                }
                troubles.strike(stage, worker, *request);
            }
            Fault::FailingMake { stage, make } => makes[victim(stage, 0)?.stage].push(*make),
            Fault::Stop { turn } => hindrances.stops.push(*turn),
            Fault::CloseOutput { after } => {
                let kinds = plan.stages.iter().map(|stage| stage.kind);
                let output = kinds.into_iter().position(|kind| kind == StageKind::Output);
                let output = output.ok_or_else(|| nobody(fault, plan))?;
                let after = hindrances.close.map_or(*after, |(_, sooner)| sooner.min(*after));
                hindrances.close = Some((output, after));
            }
        }
    }
    for (stage, failing) in makes.into_iter().enumerate().filter(|(_, makes)| !makes.is_empty()) {
        troubles.fail_makes(stage, failing);
    }
    Ok((troubles, hindrances))
}

/// Whether the workers of a stage take requests.
fn takes(stage: &StagePlan) -> bool {
    matches!(stage.kind, StageKind::Worker | StageKind::Output)
}

/// The worker of this number in the stages of this name, counted through where several have it.
fn find(plan: &Plan, name: &str, mut worker: usize) -> Option<WorkerPlace> {
    for (stage, planned) in plan.stages.iter().enumerate() {
        let is_meant = planned.path == name || planned.name == name;
        if is_meant && planned.kind != StageKind::Receiver {
            match worker.checked_sub(planned.workers) {
                Some(left) => worker = left,
                None => return Some(WorkerPlace { stage, worker }),
            }
        }
    }
    None
}

fn nobody(fault: &Fault, plan: &Plan) -> Error {
    let stages = plan.stages.iter().map(|stage| {
        let kind = if takes(stage) { "" } else { ", takes nothing" };
        format!("`{}` ({}{kind})", stage.path, stage.workers)
    });
    Error::NoSuchVictim { fault: fault.to_string(), stages: stages.collect() }
}
