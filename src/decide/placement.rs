//! Placement: which workers share a thread, and which core that thread is pinned to.
//!
//! A pure function of the plan, what was asked, and the machine. Workers that ask for a core share a thread there;
//! workers that block have a thread each; the rest, in the order written, is cut into contiguous pieces with a thread
//! each.

use std::fmt;

use super::crowding::step_down;
use super::lower::Defaults;
use super::machine::{Core, Machine};
use super::partition::Partition;
use super::plan::{StagePlan, ThreadPlan, WorkerPlace};
use crate::error::Error;

/// Which workers share a thread.
///
/// Stages that ask for a core, and stages marked as blocking, have threads of their own whatever is said here, except
/// inline. The same tract gives the same results under every placement; only the order in which workers of a pool finish
/// differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Placement {
    /// As many threads as there are cores for, and no more than there are workers; neighbours share.
    ///
    /// There are cores for as many threads as the process may run at once, by its mask and its quota of time (1.5 cores
    /// are 1 thread), less those that stages ask for. Where the process may use 4 cores or more, one that is not isolated
    /// is left to the system, and where the run is a service, one more to its callers. Threads of blocking stages come
    /// on top. Isolated cores are used by pinning, since the system puts nobody there by itself; other threads are
    /// pinned if the run is [`pinned`](crate::Setup::pinned).
    #[default]
    Auto,
    /// A thread for each worker.
    PerWorker,
    /// This many threads, and no more than there are workers; neighbours share.
    Threads(usize),
    /// Everything on the caller's thread, in an order drawn from this seed: the same seed, the same order. For
    /// [`Tract::run`](crate::Tract::run) and [`Setup::init_inline`](crate::Setup::init_inline).
    Inline {
        /// Seed of the order.
        seed: u64,
    },
}

/// How a run is laid out on threads: by a rule, or as worked out from a measured run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Layout {
    /// By a rule.
    Rule(Placement),
    /// As worked out.
    Measured(Partition),
}

impl From<Placement> for Layout {
    fn from(placement: Placement) -> Self {
        Self::Rule(placement)
    }
}

impl From<Partition> for Layout {
    fn from(partition: Partition) -> Self {
        Self::Measured(partition)
    }
}

impl From<&Partition> for Layout {
    fn from(partition: &Partition) -> Self {
        Self::Measured(partition.clone())
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(placement) => write!(f, "{placement:?}"),
            Self::Measured(partition) => partition.fmt(f),
        }
    }
}

/// Places every worker that has a step.
pub(crate) fn place(
    stages: &[StagePlan],
    defaults: &Defaults,
    machine: &Machine,
) -> Result<Vec<ThreadPlan>, Error> {
    check_cores(stages, machine)?;
    let workers = stages.iter().enumerate().filter(|(_, stage)| stage.has_steps()).flat_map(
        |(stage, planned)| (0..planned.workers).map(move |worker| WorkerPlace { stage, worker }),
    );
    if let Layout::Rule(Placement::Inline { .. }) = defaults.layout {
        // The caller's thread, which has a name, a mask and a priority already.
        let caller = thread(stages, workers.collect(), None);
        return Ok(vec![ThreadPlan { name: String::new(), priority: None, ..caller }]);
    }
    let Parts { pinned, mut own, free } = Parts::of(stages, workers);
    let asked_for = |threads: &[ThreadPlan]| -> Vec<usize> {
        threads.iter().filter_map(|thread| thread.core).collect()
    };
    let mut taken = asked_for(&pinned);
    let pieces = match &defaults.layout {
        Layout::Rule(rule) => {
            let count = count(*rule, free.len(), machine, &taken)?;
            // Whoever calls has a thread as well, and waits for this run on it.
            let callers = *rule == Placement::Auto && defaults.ending.is_some();
            even_pieces(&free, count.saturating_sub(usize::from(callers)))
        }
        Layout::Measured(partition) => partition.pieces(stages)?,
    };
    taken.extend(asked_for(&own));
    let line = machine.line_up(pieces.len(), &taken);
    let pieces = pieces.into_iter().zip(line).map(|(piece, core)| {
        thread(stages, piece, is_to_be_pinned(&core, defaults).then_some(core.id))
    });
    let mut threads: Vec<ThreadPlan> = pieces.chain(pinned).collect();
    if defaults.pinned {
        taken.extend(asked_for(&threads));
        let line = machine.line_up(own.len(), &taken);
        let rest = own.iter_mut().filter(|thread| thread.core.is_none());
        rest.zip(line).for_each(|(thread, core)| thread.core = Some(core.id));
    }
    threads.extend(own);
    threads.sort_by_key(|thread| (thread.workers[0].stage, thread.workers[0].worker));
    step_down(stages, &mut threads, machine);
    Ok(threads)
}

