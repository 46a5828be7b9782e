//! The life of a run on threads: initialised, running, over. Each is a type, made from the one before.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::books::Books;
use super::gate::Gate;
use super::spawn::{Settled, thread_reports};
use crate::decide::plan::Plan;
use crate::describe::kit::StageKind;
use crate::error::Error;
use crate::measure::tally::Phase;
use crate::step::control::Control;
use crate::step::post::StagePost;
use crate::sync::lock;
use crate::tell::report::{Ending, Report, Unfinished};
use crate::tell::snapshot::Snapshot;

/// The threads of a run.
pub(crate) struct Threads {
    pub(crate) gate: Arc<Gate>,
    pub(crate) handles: Vec<JoinHandle<()>>,
    /// What each got from the system, as far as it has asked.
    pub(crate) settled: Arc<Mutex<Vec<Settled>>>,
}

impl Threads {
    /// Waits for every thread; tells what they got from the system.
    pub(crate) fn join(self) -> Vec<Settled> {
        for handle in self.handles {
            // A thread contains every panic, so there is none to pass on.
            let _ = handle.join();
        }
        lock(&self.settled).clone()
    }
}

/// A tract that is initialised: every worker is made, on its thread, and waits for the start.
///
/// Dropped, it closes its workers and takes nothing from its input.
#[must_use = "dropped, it is closed without having run"]
pub struct Ready {
    threads: Option<Threads>,
    books: Option<Books>,
}

impl Ready {
    pub(crate) fn new(threads: Threads, books: Books) -> Self {
        Self { threads: Some(threads), books: Some(books) }
    }

    /// The plan of this run, ends included.
    pub fn plan(&self) -> &Plan {
        &self.books.as_ref().expect("only `start` takes them").plan
    }

    /// Starts the run. Returns when every thread gives turns to its workers.
    ///
    /// # Errors
    ///
    /// None at present; reserved for what the system may refuse at the start.
    pub fn start(mut self) -> Result<Running, Error> {
        let threads = self.threads.take().expect("taken here only");
        let books = self.books.take().expect("taken here only");
        books.control.start();
        let started = Instant::now();
        threads.gate.open(threads.handles.len());
        Ok(Running { run: Some((threads, Arc::new(books))), started })
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.gate.shut();
            threads.join();
        }
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}

/// A tract that runs.
///
/// Dropped without having been waited for, it is stopped and joined: what is in flight drains. If nothing moves for 50
/// ms, because an output or a receiver takes nothing, or an input that wants to hand over more gives nothing, the rest is
/// dropped with clean-ups. A worker that emits without end never drains: use [`stop_within`](Self::stop_within).
#[must_use = "dropped, it is stopped"]
pub struct Running {
    /// `None` once the run has been waited for.
    run: Option<(Threads, Arc<Books>)>,
    started: Instant,
}

/// How long a run that is being dropped may stand still before it is given up.
const STANDSTILL: Duration = Duration::from_millis(50);
/// How long threads have, after a deadline, to drop what they hold.
const GRACE: Duration = Duration::from_millis(100);

impl Running {
    fn parts(&self) -> (&Threads, &Arc<Books>) {
        let (threads, books) = self.run.as_ref().expect("present until waited for, which consumes");
        (threads, books)
    }

    /// The plan of this run, ends included.
    pub fn plan(&self) -> &Plan {
        &self.parts().1.plan
    }

    /// Whether every thread is done, so that [`wait`](Self::wait) returns at once.
    pub fn is_finished(&self) -> bool {
        let (threads, _) = self.parts();
        threads.gate.count_done() == threads.handles.len()
    }

    /// Asks the run to stop: sources and inputs end, what is in flight drains. Returns at once.
    pub fn stop(&self) {
        self.parts().1.control.stop();
    }

    /// A handle that can ask for the stop from any thread, for as long as it likes.
    pub fn stopper(&self) -> Stopper {
        Stopper { control: Arc::clone(&self.parts().1.control) }
    }

