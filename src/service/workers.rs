//! A tract as the worker of another.

use std::fmt;

use super::call::{CallError, Service};
use crate::contract::answer::Unanswered;
use crate::contract::factory::Factory;
use crate::contract::request::Envelope;
use crate::contract::worker::{Outcome, Worker};
use crate::describe::tract::Tract;
use crate::error::{BoxError, Error};

impl<I: Send + 'static, O: Send + 'static> Tract<I, O> {
    /// A factory of workers that call this tract, with the default setup. See [`workers`].
    pub fn into_workers(self) -> ServiceFactory<I, O> {
        workers(move || self.setup().service().start())
    }
}

/// A factory of workers that pass each request into a service, wait for its answer and return that.
///
/// The service is started when the first worker is made, shared by all of them, and closed when the factory closes or is
/// dropped. Workers made after that, or after a start that failed, start another. An inner discard is a discard; an inner
/// failure or panic is a failure with the same message. The request's envelope stays outside, clean-ups and all.
///
/// The workers block while they wait: where they share threads with others, mark their stage
/// [`blocking`](crate::Tract::blocking). Each has one call under way; [`pipelined`](crate::pipelined) has many.
///
/// ```
/// use ringtract::{source, worker, workers};
///
/// let risk = worker("limits", 1, || |size: u64| size.min(500))
///     .then(worker("margin", 1, || |size: u64| size / 10));
/// let mut margin = 0;
/// source("orders", 1, || [100, 7_000, 30].into_iter())
///     .then(worker("risk", 4, workers(move || risk.setup().service().window(1).start())))
///     .run(|order| margin += order)?;
/// assert_eq!(margin, 10 + 50 + 3);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn workers<I, A: Send + 'static>(
    start: impl FnMut() -> Result<Service<I, A>, Error> + Send + 'static,
) -> ServiceFactory<I, A> {
    ServiceFactory { start: Box::new(start), service: None }
}

/// The factory made by [`workers`].
pub struct ServiceFactory<I, A: Send + 'static> {
    start: Box<dyn FnMut() -> Result<Service<I, A>, Error> + Send>,
    service: Option<Service<I, A>>,
}

impl<I, A: Send + 'static> ServiceFactory<I, A> {
    /// A handle of its service, started if there is none.
    pub(super) fn handle(&mut self) -> Result<Service<I, A>, BoxError> {
        // One whose run was stopped from inside is of no use any more.
        let service = match self.service.take_if(|service| !service.is_closed()) {
            Some(service) => service,
            None => {
                self.shut();
                (self.start)()?
            }
        };
        Ok(self.service.insert(service).clone())
    }

    pub(super) fn shut(&mut self) {
        if let Some(service) = self.service.take() {
            service.close();
        }
    }
}

impl<I: Send + 'static, A: Send + 'static> Factory for ServiceFactory<I, A> {
    type Product = CallWorker<I, A>;

    fn make(&mut self) -> Result<CallWorker<I, A>, BoxError> {
        self.handle().map(CallWorker)
    }

    fn close(&mut self) {
        self.shut();
    }
}

impl<I, A: Send + 'static> fmt::Debug for ServiceFactory<I, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceFactory").field("running", &self.service.is_some()).finish()
    }
}

/// A worker that calls a service.
#[derive(Debug)]
pub struct CallWorker<I, A: Send + 'static>(Service<I, A>);

impl<I: Send + 'static, A: Send + 'static> Worker<I> for CallWorker<I, A> {
    type Out = A;

    fn work(&mut self, value: I, _request: &mut Envelope) -> Outcome<A> {
        match self.0.call(value) {
            Ok(answer) => Outcome::Emit(answer),
            Err(CallError::Unanswered(why)) => unanswered(why),
            Err(error) => Outcome::fail(error.to_string()),
        }
    }
}

/// What becomes of a request whose call came to nothing.
pub(super) fn unanswered<A>(why: Unanswered) -> Outcome<A> {
    match why {
        Unanswered::Discarded => Outcome::Discard,
        why => Outcome::fail(why.to_string()),
    }
}
