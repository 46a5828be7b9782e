//! Latency-sensitive pipelines inside one process.

#![cfg_attr(not(loom), forbid(unsafe_code))]
#![deny(missing_docs, unreachable_pub)]

mod contract;
mod decide;
mod describe;
mod error;
mod idle;
mod lane;
mod measure;
mod run;
mod step;
mod sync;
mod tell;

/// The models of `loom-tests`, which look at what is private here.
#[cfg(loom)]
#[path = "../loom-tests/src/models.rs"]
pub mod models;

pub use contract::factory::{
    Factory, Fallible, MakesSources, MakesWorkers, Plain, Shared, SharedHandle, kind, shared,
};
pub use contract::failure::{Failure, FailureKind};
pub use contract::input::{Input, Next};
pub use contract::output::{Output, Room};
pub use contract::request::{Envelope, Request};
pub use contract::worker::{
    FilterMap, FlatMap, Outcome, OutcomeOf, SharedWorker, TryMap, Worker, filter_map, flat_map,
    outcome, try_map,
};
pub use decide::placement::Placement;
pub use decide::plan::{GroupKind, MeshPlan, Plan, PlanNode, StagePlan, ThreadPlan, WorkerPlace};
pub use describe::ends::{
    Collected, InputEnd, OutputEnd, collect, feed, final_output, for_each, input, output, receiver,
};
pub use describe::kit::StageKind;
pub use describe::tract::{NoInput, Tract, fan_out, parallel, serial, source, worker};
pub use error::{BoxError, Error};
pub use idle::Idle;
pub use lane::feed::{Feed, SendError, TrySendError};
pub use lane::receiver::{Receiver, TryRecvError};
pub use measure::Measure;
pub use measure::tally::Phase;
pub use run::inline::Inline;
pub use run::running::{Overdue, Ready, Running, Stopper};
pub use run::setup::Setup;
pub use step::post::OnPanic;
pub use tell::report::{
    Ending, LaneReport, Latency, Ledger, Report, StageReport, ThreadReport, Unfinished,
};
