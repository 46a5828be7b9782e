//! The topologies that are measured.
#![allow(dead_code, reason = "every bench is a crate that uses a part of it")]

use std::sync::LazyLock;

use crate::harness::cell::{Exercise, Topology};
use crate::harness::load::Load;
use crate::harness::shape::Shape;
use Shape::{FanOut, Parallel, Pool, Serial};

fn flow(name: &'static str, shape: Shape) -> Topology {
    Topology { name, exercise: Exercise::Flow(shape) }
}

/// One lane.
///
/// ```text
/// [source] ──> [sink]
/// ```
fn hop() -> Topology {
    flow("hop", Serial(Vec::new()))
}

/// There and back between two threads; the next value goes when the last has come back.
///
/// ```text
/// [caller] ──> [echo]
///     ^           │
///     └───────────┘
/// ```
fn ping_pong() -> Topology {
    Topology { name: "ping-pong", exercise: Exercise::PingPong }
}

/// A thread calls a worker, which answers whoever called; the next call when there is an answer. What the answer goes
/// through may be the caller's own, the worker is anybody's.
///
/// ```text
/// [caller] ──> [worker]
///     ^            │ to whoever called
///     └────────────┘
/// ```
fn call() -> Topology {
    Topology { name: "call", exercise: Exercise::Call }
}

/// Four stages of one worker each.
///
/// ```text
/// [source] ──> [1] ──> [2] ──> [3] ──> [4] ──> [sink]
/// ```
fn chain() -> Topology {
    flow("chain", Shape::chain(4))
}

/// A pool between single workers.
///
/// ```text
///                    ┌──> [2] ──┐
///                    ├──> [2] ──┤
/// [source] ──> [1] ──┤          ├──> [3] ──> [sink]
///                    ├──> [2] ──┤
///                    └──> [2] ──┘
/// ```
fn pool() -> Topology {
    flow("pool", Serial(vec![Pool(1), Pool(4), Pool(1)]))
}

/// Each request to one of a pool of one and a pool of two.
///
/// ```text
///                    ┌──> [2a] ──┐
/// [source] ──> [1] ──┼──> [2b] ──┼──> [3] ──> [sink]
///                    └──> [2b] ──┘
/// ```
fn parallel() -> Topology {
    flow("parallel", Serial(vec![Pool(1), Parallel(vec![Pool(1), Pool(2)]), Pool(1)]))
}

/// Each request to all three.
///
/// ```text
///                    ┌══> [2a] ──┐
/// [source] ──> [1] ══╪══> [2b] ──┼──> [3] ──> [sink]
///                    └══> [2c] ──┘
/// ```
fn fan_out() -> Topology {
    let branches = FanOut(vec![Pool(1), Pool(1), Pool(1)]);
    flow("fan-out", Serial(vec![Pool(1), branches, Pool(1)]))
}

/// Two branches straight from the source, which meet at the sink.
///
/// ```text
///            ┌══> [a] ──┐
/// [source] ══╡          ├──> [sink]
///            └══> [b] ──┘
/// ```
fn diamond() -> Topology {
    flow("diamond", FanOut(vec![Pool(1), Pool(1)]))
}

/// Groups in groups: each request to a branch that gives it to one of two, and to another branch.
///
/// ```text
///                    ┌══╤──> [2a] ──> [2b] ──┐
///                    │  ├──> [2c] ───────────┤
/// [source] ──> [1] ══╡  └──> [2c] ───────────┼──> [3] ──> [sink]
///                    └═════> [2d] ───────────┘
/// ```
fn nested() -> Topology {
    let either = Parallel(vec![Serial(vec![Pool(1), Pool(1)]), Pool(2)]);
    flow("nested", Serial(vec![Pool(1), FanOut(vec![either, Pool(1)]), Pool(1)]))
}

/// A value for a thread that has been idle for long enough to sleep, from one that is awake.
///
/// ```text
/// [caller] ── 3 ms ──> [sleeper]
/// ```
fn wake() -> Topology {
    Topology { name: "wake", exercise: Exercise::Wake }
}

/// Gives the sleeper of a wake-up the time to fall asleep.
pub const WAKE: Load = Load::Bursts { size: 1, pause_ms: 3 };

/// All of them.
pub static ALL: LazyLock<Vec<Topology>> = LazyLock::new(|| {
    vec![
        hop(),
        ping_pong(),
        call(),
        wake(),
        chain(),
        pool(),
        parallel(),
        fan_out(),
        diamond(),
        nested(),
    ]
});

/// The topology of this name.
pub fn named(name: &str) -> &'static Topology {
    ALL.iter().find(|topology| topology.name == name).expect("a topology of this name")
}
