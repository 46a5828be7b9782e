//! The slot of one call: where its answer is left, and who waits for it.
//!
//! | phase | means | left by |
//! |---|---|---|
//! | free | no call | the handle, with a call |
//! | open | a request is on its way | its reply: answered; its caller: given up |
//! | answered | the answer is there | its caller: free |
//! | given up | nobody waits for the answer | its reply: free |
//!
//! All changes are made under the lock, so giving up and answering cannot miss each other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use super::gather::{Add, Gathered, Quorum};
use crate::contract::answer::{Answer, Unanswered};
use crate::contract::cleanup::Cleanups;
use crate::sync::{AtomicU8, Ordering, lock};
use crate::wait::doorbell::Doorbell;

const FREE: u8 = 0;
const OPEN: u8 = 1;
const ANSWERED: u8 = 2;
const GIVEN_UP: u8 = 3;

/// The slot of one call.
pub(crate) struct Slot<A> {
    /// Changed under the lock only, and read without.
    phase: AtomicU8,
    state: Mutex<State<A>>,
    quorum: Quorum,
    /// Rung when the answer is there.
    bell: Arc<Doorbell>,
    /// Rung when the request has died: the bell of the handle, which may wait for a place in its window.
    place: Arc<Doorbell>,
}

struct State<A> {
    gathered: Gathered<A>,
    /// What went wrong first.
    note: Option<Unanswered>,
    answer: Option<Result<A, Unanswered>>,
    waker: Option<Waker>,
    /// The memory that a request travels with, between calls.
    spare: Option<Box<Cleanups>>,
}

impl<A: Send + 'static> Slot<A> {
    pub(crate) fn new(quorum: Quorum, place: Arc<Doorbell>) -> Arc<Self> {
        let gathered = Gathered::default();
        let state = State { gathered, note: None, answer: None, waker: None, spare: None };
        Arc::new(Self {
            phase: AtomicU8::new(FREE),
            state: Mutex::new(state),
            quorum,
            bell: Doorbell::new(),
            place,
        })
    }

    fn phase(&self) -> u8 {
        // Acquire: pairs with the release in `enter`.
        self.phase.load(Ordering::Acquire)
    }

    /// Goes into a phase, under the lock.
    fn enter(&self, phase: u8, _state: &mut State<A>) {
        // Release: pairs with the acquire in `phase`.
        self.phase.store(phase, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State<A>> {
        lock(&self.state)
    }

    pub(crate) fn is_free(&self) -> bool {
        self.phase() == FREE
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.phase() == ANSWERED
    }

    /// Whoever has the handle: opens a free slot for a call; gives what its request is to travel with.
    pub(crate) fn open(self: &Arc<Self>) -> Box<Cleanups> {
        let mut state = self.lock();
        self.enter(OPEN, &mut state);
        let mut cleanups = state.spare.take().unwrap_or_default();
        drop(state);
        cleanups.owe(Arc::clone(self) as Arc<dyn Answer>);
        cleanups
    }

    /// The call never began.
    pub(crate) fn cancel(&self, cleanups: Option<Box<Cleanups>>) {
        let mut state = self.lock();
        state.spare = cleanups.map(|mut cleanups| {
            cleanups.forgive();
            cleanups
        });
        self.enter(FREE, &mut state);
    }

    /// Output: a copy of the request has reached the end with this value. Gives it back if it is not wanted.
    pub(crate) fn leave<O>(&self, value: O, trail: &[u32], add: Add<O, A>) -> Option<O> {
        add(&mut self.lock().gathered, value, trail)
    }

    /// Caller: the answer, once.
    pub(crate) fn take(&self) -> Option<Result<A, Unanswered>> {
        if self.phase() != ANSWERED {
            return None;
        }
        self.take_from(&mut self.lock())
    }

    fn take_from(&self, state: &mut State<A>) -> Option<Result<A, Unanswered>> {
        let answer = state.answer.take()?;
        self.enter(FREE, state);
        Some(answer)
    }

    /// Caller: the answer, or the wish to be woken when it is there.
    pub(crate) fn take_or_wake(&self, waker: &Waker) -> Option<Result<A, Unanswered>> {
        if let Some(answer) = self.take() {
            return Some(answer);
        }
        let mut state = self.lock();
        let answer = self.take_from(&mut state);
        if answer.is_none() && !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        answer
    }

    /// Caller: does not wait any longer. Gives the answer if it was there after all.
    pub(crate) fn give_up(&self) -> Option<Result<A, Unanswered>> {
        let mut state = self.lock();
        let answer = self.take_from(&mut state);
        if answer.is_none() {
            state.waker = None;
            self.enter(GIVEN_UP, &mut state);
        }
        answer
    }

    pub(crate) fn bell(&self) -> &Arc<Doorbell> {
        &self.bell
    }
}

impl<A: Send + 'static> Answer for Slot<A> {
    fn note(&self, why: Unanswered) {
        let mut state = self.lock();
        if state.note.is_none() {
            state.note = Some(why);
        }
    }

    fn end(&self, spare: Option<Box<Cleanups>>) {
        let mut state = self.lock();
        let note = state.note.take();
        let answer = state.gathered.judge(self.quorum, note);
        state.spare = spare;
        let (waker, unwanted) = if self.phase() == GIVEN_UP {
            self.enter(FREE, &mut state);
            (None, Some(answer))
        } else {
            state.answer = Some(answer);
            self.enter(ANSWERED, &mut state);
            (state.waker.take(), None)
        };
        drop(state);
        self.bell.ring();
        self.place.ring();
        if waker.is_some() || unwanted.is_some() {
            // What they panic with, the panic hook has been told, and nobody else is concerned.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.map(Waker::wake)));
            let _ = catch_unwind(AssertUnwindSafe(|| drop(unwanted)));
        }
    }
}
