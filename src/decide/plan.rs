//! The plan of a run: everything that is decided before anything is made.

use std::cmp::Reverse;
use std::fmt;

use super::placement::Layout;
use crate::describe::kit::StageKind;
use crate::step::post::OnPanic;
use crate::system::Priority;
use crate::wait::idle::Idle;

/// What a run of a tract would consist of: stages, lanes, threads, memory. Plain data.
///
/// `Display` draws it as a tree, [`to_dot`](Self::to_dot) for Graphviz, and with the feature `json`
/// [`to_json`](Self::to_json) for programs.
///
/// ```
/// use ringtract::{source, worker};
///
/// let tract = source("numbers", 1, || 0..10).then(worker("double", 3, || |n: u32| 2 * n));
/// let plan = tract.plan()?;
/// assert_eq!(plan.workers(), 4);
/// assert_eq!(plan.lanes(), 3);
/// println!("{plan}");
/// # Ok::<(), ringtract::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Plan {
    /// How the stages are grouped.
    pub tree: PlanNode,
    /// The stages, an input given to the run first, an output last. Other fields refer to them by their place here.
    pub stages: Vec<StagePlan>,
    /// What joins them.
    pub meshes: Vec<MeshPlan>,
    /// Which workers were to share a thread, as asked.
    pub placement: Layout,
    /// What runs them; one thread without a name for an inline run.
    pub threads: Vec<ThreadPlan>,
    /// Bytes of the histograms of all workers; 0 where nothing is measured.
    pub histogram_bytes: usize,
}

impl Plan {
    /// Workers of all stages, sources and ends included.
    pub fn workers(&self) -> usize {
        self.stages.iter().map(|stage| stage.workers).sum()
    }

    /// Lanes of all meshes.
    pub fn lanes(&self) -> usize {
        self.meshes.iter().map(|mesh| mesh.lanes).sum()
    }

    /// Bytes of all rings: `lanes * (capacity * request size + header)`, summed over the meshes. What a value owns
    /// elsewhere is not in it.
    pub fn ring_bytes(&self) -> usize {
        self.meshes.iter().map(|mesh| mesh.bytes).sum()
    }

    /// Stages on the longest way through.
    pub(crate) fn longest_way(&self) -> usize {
        let mut meshes: Vec<_> = self.meshes.iter().map(|mesh| (mesh.from, mesh.to)).collect();
        // Stages come before those that they pass requests to.
        meshes.sort_unstable();
        let mut before = vec![0; self.stages.len()];
        for (from, to) in meshes {
            before[to] = before[to].max(before[from] + 1);
        }
        before.into_iter().max().map_or(0, |before| before + 1)
    }

    /// By stage, how many requests can be on their way behind it, on the longest way to where the run sees the last of them:
    /// in all lanes, and in the hands of workers. 0 where that is the stage itself.
    pub(crate) fn behind(&self) -> Vec<usize> {
        let stages = &self.stages;
        let mut meshes: Vec<_> =
            self.meshes.iter().filter(|mesh| stages[mesh.to].has_steps()).collect();
        // Stages come before those that they pass requests to.
        meshes.sort_unstable_by_key(|mesh| Reverse(mesh.from));
        let mut behind = vec![0; stages.len()];
        for mesh in meshes {
            let here = mesh.lanes * mesh.capacity + stages[mesh.to].workers;
            behind[mesh.from] = behind[mesh.from].max(here + behind[mesh.to]);
        }
        behind
    }
}

/// A tract in the tree of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
pub enum PlanNode {
    /// A stage, by its place in [`Plan::stages`].
    Stage(usize),
    /// A group.
    Group {
        /// Its name.
        name: String,
        /// What it does with a request.
        kind: GroupKind,
        /// Its members.
        members: Vec<PlanNode>,
    },
}

/// What a group does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
pub enum GroupKind {
    /// Passes it through all members, one after the other.
    Serial,
    /// Gives it to exactly one member.
    Parallel,
    /// Gives it to every member.
    FanOut,
}

