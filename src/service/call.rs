//! The handle that calls a running tract.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::caller::Caller;
use super::ticket::Ticket;
use crate::contract::answer::Unanswered;
use crate::run::running::Running;
use crate::sync::lock;
use crate::tell::report::Report;
use crate::wait::idle::Idle;

/// The run behind the handles of one service.
pub(crate) struct Core {
    pub(crate) running: Mutex<Option<Running>>,
}

impl Drop for Core {
    /// The last handle is gone, and its end of the feed with it: what was accepted is finished.
    fn drop(&mut self) {
        if let Some(running) = lock(&self.running).take() {
            running.wait();
        }
    }
}

/// A running tract that is called: a value in, its own answer out.
///
/// Made by [`Tract::into_service`](crate::Tract::into_service) or [`Setup::service`](crate::Setup::service). A handle
/// belongs to one thread at a time; clones call side by side, each through a lane of its own. The run ends when
/// somebody says [`close`](Self::close), or with the last handle, whose drop waits for it.
///
/// Each handle has a window: so many calls may be under way at once, from when they got in until their request has died.
/// [`call`](Self::call) waits where it is full, [`submit`](Self::submit) says so.
///
/// A call is answered when its request has died, after every clean-up added to it inside. A request that becomes
/// several values in one worker is answered with the first that reaches the end; the others are dropped there.
///
/// ```
/// use ringtract::worker;
///
/// let service = worker("square root", 2, || f64::sqrt).into_service()?;
/// std::thread::scope(|scope| {
///     for n in 1..=8 {
///         let mut service = service.clone();
///         scope.spawn(move || assert_eq!(service.call(f64::from(n * n)).expect("an answer"), f64::from(n)));
///     }
/// });
/// let report = service.close().expect("closed once");
/// assert_eq!(report.stage("square root").expect("a stage").ledger.emitted, 8);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub struct Service<I, A: Send + 'static> {
    // Before the core: when that waits for the run, no handle of the feed may be left.
    caller: Caller<I, A>,
    core: Arc<Core>,
    idle: Idle,
}

impl<I, A: Send + 'static> Service<I, A> {
    pub(crate) fn new(caller: Caller<I, A>, running: Running, idle: Idle) -> Self {
        let core = Arc::new(Core { running: Mutex::new(Some(running)) });
        Self { caller, core, idle }
    }

    /// What a thread does that waits for an answer to this handle's calls, or for a place in its window. Default: that of
    /// the [`Serving`](crate::Serving). Clones take it over.
    #[must_use]
    pub fn idle(mut self, idle: Idle) -> Self {
        self.idle = idle;
        self
    }

    /// Calls, and waits for the answer as long as it takes; before that, where the window is full, for a place in it.
    ///
    /// # Errors
    ///
    /// Why there is no answer; the value comes back where it never got in.
    pub fn call(&mut self, value: I) -> Result<A, CallError<I>> {
        self.call_until(value, None)
    }

    /// Calls, and waits no longer than `limit`, for a place in the window and for the answer.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call). [`CallError::Busy`] if the window was full all that time. [`Unanswered::TimedOut`] if the
    /// answer has not come: the call is given up. Its request goes its way all the same, and takes up one place of the
    /// window until it has died.
    pub fn call_within(&mut self, value: I, limit: Duration) -> Result<A, CallError<I>> {
        self.call_until(value, Instant::now().checked_add(limit))
    }

    fn call_until(&mut self, value: I, deadline: Option<Instant>) -> Result<A, CallError<I>> {
        self.caller.wait_for_place(self.idle, deadline);
        let seat = self.caller.send(value)?;
        self.caller.answer(seat, self.idle, deadline).map_err(CallError::Unanswered)
    }

    /// Calls without waiting: the ticket is for the answer.
    ///
    /// # Errors
    ///
    /// [`CallError::Busy`] or [`CallError::Closed`], with the value.
    pub fn submit(&mut self, value: I) -> Result<Ticket<A>, CallError<I>> {
        let seat = self.caller.send(value)?;
        Ok(Ticket::new(seat, self.caller.rack(), self.idle))
    }

    /// Calls without waiting for the answer, but where the window is full, for a place in it, no longer than `limit`. The
    /// ticket is for the answer.
    ///
    /// It is the tract inside that makes places free, not whoever has the tickets.
    ///
    /// # Errors
    ///
    /// [`CallError::Busy`] if the window was full all that time, or [`CallError::Closed`], with the value.
    pub fn submit_within(&mut self, value: I, limit: Duration) -> Result<Ticket<A>, CallError<I>> {
        self.caller.wait_for_place(self.idle, Instant::now().checked_add(limit));
        self.submit(value)
    }

    /// Closes the service for all its handles: finishes what was accepted, and waits until the run is over. Calls during
    /// and after it say [`CallError::Closed`].
    ///
    /// Gives the report of the run to whoever closes it first; `None` after that. From a worker of the service's own
    /// tract it would wait for itself.
    pub fn close(&self) -> Option<Report> {
        self.caller.close();
        let mut running = lock(&self.core.running);
        running.take().map(Running::wait)
    }

    /// Whether calls say [`CallError::Closed`] from now on.
    pub fn is_closed(&self) -> bool {
        self.caller.is_closed()
    }
}

impl<I, A: Send + 'static> Clone for Service<I, A> {
    /// A handle with a lane and a window of its own.
    fn clone(&self) -> Self {
        Self { caller: self.caller.of_another(), core: Arc::clone(&self.core), idle: self.idle }
    }
}

impl<I, A: Send + 'static> fmt::Debug for Service<I, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError<I> {
    /// The service is closed. The value never got in.
    Closed(I),
    /// The handle has as many calls under way as its window holds. The value never got in.
    Busy(I),
    /// The value got in, and came to nothing.
    Unanswered(Unanswered),
}

impl<I> fmt::Display for CallError<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(_) => f.write_str("the service is closed"),
            Self::Busy(_) => f.write_str(
                "the handle has as many calls under way as its window holds: wait until one has its answer",
            ),
            Self::Unanswered(why) => why.fmt(f),
        }
    }
}

impl<I: fmt::Debug> std::error::Error for CallError<I> {}
