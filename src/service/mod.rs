//! A tract as a service: many threads call it, and each gets its own answer.
//!
//! A call takes a [seat](seat::Seat) of its handle, sends its request with a reply to the seat's [slot](slot::Slot) among
//! its clean-ups, and waits. The output of the run leaves values with the reply; when the request has died, wherever and
//! however, the reply is ended and the slot answers. So every call that was accepted is answered exactly once, and never
//! by another's answer: whoever gives up leaves the seat behind, to be free again when its answer has come. A request that
//! never dies, since a worker forgot its envelope, is answered for when the run is over.

pub(crate) mod call;
pub(crate) mod caller;
pub(crate) mod gather;
pub(crate) mod pipelined;
pub(crate) mod seat;
pub(crate) mod serve;
pub(crate) mod slot;
pub(crate) mod ticket;
pub(crate) mod window;
pub(crate) mod workers;
