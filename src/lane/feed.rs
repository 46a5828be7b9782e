//! A feed: an input that other threads send into.
//!
//! Every handle has a lane of its own, so no sender waits for another. The end is a handshake, because a sender may
//! be in the middle of a push when the tract stops:
//!
//! | sender | input, told to stop |
//! |---|---|
//! | `sending := true`; fence; `closed`? | `closed := true`; fence |
//! | not closed: push | until `sending` is false *and then* the lane is empty: take |
//! | `sending := false` (release) | `sending` (acquire) |
//!
//! The fences forbid that the sender misses `closed` *and* the input misses `sending`. So a send that said `Ok` is
//! delivered, and one that said `Closed` gives its value back.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::Load;
use super::ring_lane::{Doorbells, LaneRx, LaneSpec, LaneTx, lane};
use crate::contract::input::{Input, Next};
use crate::contract::request::{Envelope, Request, Stamp};
use crate::error::MAX_CAPACITY;
use crate::measure::clock;
use crate::measure::tally::LaneTally;
use crate::sync::{AtomicBool, AtomicUsize, Ordering, fence, lock};
use crate::wait::doorbell::Doorbell;
use crate::wait::idle::Idle;
use crate::wait::sleeper::Sleeper;

/// What the handles of one feed and its input share.
struct Hub<T> {
    /// Lanes made by new handles, until the input takes them over.
    joining: Mutex<Vec<Lane<T>>>,
    /// Lanes ever made.
    lanes: AtomicUsize,
    handles: AtomicUsize,
    closed: AtomicBool,
    stamping: AtomicBool,
    capacity: usize,
    /// Wakes the input's thread, once there is one.
    waker: OnceLock<Waker>,
}

/// The input's end of one handle's lane.
struct Lane<T> {
    rx: LaneRx<T>,
    sending: Arc<AtomicBool>,
}

impl<T> Lane<T> {
    /// Whether nothing is in it and, since the feed is closed, nothing will come.
    fn is_done(&self) -> bool {
        // Acquire: pairs with the release at the end of a send, so that its push is seen by `len`.
        !self.sending.load(Ordering::Acquire) && self.rx.len() == 0
    }
}

impl<T> Hub<T> {
    fn join(self: &Arc<Self>) -> Feed<T> {
        let bell = Doorbell::new();
        let spec = LaneSpec {
            capacity: self.capacity,
            batch: 1,
            split: false,
            load: None::<Arc<Load>>,
            tally: Arc::new(LaneTally::default()),
            // The input is woken at the end of a send, when it is neither closing nor in the middle of one.
            doorbells: Doorbells { producer: Some(Arc::clone(&bell)), consumer: None },
        };
        let (tx, rx) = lane(spec);
        let sending = Arc::new(AtomicBool::new(false));
        // Relaxed: a new handle is made from one that keeps the count above 0.
        self.handles.fetch_add(1, Ordering::Relaxed);
        lock(&self.joining).push(Lane { rx, sending: Arc::clone(&sending) });
        // Release: pairs with the acquire in `FeedInput::admit`.
        self.lanes.fetch_add(1, Ordering::Release);
        Feed { hub: Arc::clone(self), tx, sending, idle: Idle::default(), bell }
    }

    /// Wakes the input, after something that it may wait for.
    #[inline]
    fn wake_input(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}

/// Makes a feed whose handles have lanes of `capacity` requests each: the first handle, and the input.
///
/// A capacity that no ring can have gives a feed without room; the run is refused when it is initialised.
pub(crate) fn feed<T>(capacity: usize) -> (Feed<T>, FeedInput<T>) {
    let capacity = if capacity > MAX_CAPACITY { 0 } else { capacity };
    let hub = Arc::new(Hub {
        joining: Mutex::new(Vec::new()),
        lanes: AtomicUsize::new(0),
        handles: AtomicUsize::new(0),
        closed: AtomicBool::new(false),
        stamping: AtomicBool::new(true),
        capacity,
        waker: OnceLock::new(),
    });
    let first = hub.join();
    (first, FeedInput { hub, lanes: Vec::new(), seen: 0, next: 0, left: 0 })
}

/// A handle that sends requests into a running tract from any thread.
///
/// Made by [`feed`](crate::feed). Clones send side by side, each through a lane of its own; the order of one
/// handle's requests is kept. What a send accepted is delivered, unless the run is given up at a deadline. The
/// tract's input ends when every handle is dropped, or one says [`close`](Self::close), or the run is stopped.
pub struct Feed<T> {
    hub: Arc<Hub<T>>,
    tx: LaneTx<T>,
    sending: Arc<AtomicBool>,
    idle: Idle,
    /// Rung when the input takes something.
    bell: Arc<Doorbell>,
}

impl<T> Feed<T> {
    /// What a thread does that waits for room in this handle. Default: [`Idle::default`]. A clone starts with its own.
    #[must_use]
    pub fn idle(mut self, idle: Idle) -> Self {
        self.idle = idle;
        self
    }

