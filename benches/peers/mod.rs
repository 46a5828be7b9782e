//! The systems that are compared, each used as its authors advise.
#![allow(dead_code, reason = "every bench is a crate that uses a part of it")]

pub mod asynchronous;
pub mod by_hand;
pub mod calls;
pub mod channels;
pub mod disruptor;
pub mod floor;
pub mod tract;

use std::time::Duration;

use ::disruptor::{BusySpin, Sleep};

use crate::by_payload;
use crate::harness::cell::{Cell, Exercise, Kind, System};
use crate::harness::job::Job;
use crate::harness::load::Load;
use crate::harness::pacer::Wait;
use crate::harness::shape::Shape;
use channels::{Channel, Crossbeam, Flume, Form, Kanal, Std};

/// ringtract as it comes, without metrics.
pub const RINGTRACT: System = System {
    name: "ringtract",
    kind: Kind::Ours,
    about: "as it comes (Placement::Auto, Idle::default()), pinned, metrics off",
    spins: false,
    flow: Some(|job| by_payload!(job.payload, P => tract::run::<P>(job, tract::Form::DEFAULT))),
    ping_pong: Some(
        |job| by_payload!(job.payload, P => tract::ping_pong::<P>(job, tract::Form::DEFAULT)),
    ),
    call: Some(|job| by_payload!(job.payload, P => calls::service::<P>(job, tract::Form::DEFAULT))),
    wake: Some(|job| by_payload!(job.payload, P => tract::wake::<P>(job, tract::Form::DEFAULT))),
    fits: |_| true,
};

pub const RINGTRACT_SPIN: System = System {
    name: "ringtract spin",
    about: "a thread for each core, spinning, metrics off",
    spins: true,
    flow: Some(|job| by_payload!(job.payload, P => tract::run::<P>(job, tract::Form::SPIN))),
    ping_pong: Some(
        |job| by_payload!(job.payload, P => tract::ping_pong::<P>(job, tract::Form::SPIN)),
    ),
    call: Some(|job| by_payload!(job.payload, P => calls::service::<P>(job, tract::Form::SPIN))),
    wake: Some(|job| by_payload!(job.payload, P => tract::wake::<P>(job, tract::Form::SPIN))),
    ..RINGTRACT
};

/// [`RINGTRACT_SPIN`] where batches form.
pub const RINGTRACT_BATCH: System = System {
    name: "ringtract batch",
    about: "a thread for each core, spinning, metrics off, values published in batches of up to 32",
    flow: Some(|job| {
        let form = tract::Form { batch: BATCH as usize, ..tract::Form::SPIN };
        by_payload!(job.payload, P => tract::run::<P>(job, form))
    }),
    ping_pong: None,
    call: None,
    wake: None,
    fits: |cell| !matches!(cell.load, Load::Paced(_)),
    ..RINGTRACT_SPIN
};

/// [`RINGTRACT_SPIN`] with metrics on.
pub const RINGTRACT_METRICS: System = System {
    name: "ringtract metrics",
    about: "a thread for each core, spinning, one request in 64 measured (Measure::default())",
    flow: Some(|job| {
        let form = tract::Form { measure: ringtract::Measure::default(), ..tract::Form::SPIN };
        by_payload!(job.payload, P => tract::run::<P>(job, form))
    }),
    ping_pong: None,
    call: None,
    wake: None,
    ..RINGTRACT_SPIN
};

/// [`RINGTRACT_SPIN`] with lanes whose threads may park: after a while in a flow, at once where a wake-up is looked at.
pub const RINGTRACT_PARKS: System = System {
    name: "ringtract, parks",
    about: "a thread for each core, which parks when idle (Idle::default(), or Idle::Park for a wake-up), metrics off",
    spins: false,
    flow: Some(|job| {
        let form = tract::Form { idle: tract::Waits::Default, ..tract::Form::SPIN };
        by_payload!(job.payload, P => tract::run::<P>(job, form))
    }),
    ping_pong: None,
    wake: Some(|job| {
        let form = tract::Form { idle: tract::Waits::Park, ..tract::Form::SPIN };
        by_payload!(job.payload, P => tract::wake::<P>(job, form))
    }),
    ..RINGTRACT_SPIN
};

/// [`RINGTRACT_SPIN`] with one worker between the source and the output.
pub const RINGTRACT_WORKER: System = System {
    name: "ringtract, a worker",
    about: "a thread for each core, spinning, metrics off: source > worker > output",
    flow: Some(|job| {
        let job = Job { shape: Shape::Pool(1), ..job.clone() };
        by_payload!(job.payload, P => tract::run::<P>(&job, tract::Form::SPIN))
    }),
    fits: is_hop,
    ..RINGTRACT_SPIN
};

