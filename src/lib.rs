//! Latency-sensitive pipelines inside one process: typed worker pools on pinned threads, joined by lock-free SPSC rings.
//!
//! A pipeline is described as a [`Tract`]: stages of workers ([`source`], [`worker`]), composed by [`Tract::then`],
//! [`parallel`] and [`fan_out`], nested without limit. Nothing runs until it is asked to:
//!
//! ```
//! use ringtract::{fan_out, source, worker};
//!
//! let tract = source("numbers", 1, || 1..=1_000_u64)
//!     .then(fan_out("both", [
//!         worker("square", 2, || |n: u64| n * n),
//!         worker("cube", 2, || |n: u64| n * n * n),
//!     ]));
//! let mut sum = 0;
//! let report = tract.run(|n| sum += n)?;
//! assert_eq!(sum, 333_833_500 + 250_500_250_000);
//! assert!(report.is_complete());
//! println!("{report}");
//! # Ok::<(), ringtract::Error>(())
//! ```
//!
//! # The life of a run
//!
//! | | |
//! |---|---|
//! | [`Tract`] | a description; runs any number of times, also at once |
//! | [`Setup`] | how one run is to be made: [`Placement`], lane capacity, [`Idle`], [`Measure`] |
//! | [`Plan`] | what it would consist of; everything that can be refused is refused here |
//! | [`Ready`] | every worker is made, each on its thread; nothing taken yet |
//! | [`Running`] | it runs, until its input ends or somebody asks it to stop |
//! | [`Report`] | where every request went, and how long it took |
//!
//! [`Tract::run`] does all of it in one call. [`Inline`] is a run on the caller's own thread.
//!
//! # The ends of a run
//!
//! A tract with a [`source`] needs no input. Any other is given one: [`input`] or a [`feed`] for other threads. What a
//! source or an input gives can be [`paced`]. Every run is given an output: [`final_output`], [`for_each`], [`collect`], a [`receiver`] for another thread, or any
//! [`Output`].
//!
//! # What it tells
//!
//! A [`Report`] prints as text, and gives a page with pictures ([`Report::to_html`]), percentile text, and with features
//! JSON, an interval log and what Prometheus scrapes. With the feature `tracing` a run emits events under the target
//! `ringtract`, none of them for a request that goes well:
//!
//! | level | message | fields |
//! |---|---|---|
//! | info | `initialised` | `stages`, `workers`, `threads`, `lanes` |
//! | error | `not initialised` | `error` |
//! | warn | `refused by the system` | `who`, `asked`, `reason`: a pin, a priority, locked memory |
//! | info | `started`, `stop asked` | |
//! | warn, error | `failure` | `stage`, `worker`, `kind`, `failure`: each one as it happens, a warning where a worker failed a request |
//! | info | `worker replaced` | `stage`, `worker`: after a panic |
//! | warn | `given up` | : what is in flight is dropped |
//! | error | `unfinished at the deadline` | `stage`, `worker`, `phase`, `taken` |
//! | info | `ledger` | `stage`, `taken`, `extra`, `emitted`, `discarded`, `failed`, `dropped`, `panics` |
//! | info | `ended` | `ending`, `seconds`, `complete` |
//!
//! # Tests
//!
//! [`sim::check`] runs a tract under many schedules, each drawn from a seed, with virtual time and faults by plan.
//!
//! # Requests
//!
//! A value travels in an [`Envelope`] that carries its start and its clean-ups, which run exactly once when the request
//! dies, wherever that is.

#![cfg_attr(not(loom), forbid(unsafe_code))]
#![deny(missing_docs, unreachable_pub)]

mod contract;
mod decide;
mod describe;
mod error;
mod events;
mod lane;
mod measure;
mod run;
mod service;
pub mod sim;
mod step;
mod sync;
mod system;
mod tell;
mod wait;

/// The models of `loom-tests`, which look at what is private here.
#[cfg(loom)]
#[path = "../loom-tests/src/models.rs"]
pub mod models;

pub use contract::answer::Unanswered;
pub use contract::factory::{
    Factory, Fallible, MakesSources, MakesWorkers, Plain, Shared, SharedHandle, kind, shared,
};
pub use contract::failure::{Failure, FailureKind};
pub use contract::input::{Input, Next};
pub use contract::output::{Output, Room};
pub use contract::pace::Pace;
pub use contract::paced::{Paced, paced};
pub use contract::request::{Envelope, Request};
pub use contract::worker::{
    FilterMap, FlatMap, Outcome, OutcomeOf, SharedWorker, TryMap, Worker, filter_map, flat_map,
    outcome, try_map,
};
pub use decide::machine::{Core, Machine};
pub use decide::partition::Partition;
pub use decide::placement::{Layout, Placement};
pub use decide::plan::{
    Crowd, GroupKind, MeshPlan, Plan, PlanNode, StagePlan, StepDown, ThreadPlan, WorkerPlace,
};
pub use describe::ends::{
    Collected, InputEnd, OutputEnd, collect, feed, final_output, for_each, input, output, receiver,
};
pub use describe::kit::StageKind;
#[cfg(feature = "async")]
pub use describe::stream::{RequestStream, stream_input, stream_output};
pub use describe::tract::{NoInput, Tract, fan_out, parallel, serial, source, worker};
pub use error::{BoxError, Error};
pub use lane::feed::{Feed, SendError, TrySendError};
pub use lane::receiver::{Receiver, TryRecvError};
pub use measure::Measure;
pub use measure::clock::instant_now as now;
#[doc(hidden)]
pub use measure::clock::was_read as clock_was_read;
pub use measure::metrics::{Metric, MetricKey, MetricsHandler, Throttled};
pub use measure::sheets::{Aspect, Precision};
pub use measure::tally::Phase;
pub use measure::throttle::Throttle;
pub use run::inline::Inline;
pub use run::running::{Overdue, Ready, Running, Stopper, Viewer};
pub use run::setup::Setup;
pub use service::call::{CallError, Service};
pub use service::pipelined::pipelined;
pub use service::serve::Serving;
pub use service::ticket::Ticket;
pub use service::workers::{CallWorker, ServiceFactory, workers};
pub use step::post::OnPanic;
pub use system::{Grant, Priority};
pub use tell::hiccups::Hiccups;
pub use tell::latency::{Latency, Shares, Times};
pub use tell::report::{
    Ending, LaneReport, Ledger, MemoryReport, Report, StageReport, ThreadReport, Unfinished,
};
pub use tell::slow::{Hop, SlowRequest};
pub use tell::snapshot::{Snapshot, StageSnapshot};
pub use tell::timeline::{Interval, Timeline};
pub use tell::verdict::Verdict;
pub use wait::idle::Idle;

#[doc = include_str!("choosing.md")]
pub mod choosing {}

/// The programs in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
