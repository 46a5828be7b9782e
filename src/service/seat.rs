//! The caller's side of calls: who takes the answers.
//!
//! A handle makes its seats as it needs them. One goes with each call, into the ticket if there is one, and comes back by
//! way of the [`Rack`] when the answer has been taken or given up.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::gather::Quorum;
use super::slot::{Answered, Slot};
use super::window::{Roll, Window};
use crate::contract::answer::{Answer, Unanswered};
use crate::contract::cleanup::Spare;
use crate::sync::hold;
use crate::sync::locks::Mutex;
use crate::sync::ring::Consumer;
use crate::wait::idle::Idle;
use crate::wait::sleeper::Sleeper;

type Taken<A> = Result<A, Unanswered>;

/// Where a caller waits for the answer to one call.
pub(crate) struct Seat<A> {
    slot: Arc<Slot<A>>,
    answers: Consumer<Answered<A>>,
    /// What the next request travels with.
    spare: Option<Spare>,
}

impl<A: Send + 'static> Seat<A> {
    pub(super) fn new(quorum: Quorum, window: Arc<Window>) -> Self {
        let (slot, answers) = Slot::new(quorum, window);
        Self { slot, answers, spare: None }
    }

    /// What the request of the next call is to travel with. `None` if there is an answer that nobody asked for: the run is
    /// over.
    pub(crate) fn open(&mut self) -> Option<Spare> {
        if !self.answers.is_empty() {
            return None;
        }
        Some(match self.spare.take() {
            Some(spare) => spare,
            None => Spare::new(Arc::clone(&self.slot) as Arc<dyn Answer>),
        })
    }

    /// The call never began.
    pub(super) fn cancel(&mut self, spare: Option<Spare>) {
        self.spare = spare;
    }
}

impl<A> Seat<A> {
    /// The answer, once.
    pub(crate) fn take(&mut self) -> Option<Taken<A>> {
        let Answered { answer, spare } = self.answers.pop().ok()?;
        self.spare = spare;
        Some(answer)
    }

    /// Waits for the answer; `None` if there is none by the deadline.
    pub(super) fn wait(&mut self, idle: Idle, deadline: Option<Instant>) -> Option<Taken<A>> {
        let Self { slot, answers, spare } = self;
        let answered = Sleeper::new(idle, &slot.bell).until(deadline, || answers.pop().ok())?;
        *spare = answered.spare;
        Some(answered.answer)
    }

    /// The answer, or the wish to be woken when it is there.
    pub(crate) fn take_or_wake(&mut self, waker: &Waker) -> Option<Taken<A>> {
        if let Some(answer) = self.take() {
            return Some(answer);
        }
        let mut desk = self.slot.desk();
        if !desk.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            desk.waker = Some(waker.clone());
        }
        drop(desk);
        // What was sent before that woke nobody.
        self.take()
    }

    /// Does not wait any longer. Gives the answer if it was there after all.
    pub(crate) fn give_up(&mut self) -> Option<Taken<A>> {
        let mut desk = self.slot.desk();
        let answered = self.answers.pop().ok();
        desk.given_up = answered.is_none();
        let unwanted = desk.waker.take();
        drop(desk);
        drop(unwanted);
        let Answered { answer, spare } = answered?;
        self.spare = spare;
        Some(answer)
    }
}

impl<A> Drop for Seat<A> {
    /// What is in the ring refers to the slot, and the slot to the ring: so nothing must stay in it.
    fn drop(&mut self) {
        let mut desk = self.slot.desk();
        desk.left = true;
        let unwanted = desk.waker.take();
        drop(desk);
        drop(unwanted);
        while self.take().is_some() {}
    }
}

/// Where seats are left that no call has any more.
pub(crate) struct Rack<A>(Mutex<Racked<A>>);

struct Racked<A> {
    free: Vec<Seat<A>>,
    /// Given up: free once the answer has come.
    late: Vec<Seat<A>>,
}

impl<A> Rack<A> {
    pub(super) fn put(&self, seat: Seat<A>) {
        hold(&self.0).free.push(seat);
    }

    pub(super) fn put_late(&self, seat: Seat<A>) {
        hold(&self.0).late.push(seat);
    }

    fn take(&self) -> Option<Seat<A>> {
        let mut racked = hold(&self.0);
        if let Some(seat) = racked.free.pop() {
            return Some(seat);
        }
        let late = &mut racked.late;
        let at = late.iter_mut().position(|seat| seat.take().is_some())?;
        Some(late.swap_remove(at))
    }
}

/// The seats of a handle.
pub(crate) struct Seats<A> {
    /// One that need not be looked for.
    next: Option<Seat<A>>,
    pub(super) rack: Arc<Rack<A>>,
    pub(super) window: Arc<Window>,
    /// Calls that may be under way.
    size: u64,
    /// Calls begun, and those of them known to have ended.
    begun: u64,
    ended: u64,
    quorum: Quorum,
    pub(super) roll: Arc<Roll<A>>,
}

impl<A: Send + 'static> Seats<A> {
    pub(crate) fn new(window: usize, quorum: Quorum, roll: Arc<Roll<A>>) -> Self {
        let rack = Rack(Mutex::new(Racked { free: Vec::new(), late: Vec::new() }));
        Self {
            next: None,
            rack: Arc::new(rack),
            window: Window::new(),
            size: window as u64,
            begun: 0,
            ended: 0,
            quorum,
            roll,
        }
    }

    /// Those of another handle to the same service.
    pub(super) fn of_another(&self) -> Self {
        let window = usize::try_from(self.size).unwrap_or(usize::MAX);
        Self::new(window, self.quorum, Arc::clone(&self.roll))
    }

    /// Whether the window has a place for one more call.
    pub(super) fn has_place(&mut self) -> bool {
        if self.begun - self.ended >= self.size {
            self.ended = self.window.ended();
        }
        self.begun - self.ended < self.size
    }

    /// A seat for a call.
    pub(super) fn take(&mut self) -> Seat<A> {
        if let Some(seat) = self.next.take().or_else(|| self.rack.take()) {
            return seat;
        }
        let seat = Seat::new(self.quorum, Arc::clone(&self.window));
        self.roll.add(&seat.slot);
        seat
    }

    /// A call has begun.
    pub(super) fn count(&mut self) {
        self.begun += 1;
    }

    /// A seat that no call has any more.
    pub(super) fn put(&mut self, seat: Seat<A>) {
        match self.next {
            None => self.next = Some(seat),
            Some(_) => self.rack.put(seat),
        }
    }
}
