//! Telling: what a run came to.

mod bars;
mod chart;
mod charts;
mod files;
pub(crate) mod hiccups;
pub(crate) mod latency;
mod page;
#[cfg(feature = "prometheus")]
pub(crate) mod prometheus;
pub(crate) mod report;
pub(crate) mod slow;
pub(crate) mod snapshot;
pub(crate) mod table;
pub(crate) mod timeline;
mod topology;
pub(crate) mod verdict;
mod view;
