//! A receiver: an output that another thread reads.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Taker;
use super::ring_lane::{Drained, LaneRx};
use crate::contract::request::Request;
use crate::sync::lock;
use crate::wait::doorbell::Doorbell;
use crate::wait::idle::Idle;
use crate::wait::sleeper::Sleeper;

/// Where the wiring leaves the receiver's lanes.
pub(crate) struct Dock<T> {
    state: Mutex<State<T>>,
    /// Rung when the state changes, and by the lanes when something comes.
    bell: Arc<Doorbell>,
}

enum State<T> {
    Waiting,
    Connected(Vec<LaneRx<T>>),
    /// The run was never made, and its output end is gone.
    Gone,
}

impl<T> Dock<T> {
    pub(crate) fn connect(&self, lanes: Vec<LaneRx<T>>) {
        self.become_once(State::Connected(lanes));
    }

    pub(crate) fn leave(&self) {
        self.become_once(State::Gone);
    }

    fn become_once(&self, next: State<T>) {
        let mut state = lock(&self.state);
        if matches!(*state, State::Waiting) {
            *state = next;
        }
        drop(state);
        self.bell.ring();
    }

    pub(crate) fn doorbell(&self) -> &Arc<Doorbell> {
        &self.bell
    }
}

/// Makes a receiver and the place where its lanes are to be left.
pub(crate) fn receiver<T>() -> (Arc<Dock<T>>, Receiver<T>) {
    let dock = Arc::new(Dock { state: Mutex::new(State::Waiting), bell: Doorbell::new() });
    let lanes = Vec::new();
    let receiver = Receiver {
        dock: Arc::clone(&dock),
        lanes,
        connected: false,
        next: 0,
        idle: Idle::default(),
    };
    (dock, receiver)
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
    idle: Idle,
}

impl<T> Receiver<T> {
    /// What a thread does that waits for a request here. Default: [`Idle::default`].
    #[must_use]
    pub fn idle(mut self, idle: Idle) -> Self {
        self.idle = idle;
        self
    }

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
        self.recv_until(None).ok()
    }

    /// Takes a request, waiting no longer than `limit`.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv), at the end of the time.
    pub fn recv_timeout(&mut self, limit: Duration) -> Result<Request<T>, TryRecvError> {
        self.recv_until(Instant::now().checked_add(limit))
    }

    fn recv_until(&mut self, deadline: Option<Instant>) -> Result<Request<T>, TryRecvError> {
        self.until(deadline, |receiver| match receiver.try_recv() {
            Err(TryRecvError::Empty) => None,
            settled => Some(settled),
        })
        .unwrap_or(Err(TryRecvError::Empty))
    }

    /// Asks until there is an answer, waiting between for something to come; `None` if there is none by the deadline.
    fn until<R>(
        &mut self,
        deadline: Option<Instant>,
        mut ask: impl FnMut(&mut Self) -> Option<R>,
    ) -> Option<R> {
        let answer = ask(self);
        if answer.is_some() {
            return answer;
        }
        let bell = Arc::clone(&self.dock.bell);
        Sleeper::new(self.idle, &bell).until(deadline, || ask(self))
    }

    fn connect(&mut self) -> Result<(), TryRecvError> {
        if self.connected {
            return Ok(());
        }
        let mut state = lock(&self.dock.state);
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

    /// Waits until something has come, and hands it to `sink`; false once there will be nothing more.
    pub(crate) fn deliver(&mut self, sink: &mut impl FnMut(Request<T>)) -> bool {
        let delivered = self.until(None, |receiver| match receiver.drain(sink) {
            (0, Drained::Empty) => None,
            (_, end) => Some(end),
        });
        delivered != Some(Drained::Closed)
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

    fn take_each<const METERED: bool>(&mut self, requests: impl Iterator<Item = Request<T>>) {
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
        *lock(&self.dock.state) = State::Gone;
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
