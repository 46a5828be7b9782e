//! The plan of a run: everything that is decided before anything is made.

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
    /// What runs them; one thread without a name for an inline run.
    pub threads: Vec<ThreadPlan>,
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
    /// The core asked for.
    pub core: Option<usize>,
    /// The priority asked for.
    pub priority: Option<Priority>,
    /// What its threads do when nothing moves, as asked.
    pub idle: Idle,
    /// Whether it has threads of its own because its workers block.
    pub blocking: bool,
    /// What becomes of a worker that panicked.
    pub on_panic: OnPanic,
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
    /// What it does when nothing moves, after stepping down where threads outnumber cores.
    pub idle: Idle,
    /// The workers it gives turns to.
    pub workers: Vec<WorkerPlace>,
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
