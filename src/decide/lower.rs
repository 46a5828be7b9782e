//! Lowering: from the tree of a description to a flat list of stages, each with where its requests go next.
//!
//! Groups leave no trace but the forks between stages: no group costs a thread, a hop or a copy. All that can be
//! refused is refused here, before anything is made.

use std::sync::Arc;

use super::machine::Machine;
use super::placement::{Layout, place};
use super::plan::{GroupKind, MeshPlan, Plan, PlanNode, StagePlan};
use crate::describe::kit::Kit;
use crate::describe::options::Options;
use crate::describe::shape::{Form, Shape};
use crate::error::{Error, MAX_CAPACITY};
use crate::lane::fork::{Ending, Fork};
use crate::lane::track::header_bytes;
use crate::measure::Measure;
use crate::measure::metrics::SharedHandler;
use crate::measure::sheets::Precision;
use crate::step::trouble::Troubles;
use crate::system::Priority;
use crate::wait::idle::Idle;

/// A plan, and what it takes to carry it out.
pub(crate) struct Blueprint {
    pub(crate) plan: Plan,
    pub(crate) stages: Vec<StageParts>,
}

/// What a planned stage is made of.
pub(crate) struct StageParts {
    pub(crate) kit: Arc<dyn Kit>,
    pub(crate) fork: Fork,
    pub(crate) options: Options,
    /// Whether its workers compete for requests, with each other or with those of other stages.
    pub(crate) competing: bool,
}

/// What a run decides for stages that do not.
#[derive(Debug, Clone)]
pub(crate) struct Defaults {
    pub(crate) layout: Layout,
    pub(crate) capacity: usize,
    pub(crate) idle: Idle,
    pub(crate) pinned: bool,
    pub(crate) priority: Option<Priority>,
    pub(crate) prefault: bool,
    pub(crate) measure: Measure,
    pub(crate) precision: Precision,
    /// Slow requests kept.
    pub(crate) slowest: usize,
    pub(crate) metrics: Option<SharedHandler>,
    pub(crate) troubles: Troubles,
    /// What is done with requests at the end, where there is no output.
    pub(crate) ending: Option<Ending>,
}

impl Defaults {
    /// Whether lanes keep values and envelopes apart: where nothing is measured, hardly an envelope says anything, unless
    /// somebody waits for every request at the end.
    pub(crate) fn split_lanes(&self) -> bool {
        self.measure == Measure::Off && self.ending.is_none()
    }

    /// Where requests go that leave the tract.
    fn exit(&self, output: Option<usize>) -> Fork {
        match (output, &self.ending) {
            (Some(stage), _) => Fork::Stage(stage),
            (None, Some(ending)) => Fork::End(ending.clone()),
            (None, None) => Fork::Final,
        }
    }
}

/// Lowers a shape, between an input and an output where they are given.
pub(crate) fn lower(
    shape: &Shape,
    input: Option<Arc<dyn Kit>>,
    output: Option<Arc<dyn Kit>>,
    defaults: &Defaults,
    machine: &Machine,
) -> Result<Blueprint, Error> {
    check_capacity("", defaults.capacity)?;
    check_priority("", defaults.priority)?;
    if !defaults.precision.is_possible() {
        let Precision { longest, digits } = defaults.precision;
        return Err(Error::Precision { longest, digits });
    }
    let mut lowering = Lowering { stages: Vec::new(), parts: Vec::new(), defaults };
    let input = input.map(|kit| lowering.end("input", kit));
    let options = Options::default();
    let Lowered { node, entrance, exits } = lowering.shape(shape, "", &options)?;
    if let Some(input) = input {
        lowering.parts[input].fork = entrance;
    }
    let output = output.map(|kit| lowering.end("output", kit));
    for exit in exits {
        lowering.parts[exit].fork = defaults.exit(output);
    }
    let Lowering { stages, mut parts, .. } = lowering;
    let meshes = join(&stages, &mut parts, defaults.split_lanes());
    let tree = with_ends(node, shape, input, output);
    let threads = place(&stages, defaults, machine)?;
    let measured: usize = stages.iter().filter(|stage| stage.has_steps()).map(|s| s.workers).sum();
    let histogram_bytes = match defaults.measure {
        Measure::Off => 0,
        _ => measured * defaults.precision.bytes_per_worker(),
    };
    let placement = defaults.layout.clone();
    let plan = Plan { tree, stages, meshes, placement, threads, histogram_bytes };
    Ok(Blueprint { plan, stages: parts })
}

struct Lowering<'a> {
    stages: Vec<StagePlan>,
    parts: Vec<StageParts>,
    defaults: &'a Defaults,
}

/// A tract, lowered: its place in the tree, how to enter it, and the stages whose requests leave it.
struct Lowered {
    node: PlanNode,
    entrance: Fork,
    exits: Vec<usize>,
}

