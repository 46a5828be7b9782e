//! Clean-ups: what is to be done when a request dies, exactly once.
//!
//! An envelope without clean-ups owns no memory. With some, it owns one [`Cleanups`]: its own list, and a share
//! of a [`Trunk`], which holds those that were there before a fan-out and waits for all copies. The copy that
//! gives up the last share runs the trunk's; `Arc::into_inner` says which copy that is, to exactly one of them.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use super::answer::{Answer, Unanswered};
use crate::error::panic_message;
use crate::sync::{Arc, AtomicBool, Ordering};

pub(crate) enum Cleanup {
    /// Runs once per request, after a fan-out when the last copy has died.
    Once(Exclusive<Box<dyn FnOnce(bool) + Send>>),
    /// Runs once per copy.
    PerCopy(std::sync::Arc<dyn Fn(bool) + Send + Sync>),
}

/// Something that can be shared because it can only be reached by its owner: the mutex is never locked.
pub(crate) struct Exclusive<T>(Mutex<T>);

impl<T> Exclusive<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self(Mutex::new(inner))
    }

    fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cleanup {
    fn run(self, success: bool, panics: &mut Panics) {
        panics.contain(|| match self {
            Self::Once(cleanup) => cleanup.into_inner()(success),
            Self::PerCopy(cleanup) => cleanup(success),
        });
    }
}

fn run_all(list: Vec<Cleanup>, success: bool, panics: &mut Panics) {
    list.into_iter().for_each(|cleanup| cleanup.run(success, panics));
}

/// What clean-ups said that panicked. One word, and no memory as long as none did.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Panics(
    #[expect(clippy::box_collection, reason = "one word")] Option<Box<Vec<String>>>,
);

impl Panics {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn contain(&mut self, code: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(code)) {
            self.0.get_or_insert_default().push(panic_message(panic));
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    #[inline]
    pub(crate) fn join(&mut self, other: Self) {
        if !other.is_empty() {
            self.0.get_or_insert_default().extend(other);
        }
    }
}

impl IntoIterator for Panics {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map_or_else(Vec::new, |messages| *messages).into_iter()
    }
}

/// Who waits for a request.
pub(crate) type Reply = std::sync::Arc<dyn Answer>;

/// Where a copy stands among all the copies of a request that owes an answer: the number it had at each fan-out on its
/// way, as chapters and sections are numbered. The trails' order is the order of the branches.
pub(crate) type Trail = Box<[u32]>;

/// Clean-ups shared by the copies of one request.
struct Trunk {
    list: Vec<Cleanup>,
    /// Owed when the last copy has died.
    reply: Option<Reply>,
    parent: Option<Arc<Trunk>>,
    failed: AtomicBool,
}

/// Gives up one copy's share, and runs whatever that was the last share of, from the inside out.
fn release(mut trunk: Option<Arc<Trunk>>, mut success: bool, panics: &mut Panics) {
    while let Some(shared) = trunk {
        if !success {
            // Relaxed: the release in `Arc::into_inner`'s decrement pairs with the acquire of its last one.
            shared.failed.store(true, Ordering::Relaxed);
        }
        let Some(last) = Arc::into_inner(shared) else { break };
        success = !last.failed.load(Ordering::Relaxed);
        run_all(last.list, success, panics);
        if let Some(reply) = last.reply {
            if !success {
                // A copy that died without a word, in a stop or a panicking copy, is missing all the same.
                reply.note(Unanswered::Dropped);
            }
            reply.end(None);
        }
        trunk = last.parent;
    }
}

/// The reply that the copies of a request share.
fn shared_reply(trunk: Option<&Arc<Trunk>>) -> Option<&Reply> {
    let mut trunk = trunk;
    while let Some(shared) = trunk {
        if shared.reply.is_some() {
            return shared.reply.as_ref();
        }
        trunk = shared.parent.as_ref();
    }
    None
}

