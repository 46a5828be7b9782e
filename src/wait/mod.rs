//! Waiting: what a thread does when nothing moves, and how it is woken.
//!
//! A thread that may park has one [doorbell](doorbell::Doorbell) for everything it waits for. Whoever changes something
//! that it may be waiting for (a request put, a slot given back, an end closed, a stop) rings afterwards:
//!
//! | waiter | ringer |
//! |---|---|
//! | armed := true; heavy fence | the change; light fence |
//! | look at everything once more | armed? then armed := false, and unpark |
//! | nothing: park while armed | |
//!
//! The fences forbid that the waiter misses the change *and* the ringer misses `armed` (Dekker's handshake), so no
//! wake-up is lost, and no timeout is needed for one. Where the kernel offers `membarrier`, the light fence costs
//! nothing ([`fence`]). A thread that never parks has no doorbell, and those who would ring it find none.

pub(crate) mod budget;
pub(crate) mod doorbell;
pub(crate) mod fence;
pub(crate) mod idle;
pub(crate) mod sleeper;
