//! Tracts: typed descriptions of pipelines.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::kit::{SourceKit, StageKind, WorkerKit};
use super::shape::{Form, Shape};
use crate::contract::factory::{MakesSources, MakesWorkers};
use crate::contract::failure::Failure;
use crate::contract::input::Input;
use crate::contract::worker::Worker;
use crate::lane::fork::Cloner;
use crate::measure::metrics::{MetricsHandler, SharedHandler};
use crate::step::post::OnPanic;
use crate::wait::idle::Idle;

/// The input type of a tract that has its own sources. It has no values, and cannot be copied, which is why
/// nothing can stand in front of a source, and no fan-out can be made of sources:
///
/// ```compile_fail
/// use ringtract::{fan_out, source};
/// fan_out("nothing to copy", [source("numbers", 1, || 0..3)]);
/// ```
#[derive(Debug)]
pub enum NoInput {}

/// A description of a piece of pipeline: takes requests of type `I`, gives requests of type `O`.
///
/// A tract is a value. Nothing runs until it is initialised and started, and it can be initialised any number of
/// times, also at once from several threads; every run has workers and lanes of its own. Made by [`source`],
/// [`worker`], [`parallel`], [`fan_out`] and [`serial`], joined by [`then`](Self::then), run by
/// [`run`](Tract::run) or through [`setup`](Self::setup).
///
/// The types hold the joints together:
///
/// ```compile_fail
/// use ringtract::{source, worker};
/// source("numbers", 1, || 0..3_u32).then(worker("length", 1, || |text: String| text.len()));
/// ```
///
/// A tract moves into its group, so it cannot stand in two places by accident:
///
/// ```compile_fail
/// use ringtract::{parallel, worker};
/// let double = worker("double", 1, || |n: u32| 2 * n);
/// parallel("twice the same", [double, double]);
/// ```
///
/// # Options
///
/// The methods that set an option set it for every stage inside that has not set its own. An option holds from the
/// next initialisation on.
#[must_use = "a tract is a description: run it"]
pub struct Tract<I, O> {
    pub(crate) shape: Shape,
    types: PhantomData<fn(I) -> O>,
}

/// A stage that makes requests: a pool of `size` inputs, made by a factory. It ends when all of them have.
///
/// The factory is a closure that returns an [`Input`] (any iterator is one) or a `Result` with one, or a
/// [`Factory`](crate::Factory). Nothing is made or opened until the tract is initialised.
///
/// ```
/// use std::io::{BufRead, BufReader};
/// use ringtract::source;
///
/// let lines = source("lines", 1, || std::fs::File::open("Cargo.toml").map(|file| {
///     BufReader::new(file).lines().map_while(Result::ok)
/// }));
/// let mut count = 0;
/// lines.run(|_line| count += 1)?;
/// assert!(count > 0);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn source<M, Kind>(
    name: impl Into<String>,
    size: usize,
    factory: M,
) -> Tract<NoInput, <M::Source as Input>::Item>
where
    M: MakesSources<Kind>,
    M::Source: Input<Item: Send + 'static> + 'static,
{
    let kit = Arc::new(SourceKit::new(StageKind::Source, factory.into_factory()));
    Tract::new(Some(name.into()), Form::Stage { size, kit })
}

/// A stage that works on requests: a pool of `size` workers, made by a factory.
///
/// The factory is a closure that returns a [`Worker`] (any closure from a value to a value is one) or a `Result` with
/// one, or a [`Factory`](crate::Factory). Workers of a pool compete for requests; a pool of more than one does not
/// keep their order. A pool of 0 is refused when the tract is planned.
///
/// ```
/// use ringtract::{source, worker};
///
/// let mut roots = Vec::new();
/// source("squares", 1, || (0..=10).map(|n| f64::from(n * n)))
///     .then(worker("square root", 4, || f64::sqrt))
///     .run(|root| roots.push(root))?;
/// assert_eq!(roots.iter().sum::<f64>(), 55.0);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn worker<I, M, Kind>(
    name: impl Into<String>,
    size: usize,
    factory: M,
) -> Tract<I, <M::Worker as Worker<I>>::Out>
where
    I: Send + 'static,
    M: MakesWorkers<I, Kind>,
    M::Worker: Worker<I, Out: Send + 'static> + 'static,
{
    let kit = Arc::new(WorkerKit::<I, M::Factory>::new(factory.into_factory()));
    Tract::new(Some(name.into()), Form::Stage { size, kit })
}

