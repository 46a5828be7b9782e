//! Telling: what a run came to.

pub(crate) mod latency;
pub(crate) mod report;
pub(crate) mod snapshot;
pub(crate) mod table;
pub(crate) mod verdict;
