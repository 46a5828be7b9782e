//! Workers: one request in, and what became of it out.

use super::request::Envelope;
use crate::error::BoxError;

/// What became of a request in a worker.
#[derive(Debug)]
pub enum Outcome<T> {
    /// The request goes on with this value.
    Emit(T),
    /// The request goes on as every value that [`Worker::next`] gives until it says `None`. Giving none at all
    /// is a discard.
    EmitAll,
    /// The request ends here. Its clean-ups run with failure, and the stage goes on.
    Discard,
    /// The request ends here, like a discard, and the error goes to the stage's failure handler and the report.
    Fail(BoxError),
}

impl<T> Outcome<T> {
    /// A failure from anything that is an error or a message.
    pub fn fail(error: impl Into<BoxError>) -> Self {
        Self::Fail(error.into())
    }
}

impl<T, E: Into<BoxError>> From<Result<T, E>> for Outcome<T> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Emit(value),
            Err(error) => Self::fail(error),
        }
    }
}

impl<T> From<Option<T>> for Outcome<T> {
    fn from(option: Option<T>) -> Self {
        option.map_or(Self::Discard, Self::Emit)
    }
}

/// User code that works on one request at a time.
///
/// A worker belongs to one thread at a time, is never shared, and may keep state. Closures from a value to a
/// value are workers; so are those made by [`filter_map`], [`try_map`], [`flat_map`] and [`outcome`].
///
/// ```
/// use ringtract::{Envelope, Outcome, Worker, source, worker};
///
/// /// Passes on only what is larger than everything before.
/// struct Records(u64);
///
/// impl Worker<u64> for Records {
///     type Out = u64;
///
///     fn work(&mut self, value: u64, _request: &mut Envelope) -> Outcome<u64> {
///         if value <= self.0 {
///             return Outcome::Discard;
///         }
///         self.0 = value;
///         Outcome::Emit(value)
///     }
/// }
///
/// let mut records = Vec::new();
/// let report = source("numbers", 1, || [3_u64, 1, 4, 1, 5, 9, 2, 6].into_iter())
///     .then(worker("records", 1, || Records(0)))
///     .run(|value| records.push(value))?;
/// assert_eq!(records, [3, 4, 5, 9]);
/// assert_eq!(report.stage("records").expect("a stage").ledger.discarded, 4);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub trait Worker<I> {
    /// The values it emits.
    type Out;

    /// Works on one request. May block, if the stage is marked [`blocking`](crate::Tract::blocking).
    ///
    /// A panic fails this request and nothing else; what becomes of the worker is the stage's
    /// [`OnPanic`](crate::OnPanic).
    fn work(&mut self, value: I, request: &mut Envelope) -> Outcome<Self::Out>;

    /// The next value of a request that became several, after [`Outcome::EmitAll`]; called as room appears.
    fn next(&mut self) -> Option<Self::Out> {
        None
    }

    /// Called exactly once, on the worker's thread, after its last request.
    fn close(&mut self) {}
}

impl<I, O, F> Worker<I> for F
where
    F: FnMut(I) -> O,
{
    type Out = O;

    #[inline]
    fn work(&mut self, value: I, _request: &mut Envelope) -> Outcome<O> {
        Outcome::Emit(self(value))
    }
}

/// One thread-safe object that all workers of a pool work with; see [`shared`](crate::shared).
pub trait SharedWorker<I>: Send + Sync + 'static {
    /// The values it emits.
    type Out;

    /// Works on one request, possibly on several threads at once.
    fn work(&self, value: I, request: &mut Envelope) -> Outcome<Self::Out>;

    /// Called once, when the factory is closed: not at the end of a run, unless the stage closes its factory.
    fn close(&self) {}
}

impl<I, O, F> SharedWorker<I> for F
where
    F: Fn(I) -> O + Send + Sync + 'static,
{
    type Out = O;

    #[inline]
    fn work(&self, value: I, _request: &mut Envelope) -> Outcome<O> {
        Outcome::Emit(self(value))
    }
}

/// A worker from a closure that returns `Some` to emit and `None` to discard.
///
/// ```
/// use ringtract::{filter_map, source, worker};
///
/// let mut halves = Vec::new();
/// source("numbers", 1, || 0..10_u32)
///     .then(worker("even", 1, || filter_map(|n: u32| (n % 2 == 0).then_some(n / 2))))
///     .run(|n| halves.push(n))?;
/// assert_eq!(halves, [0, 1, 2, 3, 4]);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn filter_map<I, O, F: FnMut(I) -> Option<O>>(function: F) -> FilterMap<F> {
    FilterMap(function)
}

