//! Making a service of a tract.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::call::Service;
use super::caller::Caller;
use super::gather::{Add, Gather, Quorum};
use super::seat::Seats;
use super::slot::Slot;
use super::window::Roll;
use crate::contract::answer::Answer;
use crate::contract::cleanup::Panics;
use crate::contract::request::Request;
use crate::decide::machine::Machine;
use crate::decide::plan::{GroupKind, PlanNode};
use crate::describe::ends::{feed, final_output};
use crate::describe::tract::Tract;
use crate::error::Error;
use crate::lane::fork::{End, Ending};
use crate::run::setup::Setup;
use crate::wait::idle::Idle;

impl<I: Send + 'static, O: Send + 'static> Tract<I, O> {
    /// Starts the tract as a service, with the default setup.
    ///
    /// # Errors
    ///
    /// As [`Serving::start`].
    pub fn into_service(self) -> Result<Service<I, O>, Error> {
        self.setup().service().start()
    }
}

impl<'a, I: Send + 'static, O: Send + 'static> Setup<'a, I, O> {
    /// How a run with this setup is to be called.
    pub fn service(self) -> Serving<'a, I, O, O> {
        Serving { setup: self, window: DEFAULT_WINDOW, idle: None, gather: Gather::first(false) }
    }
}

const DEFAULT_WINDOW: usize = 64;

/// How a run is to be called: made by [`Setup::service`].
///
/// A tract with a fan-out inside makes several values of one request. It is refused unless a rule says how they make one
/// answer: [`first`](Self::first), [`all`](Self::all) or [`at_least`](Self::at_least). Whatever the rule, the call is
/// answered when the last copy has died: so clean-ups have finished before it returns.
///
/// ```
/// use ringtract::{fan_out, worker};
///
/// let both = fan_out("both", [worker("half", 1, || |n: u64| n / 2), worker("double", 1, || |n: u64| n * 2)]);
/// assert!(both.setup().service().start().is_err());
/// let mut service = both.setup().service().all().start()?;
/// assert_eq!(service.call(10).expect("an answer"), [5, 20]);
/// # Ok::<(), ringtract::Error>(())
/// ```
#[must_use = "nothing runs until it is started"]
pub struct Serving<'a, I, O, A> {
    setup: Setup<'a, I, O>,
    window: usize,
    idle: Option<Idle>,
    gather: Gather<O, A>,
}

impl<'a, I: Send + 'static, O: Send + 'static, A: Send + 'static> Serving<'a, I, O, A> {
    /// Calls that each handle may have under way: 1 to 16,777,216. Default: 64.
    pub fn window(mut self, window: usize) -> Self {
        self.window = window;
        self
    }

    /// What a thread does that waits for an answer, or for a place in the window. Default: [`Idle::default`], or where the run's threads leave no core
    /// for it, one that does not spin.
    pub fn idle(mut self, idle: Idle) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Of the values that a request becomes, the first to reach the end is the answer; the others are dropped.
    pub fn first(self) -> Serving<'a, I, O, O> {
        self.gathering(Gather::first(true))
    }

    /// Every value that a request becomes, in the order of the branches they come from, whenever they reach the end. If
    /// any copy was discarded or failed, there is no answer.
    ///
    /// A branch inside a branch counts like a section in a chapter, and so do the values that a worker makes of one: all
    /// of the first branch come before any of the second.
    ///
    /// Allocates for every call.
    pub fn all(self) -> Serving<'a, I, O, Vec<O>> {
        self.gathering(Gather::every(Quorum { least: 1, all: true }))
    }

    /// Every value that a request becomes, in the order of [`all`](Self::all), if there are `least` or more.
    ///
    /// Allocates for every call.
    pub fn at_least(self, least: usize) -> Serving<'a, I, O, Vec<O>> {
        self.gathering(Gather::every(Quorum { least, all: false }))
    }

    fn gathering<B>(self, gather: Gather<O, B>) -> Serving<'a, I, O, B> {
        Serving { setup: self.setup, window: self.window, idle: self.idle, gather }
    }

    /// Initialises and starts the run; the first handle to it.
    ///
    /// # Errors
    ///
    /// Whatever prevents it; [`Error::FanOutInService`] for a fan-out without a rule.
    pub fn start(self) -> Result<Service<I, A>, Error> {
        let gather = self.gather;
        if !gather.fan_outs
            && let Some(path) = fan_out_in(&self.setup.plan()?.tree, "")
        {
            return Err(Error::FanOutInService { path });
        }
        let (feed, input) = feed(self.window);
        let roll = Roll::new();
        let answers = Answers::new(gather.add, &roll);
        let setup = self.setup.ending(Ending::of(answers));
        let running = setup.init_fed(input, final_output())?.start()?;
        let idle = self.idle.unwrap_or_else(|| default_idle(running.plan().threads.len()));
        let seats = Seats::new(self.window, gather.quorum, roll);
        Ok(Service::new(Caller::new(feed, seats), running, idle))
    }
}

impl<I, O, A> fmt::Debug for Serving<'_, I, O, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("window", &self.window).finish_non_exhaustive()
    }
}

/// What callers do that wait for a run of so many threads.
fn default_idle(threads: usize) -> Idle {
    if threads < Machine::this().threads_at_once() {
        Idle::default()
    } else {
        Idle::default().crowded()
    }
}

/// The path of the first fan-out in a plan.
fn fan_out_in(node: &PlanNode, around: &str) -> Option<String> {
    let PlanNode::Group { name, kind, members } = node else { return None };
    let path = match (around, name.as_str()) {
        ("", name) => name.to_owned(),
        (around, "") => around.to_owned(),
        (around, name) => format!("{around}/{name}"),
    };
    if *kind == GroupKind::FanOut && members.len() > 1 {
        return Some(path);
    }
    members.iter().find_map(|member| fan_out_in(member, &path))
}

/// The end of a run that is called: leaves values with the calls they are for. The last workers have it, and drop it when
/// they have ended.
pub(crate) struct Answers<O, A> {
    add: Add<O, A>,
    roll: Arc<Roll<A>>,
}

impl<O, A> Answers<O, A> {
    pub(crate) fn new(add: Add<O, A>, roll: &Arc<Roll<A>>) -> Self {
        Self { add, roll: Arc::clone(roll) }
    }
}

impl<O: Send, A: Send + 'static> End<O> for Answers<O, A> {
    fn end(&self, request: Request<O>) -> Panics {
        let Request { value, envelope } = request;
        if let Some(reply) = envelope.sole_reply().cloned()
            && let Some(slot) = slot_of(&*reply)
        {
            drop(slot.settle(value, self.add, envelope.into_spare()));
            return Panics::NONE;
        }
        if let Some(slot) = envelope.reply().and_then(slot_of) {
            drop(slot.leave(value, envelope.trail(), self.add));
        }
        envelope.finish(true)
    }
}

/// The slot of the service's own calls, if this is one: a worker may have exchanged the envelope for one that nobody waits
/// for, or somebody else.
fn slot_of<A: Send + 'static>(reply: &dyn Answer) -> Option<&Slot<A>> {
    (reply as &dyn Any).downcast_ref()
}

impl<O, A> Drop for Answers<O, A> {
    /// The run is over, and every request that will die has died.
    fn drop(&mut self) {
        self.roll.conclude();
    }
}
