//! Asynchronous ends of one run: an input that is a `Stream`, and an output that is read as one.
//!
//! A tract's threads never wait for an executor and no executor waits for a tract. The input polls its stream on the
//! thread that uses it, at first and then whenever the stream has woken it. The output leaves requests in a ring, and
//! wakes the task at its other end only if that waits:
//!
//! | output | stream |
//! |---|---|
//! | push, or drop the ring's end; fence | `waiting := true`; fence |
//! | `waiting`? wake | is there something, or the end? |
//!
//! The fences forbid that the output misses `waiting` *and* the stream misses what there is.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;

use super::ends::{InputEnd, OutputEnd, input, output};
use crate::contract::input::{Input, Next};
use crate::contract::output::{Output, Room};
use crate::contract::request::{Envelope, Request};
use crate::error::{BoxError, Error, MAX_CAPACITY};
use crate::sync::ring::{Consumer, Producer, PushError, RingBuffer};
use crate::sync::{AtomicBool, Ordering, fence, lock};

/// An input for one run from any stream, polled on the tract's thread. The run ends when the stream does.
///
/// The stream is polled once, and then whenever it has woken its task, so an idle stream costs nothing and lets its thread
/// park. It is polled outside any executor: a stream over channels works anywhere, one that needs its executor's timers
/// or sockets is to be driven there and passed on through a channel. When the run is asked to stop, the stream is
/// dropped with what is still in it.
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// use futures_core::Stream;
/// use ringtract::{collect, stream_input, worker};
///
/// struct Countdown(u64);
///
/// impl Stream for Countdown {
///     type Item = u64;
///
///     fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u64>> {
///         self.0 -= 1;
///         Poll::Ready((self.0 > 0).then_some(self.0))
///     }
/// }
///
/// let (output, squares) = collect();
/// let tract = worker("square", 1, || |n: u64| n * n);
/// tract.setup().init_fed(stream_input(Countdown(4)), output)?.start()?.wait();
/// assert_eq!(squares.take(), [9, 4, 1]);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn stream_input<S>(stream: S) -> InputEnd<S::Item>
where
    S: Stream<Item: Send> + Send + 'static,
{
    input(move || Ok::<_, BoxError>(StreamInput::new(stream)))
}

/// Whether a stream is worth polling, and who is to be told when it is.
struct Woken {
    woken: AtomicBool,
    thread: OnceLock<Waker>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: pairs with the acquire in `StreamInput::poll`, so that the poll sees what the stream was woken for.
        self.woken.store(true, Ordering::Release);
        if let Some(thread) = self.thread.get() {
            thread.wake_by_ref();
        }
    }
}

struct StreamInput<S> {
    /// `None` once it is closed.
    stream: Option<Pin<Box<S>>>,
    woken: Arc<Woken>,
    waker: Waker,
}

impl<S> StreamInput<S> {
    fn new(stream: S) -> Self {
        let woken = Arc::new(Woken { woken: AtomicBool::new(true), thread: OnceLock::new() });
        let waker = Waker::from(Arc::clone(&woken));
        Self { stream: Some(Box::pin(stream)), woken, waker }
    }
}

impl<S: Stream> Input for StreamInput<S> {
    type Item = S::Item;

    fn attach(&mut self, waker: &Waker) {
        // An input is attached once.
        let _ = self.woken.thread.set(waker.clone());
    }

    fn poll(&mut self, _request: &mut Envelope) -> Next<S::Item> {
        let Some(stream) = &mut self.stream else { return Next::Ended };
        let woken = &self.woken.woken;
        // Acquire: pairs with the release in `Woken::wake_by_ref`. Cleared before the poll, so that no wake is lost.
        if !woken.load(Ordering::Relaxed) || !woken.swap(false, Ordering::Acquire) {
            return Next::UntilWoken;
        }
        match stream.as_mut().poll_next(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(Some(value)) => {
                // One that gave something is asked again without being woken. Relaxed: it tells this thread only.
                woken.store(true, Ordering::Relaxed);
                Next::Value(value)
            }
            Poll::Ready(None) => Next::Ended,
            Poll::Pending => Next::UntilWoken,
        }
    }

    fn close(&mut self) {
        self.stream = None;
    }
}

