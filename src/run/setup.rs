//! Setting up a run: from a description to something initialised.

use std::sync::Arc;

use super::delivery::Delivery;
use super::inline::Inline;
use super::running::Ready;
use super::spawn::spawn;
use super::wiring::wire;
use crate::decide::lower::{Blueprint, Defaults, lower};
use crate::decide::machine::Machine;
use crate::decide::placement::{Layout, Placement};
use crate::decide::plan::Plan;
use crate::describe::ends::{InputEnd, OutputEnd, receiver};
use crate::describe::kit::Kit;
use crate::describe::tract::{NoInput, Tract};
use crate::error::Error;
use crate::events;
use crate::lane::fork::Ending;
use crate::measure::Measure;
use crate::measure::metrics::{MetricsHandler, SharedHandler};
use crate::measure::sheets::Precision;
use crate::step::trouble::Troubles;
use crate::system::{self, Grant};
use crate::tell::report::{MemoryReport, Report};
use crate::wait::idle::{Idle, Waiter};

/// Slow requests kept, unless said otherwise; and at most.
const DEFAULT_SLOWEST: usize = 8;
const MOST_SLOWEST: usize = 1_000;

impl<I: Send + 'static, O: Send + 'static> Tract<I, O> {
    /// How one run of this tract is to be made: placement, lanes, waiting, measuring.
    pub fn setup(&self) -> Setup<'_, I, O> {
        Setup {
            tract: self,
            defaults: Defaults {
                layout: Placement::default().into(),
                capacity: Setup::<I, O>::DEFAULT_CAPACITY,
                idle: Idle::default(),
                pinned: false,
                priority: None,
                prefault: false,
                measure: Measure::default(),
                precision: Precision::default(),
                slowest: DEFAULT_SLOWEST,
                metrics: None,
                troubles: Troubles::default(),
                ending: None,
            },
            locked: false,
        }
    }

    /// The plan of a run with the default setup, without the ends that the run will be given.
    ///
    /// # Errors
    ///
    /// Whatever can be refused about the description; see [`Error`].
    pub fn plan(&self) -> Result<Plan, Error> {
        self.setup().plan()
    }
}

impl<O: Send + 'static> Tract<NoInput, O> {
    /// Runs the tract to its end and calls `sink` with every value, on this thread.
    ///
    /// # Errors
    ///
    /// Whatever prevents the start. What goes wrong later is in the report.
    pub fn run(&self, sink: impl FnMut(O)) -> Result<Report, Error> {
        self.setup().run(sink)
    }

    /// Initialises a run with the default setup.
    ///
    /// # Errors
    ///
    /// See [`Setup::init`].
    pub fn init(&self, output: OutputEnd<O>) -> Result<Ready, Error> {
        self.setup().init(output)
    }
}

/// What is planned to go wrong in a run with this plan.
pub(crate) type TroublesFor<'a> = dyn FnMut(&Plan) -> Result<Troubles, Error> + 'a;

/// How one run of a tract is to be made. Options of single stages go before these.
///
/// ```
/// use ringtract::{Measure, Placement, source, worker};
///
/// let tract = source("numbers", 1, || 0..1_000_u64).then(worker("double", 2, || |n: u64| 2 * n));
/// for placement in [Placement::PerWorker, Placement::Threads(1), Placement::Inline { seed: 7 }] {
///     let mut sum = 0;
///     let report = tract.setup().placement(placement).capacity(8).measure(Measure::Off).run(|n| sum += n)?;
///     assert_eq!(sum, 999_000);
///     assert!(report.is_complete());
/// }
/// # Ok::<(), ringtract::Error>(())
/// ```
#[must_use]
pub struct Setup<'a, I, O> {
    tract: &'a Tract<I, O>,
    defaults: Defaults,
    /// Whether memory is to be locked.
    locked: bool,
}

