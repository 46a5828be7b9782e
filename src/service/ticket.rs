//! Tickets: calls under way, to be waited for later.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::seat::{Rack, Seat};
use crate::contract::answer::Unanswered;
use crate::wait::idle::Idle;

/// A call under way, made by [`Service::submit`](crate::Service::submit).
///
/// It can be asked, waited for on any thread, and awaited in any executor. Dropped before its answer, it is a call
/// given up: the request goes its way, and its answer goes nowhere.
///
/// ```
/// use ringtract::worker;
///
/// let mut service = worker("square", 1, || |n: u64| n * n).into_service()?;
/// let tickets: Vec<_> = (1..=3).map(|n| service.submit(n).expect("room for 64")).collect();
/// let squares: Vec<_> = tickets.into_iter().map(|ticket| ticket.wait().expect("an answer")).collect();
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok::<(), ringtract::Error>(())
/// ```
#[must_use = "dropped, the call is given up"]
pub struct Ticket<A: Send + 'static> {
    /// `None` once the answer is taken.
    seat: Option<Seat<A>>,
    rack: Arc<Rack<A>>,
    idle: Idle,
}

impl<A: Send + 'static> Ticket<A> {
    pub(super) fn new(seat: Seat<A>, rack: Arc<Rack<A>>, idle: Idle) -> Self {
        Self { seat: Some(seat), rack, idle }
    }

    /// The answer, if it is there: the value, or why there is none. Given once; after that it is
    /// [`Unanswered::Taken`].
    pub fn try_answer(&mut self) -> Option<Result<A, Unanswered>> {
        let Some(seat) = &mut self.seat else { return Some(Err(Unanswered::Taken)) };
        let answer = seat.take();
        self.taken(answer)
    }

    /// Waits for the answer as long as it takes, by the idle strategy of the handle that made the call.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn wait(mut self) -> Result<A, Unanswered> {
        self.wait_until(None).unwrap_or(Err(Unanswered::TimedOut))
    }

    /// Waits for the answer no longer than `limit`. `None` if it has not come; it can be waited for again.
    pub fn wait_for(&mut self, limit: Duration) -> Option<Result<A, Unanswered>> {
        self.wait_until(Instant::now().checked_add(limit))
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Option<Result<A, Unanswered>> {
        let Some(seat) = &mut self.seat else { return Some(Err(Unanswered::Taken)) };
        let answer = seat.wait(self.idle, deadline);
        self.taken(answer)
    }

    fn taken<T>(&mut self, answer: Option<T>) -> Option<T> {
        if answer.is_some()
            && let Some(seat) = self.seat.take()
        {
            self.rack.put(seat);
        }
        answer
    }
}

impl<A: Send + 'static> Future for Ticket<A> {
    type Output = Result<A, Unanswered>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(seat) = &mut self.seat else { return Poll::Ready(Err(Unanswered::Taken)) };
        let answer = seat.take_or_wake(context.waker());
        self.taken(answer).map_or(Poll::Pending, Poll::Ready)
    }
}

impl<A: Send + 'static> Drop for Ticket<A> {
    fn drop(&mut self) {
        let Some(mut seat) = self.seat.take() else { return };
        match seat.give_up() {
            Some(_unwanted) => self.rack.put(seat),
            None => self.rack.put_late(seat),
        }
    }
}

impl<A: Send + 'static> fmt::Debug for Ticket<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("taken", &self.seat.is_none()).finish_non_exhaustive()
    }
}
