//! Telling: what a run came to.

pub(crate) mod report;
pub(crate) mod table;
