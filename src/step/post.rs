//! What a step knows of its place in the run: whom it counts for, whom it tells of failures, what it may do after
//! a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use crossbeam_utils::CachePadded;

use super::control::Control;
use super::meter::{Gauge, Meter};
use super::trouble::Makes;
use crate::contract::cleanup::Panics;
use crate::contract::factory::Factory;
use crate::contract::failure::{Failure, FailureKind};
use crate::error::BoxError;
use crate::error::{Error, Panic, panic_message};
use crate::events;
use crate::measure::Measure;
use crate::measure::tally::{Phase, StepTally};
use crate::sync::{AtomicUsize, Ordering, lock};
use crate::wait::doorbell::Doorbell;

/// What a stage does with a worker that panicked. The request in its hands has failed in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
pub enum OnPanic {
    /// The worker is closed and the factory makes a fresh one. If the factory fails, the run stops.
    #[default]
    Replace,
    /// The worker is closed, what waited for it alone is dropped and counted, and the run stops: sources end, and
    /// everything else drains.
    Stop,
}

/// Called with each failure of a stage, on the thread where it happened.
pub(crate) type FailureHandler = Arc<dyn Fn(&Failure) + Send + Sync>;

/// What the steps of one stage share.
pub(crate) struct StagePost {
    pub(crate) path: String,
    pub(crate) on_panic: OnPanic,
    pub(crate) on_failure: Option<FailureHandler>,
    pub(crate) failures: Mutex<Vec<Failure>>,
    /// Workers that have not left yet.
    pub(crate) present: AtomicUsize,
    pub(crate) factory: Arc<dyn FactoryLife>,
    pub(crate) close_factory: bool,
}

/// Different failures kept per stage; those beyond count under one last entry.
const FAILURES_KEPT: usize = 16;

impl StagePost {
    /// Keeps a failure, counts it with its like, and tells the stage's handler.
    pub(crate) fn fail(&self, worker: usize, kind: FailureKind, message: String) {
        let failure = Failure { stage: self.path.clone(), worker, kind, message, count: 1 };
        // Neither a subscriber nor a handler that panics undoes anything: the failure itself is kept below.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let severe = kind != FailureKind::Failed;
            events::failed(severe, &failure.stage, worker, &kind, &failure.message);
        }));
        if let Some(handler) = &self.on_failure {
            let _ = catch_unwind(AssertUnwindSafe(|| handler(&failure)));
        }
        let mut kept = lock(&self.failures);
        let known =
            kept.iter().position(|k| k.kind == failure.kind && k.message == failure.message);
        match known {
            Some(at) => kept[at].count += 1,
            None if kept.len() < FAILURES_KEPT => kept.push(failure),
            None if kept.len() == FAILURES_KEPT => {
                kept.push(Failure { message: "others, not kept".to_owned(), ..failure });
            }
            None => kept[FAILURES_KEPT].count += 1,
        }
    }

    /// A worker leaves; the last to leave lets go of the factory. `ran` tells whether the run had started.
    fn leave(&self, ran: bool) {
        // AcqRel: pairs with itself, so that the factory is closed after everything its workers did.
        if self.present.fetch_sub(1, Ordering::AcqRel) == 1 {
            let closed =
                catch_unwind(AssertUnwindSafe(|| self.factory.leave(ran && self.close_factory)));
            if let Err(panic) = closed {
                self.fail(0, FailureKind::ClosePanicked, panic_message(panic));
            }
        }
    }
}

/// One step's place in the run.
pub(crate) struct Post {
    pub(crate) stage: Arc<StagePost>,
    pub(crate) worker: usize,
    /// Whether its lanes are to be brought in before it is made.
    pub(crate) prefault: bool,
    pub(crate) control: Arc<Control>,
    pub(crate) tally: Arc<CachePadded<StepTally>>,
    pub(crate) measure: Measure,
    pub(crate) gauge: Gauge,
    /// Which makes of its stage are to fail, in a simulated run.
    pub(crate) makes: Option<Arc<Makes>>,
    /// What wakes its thread, if that parks.
    pub(crate) doorbell: Option<Arc<Doorbell>>,
    /// Whether the step has closed what it had to close.
    pub(crate) ended: bool,
}

impl Post {
    pub(crate) fn meter(&self) -> Option<Box<Meter>> {
        Meter::new(&self.gauge)
    }

    pub(crate) fn fail(&self, kind: FailureKind, message: String) {
        self.stage.fail(self.worker, kind, message);
    }

    /// Counts and keeps what clean-ups said that panicked.
    #[inline]
    pub(crate) fn cleanup_panics(&self, panics: Panics) {
        if !panics.is_empty() {
            self.some_cleanups_panicked(panics);
        }
    }