    /// How the run is doing: rates, shares, fill levels, latencies since the last snapshot. At any time and cheap: no worker
    /// waits for it, and it waits for no worker, idle and parked ones included; callers at the same time take turns.
    ///
    /// ```
    /// use ringtract::{Measure, final_output, source, worker};
    ///
    /// let tract = source("numbers", 1, || 0..100_000_u64).then(worker("half", 1, || |n: u64| n / 2));
    /// let running = tract.setup().measure(Measure::ALL).init(final_output())?.start()?;
    /// let snapshot = running.snapshot();
    /// println!("{snapshot}");
    /// let report = running.wait();
    /// assert_eq!(report.stage("half").expect("a stage").times.work.count, 100_000);
    /// # Ok::<(), ringtract::Error>(())
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        self.parts().1.snapshot(self.started)
    }

    #[doc = include_str!("prometheus.md")]
    #[cfg(feature = "prometheus")]
    pub fn to_prometheus(&self) -> String {
        self.parts().1.to_prometheus(self.started)
    }

    /// A handle that can take snapshots from any thread, as long as the run is not waited for to its end.
    pub fn viewer(&self) -> Viewer {
        Viewer { books: Arc::downgrade(self.parts().1), started: self.started }
    }

    /// Waits until the run has ended and every thread is gone.
    ///
    /// A tract whose receiver nobody reads is held back by its full lanes, and does not end.
    pub fn wait(mut self) -> Report {
        let (threads, books) = self.run.take().expect("present until waited for, which consumes");
        report(threads, &books, self.started)
    }

    /// Stops the run and waits until it has ended, no longer than `limit`.
    ///
    /// At the deadline the threads are told to drop what is in flight, with clean-ups, and get a tenth of a second for
    /// that. User code that is stuck in a call can be named but not killed: its thread is left behind, and ends
    /// when the call returns.
    ///
    /// # Errors
    ///
    /// [`Overdue`] with the report if something had to be dropped, or had not ended even then.
    pub fn stop_within(mut self, limit: Duration) -> Result<Report, Overdue> {
        let (threads, books) = self.run.take().expect("present until waited for, which consumes");
        let count = threads.handles.len();
        let mut watch = Watch::new(&books);
        books.control.stop();
        let deadline = Instant::now().checked_add(limit);
        if watch.until_done(&threads.gate, count, &books, deadline) {
            return Ok(report(threads, &books, self.started));
        }
        books.control.abandon();
        let grace = Some(Instant::now() + GRACE);
        if watch.until_done(&threads.gate, count, &books, grace) {
            return Err(Overdue { report: Box::new(report(threads, &books, self.started)) });
        }
        let unfinished = watch.unfinished(&books);
        // Those that are stuck are left behind.
        let settled = lock(&threads.settled).clone();
        let threads = thread_reports(&books, &settled);
        let report = books.report(Ending::GivenUp, self.started.elapsed(), threads, unfinished);
        Err(Overdue { report: Box::new(report) })
    }

    /// The post of a receiver, for what goes wrong behind it.
    pub(crate) fn output_post(&self) -> Option<Arc<StagePost>> {
        receiver_post(self.parts().1)
    }
}

pub(crate) fn receiver_post(books: &Books) -> Option<Arc<StagePost>> {
    let at = books.plan.stages.iter().position(|stage| stage.kind == StageKind::Receiver)?;
    Some(Arc::clone(&books.posts[at]))
}

fn report(threads: Threads, books: &Books, started: Instant) -> Report {
    let settled = threads.join();
    books.report(
        ending(&books.control),
        started.elapsed(),
        thread_reports(books, &settled),
        Vec::new(),
    )
}

