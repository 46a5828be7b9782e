//! The end of a run that hands its requests to the caller.

use std::sync::Arc;

use crate::contract::failure::FailureKind;
use crate::contract::request::Request;
use crate::error::panic_message;
use crate::lane::receiver::Receiver;
use crate::step::post::StagePost;

/// Hands the requests of a receiver to a sink on the caller's thread.
pub(super) struct Delivery<O, F> {
    receiver: Receiver<O>,
    sink: F,
    post: Option<Arc<StagePost>>,
}

impl<O, F: FnMut(O)> Delivery<O, F> {
    pub(super) fn new(receiver: Receiver<O>, sink: F, post: Option<Arc<StagePost>>) -> Self {
        Self { receiver, sink, post }
    }

    /// Hands over what is there; returns how many.
    pub(super) fn deliver(&mut self) -> usize {
        let Self { receiver, sink, post } = self;
        receiver.drain(&mut |request| hand_over(sink, post.as_deref(), request)).0
    }

    /// Hands over everything until the tract has ended.
    pub(super) fn deliver_all(&mut self) {
        let Self { receiver, sink, post } = self;
        while receiver.deliver(&mut |request| hand_over(sink, post.as_deref(), request)) {}
    }
}

/// Hands a request to a sink; what panics is kept.
fn hand_over<O>(sink: &mut impl FnMut(O), post: Option<&StagePost>, request: Request<O>) {
    let (value, envelope) = request.into_parts();
    let sunk = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sink(value)));
    let panics = envelope.finish(sunk.is_ok());
    if let Some(post) = post {
        if let Err(panic) = sunk {
            post.fail(0, FailureKind::Panicked, panic_message(panic));
        }
        panics.into_iter().for_each(|message| post.fail(0, FailureKind::CleanupPanicked, message));
    }
}