/// The clean-ups of one envelope. Dropped without having been run, they run with failure, or with success
/// once the request was handed to the user.
#[derive(Default)]
pub(crate) struct Cleanups {
    own: Vec<Cleanup>,
    trunk: Option<Arc<Trunk>>,
    /// Ended when everything else has run.
    reply: Option<Reply>,
    trail: Trail,
    delivered: bool,
}

impl Cleanups {
    fn of_copy(own: Vec<Cleanup>, trunk: Option<Arc<Trunk>>, trail: Trail) -> Self {
        Self { own, trunk, reply: None, trail, delivered: false }
    }

    pub(crate) fn push(&mut self, cleanup: Cleanup) {
        self.own.push(cleanup);
    }

    pub(crate) fn len(&self) -> usize {
        self.own.len()
    }

    /// Forgets this envelope's own, unrun.
    pub(crate) fn clear(&mut self) {
        self.own.clear();
    }

    /// Runs this envelope's own at once.
    pub(crate) fn run_own(&mut self, success: bool) -> Panics {
        let mut panics = Panics::NONE;
        run_all(std::mem::take(&mut self.own), success, &mut panics);
        panics
    }

    /// The request dies.
    pub(crate) fn finish(&mut self, success: bool) -> Panics {
        let mut panics = self.run_own(success);
        release(self.trunk.take(), success, &mut panics);
        if let Some(reply) = self.reply.take() {
            reply.end(None);
        }
        panics
    }

    /// The request dies, and what it travelled with goes back to whom it owes an answer.
    pub(crate) fn finish_boxed(mut self: Box<Self>, success: bool) -> Panics {
        let Some(reply) = self.reply.clone() else { return self.finish(success) };
        let mut panics = self.run_own(success);
        release(self.trunk.take(), success, &mut panics);
        reply.end(Some(Spare::of(self)));
        panics
    }

    /// Whom the request owes an answer.
    pub(crate) fn reply(&self) -> Option<&Reply> {
        self.reply.as_ref().or_else(|| shared_reply(self.trunk.as_ref()))
    }

    /// Whom the request owes an answer, if its death comes to nothing else: it has no clean-ups and no other copies.
    #[inline]
    pub(crate) fn sole_reply(&self) -> Option<&Reply> {
        self.reply.as_ref().filter(|_| self.own.is_empty() && self.trunk.is_none())
    }

    pub(crate) fn trail(&self) -> &[u32] {
        &self.trail
    }

    /// Whether the request is in the hands of a user behind the tract.
    pub(crate) fn set_delivered(&mut self, delivered: bool) {
        self.delivered = delivered;
    }

    /// Turns them into what every copy of the request gets.
    pub(crate) fn share(mut self) -> SharedCleanups {
        let numbers = self.reply().is_some().then(|| (std::mem::take(&mut self.trail), 0));
        let (mut once, mut per_copy) = (Vec::new(), Vec::new());
        for cleanup in std::mem::take(&mut self.own) {
            match cleanup {
                Cleanup::PerCopy(cleanup) => per_copy.push(cleanup),
                cleanup @ Cleanup::Once(_) => once.push(cleanup),
            }
        }
        let parent = self.trunk.take();
        let reply = self.reply.take();
        let trunk = if once.is_empty() && reply.is_none() {
            parent
        } else {
            Some(Arc::new(Trunk { list: once, reply, parent, failed: AtomicBool::new(false) }))
        };
        SharedCleanups { trunk, per_copy, numbers }
    }
}

/// What a request that owed an answer travelled with, for the next one to the same. It owes nothing.
///
/// The reply stays in it, so that who sends again need not touch it: it is in the cache of who answered.
pub(crate) struct Spare(Option<Box<Cleanups>>);

impl Spare {
    /// For requests that are to owe this one an answer.
    pub(crate) fn new(reply: Reply) -> Self {
        let mut cleanups = Box::<Cleanups>::default();
        cleanups.reply = Some(reply);
        Self(Some(cleanups))
    }

