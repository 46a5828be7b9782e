//! The ends of one run: what is given to a tract when it is initialised.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::kit::{Kit, Opener, OutputKit, ReceiverKit, SourceKit, StageKind};
use crate::contract::input::Input;
use crate::contract::output::Output;
use crate::contract::request::Request;
use crate::error::BoxError;
use crate::error::{Error, MAX_CAPACITY};
use crate::lane::feed::{self, Feed, FeedInput};
use crate::lane::receiver::{self, Receiver};
use crate::sync::lock;

/// Where the requests of one run come from. Made by [`input`] or [`feed`]; used by
/// [`Setup::init_fed`](crate::Setup::init_fed).
pub struct InputEnd<T>(Kind<T>);

enum Kind<T> {
    Input(Arc<dyn Kit>),
    Feed { input: FeedInput<T>, capacity: usize },
}

impl<T: Send + 'static> InputEnd<T> {
    /// Its kit, for a run that stamps requests or does not.
    pub(crate) fn into_kit(self, stamping: bool) -> Result<Arc<dyn Kit>, Error> {
        match self.0 {
            Kind::Input(kit) => Ok(kit),
            Kind::Feed { capacity, .. } if capacity == 0 || capacity > MAX_CAPACITY => {
                Err(Error::Capacity { path: "input".to_owned(), asked: capacity })
            }
            Kind::Feed { input, .. } => {
                input.set_stamping(stamping);
                Ok(input_kit(move || Ok::<_, BoxError>(input)))
            }
        }
    }
}

impl<T> fmt::Debug for InputEnd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputEnd").finish_non_exhaustive()
    }
}

fn input_kit<T, P, E>(open: impl FnOnce() -> Result<P, E> + Send + 'static) -> Arc<dyn Kit>
where
    T: Send + 'static,
    P: Input<Item = T> + 'static,
    E: Into<BoxError>,
{
    let opener = Opener::new(move || open().map_err(Into::into));
    Arc::new(SourceKit::new(StageKind::Input, opener))
}

/// An input for one run, opened on the thread that will use it, after every worker has been made.
///
/// ```
/// use std::convert::Infallible;
/// use ringtract::{collect, input, worker};
///
/// let (output, squares) = collect();
/// let tract = worker("square", 1, || |n: u64| n * n);
/// tract.setup().init_fed(input(|| Ok::<_, Infallible>(1..=3)), output)?.start()?.wait();
/// assert_eq!(squares.take(), [1, 4, 9]);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn input<T, P, E>(open: impl FnOnce() -> Result<P, E> + Send + 'static) -> InputEnd<T>
where
    T: Send + 'static,
    P: Input<Item = T> + 'static,
    E: Into<BoxError>,
{
    InputEnd(Kind::Input(input_kit(open)))
}

/// A feed for one run: a handle that other threads send through, and the input it sends into.
///
/// Every clone of the handle has a lane of its own, of `capacity` requests. A capacity of 0, or above 16,777,216,
/// is refused when the tract is initialised.
///
/// ```
/// use ringtract::{feed, receiver, worker};
///
/// let (mut feed, input) = feed(64);
/// let (output, doubled) = receiver();
/// let running = worker("double", 2, || |n: u64| 2 * n).setup().init_fed(input, output)?.start()?;
/// let sender = std::thread::spawn(move || (1..=10).for_each(|n| feed.send(n).expect("open")));
/// assert_eq!(doubled.map(|n| *n).sum::<u64>(), 110);
/// sender.join().expect("sends");
/// assert_eq!(running.wait().stage("double").expect("a stage").ledger.emitted, 10);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn feed<T: Send + 'static>(capacity: usize) -> (Feed<T>, InputEnd<T>) {
    let (feed, input) = feed::feed(capacity);
    (feed, InputEnd(Kind::Feed { input, capacity }))
}

/// Where the requests of one run go. Made by [`final_output`], [`output`], [`for_each`], [`collect`] or
/// [`receiver`].
pub struct OutputEnd<T> {
    kit: Option<Arc<dyn Kit>>,
    values: std::marker::PhantomData<fn(T)>,
}

impl<T> OutputEnd<T> {
    /// Its kit; `None` for the end of all.
    pub(crate) fn into_kit(self) -> Option<Arc<dyn Kit>> {
        self.kit
    }

    fn new(kit: Option<Arc<dyn Kit>>) -> Self {
        Self { kit, values: std::marker::PhantomData }
    }
}

impl<T> fmt::Debug for OutputEnd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputEnd").field("final", &self.kit.is_none()).finish()
    }
}

/// The end of all: requests end their lives where the last workers are done with them.
pub fn final_output<T>() -> OutputEnd<T> {
    OutputEnd::new(None)
}

/// An output for one run, opened on the thread that will use it, after every worker and the input. It is a step
/// of its own, so it has a place in the plan.
pub fn output<T, P, E>(open: impl FnOnce() -> Result<P, E> + Send + 'static) -> OutputEnd<T>
where
    T: Send + 'static,
    P: Output<T> + 'static,
    E: Into<BoxError>,
{
    let kit = OutputKit::new(Opener::new(move || open().map_err(Into::into)));
    OutputEnd::new(Some(Arc::new(kit)))
}

/// An output that calls a closure with each value.
///
/// ```
/// use ringtract::{for_each, source};
///
/// let numbers = source("numbers", 1, || 0..3);
/// numbers.init(for_each(|n: i32| println!("{n}")))?.start()?.wait();
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn for_each<T: Send + 'static>(mut sink: impl FnMut(T) + Send + 'static) -> OutputEnd<T> {
    output(move || {
        Ok::<_, BoxError>(move |request: Request<T>| {
            let (value, _envelope) = request.into_parts();
            sink(value);
        })
    })
}

/// An output that collects every value, and where to find them once the run is over.
pub fn collect<T: Send + 'static>() -> (OutputEnd<T>, Collected<T>) {
    let collected = Collected(Arc::new(Mutex::new(Vec::new())));
    let target = Arc::clone(&collected.0);
    let end = output(move || Ok::<_, BoxError>(Collector { values: Vec::new(), target }));
    (end, collected)
}

/// The values of a run with a [`collect`] output.
#[derive(Debug)]
pub struct Collected<T>(Arc<Mutex<Vec<T>>>);

impl<T> Collected<T> {
    /// What was collected. Empty until the run has ended, and after the first call.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut lock(&self.0))
    }
}

struct Collector<T> {
    values: Vec<T>,
    target: Arc<Mutex<Vec<T>>>,
}

impl<T> Output<T> for Collector<T> {
    fn put(&mut self, request: Request<T>) {
        self.values.push(request.into_value());
    }

    fn close(&mut self) {
        *lock(&self.target) = std::mem::take(&mut self.values);
    }
}

/// An output that another thread reads, through the [`Receiver`].
pub fn receiver<T: Send + 'static>() -> (OutputEnd<T>, Receiver<T>) {
    let (dock, receiver) = receiver::receiver();
    (OutputEnd::new(Some(Arc::new(ReceiverKit(dock)))), receiver)
}