/// Workers by what decides on their thread.
#[derive(Default)]
struct Parts {
    /// Threads for workers that ask for the same core.
    pinned: Vec<ThreadPlan>,
    /// Threads for workers that block, one each.
    own: Vec<ThreadPlan>,
    /// Workers that the placement may put anywhere.
    free: Vec<WorkerPlace>,
}

impl Parts {
    fn of(stages: &[StagePlan], workers: impl Iterator<Item = WorkerPlace>) -> Self {
        let mut crews: Vec<(usize, Vec<WorkerPlace>)> = Vec::new();
        let mut parts = Self::default();
        for place in workers {
            let stage = &stages[place.stage];
            match stage.core_of(place.worker) {
                core if stage.blocking => parts.own.push(thread(stages, vec![place], core)),
                None => parts.free.push(place),
                Some(core) => match crews.iter_mut().find(|(other, _)| *other == core) {
                    Some((_, crew)) => crew.push(place),
                    None => crews.push((core, vec![place])),
                },
            }
        }
        let pinned = crews.into_iter().map(|(core, crew)| thread(stages, crew, Some(core)));
        Self { pinned: pinned.collect(), ..parts }
    }
}

fn check_cores(stages: &[StagePlan], machine: &Machine) -> Result<(), Error> {
    let wrong = stages.iter().find_map(|stage| {
        let core = stage.cores.iter().find(|&&core| machine.core(core).is_none())?;
        Some((stage, *core))
    });
    wrong.map_or(Ok(()), |(stage, core)| {
        let cores = machine.cores.iter().map(|core| core.id).collect();
        Err(Error::NoSuchCore { path: stage.path.clone(), core, cores })
    })
}

/// Threads for workers that have none of their own.
fn count(
    rule: Placement,
    workers: usize,
    machine: &Machine,
    taken: &[usize],
) -> Result<usize, Error> {
    match rule {
        Placement::Auto => Ok(machine.room(taken)),
        Placement::Threads(0) => Err(Error::NoThreads),
        Placement::Threads(count) => Ok(count),
        Placement::PerWorker | Placement::Inline { .. } => Ok(workers),
    }
}

/// Cuts workers into at most `count` contiguous pieces of nearly the same length.
fn even_pieces(workers: &[WorkerPlace], count: usize) -> Vec<Vec<WorkerPlace>> {
    let count = count.clamp(1, workers.len().max(1));
    let (least, more) = (workers.len() / count, workers.len() % count);
    let start = |piece: usize| piece * least + piece.min(more);
    let pieces = (0..count).map(|piece| workers[start(piece)..start(piece + 1)].to_vec());
    pieces.filter(|piece| !piece.is_empty()).collect()
}

/// Whether a thread that asked for no core is pinned to the one it was given: every thread where the run is pinned;
/// under `Auto` those that were given isolated cores.
fn is_to_be_pinned(core: &Core, defaults: &Defaults) -> bool {
    defaults.pinned || core.isolated && defaults.layout == Layout::Rule(Placement::Auto)
}

/// A thread that waits as eagerly as the most eager of its stages asks, and is as urgent as the most urgent.
fn thread(stages: &[StagePlan], workers: Vec<WorkerPlace>, core: Option<usize>) -> ThreadPlan {
    let name = workers.first().map_or_else(String::new, |first| {
        let stage = &stages[first.stage];
        if stage.workers > 1 {
            format!("{}[{}]", stage.path, first.worker)
        } else {
            stage.path.clone()
        }
    });
    let asked = || workers.iter().map(|place| &stages[place.stage]);
    let idle = asked().map(|stage| stage.idle).min_by_key(|idle| idle.patience());
    let priority = asked().filter_map(|stage| stage.priority).max();
    ThreadPlan { name, core, priority, idle: idle.unwrap_or_default(), step_down: None, workers }
}