    /// Of a request that is no more, or never got anywhere.
    pub(crate) fn of(mut cleanups: Box<Cleanups>) -> Self {
        cleanups.delivered = false;
        Self(Some(cleanups))
    }

    /// From now on an answer is owed.
    pub(crate) fn into_cleanups(mut self) -> Option<Box<Cleanups>> {
        self.0.take()
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        if let Some(cleanups) = &mut self.0 {
            cleanups.reply = None;
        }
    }
}

thread_local! {
    /// What clean-ups said that panicked while an output was handed a request; `None` at all other times.
    static OVERHEARD: RefCell<Option<Panics>> = const { RefCell::new(None) };
}

/// Runs code that may drop requests, and tells what their clean-ups said that panicked.
pub(crate) fn overhear<R>(code: impl FnOnce() -> R) -> (R, Panics) {
    OVERHEARD.set(Some(Panics::NONE));
    let result = code();
    (result, OVERHEARD.take().unwrap_or_default())
}

impl Drop for Cleanups {
    fn drop(&mut self) {
        // A panic of the user who held the request fails it.
        let success = self.delivered && !std::thread::panicking();
        let panics = self.finish(success);
        mention(panics);
    }
}

/// Tells whoever [overhears](overhear). Where nobody does, or the thread is past that, the panic hook has been told.
pub(crate) fn mention(panics: Panics) {
    if panics.is_empty() {
        return;
    }
    let _ = OVERHEARD.try_with(|overheard| {
        if let Some(overheard) = &mut *overheard.borrow_mut() {
            overheard.join(panics);
        }
    });
}

/// What the copies of one request have in common. Dropped before its time, by a panic, it counts as a copy that
/// failed.
pub(crate) struct SharedCleanups {
    trunk: Option<Arc<Trunk>>,
    per_copy: Vec<std::sync::Arc<dyn Fn(bool) + Send + Sync>>,
    /// Where an answer is owed: the trail that the copies have in common, and how many have been made.
    numbers: Option<(Trail, u32)>,
}

impl SharedCleanups {
    /// One more copy's clean-ups.
    pub(crate) fn copy(&mut self) -> Cleanups {
        let own = self.per_copy.iter().cloned().map(Cleanup::PerCopy).collect();
        let trail = self.next_trail();
        Cleanups::of_copy(own, self.trunk.clone(), trail)
    }

    fn next_trail(&mut self) -> Trail {
        let Some((common, made)) = &mut self.numbers else { return Trail::default() };
        let trail = common.iter().copied().chain([*made]).collect();
        *made = made.saturating_add(1);
        trail
    }

    /// The last copy's, which takes over the share held until now.
    pub(crate) fn into_last(mut self) -> Cleanups {
        let own = std::mem::take(&mut self.per_copy).into_iter().map(Cleanup::PerCopy).collect();
        let trail = self.next_trail();
        Cleanups::of_copy(own, self.trunk.take(), trail)
    }

    /// Tells whom the request owes an answer what is wrong with it.
    pub(crate) fn note(&self, why: Unanswered) {
        if let Some(reply) = shared_reply(self.trunk.as_ref()) {
            reply.note(why);
        }
    }

    /// No further copy will come; the share held until now counts as one with this ending.
    pub(crate) fn finish(mut self, success: bool) -> Panics {
        self.per_copy.clear();
        let mut panics = Panics::NONE;
        release(self.trunk.take(), success, &mut panics);
        panics
    }
}

impl Drop for SharedCleanups {
    fn drop(&mut self) {
        let own = std::mem::take(&mut self.per_copy).into_iter().map(Cleanup::PerCopy).collect();
        let mut last = Cleanups::of_copy(own, self.trunk.take(), Trail::default());
        // Nobody is left to tell of a panic but the panic hook, which has been told.
        let _ = last.finish(false);
    }
}