/// The worker made by [`filter_map`].
#[derive(Debug, Clone)]
pub struct FilterMap<F>(F);

impl<I, O, F: FnMut(I) -> Option<O>> Worker<I> for FilterMap<F> {
    type Out = O;

    #[inline]
    fn work(&mut self, value: I, _request: &mut Envelope) -> Outcome<O> {
        (self.0)(value).into()
    }
}

/// A worker from a closure that returns `Ok` to emit and `Err` to fail.
///
/// ```
/// use ringtract::{source, try_map, worker};
///
/// let report = source("words", 1, || ["1", "two", "3"].into_iter())
///     .then(worker("parse", 1, || try_map(|word: &str| word.parse::<i32>())))
///     .run(|n| assert!(n == 1 || n == 3))?;
/// assert_eq!(report.failures[0].message, "invalid digit found in string");
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn try_map<I, O, E: Into<BoxError>, F: FnMut(I) -> Result<O, E>>(function: F) -> TryMap<F> {
    TryMap(function)
}

/// The worker made by [`try_map`].
#[derive(Debug, Clone)]
pub struct TryMap<F>(F);

impl<I, O, E: Into<BoxError>, F: FnMut(I) -> Result<O, E>> Worker<I> for TryMap<F> {
    type Out = O;

    #[inline]
    fn work(&mut self, value: I, _request: &mut Envelope) -> Outcome<O> {
        (self.0)(value).into()
    }
}

/// A worker from a closure that sees the envelope and says what becomes of the request.
///
/// ```
/// use ringtract::{Envelope, Outcome, outcome, source, worker};
///
/// source("numbers", 1, || 0..3_u32)
///     .then(worker("audit", 1, || {
///         outcome(|n: u32, request: &mut Envelope| {
///             request.on_end(move |delivered| assert!(delivered, "{n} got lost"));
///             Outcome::Emit(n)
///         })
///     }))
///     .run(drop)?;
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn outcome<I, O, F: FnMut(I, &mut Envelope) -> Outcome<O>>(function: F) -> OutcomeOf<F> {
    OutcomeOf(function)
}

/// The worker made by [`outcome`].
#[derive(Debug, Clone)]
pub struct OutcomeOf<F>(F);

impl<I, O, F: FnMut(I, &mut Envelope) -> Outcome<O>> Worker<I> for OutcomeOf<F> {
    type Out = O;

    #[inline]
    fn work(&mut self, value: I, request: &mut Envelope) -> Outcome<O> {
        (self.0)(value, request)
    }
}

/// A worker from a closure that turns one request into several, drained as room appears.
///
/// The iterator lives in the worker: it may be longer than any lane, or endless for that matter, without
/// taking more memory than it does itself.
///
/// ```
/// use ringtract::{flat_map, source, worker};
///
/// let mut sum = 0;
/// source("snapshots", 1, || [100_u64, 2_000].into_iter())
///     .then(worker("levels", 1, || flat_map(|levels: u64| 0..levels)))
///     .run(|_level| sum += 1)?;
/// assert_eq!(sum, 2_100);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn flat_map<I, V: IntoIterator, F: FnMut(I) -> V>(function: F) -> FlatMap<F, V> {
    FlatMap { function, values: None }
}

/// The worker made by [`flat_map`].
pub struct FlatMap<F, V: IntoIterator> {
    function: F,
    values: Option<V::IntoIter>,
}

impl<I, V: IntoIterator, F: FnMut(I) -> V> Worker<I> for FlatMap<F, V> {
    type Out = V::Item;

    fn work(&mut self, value: I, _request: &mut Envelope) -> Outcome<V::Item> {
        self.values = Some((self.function)(value).into_iter());
        Outcome::EmitAll
    }

    fn next(&mut self) -> Option<V::Item> {
        let value = self.values.as_mut()?.next();
        if value.is_none() {
            self.values = None;
        }
        value
    }
}

impl<F, V: IntoIterator> std::fmt::Debug for FlatMap<F, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlatMap").field("draining", &self.values.is_some()).finish_non_exhaustive()
    }
}
