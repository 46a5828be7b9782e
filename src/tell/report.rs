//! The report of a run: plain data for programs; `Display` is in [`super::table`].

use std::time::Duration;

use hdrhistogram::Histogram;

use super::hiccups::Hiccups;
use super::latency::{Shares, Times};
use super::slow::SlowRequest;
use super::verdict::Verdict;
use crate::contract::failure::Failure;
use crate::decide::partition::Partition;
use crate::decide::plan::{Plan, StepDown, WorkerPlace};
use crate::describe::kit::StageKind;
use crate::measure::sheets::{Aspect, Sheets};
use crate::measure::tally::{LaneTally, Phase, StepTally};
use crate::system::{Grant, Priority};
use crate::wait::idle::Idle;

/// What a run came to: where every request went, how long things took, what went wrong, what ran where.
///
/// Every request a stage took is emitted, discarded, failed or dropped, exactly one of them; the ledger shows which.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// The plan that was carried out.
    pub plan: Plan,
    /// How the run ended.
    pub ending: Ending,
    /// From the start to the end of the last thread.
    pub elapsed: Duration,
    /// The stages, in the order of the plan.
    pub stages: Vec<StageReport>,
    /// Every lane.
    pub lanes: Vec<LaneReport>,
    /// The threads, in the order of the plan.
    pub threads: Vec<ThreadReport>,
    /// What was asked for the memory.
    pub memory: MemoryReport,
    /// What went wrong in user code, one for each different message of a stage.
    pub failures: Vec<Failure>,
    /// Workers that had not ended when a deadline passed. Their counts are as of then.
    pub unfinished: Vec<Unfinished>,
    /// Which stage limited the run.
    pub verdict: Verdict,
    /// What the machine took from the threads while they waited, all together.
    pub hiccups: Hiccups,
    /// The slowest requests that were measured, from the slowest on: 8, unless the run was
    /// [set up](crate::Setup::slowest) otherwise.
    pub slowest: Vec<SlowRequest>,
    /// Where the counts contradict each other: empty, or a defect of ringtract, or the trace of a copy that panicked.
    pub imbalances: Vec<String>,
    #[cfg_attr(feature = "json", serde(skip))]
    pub(crate) sheets: Vec<Option<Sheets>>,
}

/// What a request is taken to cost that nobody measured.
const UNMEASURED_NANOS: u64 = 20;

impl Report {
    /// The report of the first stage whose name, or whole path, this is.
    pub fn stage(&self, name: &str) -> Option<&StageReport> {
        let at =
            self.plan.stages.iter().position(|stage| stage.path == name || stage.name == name)?;
        self.stages.get(at)
    }

    /// What was measured at a stage, by its place in the plan, over the whole run, in nanoseconds. `None` if nothing was.
    pub fn histogram(&self, stage: usize, aspect: Aspect) -> Option<&Histogram<u64>> {
        let sheet = self.sheets.get(stage)?.as_ref()?.of(aspect);
        (!sheet.is_empty()).then_some(sheet)
    }

