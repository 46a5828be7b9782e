//! How the values that one request became make one answer.

/// How the values that one request became make one answer of type `A`.
pub(crate) struct Gather<O, A> {
    /// Adds a value; gives it back if it is not wanted.
    pub(crate) add: fn(&mut Option<A>, O) -> Option<O>,
    pub(crate) quorum: Quorum,
    /// Whether fan-outs are allowed.
    pub(crate) fan_outs: bool,
}

/// How many values it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quorum {
    /// At least so many.
    pub(crate) least: usize,
    /// And no copy may have come to nothing.
    pub(crate) all: bool,
}

impl<O> Gather<O, O> {
    /// The first value; a fan-out is allowed only where somebody asked for this rule.
    pub(crate) fn first(fan_outs: bool) -> Self {
        let quorum = Quorum { least: 1, all: false };
        Self { add: keep_first, quorum, fan_outs }
    }
}

impl<O> Gather<O, Vec<O>> {
    /// Every value, in the order in which they reach the end.
    pub(crate) fn every(quorum: Quorum) -> Self {
        Self { add: keep_every, quorum, fan_outs: true }
    }
}

fn keep_first<O>(kept: &mut Option<O>, value: O) -> Option<O> {
    if kept.is_some() {
        return Some(value);
    }
    *kept = Some(value);
    None
}

fn keep_every<O>(kept: &mut Option<Vec<O>>, value: O) -> Option<O> {
    kept.get_or_insert_default().push(value);
    None
}

impl<O, A> Clone for Gather<O, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O, A> Copy for Gather<O, A> {}