/// An output for one run that a task reads as a stream, with room for `capacity` requests, 1 to 16,777,216. Any other
/// capacity is refused when the run is initialised.
///
/// ```
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
/// use futures_core::Stream;
/// use ringtract::{source, stream_output};
///
/// let (output, stream) = stream_output(4);
/// source("numbers", 1, || 1..=3_u64).init(output)?.start()?.wait();
/// let (mut stream, mut context) = (pin!(stream), Context::from_waker(Waker::noop()));
/// let mut sum = 0;
/// while let Poll::Ready(Some(request)) = stream.as_mut().poll_next(&mut context) {
///     sum += *request;
/// }
/// assert_eq!(sum, 6);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn stream_output<T: Send + 'static>(capacity: usize) -> (OutputEnd<T>, RequestStream<T>) {
    let sound = (1..=MAX_CAPACITY).contains(&capacity);
    let (producer, requests) = RingBuffer::new(if sound { capacity } else { 1 });
    let reader = Arc::new(Reader::default());
    let half = StreamOutput { requests: Some(producer), reader: Arc::clone(&reader) };
    let end = output(move || match sound {
        true => Ok(half),
        false => Err(Error::Capacity { path: "output".to_owned(), asked: capacity }),
    });
    (end, RequestStream { requests: Some(requests), reader })
}

/// The task that reads, if it waits.
#[derive(Default)]
struct Reader {
    waiting: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// The output's thread, to be told of room.
    output: OnceLock<Waker>,
}

impl Reader {
    /// Output: something has come, or the end.
    fn tell(&self) {
        // Pairs with the fence in `wait`.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        let mut waker = lock(&self.waker);
        // Relaxed: both sides change it under the lock.
        self.waiting.store(false, Ordering::Relaxed);
        let waker = waker.take();
        // What it panics with, the panic hook has been told, and no request is concerned.
        let _ = catch_unwind(AssertUnwindSafe(|| waker.map(Waker::wake)));
    }

    /// Stream: something was taken, or nothing will be.
    fn make_room(&self) {
        if let Some(output) = self.output.get() {
            output.wake_by_ref();
        }
    }

    /// Stream: is to be woken. Look again after this.
    fn wait(&self, waker: &Waker) {
        let mut known = lock(&self.waker);
        match &mut *known {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        self.waiting.store(true, Ordering::Relaxed);
        drop(known);
        // Pairs with the fence in `tell`.
        fence(Ordering::SeqCst);
    }
}

struct StreamOutput<T> {
    /// `None` once it is closed.
    requests: Option<Producer<Request<T>>>,
    reader: Arc<Reader>,
}

impl<T> StreamOutput<T> {
    fn end(&mut self) {
        if self.requests.take().is_some() {
            self.reader.tell();
        }
    }
}

impl<T> Output<T> for StreamOutput<T> {
    fn attach(&mut self, waker: &Waker) {
        // An output is attached once.
        let _ = self.reader.output.set(waker.clone());
    }

    fn room(&mut self) -> Room {
        match &self.requests {
            Some(requests) if requests.is_abandoned() => Room::Closed,
            Some(requests) if requests.is_full() => Room::UntilWoken,
            Some(_) => Room::Free,
            None => Room::Closed,
        }
    }

    fn put(&mut self, request: Request<T>) {
        let Some(requests) = &mut self.requests else { return };
        match requests.push(request) {
            Ok(()) => self.reader.tell(),
            // There was room: `room` said so. A request without any ends here, as in any output that drops it.
            Err(PushError::Full(request)) => drop(request),
        }
    }

    fn close(&mut self) {
        self.end();
    }
}

impl<T> Drop for StreamOutput<T> {
    /// Also where the run was never made.
    fn drop(&mut self) {
        self.end();
    }
}

/// The requests that reach the end of a run, as a stream for one task in any executor.
///
/// Made by [`stream_output`]. A request that is dropped has succeeded. While nobody reads, the ring fills and holds the
/// tract back; dropping the stream closes the tract from behind. It ends with the run, also with one that was never
/// made.
pub struct RequestStream<T> {
    /// `None` once it is dropped.
    requests: Option<Consumer<Request<T>>>,
    reader: Arc<Reader>,
}

impl<T> RequestStream<T> {
    /// What there is: a request, or the end.
    fn look(&mut self) -> Poll<Option<Request<T>>> {
        let Some(requests) = &mut self.requests else { return Poll::Ready(None) };
        if let Ok(request) = requests.pop() {
            self.reader.make_room();
            return Poll::Ready(Some(request));
        }
        if requests.is_abandoned() {
            // Abandoned first, then empty again: what was pushed last is not missed.
            return Poll::Ready(requests.pop().ok());
        }
        Poll::Pending
    }
}

impl<T> Stream for RequestStream<T> {
    type Item = Request<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let found = self.look();
        if found.is_ready() {
            return found;
        }
        self.reader.wait(context.waker());
        self.look()
    }
}

impl<T> Drop for RequestStream<T> {
    fn drop(&mut self) {
        self.requests = None;
        self.reader.make_room();
    }
}

impl<T> fmt::Debug for RequestStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestStream")
            .field("waiting", &self.requests.as_ref().map_or(0, Consumer::slots))
            .finish()
    }
}