    /// Sends without waiting.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] if there is no room now, [`TrySendError::Closed`] if there never will be again. Both
    /// give the request back.
    pub fn try_send(&mut self, request: impl Into<Request<T>>) -> Result<(), TrySendError<T>> {
        let mut request = request.into();
        request.envelope.set_sent();
        if self.hub.stamping.load(Ordering::Relaxed) && !request.envelope.stamp.has_start() {
            request.envelope.stamp = Stamp::new(clock::now(), false);
        }
        self.sending.store(true, Ordering::Relaxed);
        // Pairs with the fence in `FeedInput::close_hub`.
        fence(Ordering::SeqCst);
        let result = if self.hub.closed.load(Ordering::Relaxed) {
            Err(TrySendError::Closed(request))
        } else if !self.tx.has_room() {
            Err(TrySendError::Full(request))
        } else {
            self.tx.put(request);
            self.tx.flush();
            Ok(())
        };
        // Release: pairs with the acquire in `Lane::is_done`.
        self.sending.store(false, Ordering::Release);
        self.hub.wake_input();
        result
    }

    /// Sends, waiting for room as long as it takes.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the request if the tract is closed.
    pub fn send(&mut self, request: impl Into<Request<T>>) -> Result<(), SendError<T>> {
        match self.send_until(request.into(), None) {
            Ok(()) => Ok(()),
            Err(error) => Err(SendError(error.into_request())),
        }
    }

    /// Sends, waiting for room no longer than `limit`.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] if there was no room in all that time, [`TrySendError::Closed`] if the tract is
    /// closed. Both give the request back.
    pub fn send_timeout(
        &mut self,
        request: impl Into<Request<T>>,
        limit: Duration,
    ) -> Result<(), TrySendError<T>> {
        self.send_until(request.into(), Instant::now().checked_add(limit))
    }

    fn send_until(
        &mut self,
        request: Request<T>,
        deadline: Option<Instant>,
    ) -> Result<(), TrySendError<T>> {
        if !self.is_settled() {
            let bell = Arc::clone(&self.bell);
            Sleeper::new(self.idle, &bell).until(deadline, || self.is_settled().then_some(()));
        }
        self.try_send(request)
    }

    /// Whether a send would come to something now.
    fn is_settled(&mut self) -> bool {
        self.tx.has_room() || self.is_closed()
    }

    /// Closes the feed for all its handles: later sends say `Closed`, what was accepted is delivered, and the
    /// tract's input ends. Closing twice is fine.
    pub fn close(&self) {
        // Release: pairs with the acquire in `FeedInput::poll`.
        self.hub.closed.store(true, Ordering::Release);
        self.hub.wake_input();
    }

    /// Whether sends say `Closed` from now on.
    pub fn is_closed(&self) -> bool {
        self.hub.closed.load(Ordering::Relaxed)
    }
}

impl<T> Clone for Feed<T> {
    /// A handle with a lane of its own.
    fn clone(&self) -> Self {
        self.hub.join()
    }
}

impl<T> Drop for Feed<T> {
    fn drop(&mut self) {
        // Release: pairs with the acquire in `FeedInput::poll`, so that the last push of every handle is seen.
        self.hub.handles.fetch_sub(1, Ordering::Release);
        self.hub.wake_input();
    }
}

impl<T> fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> From<T> for Request<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

/// Why a request was not sent at once. It gives the request back.
#[derive(Debug)]
pub enum TrySendError<T> {
    /// No room now.
    Full(Request<T>),
    /// The tract takes nothing any more.
    Closed(Request<T>),
}

impl<T> TrySendError<T> {
    /// The request that was not sent.
    pub fn into_request(self) -> Request<T> {
        match self {
            Self::Full(request) | Self::Closed(request) => request,
        }
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the feed is full",
            Self::Closed(_) => "the feed is closed",
        })
    }
}