    /// Requests that were put into a lane and never taken out: the run was stopped at a deadline, or a stage ended
    /// early. Requests that wait for a receiver do not count.
    pub fn dropped_in_lanes(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.dropped).sum()
    }

    /// Whether nothing was lost: no request was dropped anywhere, and the counts agree.
    pub fn is_complete(&self) -> bool {
        self.imbalances.is_empty()
            && self.unfinished.is_empty()
            && self.dropped_in_lanes() == 0
            && self.stages.iter().all(|stage| stage.ledger.dropped == 0)
    }

    /// Which workers should share a thread so that, on this many threads (0 is taken as 1), each has as nearly the same
    /// to do as can be: contiguous pieces of the tract of which the busiest is as little busy as possible, and no more
    /// of them than that takes. For the next run of the same tract, by [`Setup::placement`](crate::Setup::placement).
    ///
    /// Work is known from the requests measured, so `None` where there were none. Workers that block or asked for cores
    /// have threads of their own and are left out. A source is not measured: it counts as 20 ns a request, about what
    /// the runtime and its clock take for one.
    ///
    /// ```
    /// use ringtract::{Measure, source, worker};
    ///
    /// let heavy = |n: u64| (0..n).fold(n, |hash, next| hash.rotate_left(5) ^ next);
    /// let tract = source("numbers", 1, || 0..2_000_u64)
    ///     .then(worker("light", 1, || |n: u64| n))
    ///     .then(worker("lighter", 1, || |n: u64| n))
    ///     .then(worker("heavy", 1, move || heavy));
    /// let report = tract.setup().measure(Measure::ALL).run(drop)?;
    /// let partition = report.placement_for(2).expect("measured");
    /// let plan = tract.setup().placement(&partition).plan()?;
    /// let heavy = plan.threads.last().expect("a thread");
    /// assert_eq!(heavy.workers.len(), 1, "{plan}");
    /// # Ok::<(), ringtract::Error>(())
    /// ```
    pub fn placement_for(&self, threads: usize) -> Option<Partition> {
        if self.stages.iter().all(|stage| stage.busy.is_none()) {
            return None;
        }
        let elapsed = self.elapsed.as_secs_f64() * 1e9;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
        let cost = |WorkerPlace { stage, worker }| {
            let StageReport { busy, workers, .. } = &self.stages[stage];
            match busy {
                Some(busy) => (busy[worker] * elapsed) as u64,
                None => workers[worker].taken.saturating_mul(UNMEASURED_NANOS),
            }
        };
        Some(Partition::balanced(&self.plan.stages, threads, cost))
    }

    /// The report as JSON. Needs the feature `json`.
    ///
    /// # Panics
    ///
    /// Never: a report has nothing that JSON cannot say.
    #[cfg(feature = "json")]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is plain data")
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
pub enum Ending {
    /// Its sources or its input ended, or its output closed.
    Natural,
    /// It was asked to stop, by its owner or by a stage's policy, and drained.
    Stopped,
    /// A deadline passed, or it was dropped while its output took nothing; what was in flight was dropped.
    GivenUp,
}

/// What became of the requests of a worker, or of a whole stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Ledger {
    /// Requests taken, or made by a source.
    pub taken: u64,
    /// Values passed on, or delivered by an output.
    pub emitted: u64,
    /// Outcomes of a request beyond its first, where one became several.
    pub extra: u64,
    /// Requests discarded.
    pub discarded: u64,
    /// Requests that failed: by an error or a panic.
    pub failed: u64,
    /// Requests taken and not passed on, because the run was given up.
    pub dropped: u64,
    /// Panics in user code, whether they failed a request or not.
    pub panics: u64,
    /// Clean-ups that panicked.
    pub cleanup_panics: u64,
}

impl Ledger {
    pub(crate) fn read(tally: &StepTally) -> Self {
        Self {
            taken: tally.taken.get(),
            emitted: tally.emitted.get(),
            extra: tally.extra.get(),
            discarded: tally.discarded.get(),
            failed: tally.failed.get(),
            dropped: tally.dropped.get(),
            panics: tally.panics.get(),
            cleanup_panics: tally.cleanup_panics.get(),
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.taken += other.taken;
        self.emitted += other.emitted;
        self.extra += other.extra;
        self.discarded += other.discarded;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.panics += other.panics;
        self.cleanup_panics += other.cleanup_panics;
    }

    /// Whether every request taken has exactly one outcome: `taken + extra = emitted + discarded + failed + dropped`.
    pub fn is_balanced(&self) -> bool {
        self.taken + self.extra == self.emitted + self.discarded + self.failed + self.dropped
    }
}

/// A stage's part of a report.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StageReport {
    /// Its path.
    pub path: String,
    /// What it is made of.
    pub kind: StageKind,
    /// Its workers together.
    pub ledger: Ledger,
    /// Its workers one by one.
    pub workers: Vec<Ledger>,
    /// How long its workers were there, all together: what the shares are shares of. 0 where nothing is measured.
    pub worker_time: Duration,
    /// How its workers spent their time.
    pub shares: Shares,
    /// Times of the requests measured.
    pub times: Times,
    /// For each worker, the share of the run's time in which it was at work: the mean of the requests measured, times
    /// the requests it took. `None` for a source, and where nothing was measured.
    pub busy: Option<Vec<f64>>,
}

