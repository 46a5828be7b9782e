//! Placement: which workers share a thread, and which core that thread is pinned to.
//!
//! A pure function of the plan, what was asked, and the machine.

use super::lower::{Defaults, has_steps};
use super::plan::{StagePlan, ThreadPlan, WorkerPlace};
use crate::error::Error;
use crate::system;
use crate::wait::idle::Idle;

/// Which workers share a thread.
///
/// Stages that ask for a core, and stages marked as blocking, have threads of their own whatever is said here. The
/// same tract gives the same results under every placement; only the order in which workers of a pool finish differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Placement {
    /// As many threads as the process may use cores, and no more than there are workers; neighbours share.
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

/// What a placement needs to know of the machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// The cores this process may use, by number. Never empty.
    pub(crate) cores: Vec<usize>,
    /// Threads that can run at once: the cores, or fewer where the process has a quota of time.
    pub(crate) parallelism: usize,
}

impl Machine {
    /// The machine this process runs on.
    pub(crate) fn this() -> Self {
        let parallelism = std::thread::available_parallelism().map_or(1, usize::from);
        let mut cores = system::usable_cores();
        if cores.is_empty() {
            cores = (0..parallelism).collect();
        }
        let parallelism = parallelism.min(cores.len());
        Self { cores, parallelism }
    }
}

/// Places every worker that has a step.
pub(crate) fn place(
    stages: &[StagePlan],
    defaults: &Defaults,
    machine: &Machine,
) -> Result<Vec<ThreadPlan>, Error> {
    if let Some(stage) =
        stages.iter().find(|stage| stage.core.is_some_and(|core| !machine.cores.contains(&core)))
    {
        return Err(Error::NoSuchCore {
            path: stage.path.clone(),
            core: stage.core.unwrap_or_default(),
            cores: machine.cores.clone(),
        });
    }
    let workers = stages.iter().enumerate().filter(|(_, stage)| has_steps(stage)).flat_map(
        |(stage, planned)| (0..planned.workers).map(move |worker| WorkerPlace { stage, worker }),
    );
    if let Placement::Inline { .. } = defaults.placement {
        // The caller's thread, which has a name and a priority already.
        let caller = thread(stages, workers.collect(), None);
        return Ok(vec![ThreadPlan { name: String::new(), ..caller }]);
    }
    let asked_for: Vec<usize> = stages.iter().filter_map(|stage| stage.core).collect();
    let mut cores = cores_to_pin(machine, &asked_for);
    let mut next_core = || defaults.pinned.then(|| cores.next()).flatten();
    let (mut pinned, mut own, mut free) = (Vec::<ThreadPlan>::new(), Vec::new(), Vec::new());
    for place in workers {
        let stage = &stages[place.stage];
        if stage.blocking {
            own.push(place);
        } else if let Some(core) = stage.core {
            match pinned.iter_mut().find(|thread| thread.core == Some(core)) {
                Some(thread) => thread.workers.push(place),
                None => pinned.push(thread(stages, vec![place], Some(core))),
            }
        } else {
            free.push(place);
        }
    }
    let count = match defaults.placement {
        Placement::Auto => machine.parallelism,
        Placement::Threads(0) => return Err(Error::NoThreads),
        Placement::Threads(count) => count,
        Placement::PerWorker | Placement::Inline { .. } => free.len(),
    };
    let mut threads: Vec<ThreadPlan> =
        pieces(&free, count).map(|piece| thread(stages, piece.to_vec(), next_core())).collect();
    threads.extend(pinned);
    threads.extend(own.into_iter().map(|place: WorkerPlace| {
        let core = stages[place.stage].core.or_else(&mut next_core);
        thread(stages, vec![place], core)
    }));
    let outnumbered = threads.len() > machine.parallelism;
    for at in 0..threads.len() {
        let core = threads[at].core;
        let shared =
            core.is_some() && threads.iter().filter(|other| other.core == core).count() > 1;
        threads[at].priority =
            threads[at].workers.iter().filter_map(|place| stages[place.stage].priority).max();
        threads[at].idle = idle(stages, &threads[at].workers, outnumbered || shared);
    }
    threads.sort_by_key(|thread| (thread.workers[0].stage, thread.workers[0].worker));
    Ok(threads)
}

/// The cores for threads that did not ask for one, those first that nobody asked for.
fn cores_to_pin(machine: &Machine, asked_for: &[usize]) -> impl Iterator<Item = usize> {
    let (taken, mut cores): (Vec<usize>, Vec<usize>) =
        machine.cores.iter().partition(|core| asked_for.contains(core));
    cores.extend(taken);
    cores.into_iter().cycle()
}

/// Cuts workers into at most `count` contiguous pieces of nearly the same length.
fn pieces(workers: &[WorkerPlace], count: usize) -> impl Iterator<Item = &[WorkerPlace]> {
    let count = count.clamp(1, workers.len().max(1));
    let (least, more) = (workers.len() / count, workers.len() % count);
    let start = move |piece: usize| piece * least + piece.min(more);
    (0..count)
        .map(move |piece| &workers[start(piece)..start(piece + 1)])
        .filter(|piece| !piece.is_empty())
}

fn thread(stages: &[StagePlan], workers: Vec<WorkerPlace>, core: Option<usize>) -> ThreadPlan {
    let name = workers.first().map_or_else(String::new, |first| {
        let stage = &stages[first.stage];
        if stage.workers > 1 {
            format!("{}[{}]", stage.path, first.worker)
        } else {
            stage.path.clone()
        }
    });
    ThreadPlan { name, core, priority: None, idle: idle(stages, &workers, false), workers }
}

/// The most eager strategy among the stages of a thread, stepped down where spinning would fight another thread.
fn idle(stages: &[StagePlan], workers: &[WorkerPlace], crowded: bool) -> Idle {
    let idles = workers.iter().map(|place| stages[place.stage].idle);
    let idle = idles.min_by_key(|idle| idle.patience()).unwrap_or_default();
    if crowded { idle.crowded() } else { idle }
}