    #[cold]
    fn some_cleanups_panicked(&self, panics: Panics) {
        for message in panics {
            self.tally.cleanup_panics.add(1);
            self.fail(FailureKind::CleanupPanicked, message);
        }
    }

    /// After a panic: stops the run where the stage asks for that.
    #[cold]
    pub(crate) fn stop_if_asked(&self) {
        if self.stage.on_panic == OnPanic::Stop {
            self.control.stop();
        }
    }

    /// Runs user code; what it panicked with is counted, kept and told.
    #[inline]
    pub(crate) fn contain<R>(&self, kind: FailureKind, code: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(code)) {
            Ok(result) => Some(result),
            Err(panic) => {
                self.panicked(kind, panic);
                None
            }
        }
    }

    /// Counts, keeps and tells a panic of user code; returns what it said.
    #[cold]
    pub(crate) fn panicked(&self, kind: FailureKind, panic: Panic) -> String {
        self.tally.panics.add(1);
        let message = panic_message(panic);
        self.fail(kind, message.clone());
        message
    }

    /// Makes the product of a factory for this step.
    pub(crate) fn make<F: Factory>(&self, factory: &FactoryCell<F>) -> Result<F::Product, Error> {
        self.contain_making(|| {
            self.makes.as_ref().map_or(Ok(()), |makes| makes.next())?;
            factory.make()
        })
    }

    /// Makes an end, and attaches it to what wakes this thread.
    pub(crate) fn make_end<F: Factory>(
        &self,
        factory: &FactoryCell<F>,
        attach: fn(&mut F::Product, &Waker),
    ) -> Result<F::Product, Error> {
        let waker = self.doorbell.clone().map_or_else(|| Waker::noop().clone(), Waker::from);
        self.contain_making(|| {
            self.makes.as_ref().map_or(Ok(()), |makes| makes.next())?;
            let mut end = factory.make()?;
            attach(&mut end, &waker);
            Ok(end)
        })
    }

    fn contain_making<P>(&self, make: impl FnOnce() -> Result<P, BoxError>) -> Result<P, Error> {
        let (path, worker) = (self.stage.path.clone(), self.worker);
        match catch_unwind(AssertUnwindSafe(make)) {
            Ok(Ok(product)) => Ok(product),
            Ok(Err(source)) => Err(Error::FactoryFailed { path, worker, source }),
            Err(panic) => {
                Err(Error::FactoryPanicked { path, worker, message: panic_message(panic) })
            }
        }
    }

    /// The step's worker is closed and its lanes are dropped.
    pub(crate) fn end(&mut self, meter: Option<&Meter>) {
        if let Some(meter) = meter {
            meter.end();
        }
        self.ended = true;
    }
}

impl Drop for Post {
    /// The last trace of a step, whether it ended, was never built, or came to grief.
    fn drop(&mut self) {
        self.tally.enter(Phase::Closing);
        self.stage.leave(self.control.has_started());
        self.tally.enter(Phase::Ended);
    }
}

/// The factory of a stage, over all its runs.
pub(crate) struct FactoryCell<F>(Mutex<FactoryState<F>>);

struct FactoryState<F> {
    factory: F,
    /// Runs that have entered and not left.
    runs: usize,
    closing: bool,
    closed: bool,
}

impl<F: Factory> FactoryCell<F> {
    pub(crate) fn new(factory: F) -> Self {
        Self(Mutex::new(FactoryState { factory, runs: 0, closing: false, closed: false }))
    }

    fn make(&self) -> Result<F::Product, BoxError> {
        lock(&self.0).factory.make()
    }
}

/// A factory's life, whatever it makes.
pub(crate) trait FactoryLife: Send + Sync {
    /// A run begins; false if the factory is closed.
    fn enter(&self) -> bool;
    /// A run has ended, and may ask for the factory to be closed once no other run is left.
    fn leave(&self, close: bool);
    /// Closes it now, unless it is closed.
    fn close(&self);
}

impl<F: Factory> FactoryLife for FactoryCell<F> {
    fn enter(&self) -> bool {
        let mut state = lock(&self.0);
        if !state.closed && !state.closing {
            state.runs += 1;
        }
        !state.closed && !state.closing
    }

    fn leave(&self, close: bool) {
        let mut state = lock(&self.0);
        state.runs -= 1;
        state.closing |= close;
        if state.closing && state.runs == 0 {
            drop(state);
            self.close();
        }
    }

    fn close(&self) {
        let mut state = lock(&self.0);
        if !std::mem::replace(&mut state.closed, true) {
            state.factory.close();
        }
    }
}
