//! Where requests go: a polled end that never blocks.

use std::task::Waker;

use super::request::Request;

/// Whether an [`Output`] can take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// The next [`put`](Output::put) will be taken. True until that put.
    Free,
    /// Not now: the output is full. Asked again at the next turn; a thread that parks when it is
    /// [idle](crate::Idle) naps between, 50 us to 1 ms.
    Full,
    /// Not now: nobody is at the other end yet. Asked again like [`Full`](Self::Full).
    Absent,
    /// Not now, and the [`Waker`] given to [`Output::attach`] will be woken when there is. The thread may park until
    /// then.
    UntilWoken,
    /// Never again. The tract in front of it ends, and what is still in flight is dropped and counted.
    Closed,
}

/// Where the requests of a tract go.
///
/// It is made and used on one thread, so it need not be `Send`, and it is *polled*: it is asked for room before
/// a request is taken for it, so that what was taken can always be put. Any closure on [`Request`]s is an
/// output with endless room.
pub trait Output<T> {
    /// Whether the next request can be put.
    fn room(&mut self) -> Room {
        Room::Free
    }

    /// Called once, on the output's thread, before it is asked for room: with what wakes that thread should it be
    /// parked. To be called, from any thread, *after* room has come; calling it too often is harmless. Worth keeping only
    /// for an output that says [`Room::UntilWoken`].
    fn attach(&mut self, waker: &Waker) {
        let _ = waker;
    }

    /// Takes a request, after [`room`](Self::room) said [`Room::Free`]. Dropping it ends it, and its clean-ups run
    /// with success.
    ///
    /// A panic fails the request in hand and is reported; the output is used on.
    fn put(&mut self, request: Request<T>);

    /// Called when the output's thread finds nothing to do at all, and now and then until it parks, for flushing and
    /// housekeeping.
    fn idle(&mut self) {}

    /// Called exactly once, on the output's thread, after the last put.
    fn close(&mut self) {}
}

impl<T, F: FnMut(Request<T>)> Output<T> for F {
    #[inline]
    fn put(&mut self, request: Request<T>) {
        self(request);
    }
}
