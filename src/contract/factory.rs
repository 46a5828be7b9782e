//! Factories: what makes the workers and sources of one stage, and owns what they share.

use std::sync::Arc;

use super::input::Input;
use super::request::Envelope;
use super::worker::{Outcome, SharedWorker, Worker};
use crate::error::BoxError;

/// Makes the workers (or sources) of one stage, may fail, may own what they share.
///
/// It outlives runs: the same factory makes the workers of every run of its tract. Each product is made on the
/// thread that will run it, one at a time, so products need not be `Send`.
///
/// Most stages need no type of their own: a closure that returns a worker, or a `Result` with one, is a factory.
///
/// ```
/// use ringtract::{BoxError, Factory, source, worker};
///
/// /// Numbers its workers.
/// struct Numbered(usize);
///
/// impl Factory for Numbered {
///     type Product = Box<dyn FnMut(u32) -> (usize, u32)>;
///
///     fn make(&mut self) -> Result<Self::Product, BoxError> {
///         self.0 += 1;
///         let number = self.0;
///         Ok(Box::new(move |value| (number, value)))
///     }
/// }
///
/// source("numbers", 1, || 0..100_u32)
///     .then(worker("numbered", 3, Numbered(0)))
///     .run(|(number, _)| assert!((1..=3).contains(&number)))?;
/// # Ok::<(), ringtract::Error>(())
/// ```
pub trait Factory: Send + 'static {
    /// What it makes: a [`Worker`] or an [`Input`].
    type Product;

    /// Makes one.
    ///
    /// # Errors
    ///
    /// Whatever prevents it. While a tract is initialised the error comes back as
    /// [`Error::FactoryFailed`](crate::Error::FactoryFailed) and everything made so far is closed; when a worker
    /// is to be replaced after a panic, it stops the run.
    fn make(&mut self) -> Result<Self::Product, BoxError>;

    /// Called at most once: after a run, if the stage [closes its factory](crate::Tract::close_factory), or by
    /// [`Tract::close`](crate::Tract::close).
    fn close(&mut self) {}
}

/// A factory that cannot fail, from a closure.
#[derive(Debug)]
pub struct Plain<F>(F);

impl<P, F: FnMut() -> P + Send + 'static> Factory for Plain<F> {
    type Product = P;

    fn make(&mut self) -> Result<P, BoxError> {
        Ok((self.0)())
    }
}

/// A factory that may fail, from a closure.
#[derive(Debug)]
pub struct Fallible<F>(F);

impl<P, E: Into<BoxError>, F: FnMut() -> Result<P, E> + Send + 'static> Factory for Fallible<F> {
    type Product = P;

    fn make(&mut self) -> Result<P, BoxError> {
        (self.0)().map_err(Into::into)
    }
}

/// What [`worker`](crate::worker) takes: a closure that returns a worker, one that returns a `Result` with a
/// worker, or a [`Factory`].
///
/// `Kind` tells the three apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make workers for requests of type `{I}`",
    note = "give a closure without arguments that returns a worker: `|| |value: {I}| ..`, or `|| MyWorker::new()`",
    note = "a worker closure needs the type of its argument written out"
)]
pub trait MakesWorkers<I, Kind> {
    /// The worker made.
    type Worker: Worker<I>;
    /// The factory.
    type Factory: Factory<Product = Self::Worker>;

    /// The factory.
    fn into_factory(self) -> Self::Factory;
}

/// What [`source`](crate::source) takes: a closure that returns an [`Input`] (any iterator is one), one that
/// returns a `Result` with an input, or a [`Factory`].
///
/// `Kind` tells the three apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make sources",
    note = "give a closure without arguments that returns an iterator or another `Input`: `|| 0..10`"
)]
pub trait MakesSources<Kind> {
    /// The source made.
    type Source: Input;
    /// The factory.
    type Factory: Factory<Product = Self::Source>;

    /// The factory.
    fn into_factory(self) -> Self::Factory;
}

