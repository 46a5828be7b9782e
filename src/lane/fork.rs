//! Where the requests of a stage go next, as plain data.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

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

/// Where the requests of a stage go next. Stages are numbers in the plan's list.
#[derive(Debug, Clone)]
pub(crate) enum Fork {
    /// Nowhere: the request has reached the end of the tract.
    Final,
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

    /// Every stage it leads to, in order, with whether workers compete for the request there.
    pub(crate) fn leaves(&self) -> Vec<(usize, bool)> {
        fn walk(fork: &Fork, competing: bool, leaves: &mut Vec<(usize, bool)>) {
            match fork {
                Fork::Final => {}
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
