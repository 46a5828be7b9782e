//! Wiring: a blueprint becomes lanes, the builders of steps, and the books that the run's owner keeps.

use std::sync::Arc;
use std::sync::Mutex;

use super::books::{Books, WiredLane};
use super::gauges::Gauges;
use crate::decide::lower::{Blueprint, Defaults, StageParts};
use crate::decide::plan::{Plan, StagePlan, WorkerPlace};
use crate::describe::kit::{Erased, StageKind, StepBuilder, Wires};
use crate::error::Error;
use crate::lane::Load;
use crate::lane::ring_lane::{Doorbells, LaneSpec};
use crate::measure::tally::LaneTally;
use crate::step::control::Control;
use crate::step::post::{Post, StagePost};
use crate::sync::AtomicUsize;
use crate::tell::report::MemoryReport;
use crate::wait::doorbell::Doorbell;

/// A step that is yet to be built, and where it belongs.
pub(crate) struct WiredStep {
    pub(crate) place: WorkerPlace,
    pub(crate) builder: StepBuilder,
}

/// Wires a blueprint. The steps come in the order in which they are to be built: workers as written, then the ends
/// of the run, so that these stay untouched if a factory fails.
pub(crate) fn wire(
    blueprint: Blueprint,
    defaults: &Defaults,
) -> Result<(Vec<WiredStep>, Books), Error> {
    let Blueprint { plan, stages: parts } = blueprint;
    enter_factories(&plan, &parts)?;
    let doorbells: Vec<_> =
        plan.threads.iter().map(|thread| thread.idle.may_park().then(Doorbell::new)).collect();
    let mut weaver = Weaver::new(&plan, &parts, &doorbells, defaults.split_lanes());
    let outlets = weaver.outlets(&parts);
    let control = Arc::new(Control::new(doorbells.iter().flatten().cloned().collect()));
    let posts: Vec<_> =
        plan.stages.iter().zip(&parts).map(|(stage, parts)| stage_post(stage, parts)).collect();
    let tallies: Vec<Vec<_>> = plan
        .stages
        .iter()
        .map(|stage| (0..stage.workers).map(|_| Arc::default()).collect())
        .collect();

    let gauges = Gauges::new(&plan, &parts, defaults);

    let mut steps = Vec::new();
    for (stage, outlets) in outlets.into_iter().enumerate() {
        for (worker, outlet) in outlets.into_iter().enumerate() {
            let post = Post {
                stage: Arc::clone(&posts[stage]),
                worker,
                prefault: defaults.prefault,
                control: Arc::clone(&control),
                tally: Arc::clone(&tallies[stage][worker]),
                measure: defaults.measure,
                gauge: gauges.of(stage, worker),
                makes: defaults.troubles.makes(stage),
                doorbell: weaver.sleepers[stage][worker].doorbell.clone(),
                ended: false,
            };
            let lanes = std::mem::take(&mut weaver.inlets[stage][worker]);
            let load = weaver.loads[stage][worker].clone();
            if let Some(builder) = parts[stage].kit.step(post, lanes, load, outlet) {
                steps.push(WiredStep { place: WorkerPlace { stage, worker }, builder });
            }
        }
    }
    let is_end = |kind| matches!(kind, StageKind::Input | StageKind::Output | StageKind::Receiver);
    steps.sort_by_key(|step| is_end(plan.stages[step.place.stage].kind));

    let lanes = weaver.lanes;
    let forks = parts.into_iter().map(|parts| parts.fork.into_fact()).collect();
    let (plan, memory) = (Arc::new(plan), MemoryReport::default());
    let books = Books { plan, control, posts, tallies, gauges, doorbells, memory, lanes, forks };
    Ok((steps, books))
}

/// Enters every factory, or none.
fn enter_factories(plan: &Plan, parts: &[StageParts]) -> Result<(), Error> {
    for (at, stage) in parts.iter().enumerate() {
        if !stage.kit.factory().enter() {
            for entered in &parts[..at] {
                entered.kit.factory().leave(false);
            }
            return Err(Error::FactoryClosed { path: plan.stages[at].path.clone() });
        }
    }
    Ok(())
}

fn stage_post(stage: &StagePlan, parts: &StageParts) -> Arc<StagePost> {
    Arc::new(StagePost {
        path: stage.path.clone(),
        on_panic: stage.on_panic,
        on_failure: parts.options.on_failure.clone(),
        failures: Mutex::default(),
        present: AtomicUsize::new(stage.workers),
        factory: parts.kit.factory(),
        close_factory: parts.options.close_factory.unwrap_or(false),
    })
}

/// Requests published at once between workers of one thread.
const BATCH_ON_ONE_THREAD: usize = 32;

