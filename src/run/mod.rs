//! Running: a plan is wired, put on threads, started, watched and ended.

pub(crate) mod books;
mod delivery;
pub(crate) mod gate;
pub(crate) mod gauges;
pub(crate) mod inline;
pub(crate) mod running;
pub(crate) mod setup;
pub(crate) mod spawn;
pub(crate) mod thread;
pub(crate) mod wiring;