pub(crate) fn ending(control: &Control) -> Ending {
    if control.is_abandoned() {
        Ending::GivenUp
    } else if control.is_stopping() {
        Ending::Stopped
    } else {
        Ending::Natural
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some((threads, books)) = self.run.take() else { return };
        books.control.stop();
        let count = threads.handles.len();
        let mut watch = Watch::new(&books);
        while !threads.gate.await_done(count, Some(Instant::now() + STANDSTILL)) {
            if watch.stands_still(&books) {
                books.control.abandon();
            }
        }
        if cfg!(feature = "tracing") {
            // Nobody reads this report, but it is told as events.
            drop(report(threads, &books, self.started));
        } else {
            threads.join();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

/// Watches, from outside, since when each worker has been at what it is doing.
struct Watch {
    seen: Vec<Vec<(Phase, u64, u64, Instant)>>,
}

impl Watch {
    fn new(books: &Books) -> Self {
        let now = Instant::now();
        let seen = books.tallies.iter().map(|stage| {
            stage
                .iter()
                .map(|tally| (tally.phase(), tally.taken.get(), tally.emitted.get(), now))
                .collect()
        });
        Self { seen: seen.collect() }
    }

    /// Looks again; whether nothing has changed and nobody is in user code.
    fn stands_still(&mut self, books: &Books) -> bool {
        let now = Self::new(books);
        let mut still = true;
        let stages = self.seen.iter_mut().zip(now.seen).zip(&books.plan.stages);
        for ((seen, now), stage) in stages {
            // A source asks its input at every turn, whether or not there is anything.
            let asks = matches!(stage.kind, StageKind::Source | StageKind::Input);
            for (seen, now) in seen.iter_mut().zip(now) {
                let counted = (seen.1, seen.2) != (now.1, now.2);
                let busy =
                    !asks && (seen.0 != now.0 || matches!(now.0, Phase::Working | Phase::Closing));
                if counted || seen.0 != now.0 {
                    *seen = now;
                }
                still &= !counted && !busy;
            }
        }
        still
    }

    /// Waits until all threads are done, looking again every so often; false if the deadline passes before.
    fn until_done(
        &mut self,
        gate: &Gate,
        count: usize,
        books: &Books,
        deadline: Option<Instant>,
    ) -> bool {
        loop {
            let next = Instant::now() + Duration::from_millis(5);
            let look = deadline.map_or(next, |deadline| deadline.min(next));
            if gate.await_done(count, Some(look)) {
                return true;
            }
            self.stands_still(books);
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return false;
            }
        }
    }

    /// The workers that have not ended.
    fn unfinished(&self, books: &Books) -> Vec<Unfinished> {
        let mut unfinished = Vec::new();
        for (stage, seen) in self.seen.iter().enumerate() {
            if books.plan.stages[stage].kind == StageKind::Receiver {
                continue;
            }
            for (worker, &(phase, taken, _, since)) in seen.iter().enumerate() {
                if phase != Phase::Ended {
                    let stage = books.plan.stages[stage].path.clone();
                    unfinished.push(Unfinished {
                        stage,
                        worker,
                        phase,
                        taken,
                        since: since.elapsed(),
                    });
                }
            }
        }
        unfinished
    }
}

/// Takes snapshots of a run, from any thread.
#[derive(Clone)]
pub struct Viewer {
    books: Weak<Books>,
    started: Instant,
}

impl Viewer {
    /// As [`Running::snapshot`]; `None` once the run is over and has been waited for.
    pub fn snapshot(&self) -> Option<Snapshot> {
        Some(self.books.upgrade()?.snapshot(self.started))
    }

    /// As [`Running::to_prometheus`]; `None` once the run is over and has been waited for.
    #[cfg(feature = "prometheus")]
    pub fn to_prometheus(&self) -> Option<String> {
        Some(self.books.upgrade()?.to_prometheus(self.started))
    }
}

impl fmt::Debug for Viewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Viewer").finish_non_exhaustive()
    }
}

/// Asks a run to stop, from any thread.
#[derive(Debug, Clone)]
pub struct Stopper {
    pub(crate) control: Arc<Control>,
}

impl Stopper {
    /// Sources and inputs end, what is in flight drains. Asking twice, or after the end, is fine.
    pub fn stop(&self) {
        self.control.stop();
    }
}

/// A deadline passed before a run had drained. The report names what had not ended.
#[derive(Debug)]
pub struct Overdue {
    /// What the run came to.
    pub report: Box<Report>,
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { unfinished, .. } = &*self.report;
        if unfinished.is_empty() {
            return f.write_str("the deadline passed, and what was in flight was dropped");
        }
        f.write_str("the deadline passed, and these have not ended:")?;
        for late in unfinished {
            write!(
                f,
                " {}[{}] ({:?} at request {} for {:.3?})",
                late.stage, late.worker, late.phase, late.taken, late.since
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Overdue {}
