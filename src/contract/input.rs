//! Where requests come from: a polled end that never blocks.

use std::task::Waker;
use std::time::Instant;

use super::request::Envelope;

/// What an [`Input`] has to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next<T> {
    /// A request.
    Value(T),
    /// Nothing yet, and the input cannot say when. It is asked again at the next turn of its thread. A thread that
    /// parks when it is [idle](crate::Idle) naps between: 50 us at first, twice as long each time, up to 1 ms.
    Nothing,
    /// Nothing yet, and the [`Waker`] given to [`Input::attach`] will be woken when there is. The thread may park until
    /// then.
    UntilWoken,
    /// Nothing before this instant. The thread may park until then, or shortly before.
    NotBefore(Instant),
    /// Nothing, ever again. It is not asked again, and its end travels on.
    Ended,
}

/// Where requests come from: the worker of a source stage, or an input given to one run.
///
/// It is made and used on one thread, so it need not be `Send`, and it is *polled*: an input without anything to
/// give says so instead of blocking. Any iterator is an input; one that blocks in `Iterator::next` belongs in a stage
/// marked [`blocking`](crate::Tract::blocking).
///
/// ```
/// use std::time::{Duration, Instant};
/// use ringtract::{Envelope, Input, Next, source};
///
/// /// Ticks every millisecond, three times.
/// struct Timer { due: Instant, left: u32 }
///
/// impl Input for Timer {
///     type Item = u32;
///
///     fn poll(&mut self, request: &mut Envelope) -> Next<u32> {
///         if self.left == 0 {
///             return Next::Ended;
///         }
///         if Instant::now() < self.due {
///             return Next::NotBefore(self.due);
///         }
///         request.set_started(self.due); // lateness counts as latency
///         self.due += Duration::from_millis(1);
///         self.left -= 1;
///         Next::Value(self.left)
///     }
/// }
///
/// let mut ticks = 0;
/// source("timer", 1, || Timer { due: Instant::now(), left: 3 }).run(|_| ticks += 1)?;
/// assert_eq!(ticks, 3);
/// # Ok::<(), ringtract::Error>(())
/// ```
pub trait Input {
    /// The values it gives.
    type Item;

    /// Gives the next request's value, if there is one now. The envelope is that request's: clean-ups and an
    /// intended start may be put on it. It is thrown away where no value is given.
    ///
    /// A panic ends this input, as if it had said [`Next::Ended`]: asking a half-done input again, or a fresh one
    /// from the start, would double what it gave before.
    fn poll(&mut self, request: &mut Envelope) -> Next<Self::Item>;

    /// Called once, on the input's thread, before it is asked for anything: with what wakes that thread should it be
    /// parked. To be called, from any thread, *after* something has come that the next [`poll`](Self::poll) will give;
    /// calling it too often is harmless. Worth keeping only for an input that says [`Next::UntilWoken`].
    fn attach(&mut self, waker: &Waker) {
        let _ = waker;
    }

    /// Called at most once, when the run is asked to stop. An input that returns `true` is asked on until it says
    /// [`Next::Ended`], to hand over what it had already accepted; one that returns `false` has ended.
    fn stop(&mut self) -> bool {
        false
    }

    /// Called when the input's thread finds nothing to do at all, and now and then until it parks, for housekeeping.
    fn idle(&mut self) {}

    /// Called exactly once, on the input's thread, after the last request.
    fn close(&mut self) {}

    /// How many requests it had accepted from elsewhere and never gave, because the run was given up or its output
    /// closed. Asked once, after [`close`](Self::close), and counted as dropped.
    fn left_over(&mut self) -> u64 {
        0
    }
}

impl<T: Iterator> Input for T {
    type Item = T::Item;

    #[inline]
    fn poll(&mut self, _request: &mut Envelope) -> Next<T::Item> {
        match Iterator::next(self) {
            Some(value) => Next::Value(value),
            None => Next::Ended,
        }
    }
}
