//! Simulation: your tract under thousands of schedules, in your tests.
//!
//! A tract that works may still depend on an order that happened to come up: that the slow branch is never overtaken, that a
//! stop does not fall between two requests, that a factory makes its second worker as well. [`check`] runs a property of
//! yours on one thread in as many orders as you like, each drawn from a seed, with a clock of its own and with faults by
//! plan. A run of some hundred requests takes well under a millisecond, so that thousands of seeds take seconds.
//!
//! ```
//! use ringtract::{collect, fan_out, sim, source, worker};
//!
//! sim::check(100, |case| {
//!     let count = case.draw(0..=50);
//!     let (output, sums) = collect();
//!     let tract = source("numbers", 1, move || 0..count)
//!         .then(fan_out("both", [
//!             worker("as is", 2, || |n: u64| n),
//!             worker("doubled", 1, || |n: u64| 2 * n),
//!         ]));
//!     let report = case.run(tract.setup().capacity(2), output)?;
//!     assert!(report.is_complete());
//!     assert_eq!(sums.take().iter().sum::<u64>(), 3 * (0..count).sum::<u64>());
//!     Ok(())
//! });
//! ```
//!
//! # When it fails
//!
//! The panic of [`check`] tells the seed and a smaller case: with smaller numbers [drawn](Case::draw), with fewer faults, and
//! with the shortest beginning out of order after which everybody can have turns one after the other.
//! `RINGTRACT_SEED=17 cargo test ..` replays that seed alone, and `RINGTRACT_SEEDS=10000` tries that many. [`explore`] gives
//! the [`Failure`] as a value.
//!
//! # Time
//!
//! Inside a property, [`now`](crate::now) is the case's clock. It stands still while anything can move, and then goes on at
//! once to when the next is due: an input that says [`NotBefore`](crate::Next::NotBefore) tomorrow is asked tomorrow, and that
//! takes no time. What the report measures is time of this kind. Code that reads [`Instant::now`](std::time::Instant::now)
//! itself sees the other kind, and does not replay.
//!
//! # Faults
//!
//! A [`Fault`] is planned by the name of a stage, for a description as it is: no worker has to be written for it.
//! [`Case::any_faults`] draws some.
//!
//! ```
//! use std::time::Duration;
//! use ringtract::sim::{self, Fault};
//! use ringtract::{FailureKind, final_output, source, worker};
//!
//! sim::check(20, |case| {
//!     let tract = source("numbers", 1, || 0..100_u64).then(worker("half", 2, || |n: u64| n / 2));
//!     case.fault(Fault::Stall { stage: "half".into(), worker: 0, after: 3, turns: 1_000 });
//!     case.fault(Fault::Panic { stage: "half".into(), worker: 1, request: 5 });
//!     let report = case.run(tract.setup(), final_output())?;
//!     assert_eq!(report.stage("half").expect("a stage").ledger.emitted, 99);
//!     assert_eq!(report.failures[0].kind, FailureKind::Panicked);
//!     Ok(())
//! });
//! ```
//!
//! # By hand
//!
//! [`Case::start`] gives a [`Run`] that moves when it is told to, between sends into a feed or looks at a receiver.
//!
//! ```
//! use std::time::Duration;
//! use ringtract::{feed, receiver, sim, worker};
//!
//! sim::check(20, |case| {
//!     let ((mut feed, input), (output, mut doubled)) = (feed(8), receiver());
//!     let tract = worker("double", 1, || |n: u64| 2 * n);
//!     let mut run = case.start_fed(tract.setup(), input, output)?;
//!     let before = ringtract::now();
//!     feed.try_send(21)?;
//!     run.settle();
//!     assert_eq!(*doubled.try_recv()?, 42);
//!     assert_eq!(ringtract::now(), before);
//!     run.pass(Duration::from_secs(3_600));
//!     assert_eq!(ringtract::now() - before, Duration::from_secs(3_600));
//!     feed.close();
//!     assert!(run.finish()?.is_complete());
//!     Ok(())
//! });
//! ```
//!
//! # What it does not do
//!
//! Everything is on one thread, so nothing may wait for something outside the run: a lock that another thread holds, a blocking
//! send or receive, a call to a [`Service`](crate::Service), whose run has threads. A run that nothing can move any more ends as
//! [`Stuck`]. A worker's code takes no time and is never interrupted: what threads say to each other below that (the orders
//! of loads and stores in rings and wake-ups) is what the models in `loom-tests` are for.

mod case;
mod explore;
mod fault;
mod order;
mod run;

pub use case::{Case, SimError};
pub use explore::{Failure, check, explore};
pub use fault::Fault;
pub use run::{Run, Stuck};
