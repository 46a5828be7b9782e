//! The slot of one call: where its answer comes together, and how it gets to who called.
//!
//! A slot has two sides. Its [seat](super::seat::Seat) is the caller's alone; the slot is for whoever has the request, and
//! the caller hardly ever touches it. The answer comes through a ring, and with it what the request travelled with, to go
//! out again with the next one. So a call moves as many cache lines from core to core as two bare rings do.
//!
//! What is said under the lock, and by whom:
//!
//! | who | says |
//! |---|---|
//! | the output, a worker | what has come of the request so far |
//! | whoever has the request when it dies | the answer, into the ring |
//! | the caller | do not wait for me; wake this one; nobody will look any more |
//! | the end of the run | there will be no answer |
//!
//! So giving up and answering cannot miss each other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use crossbeam_utils::CachePadded;

use super::gather::{Add, Gathered, Quorum};
use super::window::Window;
use crate::contract::answer::{Answer, Unanswered};
use crate::contract::cleanup::Spare;
use crate::sync::hold;
use crate::sync::locks::{Mutex, MutexGuard};
use crate::sync::ring::{Consumer, Producer, PushError, RingBuffer};
use crate::wait::doorbell::Doorbell;

/// The slot of one call after the other.
pub(crate) struct Slot<A> {
    /// In the cache of who answers.
    desk: CachePadded<Mutex<Desk<A>>>,
    quorum: Quorum,
    /// Rung when the answer is there.
    pub(super) bell: Arc<Doorbell>,
    /// That of the handle.
    pub(super) window: Arc<Window>,
}

/// What is said under the lock.
pub(super) struct Desk<A> {
    gathered: Gathered<A>,
    /// What went wrong first.
    note: Option<Unanswered>,
    answers: Producer<Answered<A>>,
    /// The caller's, where it is a future.
    pub(super) waker: Option<Waker>,
    /// The caller does not wait for the answer under way.
    pub(super) given_up: bool,
    /// There is no seat any more.
    pub(super) left: bool,
}

/// An answer on its way.
pub(super) struct Answered<A> {
    pub(super) answer: Result<A, Unanswered>,
    pub(super) spare: Option<Spare>,
}

/// Answers that the ring of a slot holds. There is one at most, and one more at the end of a run; the more there could
/// be, the less often who answers must look how far the caller is.
const RING: usize = 8;

impl<A> Slot<A> {
    /// A slot, and the end of its ring.
    pub(super) fn new(quorum: Quorum, window: Arc<Window>) -> (Arc<Self>, Consumer<Answered<A>>) {
        let (answers, consumer) = RingBuffer::new(RING);
        let desk = Desk {
            gathered: Gathered::default(),
            note: None,
            answers,
            waker: None,
            given_up: false,
            left: false,
        };
        let desk = CachePadded::new(Mutex::new(desk));
        (Arc::new(Self { desk, quorum, bell: Doorbell::new(), window }), consumer)
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk<A>> {
        hold(&self.desk)
    }

    /// Output: a copy of the request has reached the end with this value. Gives it back if it is not wanted.
    pub(crate) fn leave<O>(&self, value: O, trail: &[u32], add: Add<O, A>) -> Option<O> {
        add(&mut self.desk().gathered, value, trail)
    }

    /// Output: the only copy of the request has reached the end with this value, and dies, all at once. Gives the value
    /// back if it is not wanted.
    pub(crate) fn settle<O>(&self, value: O, add: Add<O, A>, spare: Option<Spare>) -> Option<O> {
        let mut desk = self.desk();
        let unwanted = add(&mut desk.gathered, value, &[]);
        self.judge(desk, spare);
        unwanted
    }

    /// The request has died: sends the answer that it has come to.
    fn judge(&self, mut desk: MutexGuard<'_, Desk<A>>, spare: Option<Spare>) {
        let note = desk.note.take();
        let (answer, unwanted) = desk.gathered.judge(self.quorum, note);
        // Before the answer is there: who has it has a place again.
        self.window.leave();
        self.send(desk, answer, spare);
        if unwanted.is_some() {
            contain(|| drop(unwanted));
        }
    }

    /// The run is over. Whoever still waits has had a request that never died.
    pub(super) fn conclude(&self) {
        self.send(self.desk(), Err(Unanswered::Dropped), None);
    }

    /// Sends an answer and wakes who waits for it.
    fn send(
        &self,
        mut desk: MutexGuard<'_, Desk<A>>,
        answer: Result<A, Unanswered>,
        spare: Option<Spare>,
    ) {
        let (answer, late) = match std::mem::take(&mut desk.given_up) {
            true => (Err(Unanswered::TimedOut), answer.ok()),
            false => (answer, None),
        };
        let answered = Answered { answer, spare };
        let refused = match desk.left {
            true => Some(PushError::Full(answered)),
            false => desk.answers.push(answered).err(),
        };
        let waker = desk.waker.take();
        drop(desk);
        self.bell.ring();
        self.window.bell.ring();
        if waker.is_some() {
            contain(|| waker.into_iter().for_each(Waker::wake));
        }
        if late.is_some() || refused.is_some() {
            contain(|| drop(late));
            contain(|| drop(refused));
        }
    }
}

impl<A: Send + 'static> Answer for Slot<A> {
    fn note(&self, why: Unanswered) {
        let mut desk = self.desk();
        if desk.note.is_none() {
            desk.note = Some(why);
        }
    }

    fn end(&self, spare: Option<Spare>) {
        self.judge(self.desk(), spare);
    }
}

/// Runs code of others. What it panics with, the panic hook has been told, and nobody else is concerned.
fn contain(code: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(code));
}