/// Gives a chain a name of its own, which makes it one tract in paths, plans and reports.
pub fn serial<I, O>(name: impl Into<String>, chain: Tract<I, O>) -> Tract<I, O> {
    match chain.shape {
        shape @ Shape { name: None, form: Form::Serial(_), .. } => {
            Tract { shape: Shape { name: Some(name.into()), ..shape }, types: PhantomData }
        }
        shape => Tract::new(Some(name.into()), Form::Serial(vec![shape])),
    }
}

/// A group of which each request goes to exactly one member; their outputs merge.
///
/// Members compete by worker: four workers in one member take four times the share of one worker in another. A group
/// without members is refused when the tract is planned.
///
/// ```
/// use ringtract::{parallel, source, worker};
///
/// let mut count = 0;
/// source("numbers", 1, || 0..100)
///     .then(parallel("halves", [
///         worker("by shift", 1, || |n: u32| n >> 1),
///         worker("by division", 3, || |n: u32| n / 2),
///     ]))
///     .run(|_| count += 1)?;
/// assert_eq!(count, 100);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn parallel<I, O>(
    name: impl Into<String>,
    members: impl IntoIterator<Item = Tract<I, O>>,
) -> Tract<I, O> {
    Tract::new(Some(name.into()), Form::Parallel(shapes(members)))
}

/// A group of which each request goes to every member; their outputs merge.
///
/// All members but the last get a copy, the last gets the value itself. Branches run apart from each other by the
/// capacity of their lanes and no further: the slowest holds the others back.
///
/// ```
/// use ringtract::{fan_out, source, worker};
///
/// let mut sum = 0;
/// source("numbers", 1, || [1, 2, 3].into_iter())
///     .then(fan_out("both", [
///         worker("as is", 1, || |n: u32| n),
///         worker("times ten", 1, || |n: u32| 10 * n),
///     ]))
///     .run(|n| sum += n)?;
/// assert_eq!(sum, 66);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn fan_out<I: Clone + 'static, O>(
    name: impl Into<String>,
    members: impl IntoIterator<Item = Tract<I, O>>,
) -> Tract<I, O> {
    Tract::new(Some(name.into()), Form::FanOut(shapes(members), Cloner::of::<I>()))
}

fn shapes<I, O>(members: impl IntoIterator<Item = Tract<I, O>>) -> Vec<Shape> {
    members.into_iter().map(|member| member.shape).collect()
}

impl<I, O> Tract<I, O> {
    fn new(name: Option<String>, form: Form) -> Self {
        Self { shape: Shape::new(name, form), types: PhantomData }
    }

    /// This tract, and then the other.
    pub fn then<P>(self, next: Tract<O, P>) -> Tract<I, P> {
        // An unnamed chain without options of its own grows; anything else becomes a member of a new one.
        let form = match self.shape {
            Shape { name: None, form: Form::Serial(mut members), options }
                if options.is_empty() =>
            {
                members.push(next.shape);
                Form::Serial(members)
            }
            shape => Form::Serial(vec![shape, next.shape]),
        };
        Tract::new(None, form)
    }

    /// Its name. That of an unnamed chain is the names of its members.
    pub fn name(&self) -> String {
        self.shape.name()
    }