/// What went through one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LaneReport {
    /// The worker that puts.
    pub from: WorkerPlace,
    /// The worker that takes.
    pub to: WorkerPlace,
    /// Requests it can hold.
    pub capacity: usize,
    /// Requests put.
    pub put: u64,
    /// Requests taken.
    pub taken: u64,
    /// Requests put and never taken.
    pub dropped: u64,
    /// Requests that are still in it: a receiver has not read them yet, or a worker has not ended.
    pub unread: u64,
    /// Times that the producer came upon it full.
    pub full_waits: u64,
    /// Times that the consumer came upon it empty.
    pub empty_waits: u64,
    /// The most requests that the consumer ever found in it.
    pub high_water: u64,
}

impl LaneReport {
    pub(crate) fn read(
        (from, to): (WorkerPlace, WorkerPlace),
        capacity: usize,
        tally: &LaneTally,
    ) -> Self {
        let (put, taken) = (tally.producer.put.get(), tally.consumer.taken.get());
        let left = put.saturating_sub(taken);
        let gone = tally.consumer.gone.get() == 1;
        let (dropped, unread) = if gone { (left, 0) } else { (0, left) };
        let (full_waits, high_water) =
            (tally.producer.full_waits.get(), tally.consumer.high_water.get());
        let empty_waits = tally.consumer.empty_waits.get();
        Self {
            from,
            to,
            capacity,
            put,
            taken,
            dropped,
            unread,
            full_waits,
            empty_waits,
            high_water,
        }
    }
}

/// What a thread asked for and got.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ThreadReport {
    /// Its name, whole.
    pub name: String,
    /// What the system shows of it, where it says: on Linux 15 bytes, `~` and the end of a longer name.
    pub shown_name: Option<String>,
    /// The core it asked to be pinned to.
    pub core: Option<usize>,
    /// Whether the system pinned it there, and it still was when the thread ended.
    pub pinned: Grant,
    /// The priority it asked for.
    pub priority: Option<Priority>,
    /// Whether the system gave it that.
    pub prioritised: Grant,
    /// What it did when nothing moved.
    pub idle: Idle,
    /// Why that was less eager than asked for.
    pub step_down: Option<StepDown>,
    /// Times that it parked.
    pub parks: u64,
    /// Times that it was woken from that by somebody: another thread, or its run's owner. The rest were by the clock.
    pub wakes: u64,
    /// Times that it found work though nobody had rung, after a second without. Anything but 0 is a defect of
    /// ringtract: please report it.
    pub late_wakes: u64,
    /// How long it waited for a core, ready to run, until it ended: others had the cores it may use. That a thread had
    /// yielded to them counts too, as the system cannot tell. `None` where the system does not say; Linux does.
    pub queued: Option<Duration>,
    /// What the machine took from it while it waited.
    pub hiccups: Hiccups,
    /// The workers it gave turns to.
    pub workers: Vec<WorkerPlace>,
}

/// What was asked for the memory of a run, and got.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MemoryReport {
    /// Whether the lanes between workers were brought in before the start. Nobody can refuse that.
    pub prefaulted: Grant,
    /// Whether what the process had once every worker was made is locked.
    pub locked: Grant,
}

/// A worker that had not ended when a deadline passed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Unfinished {
    /// The path of its stage.
    pub stage: String,
    /// The worker, counted from 0.
    pub worker: usize,
    /// What it was doing. Workers that wait are held up by another on their thread.
    pub phase: Phase,
    /// Requests it had taken, the one in hand included.
    pub taken: u64,
    /// For how long, at least, it had been doing so.
    pub since: Duration,
}
