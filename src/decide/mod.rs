//! Deciding: a shape is lowered to a flat plan, refused if it cannot be, and placed on threads.

pub(crate) mod chart;
pub(crate) mod crowding;
pub(crate) mod detect;
pub(crate) mod lower;
pub(crate) mod machine;
pub(crate) mod partition;
pub(crate) mod placement;
pub(crate) mod plan;