pub const BY_HAND: System = System {
    name: "rtrb by hand",
    kind: Kind::Floor,
    about: "rings polled by hand, a thread for each core, spinning",
    spins: true,
    flow: Some(|job| by_payload!(job.payload, P => by_hand::run::<P>(job, Wait::Spin))),
    ping_pong: None,
    call: None,
    wake: None,
    fits: |_| true,
};

/// A channel, with a thread for each worker that blocks on it.
const fn blocking<C: Channel>(name: &'static str) -> System {
    System {
        name,
        kind: Kind::Peer,
        about: "a thread for each worker, blocking",
        spins: false,
        flow: Some(|job| by_payload!(job.payload, P => channels::run::<C, P>(job, Form::Block))),
        ping_pong: Some(
            |job| by_payload!(job.payload, P => channels::ping_pong::<C, P>(job, Form::Block)),
        ),
        call: None,
        wake: Some(|job| by_payload!(job.payload, P => channels::run::<C, P>(job, Form::Block))),
        fits: |_| true,
    }
}

/// A channel, with a thread for each worker that asks again at once.
const fn spinning<C: Channel>(name: &'static str) -> System {
    System {
        name,
        kind: Kind::Peer,
        about: "a thread for each worker, spinning on try_send and try_recv",
        spins: true,
        flow: Some(|job| by_payload!(job.payload, P => channels::run::<C, P>(job, Form::Spin))),
        ping_pong: Some(
            |job| by_payload!(job.payload, P => channels::ping_pong::<C, P>(job, Form::Spin)),
        ),
        call: None,
        wake: Some(|job| by_payload!(job.payload, P => channels::run::<C, P>(job, Form::Spin))),
        // With fewer cores than threads nobody would.
        fits: |cell| cell.threads() <= cell.cores,
    }
}

pub const CROSSBEAM: System = System {
    call: Some(|job| by_payload!(job.payload, P => calls::crossbeam::<P>(job, Form::Block))),
    ..blocking::<Crossbeam>("crossbeam")
};
pub const CROSSBEAM_SPIN: System = System {
    call: Some(|job| by_payload!(job.payload, P => calls::crossbeam::<P>(job, Form::Spin))),
    ..spinning::<Crossbeam>("crossbeam spin")
};
pub const KANAL: System = blocking::<Kanal>("kanal");
pub const KANAL_SPIN: System = spinning::<Kanal>("kanal spin");
pub const FLUME: System = blocking::<Flume>("flume");
pub const FLUME_SPIN: System = spinning::<Flume>("flume spin");
pub const STD: System = blocking::<Std>("std mpsc");
pub const STD_SPIN: System = spinning::<Std>("std mpsc spin");

pub const TOKIO: System = System {
    name: "tokio mpsc",
    kind: Kind::Peer,
    about: "a task for each worker, a runtime thread for each core",
    spins: false,
    flow: Some(|job| by_payload!(job.payload, P => asynchronous::run::<P>(job))),
    ping_pong: Some(|job| by_payload!(job.payload, P => asynchronous::ping_pong::<P>(job))),
    call: Some(|job| by_payload!(job.payload, P => calls::tokio_tasks::<P>(job))),
    wake: Some(|job| by_payload!(job.payload, P => asynchronous::run::<P>(job))),
    fits: |_| true,
};

/// The channels of tokio between two threads that never give up their cores, for the sake of a fair comparison.
pub const TOKIO_SPIN: System = System {
    name: "tokio spin",
    about: "its channels between two threads, spinning on try_send and try_recv",
    spins: true,
    flow: None,
    ping_pong: None,
    call: Some(|job| by_payload!(job.payload, P => calls::tokio_threads::<P>(job))),
    wake: None,
    fits: |cell| cell.threads() <= cell.cores,
    ..TOKIO
};

/// Requests that are published at once where batches form.
const BATCH: u64 = 32;

/// A strategy of disruptor-rs; `$batch` requests are published at once where so many are due.
macro_rules! disruptor {
    ($name:literal, $about:literal, $strategy:expr, $wait:expr, $batch:expr) => {
        System {
            name: $name,
            kind: Kind::Peer,
            about: $about,
            spins: matches!($wait, Wait::Spin),
            flow: Some(|job| {
                let form = disruptor::Form { strategy: $strategy, wait: $wait, batch: $batch };
                by_payload!(job.payload, P => disruptor::run::<P, _>(job, form))
            }),
            ping_pong: Some(|job| {
                let form = disruptor::Form { strategy: $strategy, wait: $wait, batch: $batch };
                by_payload!(job.payload, P => disruptor::ping_pong::<P, _>(job, form))
            }),
            call: None,
            wake: Some(|job| {
                let form = disruptor::Form { strategy: $strategy, wait: $wait, batch: $batch };
                by_payload!(job.payload, P => disruptor::run::<P, _>(job, form))
            }),
            fits: |_| true,
        }
    };
}