/// The kinds of [`MakesWorkers`] and [`MakesSources`].
pub mod kind {
    /// A closure that returns the product.
    #[derive(Debug)]
    pub struct IsPlain;
    /// A closure that returns a `Result` with the product.
    #[derive(Debug)]
    pub struct IsFallible;
    /// A [`Factory`](crate::Factory).
    #[derive(Debug)]
    pub struct IsFactory;
}

impl<I, W: Worker<I>, F: FnMut() -> W + Send + 'static> MakesWorkers<I, kind::IsPlain> for F {
    type Worker = W;
    type Factory = Plain<F>;

    fn into_factory(self) -> Plain<F> {
        Plain(self)
    }
}

impl<I, W, E, F> MakesWorkers<I, kind::IsFallible> for F
where
    W: Worker<I>,
    E: Into<BoxError>,
    F: FnMut() -> Result<W, E> + Send + 'static,
{
    type Worker = W;
    type Factory = Fallible<F>;

    fn into_factory(self) -> Fallible<F> {
        Fallible(self)
    }
}

impl<I, F: Factory<Product: Worker<I>>> MakesWorkers<I, kind::IsFactory> for F {
    type Worker = F::Product;
    type Factory = F;

    fn into_factory(self) -> F {
        self
    }
}

impl<S: Input, F: FnMut() -> S + Send + 'static> MakesSources<kind::IsPlain> for F {
    type Source = S;
    type Factory = Plain<F>;

    fn into_factory(self) -> Plain<F> {
        Plain(self)
    }
}

impl<S, E, F> MakesSources<kind::IsFallible> for F
where
    S: Input,
    E: Into<BoxError>,
    F: FnMut() -> Result<S, E> + Send + 'static,
{
    type Source = S;
    type Factory = Fallible<F>;

    fn into_factory(self) -> Fallible<F> {
        Fallible(self)
    }
}

impl<F: Factory<Product: Input>> MakesSources<kind::IsFactory> for F {
    type Source = F::Product;
    type Factory = F;

    fn into_factory(self) -> F {
        self
    }
}

/// A factory whose workers all work with this one object, which is closed once, with the factory.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use ringtract::{Envelope, Outcome, SharedWorker, shared, source, worker};
///
/// #[derive(Default)]
/// struct Volume(AtomicU64);
///
/// impl SharedWorker<u64> for Volume {
///     type Out = u64;
///
///     fn work(&self, size: u64, _request: &mut Envelope) -> Outcome<u64> {
///         Outcome::Emit(self.0.fetch_add(size, Ordering::Relaxed) + size)
///     }
/// }
///
/// let mut most = 0;
/// source("sizes", 1, || 1..=100_u64)
///     .then(worker("volume", 4, shared(Volume::default())))
///     .run(|volume| most = most.max(volume))?;
/// assert_eq!(most, 5_050);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn shared<I, S: SharedWorker<I>>(object: S) -> Shared<I, S> {
    Shared { object: Arc::new(object), requests: std::marker::PhantomData }
}

/// The factory made by [`shared`].
pub struct Shared<I, S> {
    object: Arc<S>,
    requests: std::marker::PhantomData<fn(I)>,
}

impl<I: 'static, S: SharedWorker<I>> Factory for Shared<I, S> {
    type Product = SharedHandle<S>;

    fn make(&mut self) -> Result<SharedHandle<S>, BoxError> {
        Ok(SharedHandle(Arc::clone(&self.object)))
    }

    fn close(&mut self) {
        self.object.close();
    }
}

impl<I, S> std::fmt::Debug for Shared<I, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// One worker's hold on the object of a [`Shared`] factory.
#[derive(Debug)]
pub struct SharedHandle<S>(Arc<S>);

impl<I, S: SharedWorker<I>> Worker<I> for SharedHandle<S> {
    type Out = S::Out;

    fn work(&mut self, value: I, request: &mut Envelope) -> Outcome<S::Out> {
        self.0.work(value, request)
    }
}
