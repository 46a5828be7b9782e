//! A tract as a service: many threads call it, and each gets its own answer.
//!
//! A call takes a [slot](slot::Slot) of its handle, sends its request with a reply to that slot among its clean-ups, and
//! waits at the slot. The output of the run leaves values with the reply; when the request has died, wherever and
//! however, the reply is ended and the slot answers. So every call that was accepted is answered exactly once, and never
//! by another's answer: whoever gives up leaves its slot behind, to be free again when its answer comes.

pub(crate) mod call;
pub(crate) mod gather;
pub(crate) mod serve;
pub(crate) mod slot;
pub(crate) mod ticket;
pub(crate) mod workers;