impl Lowering<'_> {
    fn shape(&mut self, shape: &Shape, around: &str, outer: &Options) -> Result<Lowered, Error> {
        let options = shape.options.within(outer);
        let path = match &shape.name {
            Some(name) if around.is_empty() => name.clone(),
            Some(name) => format!("{around}/{name}"),
            None => around.to_owned(),
        };
        let (kind, members) = match &shape.form {
            Form::Stage { size, kit } => {
                let stage = self.stage(shape.name(), path, *size, Arc::clone(kit), options)?;
                return Ok(Lowered {
                    node: PlanNode::Stage(stage),
                    entrance: Fork::Stage(stage),
                    exits: vec![stage],
                });
            }
            Form::Serial(members) => (GroupKind::Serial, members),
            Form::Parallel(members) => (GroupKind::Parallel, members),
            Form::FanOut(members, _) => (GroupKind::FanOut, members),
        };
        if members.is_empty() {
            return Err(Error::EmptyGroup { path });
        }
        let lowered = members
            .iter()
            .map(|member| self.shape(member, &path, &options))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(self.group(shape, kind, lowered))
    }

    fn group(&mut self, shape: &Shape, kind: GroupKind, members: Vec<Lowered>) -> Lowered {
        let mut nodes = Vec::with_capacity(members.len());
        let mut entrances = Vec::with_capacity(members.len());
        let mut exits: Vec<usize> = Vec::new();
        for member in members {
            nodes.push(member.node);
            if kind == GroupKind::Serial {
                for exit in exits.drain(..) {
                    self.parts[exit].fork = member.entrance.clone();
                }
            }
            exits.extend(member.exits);
            entrances.push(member.entrance);
        }
        let entrance = match &shape.form {
            Form::Parallel(_) => Fork::route(entrances),
            Form::FanOut(_, cloner) => Fork::broadcast(entrances, cloner.clone()),
            Form::Serial(_) | Form::Stage { .. } => entrances.swap_remove(0),
        };
        // An unnamed chain inside another group has no name to show.
        let node =
            PlanNode::Group { name: shape.name.clone().unwrap_or_default(), kind, members: nodes };
        Lowered { node, entrance, exits }
    }

    fn stage(
        &mut self,
        name: String,
        path: String,
        workers: usize,
        kit: Arc<dyn Kit>,
        options: Options,
    ) -> Result<usize, Error> {
        if workers == 0 {
            return Err(Error::EmptyPool { path });
        }
        let capacity = options.capacity.unwrap_or(self.defaults.capacity);
        check_capacity(&path, capacity)?;
        let batch = options.batch.unwrap_or(1);
        if batch == 0 {
            return Err(Error::EmptyBatch { path });
        }
        let cores = options.cores.clone().unwrap_or_default();
        if cores.is_empty() && options.cores.is_some() {
            return Err(Error::NoCores { path });
        }
        check_priority(&path, options.priority)?;
        let blocking = options.blocking.unwrap_or(false);
        // A batch that waits for a worker that blocks would keep back what is done.
        let batch = if blocking { 1 } else { batch };
        self.stages.push(StagePlan {
            name,
            path,
            kind: kit.kind(),
            workers,
            capacity,
            batch,
            request_bytes: kit.request_size(self.defaults.split_lanes()),
            cores,
            priority: options.priority.or(self.defaults.priority),
            idle: options.idle.unwrap_or(self.defaults.idle),
            blocking,
            on_panic: options.on_panic.unwrap_or_default(),
        });
        self.parts.push(StageParts { kit, fork: Fork::Final, options, competing: workers > 1 });
        Ok(self.stages.len() - 1)
    }

    /// A stage for an end of the run.
    fn end(&mut self, name: &str, kit: Arc<dyn Kit>) -> usize {
        let (name, path) = (name.to_owned(), name.to_owned());
        self.stage(name, path, 1, kit, Options::default()).expect("one worker and checked defaults")
    }
}

fn check_capacity(path: &str, asked: usize) -> Result<(), Error> {
    if (1..=MAX_CAPACITY).contains(&asked) {
        return Ok(());
    }
    Err(Error::Capacity { path: path.to_owned(), asked })
}

fn check_priority(path: &str, asked: Option<Priority>) -> Result<(), Error> {
    match asked {
        Some(asked) if !asked.is_valid() => {
            Err(Error::NoSuchPriority { path: path.to_owned(), asked })
        }
        _ => Ok(()),
    }
}

/// The meshes that the forks come to; notes at the stages behind them whether their workers compete.
fn join(stages: &[StagePlan], parts: &mut [StageParts], split: bool) -> Vec<MeshPlan> {
    let mut meshes = Vec::new();
    for from in 0..parts.len() {
        for (to, competing) in parts[from].fork.leaves() {
            parts[to].competing |= competing;
            let lanes = stages[from].workers * stages[to].workers;
            let capacity = stages[to].capacity;
            let ring = header_bytes(split) + capacity * stages[to].request_bytes;
            meshes.push(MeshPlan { from, to, lanes, capacity, bytes: lanes * ring });
        }
    }
    meshes
}

/// The tree with the ends of the run around the tract.
fn with_ends(
    node: PlanNode,
    shape: &Shape,
    input: Option<usize>,
    output: Option<usize>,
) -> PlanNode {
    let ends = input.is_some() || output.is_some();
    match node {
        PlanNode::Group { name, kind: GroupKind::Serial, mut members } if shape.name.is_none() => {
            if let Some(input) = input {
                members.insert(0, PlanNode::Stage(input));
            }
            members.extend(output.map(PlanNode::Stage));
            PlanNode::Group { name, kind: GroupKind::Serial, members }
        }
        node if ends => {
            let members = input.map(PlanNode::Stage).into_iter();
            let members = members.chain([node]).chain(output.map(PlanNode::Stage)).collect();
            PlanNode::Group { name: String::new(), kind: GroupKind::Serial, members }
        }
        node => node,
    }
}
