//! Describing: tracts as values, the ends of a run, and what can be made of both.

pub(crate) mod ends;
pub(crate) mod kit;
pub(crate) mod options;
pub(crate) mod shape;
#[cfg(feature = "async")]
pub(crate) mod stream;
pub(crate) mod tract;