impl<T: fmt::Debug> std::error::Error for TrySendError<T> {}

/// The tract takes nothing any more. It gives the request back.
#[derive(Debug)]
pub struct SendError<T>(pub Request<T>);

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the feed is closed")
    }
}

impl<T: fmt::Debug> std::error::Error for SendError<T> {}

/// The input of a feed.
pub(crate) struct FeedInput<T> {
    hub: Arc<Hub<T>>,
    lanes: Vec<Lane<T>>,
    /// Lanes taken over so far.
    seen: usize,
    next: usize,
    /// Requests accepted and never given.
    left: u64,
}

impl<T> FeedInput<T> {
    /// Whether handles are to stamp what they send.
    pub(crate) fn set_stamping(&self, stamping: bool) {
        self.hub.stamping.store(stamping, Ordering::Relaxed);
    }

    /// Takes over the lanes of new handles.
    fn admit(&mut self) {
        // Acquire: pairs with the release in `Hub::join`.
        if self.hub.lanes.load(Ordering::Acquire) != self.seen {
            let mut joining = lock(&self.hub.joining);
            self.seen += joining.len();
            self.lanes.append(&mut joining);
        }
    }

    fn take(&mut self) -> Option<Request<T>> {
        self.admit();
        for _ in 0..self.lanes.len() {
            if self.next >= self.lanes.len() {
                self.next = 0;
            }
            let rx = &mut self.lanes[self.next].rx;
            // What a waiting input finds nearly always, and is to find at one look.
            if rx.is_quiet() {
                self.next += 1;
            } else if let Some(request) = rx.pop() {
                self.next += 1;
                return Some(request);
            } else if rx.is_closed() {
                self.lanes.swap_remove(self.next);
            } else {
                self.next += 1;
            }
        }
        None
    }

    fn close_hub(&self) {
        self.hub.closed.store(true, Ordering::Relaxed);
        // Pairs with the fence in `Feed::try_send`.
        fence(Ordering::SeqCst);
    }
}

impl<T> Input for FeedInput<T> {
    type Item = T;

    fn poll(&mut self, envelope: &mut Envelope) -> Next<T> {
        // Both before the lanes are looked at: what was sent before the end is seen after it.
        // Acquire: pair with the release in `Feed::close` and in the drop of a handle.
        let closed = self.hub.closed.load(Ordering::Acquire);
        let orphaned = self.hub.handles.load(Ordering::Acquire) == 0;
        if closed {
            self.close_hub();
        }
        if let Some(request) = self.take() {
            *envelope = request.envelope;
            return Next::Value(request.value);
        }
        if (closed || orphaned) && self.lanes.iter().all(Lane::is_done) {
            return Next::Ended;
        }
        Next::UntilWoken
    }

    fn attach(&mut self, waker: &Waker) {
        // An input is attached once.
        let _ = self.hub.waker.set(waker.clone());
    }

    fn stop(&mut self) -> bool {
        self.close_hub();
        true
    }

    /// Closes the feed and ends what was accepted and not given. Waits out senders in the middle of a push, which
    /// takes them a few instructions.
    fn close(&mut self) {
        self.close_hub();
        self.admit();
        for lane in &mut self.lanes {
            loop {
                while let Some(request) = lane.rx.pop() {
                    self.left += 1;
                    // Nobody is left to tell of a panic but the panic hook, which has been told.
                    let _ = request.die();
                }
                if lane.is_done() {
                    break;
                }
                crate::sync::thread::yield_now();
            }
        }
    }

    fn left_over(&mut self) -> u64 {
        self.left
    }
}

impl<T> Drop for FeedInput<T> {
    fn drop(&mut self) {
        self.close();
    }
}
