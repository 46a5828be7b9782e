//! Where the requests of a stage go next, as plain data.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::contract::cleanup::Panics;
use crate::contract::request::Request;

/// How a fan-out copies a value: a `fn(&T) -> T` behind `Any`, from where `T: Clone` was known.
#[derive(Clone)]
pub(crate) struct Cloner(Arc<dyn Any + Send + Sync>);

impl Cloner {
    pub(crate) fn of<T: Clone + 'static>() -> Self {
        let clone: fn(&T) -> T = T::clone;
        Self(Arc::new(clone))
    }

    pub(crate) fn typed<T: 'static>(&self) -> fn(&T) -> T {
        *self.0.downcast_ref().expect("a fan-out copies the type it was described with")
    }
}

impl fmt::Debug for Cloner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cloner")
    }
}

/// What is done with requests where they reach the end of a tract, on the threads of its last workers.
pub(crate) trait End<T>: Send + Sync {
    /// The request has reached the end, and dies. Returns what clean-ups said that panicked.
    fn end(&self, request: Request<T>) -> Panics;
}

/// An [`End`] behind `Any`, from where its type was known.
#[derive(Clone)]
pub(crate) struct Ending(Arc<dyn Any + Send + Sync>);

impl Ending {
    pub(crate) fn of<T: 'static>(end: impl End<T> + 'static) -> Self {
        let end: Arc<dyn End<T>> = Arc::new(end);
        Self(Arc::new(end))
    }

    pub(crate) fn typed<T: 'static>(&self) -> Arc<dyn End<T>> {
        let end: &Arc<dyn End<T>> =
            self.0.downcast_ref().expect("a tract ends with the type it was described with");
        Arc::clone(end)
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ending")
    }
}

/// Where the requests of a stage go next. Stages are numbers in the plan's list.
#[derive(Debug, Clone)]
pub(crate) enum Fork {
    /// Nowhere: the request has reached the end of the tract.
    Final,
    /// Nowhere either, and this is done with it.
    End(Ending),
    /// To one worker of this stage.
    Stage(usize),
    /// To one of these.
    Route(Vec<Fork>),
    /// To each of these.
    Broadcast(Vec<Fork>, Cloner),
}

impl Fork {
    /// To one of these, where routes within routes are one route: workers compete, not members.
    pub(crate) fn route(members: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(members.len());
        for member in members {
            match member {
                Self::Route(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::Route(flat) }
    }

    /// To each of these, where broadcasts within broadcasts are one broadcast.
    pub(crate) fn broadcast(members: Vec<Self>, cloner: Cloner) -> Self {
        let mut flat = Vec::with_capacity(members.len());
        for member in members {
            match member {
                Self::Broadcast(inner, _) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::Broadcast(flat, cloner) }
    }

    /// Whether the tract ends here.
    pub(crate) fn is_end(&self) -> bool {
        matches!(self, Self::Final | Self::End(_))
    }

    /// Itself as a plain fact, once it is wired: what is done at the end belongs to the workers.
    pub(crate) fn into_fact(self) -> Self {
        if self.is_end() { Self::Final } else { self }
    }

    /// Every stage it leads to, in order, with whether workers compete for the request there.
    pub(crate) fn leaves(&self) -> Vec<(usize, bool)> {
        fn walk(fork: &Fork, competing: bool, leaves: &mut Vec<(usize, bool)>) {
            match fork {
                Fork::Final | Fork::End(_) => {}
                Fork::Stage(stage) => leaves.push((*stage, competing)),
                Fork::Route(members) => {
                    members.iter().for_each(|member| walk(member, true, leaves))
                }
                Fork::Broadcast(members, _) => {
                    members.iter().for_each(|member| walk(member, competing, leaves));
                }
            }
        }
        let mut leaves = Vec::new();
        walk(self, false, &mut leaves);
        leaves
    }
}
