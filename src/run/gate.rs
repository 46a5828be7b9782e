//! The gate: how the owner of a run and its threads agree on making, starting and ending.
//!
//! Workers are made one at a time, in the order written, each on its own thread: a thread waits for the number of
//! its next step to come up. The first failure shuts the gate, and everybody leaves. Once all are made, the owner
//! opens it, and waits until every thread runs. None of this is on the path of a request, so a lock serves.

use std::sync::PoisonError;
use std::time::Instant;

use crate::error::Error;
use crate::sync::locks::{Condvar, Mutex, MutexGuard};

pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Steps made so far, which is also the number of the one to be made now.
    made: usize,
    /// Threads that run their steps.
    running: usize,
    /// Threads that are done, whatever they did.
    done: usize,
    open: bool,
    shut: bool,
    error: Option<Error>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State::default()), changed: Condvar::new() }
    }

    /// Waits for this step's turn to be made; false if there will be none.
    pub(crate) fn await_turn(&self, number: usize) -> bool {
        let state = self.wait(self.state(), |state| state.made == number || state.shut);
        !state.shut
    }

    /// The step whose turn it was is made, or could not be.
    pub(crate) fn made(&self, result: Result<(), Error>) {
        let mut state = self.state();
        match result {
            Ok(()) => state.made += 1,
            Err(error) => {
                state.shut = true;
                state.error.get_or_insert(error);
            }
        }
        self.changed.notify_all();
    }

    /// Owner: waits until all steps are made, or one could not be.
    pub(crate) fn await_made(&self, count: usize) -> Result<(), Error> {
        let mut state = self.wait(self.state(), |state| state.made == count || state.shut);
        state.error.take().map_or(Ok(()), Err)
    }

    /// Thread: waits for the start; false if there will be none. The thread counts as running from here.
    pub(crate) fn await_start(&self) -> bool {
        let mut state = self.wait(self.state(), |state| state.open || state.shut);
        if state.shut {
            return false;
        }
        state.running += 1;
        self.changed.notify_all();
        true
    }

    /// Owner: opens the gate and waits until `threads` run.
    pub(crate) fn open(&self, threads: usize) {
        let mut state = self.state();
        state.open = true;
        self.changed.notify_all();
        drop(self.wait(state, |state| state.running == threads));
    }

    /// Owner: nobody is to start.
    pub(crate) fn shut(&self) {
        self.state().shut = true;
        self.changed.notify_all();
    }

    pub(crate) fn count_done(&self) -> usize {
        self.state().done
    }

    /// Owner: waits until `threads` are done; false if the deadline passes before.
    pub(crate) fn await_done(&self, threads: usize, deadline: Option<Instant>) -> bool {
        let mut state = self.state();
        while state.done < threads {
            state = match deadline {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    /// Nothing in here panics halfway, so a lock that is poisoned guards what it should.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        until: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        while !until(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }
}

/// Tells the gate that a thread has let go of everything, also if it unwinds.
pub(crate) struct Done<'a>(pub(crate) &'a Gate);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.state().done += 1;
        self.0.changed.notify_all();
    }
}
