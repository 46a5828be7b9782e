//! How the values that one request became make one answer.

use crate::contract::answer::Unanswered;
use crate::contract::cleanup::Trail;

/// How the values that one request became make one answer of type `A`.
pub(crate) struct Gather<O, A> {
    pub(crate) add: Add<O, A>,
    pub(crate) quorum: Quorum,
    /// Whether fan-outs are allowed.
    pub(crate) fan_outs: bool,
}

/// Adds the value of the copy with this trail; gives it back if it is not wanted.
pub(crate) type Add<O, A> = fn(&mut Gathered<A>, O, &[u32]) -> Option<O>;

/// How many values it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quorum {
    /// At least so many.
    pub(crate) least: usize,
    /// And no copy may have come to nothing.
    pub(crate) all: bool,
}

/// What has reached the end so far.
pub(crate) struct Gathered<A> {
    values: Option<A>,
    count: usize,
    /// Of the values kept, where their order matters.
    trails: Vec<Trail>,
}

impl<O> Gather<O, O> {
    /// The first value; a fan-out is allowed only where somebody asked for this rule.
    pub(crate) fn first(fan_outs: bool) -> Self {
        let quorum = Quorum { least: 1, all: false };
        Self { add: Gathered::keep_first, quorum, fan_outs }
    }
}

impl<O> Gather<O, Vec<O>> {
    /// Every value, in the order of their trails.
    pub(crate) fn every(quorum: Quorum) -> Self {
        Self { add: Gathered::keep_every, quorum, fan_outs: true }
    }
}

impl<O> Gathered<O> {
    fn keep_first(&mut self, value: O, _trail: &[u32]) -> Option<O> {
        self.count += 1;
        if self.values.is_some() {
            return Some(value);
        }
        self.values = Some(value);
        None
    }
}

impl<O> Gathered<Vec<O>> {
    fn keep_every(&mut self, value: O, trail: &[u32]) -> Option<O> {
        self.count += 1;
        let at = self.trails.partition_point(|before| **before <= *trail);
        self.trails.insert(at, trail.into());
        self.values.get_or_insert_default().insert(at, value);
        None
    }
}

impl<A> Gathered<A> {
    /// The answer that the values and the first note come to, and the values if they are not in it. Leaves nothing.
    pub(crate) fn judge(
        &mut self,
        quorum: Quorum,
        note: Option<Unanswered>,
    ) -> (Result<A, Unanswered>, Option<A>) {
        let Self { values, count: got, .. } = std::mem::take(self);
        match (values, note) {
            (Some(values), None) if got >= quorum.least => (Ok(values), None),
            (Some(values), Some(_)) if got >= quorum.least && !quorum.all => (Ok(values), None),
            (values, Some(note)) => (Err(note), values),
            (Some(values), None) => {
                (Err(Unanswered::TooFew { got, least: quorum.least }), Some(values))
            }
            (None, None) => (Err(Unanswered::Dropped), None),
        }
    }
}

impl<A> Default for Gathered<A> {
    fn default() -> Self {
        Self { values: None, count: 0, trails: Vec::new() }
    }
}

impl<O, A> Clone for Gather<O, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O, A> Copy for Gather<O, A> {}