    /// Requests that each lane *into* these stages can hold, exactly: 1 to 16,777,216. Small lanes keep requests
    /// young, large ones ride out bursts. Default: the run's.
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.shape.options.capacity = Some(capacity);
        self
    }

    /// Values that a worker of these stages publishes at once, at the latest at the end of its turn.
    ///
    /// 1, the default, publishes each at once, for latency. A larger batch gives throughput where the work on each
    /// request is short: the two threads touch the lane's indices less often. It never waits for a batch to fill, and in a
    /// [blocking](Self::blocking) stage it is always 1.
    pub fn batch(mut self, batch: usize) -> Self {
        self.shape.options.batch = Some(batch);
        self
    }

    /// Runs these stages on this core, all on one thread pinned to it, together with others that ask for it. Whether
    /// the system pinned it is in the report. An inline run stays on the caller's thread.
    pub fn on_core(self, core: usize) -> Self {
        self.on_cores([core])
    }

    /// Runs the workers of these stages on these cores in turn: worker `k` of each pool on core `k` modulo their
    /// number. Workers, of whatever stage, that ask for the same core share a thread pinned to it.
    ///
    /// A core that this process may not use, and no core at all, are refused when the tract is planned.
    ///
    /// ```
    /// use ringtract::{Machine, source, worker};
    ///
    /// let cores: Vec<usize> = Machine::this().cores.iter().map(|core| core.id).collect();
    /// let tract = source("numbers", 1, || 0..9_u64)
    ///     .then(worker("pool", 4, || |n: u64| n).on_cores(cores.clone()));
    /// let threads = tract.plan()?.threads;
    /// let pinned = threads.iter().filter(|thread| thread.core.is_some()).count();
    /// assert_eq!(pinned, cores.len().min(4));
    /// # Ok::<(), ringtract::Error>(())
    /// ```
    pub fn on_cores(mut self, cores: impl IntoIterator<Item = usize>) -> Self {
        self.shape.options.cores = Some(cores.into_iter().collect());
        self
    }

    /// The priority of the threads of these stages. One with several stages has the highest of them. Whether the system
    /// allowed it is in the report. Needs the feature `priority`.
    #[cfg(feature = "priority")]
    pub fn priority(mut self, priority: crate::system::Priority) -> Self {
        self.shape.options.priority = Some(priority);
        self
    }

    /// What the threads of these stages do when nothing moves. A thread with several stages follows the most eager.
    pub fn idle(mut self, idle: Idle) -> Self {
        self.shape.options.idle = Some(idle);
        self
    }

    /// Says that these stages block in user code: on a file, a lock, a database. Each of their workers gets a
    /// thread of its own, whatever the placement.
    pub fn blocking(mut self) -> Self {
        self.shape.options.blocking = Some(true);
        self
    }

    /// What becomes of a worker that panicked. Default: [`OnPanic::Replace`].
    pub fn on_panic(mut self, on_panic: OnPanic) -> Self {
        self.shape.options.on_panic = Some(on_panic);
        self
    }

    /// Calls this with every failure in these stages, on the thread where it happened, as it happens. All failures are
    /// counted and kept for the report in any case.
    pub fn on_failure(mut self, handler: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        self.shape.options.on_failure = Some(Arc::new(handler));
        self
    }

    /// Hands what is measured in these stages to this handler, on the threads of their workers. Sources measure nothing.
    /// It is asked whether or not the run [measures](crate::Setup::measure); where that is off, requests carry no start,
    /// and there is no [`MetricKey::Tract`](crate::MetricKey::Tract).
    pub fn metrics(mut self, handler: impl MetricsHandler + 'static) -> Self {
        self.shape.options.metrics = Some(SharedHandler(Arc::new(handler)));
        self
    }

    /// Closes the factories of these stages after the run (after the last one, where several are under way), so that
    /// the tract can be run once. By default factories stay open and the tract can run again.
    pub fn close_factory(mut self) -> Self {
        self.shape.options.close_factory = Some(true);
        self
    }

    /// Closes every factory that is still open, and the description with them.
    ///
    /// Call it when all runs are over; a run still under way has its factories closed under it.
    pub fn close(self) {
        for kit in self.shape.kits() {
            // One that panics has said so through the panic hook, and keeps none of the others open.
            let _ = catch_unwind(AssertUnwindSafe(|| kit.factory().close()));
        }
    }
}

impl<I, O> fmt::Debug for Tract<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tract").field("name", &self.name()).finish_non_exhaustive()
    }
}
