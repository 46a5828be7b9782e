//! Calls from a tract that has many of them under way: some workers make them, others wait for the answers.
//!
//! The request stays in the outer tract all the while, with its envelope: between the two stages its value is a ticket. So
//! a stop, a failure, clean-ups and counts are what they are for any two stages.

use std::time::Duration;

use super::call::{CallError, Service};
use super::ticket::Ticket;
use super::workers::{ServiceFactory, unanswered, workers};
use crate::contract::factory::Factory;
use crate::contract::request::Envelope;
use crate::contract::worker::{Outcome, Worker, outcome};
use crate::describe::tract::{Tract, serial, worker};
use crate::error::{BoxError, Error};

/// Two stages that pass requests through a service with many calls under way: `calls`, a pool of `size` workers that make
/// them, and `answers`, as many that wait for them.
///
/// A worker of `calls` goes on to the next request as long as its window has a place and there is room before `answers`:
/// the service's [`window`](crate::Serving::window) and the [`capacity`](crate::Tract::capacity) of these stages say how
/// many calls are under way. With a `size` of 1, requests leave in the order in which they came, whatever order the service
/// answers in; with more, as they leave any pool.
///
/// The service is started, shared and closed, and what comes to nothing inside comes back, as with
/// [`workers`](crate::workers); the request's envelope stays outside. A call whose request is dropped between the two, by a
/// stop with a deadline, is given up.
///
/// Both stages block: where they share threads with others, mark them [`blocking`](crate::Tract::blocking).
///
/// ```
/// use ringtract::{pipelined, source, worker};
///
/// let slow = worker("slow", 1, || |n: u64| n * n).then(worker("slower", 1, || |n: u64| n + 1));
/// let mut answers = Vec::new();
/// source("numbers", 1, || 1..=4_u64)
///     .then(pipelined("squares", 1, move || slow.setup().service().window(32).start()))
///     .run(|answer| answers.push(answer))?;
/// assert_eq!(answers, [2, 5, 10, 17]);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn pipelined<I: Send + 'static, A: Send + 'static>(
    name: impl Into<String>,
    size: usize,
    start: impl FnMut() -> Result<Service<I, A>, Error> + Send + 'static,
) -> Tract<I, A> {
    let calls = worker("calls", size, SubmitFactory(workers(start)));
    let answers = worker("answers", size, || {
        outcome(|ticket: Ticket<A>, _request: &mut Envelope| match ticket.wait() {
            Ok(answer) => Outcome::Emit(answer),
            Err(why) => unanswered(why),
        })
    });
    serial(name, calls.then(answers))
}

struct SubmitFactory<I, A: Send + 'static>(ServiceFactory<I, A>);

impl<I: Send + 'static, A: Send + 'static> Factory for SubmitFactory<I, A> {
    type Product = SubmitWorker<I, A>;

    fn make(&mut self) -> Result<SubmitWorker<I, A>, BoxError> {
        self.0.handle().map(SubmitWorker)
    }

    fn close(&mut self) {
        self.0.shut();
    }
}

/// A worker that makes calls and hands on the tickets.
struct SubmitWorker<I, A: Send + 'static>(Service<I, A>);

impl<I: Send + 'static, A: Send + 'static> Worker<I> for SubmitWorker<I, A> {
    type Out = Ticket<A>;

    fn work(&mut self, value: I, _request: &mut Envelope) -> Outcome<Ticket<A>> {
        match self.0.submit_within(value, Duration::MAX) {
            Ok(ticket) => Outcome::Emit(ticket),
            Err(CallError::Unanswered(why)) => unanswered(why),
            Err(error) => Outcome::fail(error.to_string()),
        }
    }
}