impl<I: Send + 'static, O: Send + 'static> Setup<'_, I, O> {
    /// The capacity of lanes where nobody says otherwise.
    pub const DEFAULT_CAPACITY: usize = 64;

    /// Which workers share a thread: a [`Placement`], or a [`Partition`](crate::Partition) worked out from the report
    /// of an earlier run. Default: [`Placement::Auto`].
    pub fn placement(mut self, placement: impl Into<Layout>) -> Self {
        self.defaults.layout = placement.into();
        self
    }

    /// Requests that each lane holds, exactly: 1 to 16,777,216. Default: 64.
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.defaults.capacity = capacity;
        self
    }

    /// What threads do when nothing moves. Default: [`Idle::default`], which spins, yields and then parks.
    pub fn idle(mut self, idle: Idle) -> Self {
        self.defaults.idle = idle;
        self
    }

    /// Pins every thread, each to a core of its own as far as there are enough. Whether the system did it is in the
    /// report.
    ///
    /// Cores are taken in the order: isolated ones, the first hardware thread of each physical core, the second ones;
    /// then the one that `Placement::Auto` leaves to the system, and last those that stages ask for by number. Threads
    /// that are neighbours in the plan get cores that are neighbours on the machine.
    pub fn pinned(mut self) -> Self {
        self.defaults.pinned = true;
        self
    }

    /// The priority of threads whose stages ask for none. Whether the system allowed it is in the report. Needs the
    /// feature `priority`.
    ///
    /// ```
    /// use ringtract::{Grant, Placement, Priority, source};
    ///
    /// let tract = source("numbers", 1, || 0..9_u64);
    /// let setup = tract.setup().placement(Placement::PerWorker).priority(Priority::Fifo(50));
    /// let report = setup.run(drop)?;
    /// match &report.threads[0].prioritised {
    ///     Grant::Granted => println!("runs before everything that is not real-time"),
    ///     Grant::Refused(reason) => println!("runs like any other thread: {reason}"),
    ///     Grant::NotAsked => unreachable!("it was"),
    /// }
    /// # Ok::<(), ringtract::Error>(())
    /// ```
    #[cfg(feature = "priority")]
    pub fn priority(mut self, priority: system::Priority) -> Self {
        self.defaults.priority = Some(priority);
        self
    }

    /// Brings in the memory of all lanes between workers before the first worker is made, each on the thread that puts
    /// into it, so that no request waits for a page. What a value owns elsewhere is not in it; nor are the lanes of
    /// a feed.
    pub fn prefault(mut self) -> Self {
        self.defaults.prefault = true;
        self
    }

    /// Locks the memory that the process has once every worker is made, so that it is neither paged out nor first
    /// touched later: rings, stacks, and what workers allocated as they were made. It stays locked to the end of the
    /// process; what is allocated later is not. Whether the system allowed it is in the report; on Linux it takes the
    /// right `CAP_IPC_LOCK`, or a limit `RLIMIT_MEMLOCK` that is large enough for everything.
    pub fn lock_memory(mut self) -> Self {
        self.locked = true;
        self
    }

    /// Which requests are measured. Default: one in 64.
    pub fn measure(mut self, measure: Measure) -> Self {
        self.defaults.measure = measure;
        self
    }

    /// Bounds and digits of the histograms. Default: a little over a minute, to 1 %, which takes 360 KiB per worker.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.defaults.precision = precision;
        self
    }

    /// How many of the slowest requests measured are told with the time that each hop took, in a snapshot those of its
    /// interval; 1,000 at most, and 0 for none. Default: 8. Requests that end at their source have no hops, and none are kept.
    ///
    /// All memory for them is taken when the run is initialised: for each request 40 bytes a hop at each worker of the last
    /// stages, twice. Wherever anything is measured, the notes of hops take 56 bytes each, 896 KiB at most in all; how many a
    /// worker keeps, [`SlowRequest::untold`](crate::SlowRequest::untold) says.
    pub fn slowest(mut self, count: usize) -> Self {
        self.defaults.slowest = count.min(MOST_SLOWEST);
        self
    }

    /// Hands what is measured to this handler: at the stages without [one of their own](Tract::metrics), and at the output
    /// given to the run.
    pub fn metrics(mut self, handler: impl MetricsHandler + 'static) -> Self {
        self.defaults.metrics = Some(SharedHandler(Arc::new(handler)));
        self
    }

    /// The plan of this run, without the ends it will be given.
    ///
    /// # Errors
    ///
    /// Whatever can be refused about the description or the setup; see [`Error`].
    pub fn plan(&self) -> Result<Plan, Error> {
        self.plan_on(&Machine::this())
    }

    /// The plan of this run on another machine.
    ///
    /// # Errors
    ///
    /// As [`plan`](Self::plan).
    pub fn plan_on(&self, machine: &Machine) -> Result<Plan, Error> {
        Ok(lower(&self.tract.shape, None, None, &self.defaults, machine)?.plan)
    }

    /// Makes every worker, between an input and an output. Nothing is taken from the input yet.
    ///
    /// Workers are made in the order written, depth first, each on the thread that will run it; then the ends are
    /// opened, the input first.
    ///
    /// # Errors
    ///
    /// Whatever prevents it. Then every worker made so far has been closed and no thread is left. The ends are used up:
    /// an input or output that was not reached is never opened, a feed says `Closed`, and so does a receiver.
    pub fn init_fed(&self, input: InputEnd<I>, output: OutputEnd<O>) -> Result<Ready, Error> {
        let input = input.into_kit(self.defaults.measure != Measure::Off)?;
        self.ready(Some(input), output.into_kit())
    }

    /// Like [`init_fed`](Self::init_fed), for a run on the caller's thread, whatever the placement says.
    ///
    /// # Errors
    ///
    /// As [`init_fed`](Self::init_fed).
    pub fn init_inline_fed(
        &self,
        input: InputEnd<I>,
        output: OutputEnd<O>,
    ) -> Result<Inline, Error> {
        let input = input.into_kit(self.defaults.measure != Measure::Off)?;
        self.inline(Some(input), output.into_kit())
    }

    fn blueprint(
        &self,
        input: Option<Arc<dyn Kit>>,
        output: Option<Arc<dyn Kit>>,
    ) -> Result<Blueprint, Error> {
        lower(&self.tract.shape, input, output, &self.defaults, &Machine::this())
    }

    fn ready(
        &self,
        input: Option<Arc<dyn Kit>>,
        output: Option<Arc<dyn Kit>>,
    ) -> Result<Ready, Error> {
        if self.seed().is_some() {
            return Err(Error::InlineNeedsCaller);
        }
        let ready = self.blueprint(input, output).and_then(|blueprint| {
            let (steps, mut books) = wire(blueprint, &self.defaults)?;
            let count = steps.len();
            let threads = spawn(steps, &books)?;
            if let Err(error) = threads.gate.await_made(count) {
                threads.join();
                return Err(error);
            }
            books.memory = self.memory();
            Ok(Ready::new(threads, books))
        });
        ready
            .inspect(|ready| tell_initialised(ready.plan()))
            .inspect_err(|error| events::not_initialised(error))
    }

    /// Sees to the memory of a run whose workers are made.
    fn memory(&self) -> MemoryReport {
        let memory = MemoryReport {
            prefaulted: if self.defaults.prefault { Grant::Granted } else { Grant::NotAsked },
            locked: if self.locked { system::lock_memory() } else { Grant::NotAsked },
        };
        if let Some(reason) = memory.locked.refusal() {
            events::refused("memory", &"locked", reason);
        }
        memory
    }

    /// What is done with requests at the end of a run without an output.
    pub(crate) fn ending(mut self, ending: Ending) -> Self {
        self.defaults.ending = Some(ending);
        self
    }

    /// The seed of an inline placement.
    fn seed(&self) -> Option<u64> {
        match self.defaults.layout {
            Layout::Rule(Placement::Inline { seed }) => Some(seed),
            _ => None,
        }
    }

    fn inline(
        &self,
        input: Option<Arc<dyn Kit>>,
        output: Option<Arc<dyn Kit>>,
    ) -> Result<Inline, Error> {
        self.troubled(self.seed().unwrap_or(0), input, output, &mut |_| Ok(Troubles::default()))
    }

    /// An inline run in which the troubles happen that are planned for it.
    pub(crate) fn simulated(
        &self,
        seed: u64,
        input: Option<InputEnd<I>>,
        output: OutputEnd<O>,
        troubles: &mut TroublesFor<'_>,
    ) -> Result<Inline, Error> {
        let stamping = self.defaults.measure != Measure::Off;
        let input = input.map(|input| input.into_kit(stamping)).transpose()?;
        self.troubled(seed, input, output.into_kit(), troubles)
    }

    fn troubled(
        &self,
        seed: u64,
        input: Option<Arc<dyn Kit>>,
        output: Option<Arc<dyn Kit>>,
        troubles: &mut TroublesFor<'_>,
    ) -> Result<Inline, Error> {
        let layout = Placement::Inline { seed }.into();
        let mut defaults = Defaults { layout, ..self.defaults.clone() };
        let blueprint = lower(&self.tract.shape, input, output, &defaults, &Machine::this());
        let inline = blueprint.and_then(|blueprint| {
            defaults.troubles = troubles(&blueprint.plan)?;
            let (steps, books) = wire(blueprint, &defaults)?;
            let mut inline = Inline::new(steps, books, seed)?;
            inline.set_memory(self.memory());
            Ok(inline)
        });
        inline
            .inspect(|run| tell_initialised(run.plan()))
            .inspect_err(|error| events::not_initialised(error))
    }
}