pub const DISRUPTOR_SPIN: System =
    disruptor!("disruptor spin", "BusySpin, published one by one", BusySpin, Wait::Spin, 1);

pub const DISRUPTOR_BATCH: System = System {
    // There is never more than one under way.
    ping_pong: None,
    call: None,
    wake: None,
    fits: |cell| cell.threads() <= cell.cores && !matches!(cell.load, Load::Paced(_)),
    ..disruptor!(
        "disruptor batch",
        "BusySpin, published in batches of up to 32 where so many are due",
        BusySpin,
        Wait::Spin,
        BATCH
    )
};

pub const DISRUPTOR_YIELD: System = disruptor!(
    "disruptor yield",
    "a strategy that yields, published in batches of up to 32 where so many are due",
    disruptor::Yielding,
    Wait::Yield,
    BATCH
);

pub const DISRUPTOR_SLEEP: System = disruptor!(
    "disruptor sleep",
    "Sleep(1 us), published in batches of up to 32 where so many are due",
    Sleep::new(Duration::from_micros(1)),
    Wait::Sleep,
    BATCH
);

/// Whether it is the one hop that the bare floors make.
fn is_hop(cell: &Cell) -> bool {
    let one_hop = matches!(&cell.topology.exercise, Exercise::Flow(Shape::Serial(members)) if members.is_empty());
    one_hop && cell.cores >= 2
}

/// Whether it is that, or there and back.
fn is_bare(cell: &Cell) -> bool {
    let returns = matches!(cell.topology.exercise, Exercise::PingPong | Exercise::Call);
    is_hop(cell) || cell.cores >= 2 && returns
}

pub const RING: System = System {
    name: "rtrb ring",
    kind: Kind::Floor,
    about: "a bare ring, push and pop",
    spins: true,
    flow: Some(|job| by_payload!(job.payload, P => floor::ring::<P>(job))),
    ping_pong: Some(|job| by_payload!(job.payload, P => floor::ring_ping_pong::<P>(job))),
    call: Some(|job| by_payload!(job.payload, P => floor::ring_ping_pong::<P>(job))),
    wake: None,
    fits: is_bare,
};

pub const RING_CHUNKS: System = System {
    name: "rtrb ring, chunks of 32",
    about: "a bare ring, read and written in chunks of up to 32",
    flow: Some(|job| by_payload!(job.payload, P => floor::ring_chunks::<P>(job))),
    ping_pong: None,
    call: None,
    wake: None,
    fits: |cell| is_hop(cell) && !cell.load.is_timed(),
    ..RING
};

pub const CACHE_LINE: System = System {
    name: "cache line",
    about: "a word that one core writes and another reads",
    flow: Some(floor::cache_line),
    ping_pong: Some(floor::cache_line_ping_pong),
    call: Some(floor::cache_line_ping_pong),
    fits: is_bare,
    ..RING
};

pub const HICCUPS: System = System {
    name: "hiccups",
    about: "no pipeline: how late a spinning thread sees that a request is due",
    flow: Some(floor::hiccups),
    ping_pong: None,
    call: None,
    wake: None,
    fits: |cell| matches!(cell.load, Load::Paced(_)),
    ..RING
};

/// A bare wake-up.
pub const UNPARK: System = System {
    name: "unpark",
    about: "std: a word is written and the thread that waits for it unparked",
    spins: false,
    flow: None,
    ping_pong: None,
    call: None,
    wake: Some(floor::unpark),
    fits: |cell| cell.cores >= 2,
    ..RING
};

/// [`UNPARK`] of a thread with an alarm, as every parked thread of ringtract has one.
pub const UNPARK_TIMED: System = System {
    name: "unpark, timed",
    about: "std: as `unpark`, of a thread that would wake after a second by itself",
    wake: Some(floor::unpark_timed),
    ..UNPARK
};

/// [`UNPARK`], until the one who woke has been woken in turn.
pub const UNPARK_BACK: System = System {
    name: "unpark, there and back",
    about: "std: a thread is unparked, which unparks the one that waits for it",
    wake: Some(floor::unpark_back),
    ..UNPARK
};
