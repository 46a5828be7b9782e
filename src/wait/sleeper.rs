//! A thread of the user's that waits at an end of a tract: to send, to receive, to be answered.

use std::sync::Arc;
use std::time::Instant;

use super::doorbell::Doorbell;
use super::idle::{Idle, Waiter};

/// Waits for one thing, by an idle strategy, at a doorbell that is rung when it may have come.
#[derive(Debug)]
pub(crate) struct Sleeper<'a> {
    waiter: Waiter,
    bell: &'a Arc<Doorbell>,
}

impl<'a> Sleeper<'a> {
    pub(crate) fn new(idle: Idle, bell: &'a Arc<Doorbell>) -> Self {
        Self { waiter: Waiter::new(idle), bell }
    }

    /// Asks until there is an answer; `None` if there is none by the deadline.
    pub(crate) fn until<R>(
        &mut self,
        deadline: Option<Instant>,
        mut ask: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        self.waiter.reset();
        loop {
            if let Some(answer) = ask() {
                return Some(answer);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return None;
            }
            if self.waiter.wait() || !self.bell.arm() {
                continue;
            }
            if let Some(answer) = ask() {
                self.bell.disarm();
                return Some(answer);
            }
            self.bell.sleep(deadline);
        }
    }
}
