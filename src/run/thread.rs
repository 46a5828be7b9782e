//! A thread: gives turns to its steps until all have ended, and waits when none can move.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::gate::{Done, Gate};
use crate::contract::failure::FailureKind;
use crate::describe::kit::StepBuilder;
use crate::error::{Error, Panic, panic_message};
use crate::lane::BUDGET;
use crate::measure::hiccups::Lookout;
use crate::step::control::Control;
use crate::step::post::StagePost;
use crate::step::{Recall, Step, Turn};
use crate::wait::doorbell::{Doorbell, Woken};
use crate::wait::idle::{Idle, Looks, TIMER_SLACK, Waiter};

/// A step on its thread.
pub(crate) struct Seat {
    pub(crate) step: Box<dyn Step>,
    pub(crate) stage: Arc<StagePost>,
    pub(crate) worker: usize,
}

impl Seat {
    /// A panic that got out of a step: a defect of ours, or the drop of a user's value in an odd place. The step is
    /// gone, its lanes are closed, and the run stops.
    pub(crate) fn came_to_grief(self, control: &Control, panic: Panic) {
        self.stage.fail(self.worker, FailureKind::Defect, panic_message(panic));
        control.stop();
        self.leave();
    }

    /// The step has ended: dropping it closes its lanes and lets go of its stage.
    pub(crate) fn leave(self) {
        let Self { step, stage, worker } = self;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(step))) {
            stage.fail(worker, FailureKind::ValuePanicked, panic_message(panic));
        }
    }

    /// Ends the step at once.
    pub(crate) fn abandon(mut self, control: &Control) {
        match catch_unwind(AssertUnwindSafe(|| self.step.abandon())) {
            Ok(()) => self.leave(),
            Err(panic) => self.came_to_grief(control, panic),
        }
    }
}

/// What a thread is started with.
pub(crate) struct Crew {
    pub(crate) gate: Arc<Gate>,
    pub(crate) control: Arc<Control>,
    pub(crate) idle: Idle,
    pub(crate) doorbell: Option<Arc<Doorbell>>,
    /// Looks out for hiccups, where the run measures anything.
    pub(crate) lookout: Option<Lookout>,
    /// Its steps, each with its number in the order of making.
    pub(crate) builders: Vec<(usize, Recruit)>,
}

/// A step that is yet to be built, with its stage.
pub(crate) struct Recruit {
    pub(crate) builder: StepBuilder,
    pub(crate) stage: Arc<StagePost>,
    pub(crate) worker: usize,
}

impl Recruit {
    pub(crate) fn build(self) -> Result<Seat, Error> {
        let Self { builder, stage, worker } = self;
        // Factories and openers are contained by the builder; this is for what their products do when dropped.
        let step = catch_unwind(AssertUnwindSafe(builder)).unwrap_or_else(|panic| {
            let (path, message) = (stage.path.clone(), panic_message(panic));
            Err(Error::FactoryPanicked { path, worker, message })
        })?;
        Ok(Seat { step, stage, worker })
    }
}

impl Crew {
    /// The body of the thread.
    pub(crate) fn run(self) {
        let Self { gate, control, idle, doorbell, lookout, builders } = self;
        let _done = Done(&gate);
        let mut seats = Vec::with_capacity(builders.len());
        for (number, recruit) in builders {
            if !gate.await_turn(number) {
                break;
            }
            let seat = recruit.build();
            let made = seat.map(|seat| seats.push(seat));
            gate.made(made);
        }
        if gate.await_start() {
            let waiter = Waiter::of_steps(idle, seats.len());
            let mut rest = Rest { waiter, doorbell, lookout };
            give_turns(&mut seats, &control, &mut rest);
        }
        seats.into_iter().for_each(|seat| seat.abandon(&control));
    }
}

/// How a thread waits.
struct Rest {
    waiter: Waiter,
    /// What wakes it, if it parks.
    doorbell: Option<Arc<Doorbell>>,
    lookout: Option<Lookout>,
}

impl Rest {
    /// The thread has waited, and kept its core or not.
    #[inline]
    fn waited(&mut self, spun: bool) {
        if let Some(lookout) = &mut self.lookout {
            if spun { lookout.look() } else { lookout.look_away() }
        }
    }
}

/// Gives turns until every step has ended.
fn give_turns(seats: &mut Vec<Seat>, control: &Control, rest: &mut Rest) {
    while !seats.is_empty() {
        let mut at = 0;
        let rounds = catch_unwind(AssertUnwindSafe(|| rounds(seats, rest, &mut at)));
        if let Err(panic) = rounds
            && at < seats.len()
        {
            seats.remove(at).came_to_grief(control, panic);
        }
    }
}

/// Rounds of turns; `at` tells whose turn it is, should it panic.
fn rounds(seats: &mut Vec<Seat>, rest: &mut Rest, at: &mut usize) {
    while !seats.is_empty() {
        let mut looks = rest.waiter.looks();
        if round(seats, at, &mut looks).is_none() {
            rest.waiter.reset();
            rest.waited(false);
            continue;
        }
        rest.waiter.looked(looks);
        if rest.waiter.is_time_for_chores() {
            seats.iter_mut().for_each(|seat| seat.step.idle());
            rest.waited(false);
        }
        let spins = rest.waiter.spins_next();
        if rest.waiter.wait() {
            rest.waited(spins);
        } else {
            let spun = park(seats, rest, at);
            rest.waited(spun);
        }
    }
}

/// One turn for each step; `None` if something moved, else when the next round is due.
fn round(seats: &mut Vec<Seat>, at: &mut usize, looks: &mut Looks) -> Option<Recall> {
    let mut recall = Some(Recall::WhenRung);
    *at = 0;
    while *at < seats.len() {
        match seats[*at].step.turn(BUDGET, looks) {
            Turn::Moved => recall = None,
            Turn::Idle(when) => recall = recall.map(|recall| recall.sooner(when)),
            Turn::Ended => {
                recall = None;
                seats.remove(*at).leave();
                continue;
            }
        }
        *at += 1;
    }
    recall
}

/// Parks until the thread is rung or due, unless there is something to do after all. [The protocol](crate::wait). True
/// if it did not park, but spun, because it is due too soon.
fn park(seats: &mut Vec<Seat>, rest: &mut Rest, at: &mut usize) -> bool {
    let Rest { waiter, doorbell, lookout } = rest;
    let Some(doorbell) = doorbell.as_ref().filter(|doorbell| doorbell.arm()) else { return false };
    let Some(recall) = round(seats, at, &mut Looks::once()) else {
        doorbell.disarm();
        waiter.reset();
        return false;
    };
    let due = match recall {
        Recall::WhenRung => None,
        Recall::Soon => Some(waiter.end_of_nap()),
        Recall::At(instant) => match waiter.alarm(instant) {
            Some(due) => Some(due),
            None => {
                doorbell.disarm();
                return waiter.linger();
            }
        },
    };
    let woken = doorbell.sleep(due);
    match (woken, due, lookout) {
        (Woken::Due, Some(due), Some(lookout)) => {
            let late = due.elapsed().saturating_sub(TIMER_SLACK);
            lookout.woken_late(u64::try_from(late.as_nanos()).unwrap_or(u64::MAX));
        }
        (Woken::Watchdog, ..) if round(seats, at, &mut Looks::once()).is_none() => {
            doorbell.was_late();
            waiter.reset();
        }
        _ => {}
    }
    false
}
