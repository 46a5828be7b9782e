//! What a handle calls through: its lane into the run, and its seats.

use std::sync::Arc;
use std::time::Instant;

use super::call::CallError;
use super::seat::{Rack, Seat, Seats};
use crate::contract::answer::Unanswered;
use crate::contract::request::{Envelope, Request};
use crate::lane::feed::{Feed, TrySendError};
use crate::wait::idle::Idle;
use crate::wait::sleeper::Sleeper;

/// A handle's lane into the run, and its seats.
pub(crate) struct Caller<I, A> {
    feed: Feed<I>,
    seats: Seats<A>,
}

impl<I, A: Send + 'static> Caller<I, A> {
    pub(crate) fn new(feed: Feed<I>, seats: Seats<A>) -> Self {
        Self { feed, seats }
    }

    /// One with a lane and a window of its own.
    pub(crate) fn of_another(&self) -> Self {
        Self { feed: self.feed.clone(), seats: self.seats.of_another() }
    }

    pub(super) fn rack(&self) -> Arc<Rack<A>> {
        Arc::clone(&self.seats.rack)
    }

    /// Waits until a send would come to something.
    pub(crate) fn wait_for_place(&mut self, idle: Idle, deadline: Option<Instant>) {
        if self.is_settled() {
            return;
        }
        let bell = Arc::clone(&self.seats.window.bell);
        Sleeper::new(idle, &bell).until(deadline, || self.is_settled().then_some(()));
    }

    fn is_settled(&mut self) -> bool {
        self.seats.has_place() || self.is_closed()
    }

    /// Sends a request; the seat for its answer.
    pub(crate) fn send(&mut self, value: I) -> Result<Seat<A>, CallError<I>> {
        if !self.seats.has_place() {
            return Err(if self.is_closed() {
                CallError::Closed(value)
            } else {
                CallError::Busy(value)
            });
        }
        let mut seat = self.seats.take();
        let Some(spare) = seat.open() else { return Err(CallError::Closed(value)) };
        let request = Request { value, envelope: Envelope::owing(spare) };
        let Err(error) = self.feed.try_send(request) else {
            self.seats.count();
            return Ok(seat);
        };
        let closed = matches!(error, TrySendError::Closed(_));
        let Request { value, envelope } = error.into_request();
        seat.cancel(envelope.into_spare());
        self.seats.put(seat);
        Err(if closed { CallError::Closed(value) } else { CallError::Busy(value) })
    }

    /// Waits for the answer at a seat, until the deadline.
    pub(crate) fn answer(
        &mut self,
        mut seat: Seat<A>,
        idle: Idle,
        deadline: Option<Instant>,
    ) -> Result<A, Unanswered> {
        match seat.wait(idle, deadline).or_else(|| seat.give_up()) {
            Some(answer) => {
                self.seats.put(seat);
                answer
            }
            None => {
                self.seats.rack.put_late(seat);
                Err(Unanswered::TimedOut)
            }
        }
    }

    /// Closes the feed, and wakes every handle that waits for a place.
    pub(crate) fn close(&self) {
        self.feed.close();
        self.seats.roll.call_off();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.feed.is_closed()
    }
}