impl<O: Send + 'static> Setup<'_, NoInput, O> {
    /// Makes every worker and opens the output. Nothing is asked of the sources yet.
    ///
    /// # Errors
    ///
    /// As [`init_fed`](Self::init_fed).
    pub fn init(&self, output: OutputEnd<O>) -> Result<Ready, Error> {
        self.ready(None, output.into_kit())
    }

    /// Like [`init`](Self::init), for a run on the caller's thread, whatever the placement says.
    ///
    /// # Errors
    ///
    /// As [`init_fed`](Self::init_fed).
    pub fn init_inline(&self, output: OutputEnd<O>) -> Result<Inline, Error> {
        self.inline(None, output.into_kit())
    }

    /// Runs the tract to its end and calls `sink` with every value, on this thread.
    ///
    /// A panic in `sink` fails the request in hand, is kept in the report, and the run goes on.
    ///
    /// # Errors
    ///
    /// Whatever prevents the start. What goes wrong later is in the report.
    pub fn run(&self, sink: impl FnMut(O)) -> Result<Report, Error> {
        let (output, receiver) = receiver();
        if self.seed().is_some() {
            let mut inline = self.init_inline(output)?;
            let mut delivery = Delivery::new(receiver, sink, inline.output_post());
            let mut waiter = Waiter::new(Idle::Yield);
            while !inline.is_finished() {
                let moved = inline.turn();
                if delivery.deliver() > 0 || moved {
                    waiter.reset();
                } else {
                    waiter.wait();
                }
            }
            delivery.deliver_all();
            return Ok(inline.finish());
        }
        let running = self.init(output)?.start()?;
        // This thread is one more that wants a core.
        let crowded = running.plan().threads.len() >= Machine::this().threads_at_once();
        let receiver = receiver.idle(match crowded {
            true => Idle::default().crowded(),
            false => Idle::default(),
        });
        Delivery::new(receiver, sink, running.output_post()).deliver_all();
        Ok(running.wait())
    }
}

fn tell_initialised(plan: &Plan) {
    let workers = plan.stages.iter().map(|stage| stage.workers).sum();
    let lanes = plan.meshes.iter().map(|mesh| mesh.lanes).sum();
    events::initialised(plan.stages.len(), workers, plan.threads.len(), lanes);
}