/// Where lanes are made: the kits ask it for each, and leave the consumers' ends with it.
struct Weaver<'a> {
    stages: &'a [StagePlan],
    loads: Vec<Vec<Option<Arc<Load>>>>,
    inlets: Vec<Vec<Vec<Erased>>>,
    lanes: Vec<WiredLane>,
    /// By stage and worker: who waits there.
    sleepers: Vec<Vec<Sleeper>>,
    split: bool,
    /// The worker whose outlet is being made.
    from: WorkerPlace,
}

/// Who waits at a worker's lanes: a thread of the run, or of the user.
#[derive(Clone)]
struct Sleeper {
    thread: Option<usize>,
    doorbell: Option<Arc<Doorbell>>,
}

/// By stage and worker: who waits there.
fn sleepers(
    plan: &Plan,
    parts: &[StageParts],
    doorbells: &[Option<Arc<Doorbell>>],
) -> Vec<Vec<Sleeper>> {
    let outside = plan.stages.iter().zip(parts).map(|(stage, parts)| {
        vec![Sleeper { thread: None, doorbell: parts.kit.doorbell() }; stage.workers]
    });
    let mut sleepers: Vec<Vec<_>> = outside.collect();
    for (thread, planned) in plan.threads.iter().enumerate() {
        for place in &planned.workers {
            let doorbell = doorbells[thread].clone();
            sleepers[place.stage][place.worker] = Sleeper { thread: Some(thread), doorbell };
        }
    }
    sleepers
}

impl<'a> Weaver<'a> {
    fn new(
        plan: &'a Plan,
        parts: &[StageParts],
        doorbells: &[Option<Arc<Doorbell>>],
        split: bool,
    ) -> Self {
        let stages = &plan.stages;
        let load = |competing: bool| competing.then(Arc::<Load>::default);
        let loads = stages
            .iter()
            .zip(parts)
            .map(|(stage, parts)| (0..stage.workers).map(|_| load(parts.competing)).collect());
        let inlets = stages.iter().map(|stage| (0..stage.workers).map(|_| Vec::new()).collect());
        Self {
            stages,
            loads: loads.collect(),
            inlets: inlets.collect(),
            lanes: Vec::new(),
            sleepers: sleepers(plan, parts, doorbells),
            split,
            from: WorkerPlace { stage: 0, worker: 0 },
        }
    }

    /// Whether both ends of a lane to that worker are on one thread.
    fn on_one_thread(&self, to: WorkerPlace) -> bool {
        let from = self.sleepers[self.from.stage][self.from.worker].thread;
        from.is_some() && from == self.sleepers[to.stage][to.worker].thread
    }

    /// Requests that a lane to that worker publishes at once. On one thread nobody can look before the turn is over, so
    /// there publishing each would be for nothing.
    fn batch(&self, to: WorkerPlace) -> usize {
        let asked = self.stages[self.from.stage].batch;
        if self.on_one_thread(to) { asked.max(BATCH_ON_ONE_THREAD) } else { asked }
    }

    /// Who is to be woken at the ends of a lane to that worker: nobody, where both ends are on one thread.
    fn doorbells(&self, to: WorkerPlace) -> Doorbells {
        if self.on_one_thread(to) {
            return Doorbells::default();
        }
        let from = &self.sleepers[self.from.stage][self.from.worker];
        let to = &self.sleepers[to.stage][to.worker];
        Doorbells { producer: from.doorbell.clone(), consumer: to.doorbell.clone() }
    }

    /// Every outlet, by stage and worker.
    fn outlets(&mut self, parts: &[StageParts]) -> Vec<Vec<Erased>> {
        let mut outlets = Vec::with_capacity(parts.len());
        for (stage, parts) in parts.iter().enumerate() {
            let workers = (0..self.stages[stage].workers).map(|worker| {
                self.from = WorkerPlace { stage, worker };
                parts.kit.outlet(&parts.fork, self)
            });
            outlets.push(workers.collect());
        }
        outlets
    }
}

impl Wires for Weaver<'_> {
    fn worker(&self) -> usize {
        self.from.worker
    }

    fn size(&self, stage: usize) -> usize {
        self.stages[stage].workers
    }

    fn spec(&mut self, stage: usize, worker: usize) -> LaneSpec {
        let tally = Arc::<LaneTally>::default();
        let to = WorkerPlace { stage, worker };
        self.lanes.push(WiredLane { from: self.from, to, tally: Arc::clone(&tally) });
        let load = self.loads[stage][worker].clone();
        if let Some(load) = &load {
            load.add_producer();
        }
        LaneSpec {
            capacity: self.stages[stage].capacity,
            batch: self.batch(to),
            split: self.split,
            load,
            tally,
            doorbells: self.doorbells(to),
        }
    }

    fn attach(&mut self, stage: usize, worker: usize, rx: Erased) {
        self.inlets[stage][worker].push(rx);
    }
}