/// A stage as planned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StagePlan {
    /// Its own name.
    pub name: String,
    /// Its name within its groups: `orders/archive/slow disk`.
    pub path: String,
    /// What it is made of.
    pub kind: StageKind,
    /// The size of its pool.
    pub workers: usize,
    /// Requests that each lane into it holds.
    pub capacity: usize,
    /// Values that its workers publish at once.
    pub batch: usize,
    /// Bytes that one request takes in a lane into it, envelope included; 0 for a source.
    pub request_bytes: usize,
    /// The cores asked for, which its workers take in turn; none if nobody asked.
    pub cores: Vec<usize>,
    /// The priority asked for.
    pub priority: Option<Priority>,
    /// What its threads do when nothing moves, as asked.
    pub idle: Idle,
    /// Whether it has threads of its own because its workers block.
    pub blocking: bool,
    /// What becomes of a worker that panicked.
    pub on_panic: OnPanic,
}

impl StagePlan {
    /// Whether it has workers that a thread runs.
    pub(crate) fn has_steps(&self) -> bool {
        self.kind != StageKind::Receiver
    }

    /// Whether a placement may put its workers on any thread.
    pub(crate) fn is_free(&self) -> bool {
        self.has_steps() && !self.blocking && self.cores.is_empty()
    }

    /// The core that one of its workers asks for.
    pub(crate) fn core_of(&self, worker: usize) -> Option<usize> {
        self.cores.get(worker % self.cores.len().max(1)).copied()
    }
}

/// All lanes from the workers of one stage to the workers of another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MeshPlan {
    /// The stage that puts.
    pub from: usize,
    /// The stage that takes.
    pub to: usize,
    /// One for each pair of workers.
    pub lanes: usize,
    /// Requests that each holds.
    pub capacity: usize,
    /// Bytes of all of them.
    pub bytes: usize,
}

/// A thread as planned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ThreadPlan {
    /// The path of its first worker. Where the system has room for less, it is given `~` and the end of it.
    pub name: String,
    /// The core it is to be pinned to.
    pub core: Option<usize>,
    /// The priority it is to have: the highest that its stages ask for.
    pub priority: Option<Priority>,
    /// What it does when nothing moves.
    pub idle: Idle,
    /// Why that is less eager than asked for.
    pub step_down: Option<StepDown>,
    /// The workers it gives turns to.
    pub workers: Vec<WorkerPlace>,
}

/// Why a thread waits less eagerly than it was asked to: it would fight the threads it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StepDown {
    /// What was asked for.
    pub asked: Idle,
    /// What is in the way.
    pub crowd: Crowd,
}

/// More threads than can run at once, or than leave room for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Crowd {
    /// Of all threads of the run, or of those that are not pinned.
    Threads {
        /// How many there are.
        threads: usize,
        /// How many could run at once, by cores and by quota.
        at_once: usize,
    },
    /// Of those with a real-time priority: nothing else would run.
    Urgent {
        /// How many there are.
        threads: usize,
        /// How many cores.
        cores: usize,
    },
    /// Of those pinned to one core.
    Core {
        /// The core.
        core: usize,
        /// How many are pinned to it.
        threads: usize,
    },
}

impl fmt::Display for StepDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} asked, but ", self.asked)?;
        match self.crowd {
            Crowd::Threads { threads, at_once } => {
                write!(f, "{threads} threads where {at_once} can run at once")
            }
            Crowd::Urgent { threads, cores } => {
                write!(f, "{threads} real-time threads would leave none of {cores} cores to others")
            }
            Crowd::Core { core, threads } => write!(f, "{threads} threads on core {core}"),
        }
    }
}

/// One worker of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
pub struct WorkerPlace {
    /// The stage, by its place in [`Plan::stages`].
    pub stage: usize,
    /// The worker, counted from 0.
    pub worker: usize,
}
