//! A receiver: an output that another thread reads.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Taker;
use super::ring_lane::{Drained, LaneRx};
use crate::contract::request::Request;
use crate::idle::{Idle, Waiter};
use crate::sync::lock;

/// Where the wiring leaves the receiver's lanes.
pub(crate) struct Dock<T>(Mutex<State<T>>);

enum State<T> {
    Waiting,
    Connected(Vec<LaneRx<T>>),
    /// The run was never made, and its output end is gone.
    Gone,
}

impl<T> Dock<T> {
    pub(crate) fn connect(&self, lanes: Vec<LaneRx<T>>) {
        let mut state = lock(&self.0);
        if matches!(*state, State::Waiting) {
            *state = State::Connected(lanes);
        }
    }

    pub(crate) fn leave(&self) {
        let mut state = lock(&self.0);
        if matches!(*state, State::Waiting) {
            *state = State::Gone;
        }
    }
}

/// Makes a receiver and the place where its lanes are to be left.
pub(crate) fn receiver<T>() -> (Arc<Dock<T>>, Receiver<T>) {
    let dock = Arc::new(Dock(Mutex::new(State::Waiting)));
    (Arc::clone(&dock), Receiver { dock, lanes: Vec::new(), connected: false, next: 0 })
}

/// The end of a tract in the user's hand: requests that reached it, read from any thread.
///
/// Made by [`receiver`](crate::receiver). It stands directly at the lanes of the tract's last workers, without a
/// thread between. A request that is dropped has succeeded. While nobody reads, the lanes fill and hold the
/// tract back; dropping the receiver closes the tract from behind. As an iterator it waits for each request and
/// ends with the tract.
pub struct Receiver<T> {
    dock: Arc<Dock<T>>,
    lanes: Vec<LaneRx<T>>,
    connected: bool,
    next: usize,
}

impl<T> Receiver<T> {
    /// Takes a request without waiting.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if there is none now, [`TryRecvError::Closed`] if there will never be one again.
    pub fn try_recv(&mut self) -> Result<Request<T>, TryRecvError> {
        self.connect()?;
        for _ in 0..self.lanes.len() {
            if self.next >= self.lanes.len() {
                self.next = 0;
            }
            if let Some(mut request) = self.lanes[self.next].pop() {
                self.next += 1;
                request.envelope.set_delivered(true);
                return Ok(request);
            }
            if self.lanes[self.next].is_closed() {
                self.lanes.swap_remove(self.next);
            } else {
                self.next += 1;
            }
        }
        if self.lanes.is_empty() { Err(TryRecvError::Closed) } else { Err(TryRecvError::Empty) }
    }

    /// Takes a request, waiting as long as it takes; `None` once the tract has ended and everything was taken.
    pub fn recv(&mut self) -> Option<Request<T>> {
        let mut waiter = Waiter::new(Idle::default());
        loop {
            match self.try_recv() {
                Ok(request) => return Some(request),
                Err(TryRecvError::Closed) => return None,
                Err(TryRecvError::Empty) => waiter.wait(),
            }
        }
    }

    /// Takes a request, waiting no longer than `limit`.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv), at the end of the time.
    pub fn recv_timeout(&mut self, limit: Duration) -> Result<Request<T>, TryRecvError> {
        let deadline = Instant::now().checked_add(limit);
        let mut waiter = Waiter::new(Idle::default());
        loop {
            match self.try_recv() {
                Err(TryRecvError::Empty)
                    if deadline.is_none_or(|deadline| Instant::now() < deadline) =>
                {
                    waiter.wait();
                }
                other => return other,
            }
        }
    }

    fn connect(&mut self) -> Result<(), TryRecvError> {
        if self.connected {
            return Ok(());
        }
        let mut state = lock(&self.dock.0);
        match std::mem::replace(&mut *state, State::Waiting) {
            State::Waiting => Err(TryRecvError::Empty),
            State::Gone => {
                *state = State::Gone;
                Err(TryRecvError::Closed)
            }
            State::Connected(lanes) => {
                drop(state);
                self.lanes = lanes;
                self.connected = true;
                Ok(())
            }
        }
    }

    /// Hands what is there to `sink`, batch by batch; `Closed` once there will be nothing more.
    pub(crate) fn drain(&mut self, sink: &mut impl FnMut(Request<T>)) -> (usize, Drained) {
        if self.connect().is_err() {
            return (0, Drained::Empty);
        }
        let mut delivery = Delivery(sink);
        let mut moved = 0;
        self.lanes.retain_mut(|lane| {
            let (got, end) = lane.drain(DRAIN_AT_ONCE, &mut delivery);
            moved += got;
            end != Drained::Closed
        });
        (moved, if self.lanes.is_empty() { Drained::Closed } else { Drained::Empty })
    }
}

/// Requests taken from one lane before the next has its turn.
const DRAIN_AT_ONCE: usize = 256;

struct Delivery<'a, F>(&'a mut F);

impl<T, F: FnMut(Request<T>)> Taker<T> for Delivery<'_, F> {
    fn ready(&mut self) -> bool {
        true
    }

    fn take_each(&mut self, requests: &mut (impl Iterator<Item = Request<T>> + ?Sized)) {
        for mut request in requests {
            request.envelope.set_delivered(true);
            (self.0)(request);
        }
    }
}

impl<T> Iterator for Receiver<T> {
    type Item = Request<T>;

    fn next(&mut self) -> Option<Request<T>> {
        self.recv()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Lanes that came and were never looked at close too.
        *lock(&self.dock.0) = State::Gone;
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("connected", &self.connected).finish_non_exhaustive()
    }
}

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing now.
    Empty,
    /// Nothing ever again.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "nothing to receive yet",
            Self::Closed => "the tract has ended",
        })
    }
}

impl std::error::Error for TryRecvError {}
