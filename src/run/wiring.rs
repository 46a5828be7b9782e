//! Wiring: a blueprint becomes lanes, the builders of steps, and the books that the run's owner keeps.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::contract::failure::Failure;
use crate::decide::lower::{Blueprint, Defaults, StageParts};
use crate::decide::plan::{Plan, StagePlan, WorkerPlace};
use crate::describe::kit::{Erased, StageKind, StepBuilder, Wires};
use crate::error::Error;
use crate::lane::Load;
use crate::lane::fork::Fork;
use crate::lane::ring_lane::{Doorbells, LaneSpec};
use crate::measure::latency::histogram;
use crate::measure::tally::{LaneTally, StepTally};
use crate::step::control::Control;
use crate::step::post::{Post, StagePost};
use crate::sync::{AtomicUsize, lock};
use crate::tell::report::{
    Ending, LaneReport, Latency, Ledger, MemoryReport, Report, StageReport, ThreadReport,
    Unfinished,
};
use crate::wait::doorbell::Doorbell;

/// A step that is yet to be built, and where it belongs.
pub(crate) struct WiredStep {
    pub(crate) place: WorkerPlace,
    pub(crate) builder: StepBuilder,
}

/// Everything about a run that its owner can see.
pub(crate) struct Books {
    pub(crate) plan: Plan,
    pub(crate) control: Arc<Control>,
    pub(crate) posts: Vec<Arc<StagePost>>,
    /// By stage and worker.
    pub(crate) tallies: Vec<Vec<Arc<CachePadded<StepTally>>>>,
    /// By thread: what wakes it, if it parks.
    pub(crate) doorbells: Vec<Option<Arc<Doorbell>>>,
    pub(crate) memory: MemoryReport,
    lanes: Vec<WiredLane>,
    forks: Vec<Fork>,
}

struct WiredLane {
    from: WorkerPlace,
    to: WorkerPlace,
    tally: Arc<LaneTally>,
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
    let forks = parts.into_iter().map(|parts| parts.fork).collect();
    let memory = MemoryReport::default();
    Ok((steps, Books { plan, control, posts, tallies, doorbells, memory, lanes, forks }))
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
        latencies: Mutex::default(),
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
        LaneSpec {
            capacity: self.stages[stage].capacity,
            batch: self.batch(to),
            split: self.split,
            load: self.loads[stage][worker].clone(),
            tally,
            doorbells: self.doorbells(to),
        }
    }

    fn attach(&mut self, stage: usize, worker: usize, rx: Erased) {
        self.inlets[stage][worker].push(rx);
    }
}

impl Books {
    /// The report, as things are now.
    pub(crate) fn report(
        &self,
        ending: Ending,
        elapsed: Duration,
        threads: Vec<ThreadReport>,
        unfinished: Vec<Unfinished>,
    ) -> Report {
        let stages: Vec<_> =
            (0..self.posts.len()).map(|stage| self.stage_report(stage, elapsed)).collect();
        let lanes: Vec<_> = self.lanes.iter().map(|lane| self.lane_report(lane)).collect();
        let failures: Vec<Failure> =
            self.posts.iter().flat_map(|post| lock(&post.failures).clone()).collect();
        let imbalances =
            if unfinished.is_empty() { self.imbalances(&stages, &lanes) } else { Vec::new() };
        let (plan, memory) = (self.plan.clone(), self.memory.clone());
        Report {
            plan,
            ending,
            elapsed,
            stages,
            lanes,
            threads,
            memory,
            failures,
            unfinished,
            imbalances,
        }
    }

    fn stage_report(&self, stage: usize, elapsed: Duration) -> StageReport {
        let planned = &self.plan.stages[stage];
        let receiver = planned.kind == StageKind::Receiver;
        let tallies = if receiver { &[][..] } else { &self.tallies[stage] };
        let workers: Vec<Ledger> = tallies.iter().map(|tally| Ledger::read(tally)).collect();
        let mut ledger = Ledger::default();
        workers.iter().for_each(|worker| ledger.add(worker));
        let (mut work, mut age) = (histogram(), histogram());
        for latencies in lock(&self.posts[stage].latencies).iter() {
            work.add(&latencies.work).expect("histograms of the same bounds");
            age.add(&latencies.age).expect("histograms of the same bounds");
        }
        let mean = (!work.is_empty()).then(|| work.mean());
        StageReport {
            path: planned.path.clone(),
            kind: planned.kind,
            ledger,
            busy: mean.map(|nanos| busy(&workers, nanos, elapsed)),
            workers,
            work: Latency::of(&work),
            age: Latency::of(&age),
        }
    }

    fn lane_report(&self, lane: &WiredLane) -> LaneReport {
        let to = &self.plan.stages[lane.to.stage];
        LaneReport::read((lane.from, lane.to), to.capacity, &lane.tally)
    }

    /// Where the counts contradict each other.
    fn imbalances(&self, stages: &[StageReport], lanes: &[LaneReport]) -> Vec<String> {
        let mut found = Vec::new();
        for (number, stage) in stages.iter().enumerate() {
            let Ledger { taken, emitted, .. } = stage.ledger;
            if !stage.ledger.is_balanced() {
                found.push(format!("{}: {:?}", stage.path, stage.ledger));
            }
            let arrived: u64 =
                lanes.iter().filter(|lane| lane.to.stage == number).map(|lane| lane.taken).sum();
            let has_lanes = matches!(stage.kind, StageKind::Worker | StageKind::Output);
            if has_lanes && arrived != taken {
                found.push(format!(
                    "{}: {arrived} came out of its lanes, {taken} were taken",
                    stage.path
                ));
            }
            let left = match &self.forks[number] {
                Fork::Final => Some(emitted),
                fork => put(fork, number, lanes),
            };
            if stage.kind != StageKind::Output
                && stage.kind != StageKind::Receiver
                && left != Some(emitted)
            {
                found.push(format!(
                    "{}: {emitted} emitted, {left:?} put into its lanes",
                    stage.path
                ));
            }
        }
        found
    }
}

/// Shares of the time that workers were at work, from the mean time in nanoseconds that one request took.
#[expect(clippy::cast_precision_loss, reason = "a share is an estimate")]
fn busy(workers: &[Ledger], mean: f64, elapsed: Duration) -> Vec<f64> {
    let elapsed = elapsed.as_nanos().max(1) as f64;
    workers.iter().map(|worker| worker.taken as f64 * mean / elapsed).collect()
}

/// Requests that a stage put into the lanes of a fork; `None` where branches of a fan-out got different numbers.
fn put(fork: &Fork, from: usize, lanes: &[LaneReport]) -> Option<u64> {
    match fork {
        Fork::Final => Some(0),
        Fork::Stage(to) => {
            let between =
                lanes.iter().filter(|lane| (lane.from.stage, lane.to.stage) == (from, *to));
            Some(between.map(|lane| lane.put).sum())
        }
        Fork::Route(members) => members.iter().map(|member| put(member, from, lanes)).sum(),
        Fork::Broadcast(members, _) => {
            let mut counts = members.iter().map(|member| put(member, from, lanes));
            let first = counts.next()??;
            counts.all(|count| count == Some(first)).then_some(first)
        }
    }
}
