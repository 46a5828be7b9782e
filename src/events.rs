//! Events for `tracing`: the life of a run and what goes wrong in it, under the target `ringtract`. Behind the feature
//! `tracing`; without it these are empty.
//!
//! Nothing here is on the path of a request that goes well.

use std::fmt::{Debug, Display};

/// An event, with fields that `tracing` takes as they are. They are worked out where somebody listens.
#[cfg(feature = "tracing")]
macro_rules! event {
    ($level:ident, $message:literal $(, $field:ident = $value:expr)* $(,)?) => {
        tracing::event!(target: "ringtract", tracing::Level::$level, $($field = $value,)* $message)
    };
}

#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($level:ident, $message:literal $(, $field:ident = $value:expr)* $(,)?) => {
        if false {
            let _ = (stringify!($level), $message);
            $(let _ = $value;)*
        }
    };
}

pub(crate) fn initialised(stages: usize, workers: usize, threads: usize, lanes: usize) {
    event!(
        INFO,
        "initialised",
        stages = stages,
        workers = workers,
        threads = threads,
        lanes = lanes
    );
}

pub(crate) fn not_initialised(error: &dyn Display) {
    event!(ERROR, "not initialised", error = error.to_string().as_str());
}

/// The system did not do what a thread, or a run for its memory, asked for.
pub(crate) fn refused(who: &str, asked: &dyn Display, reason: &str) {
    event!(
        WARN,
        "refused by the system",
        who = who,
        asked = asked.to_string().as_str(),
        reason = reason
    );
}

pub(crate) fn started() {
    event!(INFO, "started");
}

pub(crate) fn stop_asked() {
    event!(INFO, "stop asked");
}

/// From now on what is in flight is dropped.
pub(crate) fn given_up() {
    event!(WARN, "given up");
}

/// A worker failed a request; or, where that is `severe`, user code panicked, or could not be replaced after it had.
pub(crate) fn failed(severe: bool, stage: &str, worker: usize, kind: &dyn Display, message: &str) {
    // The level of an event is a constant, so there are two.
    macro_rules! failure {
        ($level:ident) => {
            event!(
                $level,
                "failure",
                stage = stage,
                worker = worker,
                kind = kind.to_string().as_str(),
                failure = message
            )
        };
    }
    if severe {
        failure!(ERROR);
    } else {
        failure!(WARN);
    }
}

pub(crate) fn replaced(stage: &str, worker: usize) {
    event!(INFO, "worker replaced", stage = stage, worker = worker);
}

/// A worker had not ended when a deadline passed.
pub(crate) fn unfinished(stage: &str, worker: usize, phase: &dyn Debug, taken: u64) {
    event!(
        ERROR,
        "unfinished at the deadline",
        stage = stage,
        worker = worker,
        phase = format!("{phase:?}").as_str(),
        taken = taken
    );
}

/// What became of the requests of a stage.
pub(crate) struct Totals {
    pub(crate) taken: u64,
    pub(crate) extra: u64,
    pub(crate) emitted: u64,
    pub(crate) discarded: u64,
    pub(crate) failed: u64,
    pub(crate) dropped: u64,
    pub(crate) panics: u64,
}

pub(crate) fn stage_ended(stage: &str, totals: &Totals) {
    let Totals { taken, extra, emitted, discarded, failed, dropped, panics } = *totals;
    event!(
        INFO,
        "ledger",
        stage = stage,
        taken = taken,
        extra = extra,
        emitted = emitted,
        discarded = discarded,
        failed = failed,
        dropped = dropped,
        panics = panics
    );
}

pub(crate) fn ended(ending: &dyn Debug, seconds: f64, complete: bool) {
    event!(
        INFO,
        "ended",
        ending = format!("{ending:?}").as_str(),
        seconds = seconds,
        complete = complete
    );
}
