//! The books of a run: everything its owner can see of it, and what can be told from it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::gauges::{Gauges, Seen};
use crate::contract::failure::Failure;
use crate::decide::plan::{Plan, WorkerPlace};
use crate::describe::kit::StageKind;
use crate::events::{self, Totals};
use crate::lane::fork::Fork;
use crate::measure::tally::{LaneTally, StepTally};
use crate::step::control::Control;
use crate::step::post::StagePost;
use crate::sync::lock;
use crate::tell::latency::{Shares, Times, as_float};
use crate::tell::report::{
    Ending, LaneReport, Ledger, MemoryReport, Report, StageReport, ThreadReport, Unfinished,
};
use crate::tell::snapshot::{Snapshot, StageSnapshot};
use crate::tell::verdict::{Evidence, verdict};
use crate::wait::doorbell::Doorbell;

/// Everything about a run that its owner can see.
pub(crate) struct Books {
    pub(crate) plan: Arc<Plan>,
    pub(crate) control: Arc<Control>,
    pub(crate) posts: Vec<Arc<StagePost>>,
    /// By stage and worker.
    pub(crate) tallies: Vec<Vec<Arc<CachePadded<StepTally>>>>,
    pub(crate) gauges: Gauges,
    /// By thread: what wakes it, if it parks.
    pub(crate) doorbells: Vec<Option<Arc<Doorbell>>>,
    pub(crate) memory: MemoryReport,
    pub(crate) lanes: Vec<WiredLane>,
    pub(crate) forks: Vec<Fork>,
}

pub(crate) struct WiredLane {
    pub(crate) from: WorkerPlace,
    pub(crate) to: WorkerPlace,
    pub(crate) tally: Arc<LaneTally>,
}

impl Books {
    /// The report, as things are now.
    pub(crate) fn report(
        &self,
        ending: Ending,
        elapsed: Duration,
        mut threads: Vec<ThreadReport>,
        unfinished: Vec<Unfinished>,
    ) -> Report {
        let mut seen = self.gauges.seen();
        for stage in 0..self.posts.len() {
            self.gauges.gather(stage, &mut seen, true);
        }
        self.gauges.gather_hiccups(&mut seen, true);
        for (at, thread) in threads.iter_mut().enumerate() {
            thread.hiccups = self.gauges.hiccups_of(&seen, at);
        }
        let stages: Vec<_> =
            (0..self.posts.len()).map(|stage| self.stage_report(stage, elapsed, &seen)).collect();
        let lanes: Vec<_> = self.lanes.iter().map(|lane| self.lane_report(lane)).collect();
        let failures: Vec<Failure> =
            self.posts.iter().flat_map(|post| lock(&post.failures).clone()).collect();
        let imbalances =
            if unfinished.is_empty() { self.imbalances(&stages, &lanes) } else { Vec::new() };
        let plan = Plan::clone(&self.plan);
        let evidence = stages.iter().map(|stage| {
            Evidence::new(stage.shares, &stage.times, stage.ledger.taken, stage.worker_time)
        });
        let verdict = verdict(&plan, &evidence.collect::<Vec<_>>());
        let slowest = self.gauges.slowest(&plan, seen.totals.iter().flatten());
        let (sheets, hiccups) = (seen.totals.clone(), self.gauges.all_hiccups(&seen));
        let report = Report {
            plan,
            ending,
            elapsed,
            stages,
            lanes,
            threads,
            memory: self.memory.clone(),
            failures,
            unfinished,
            verdict,
            hiccups,
            slowest,
            imbalances,
            sheets,
        };
        tell_ended(&report);
        report
    }

    fn stage_report(&self, stage: usize, elapsed: Duration, seen: &Seen) -> StageReport {
        let planned = &self.plan.stages[stage];
        let workers = self.worker_ledgers(stage);
        let ledger = self.ledger(stage);
        let spell = self.gauges.spell(stage);
        let times = Times::of(seen.totals[stage].as_ref());
        StageReport {
            path: planned.path.clone(),
            kind: planned.kind,
            ledger,
            busy: (times.work.count > 0).then(|| busy(&workers, times.work.mean, elapsed)),
            workers,
            worker_time: Duration::from_nanos(spell.present),
            shares: Shares::of(spell),
            times,
        }
    }

    /// How the run is doing, given when it started.
    pub(crate) fn snapshot(&self, started: Instant) -> Snapshot {
        let mut seen = self.gauges.seen();
        let now = Instant::now();
        let interval = now - seen.at.replace(now).unwrap_or(started);
        let lanes: Vec<_> = self.lanes.iter().map(|lane| self.lane_report(lane)).collect();
        let count = self.posts.len();
        let (mut stages, mut sheets) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut evidence = Vec::with_capacity(count);
        for stage in 0..count {
            self.gauges.gather(stage, &mut seen, false);
            let new = seen.fresh[stage].take();
            let ledger = self.ledger(stage);
            let spell = self.gauges.spell(stage);
            let spent = spell.since(std::mem::replace(&mut seen.spells[stage], spell));
            let before = std::mem::replace(&mut seen.ledgers[stage], ledger);
            let taken = ledger.taken.saturating_sub(before.taken);
            let (shares, times) = (Shares::of(spent), Times::of(new.as_ref()));
            evidence.push(Evidence::new(
                shares,
                &times,
                taken,
                Duration::from_nanos(spent.present),
            ));
            let planned = &self.plan.stages[stage];
            stages.push(StageSnapshot {
                path: planned.path.clone(),
                kind: planned.kind,
                ledger,
                rate: as_float(taken) / interval.as_secs_f64().max(f64::MIN_POSITIVE),
                fill: fill(stage, &lanes),
                shares,
                times,
            });
            sheets.push(new);
        }
        let verdict = verdict(&self.plan, &evidence);
        self.gauges.gather_hiccups(&mut seen, false);
        let hiccups = Gauges::fresh_hiccups(&mut seen);
        let slowest = self.gauges.slowest(&self.plan, sheets.iter().flatten());
        let (elapsed, plan) = (now - started, Arc::clone(&self.plan));
        Snapshot { elapsed, interval, stages, lanes, verdict, hiccups, slowest, sheets, plan }
    }

    /// The run until now, as Prometheus scrapes it.
    #[cfg(feature = "prometheus")]
    pub(crate) fn to_prometheus(&self, started: Instant) -> String {
        use crate::tell::prometheus::{Figures, StageFigures, ThreadFigures};

        let mut seen = self.gauges.seen();
        let mut seconds = Vec::with_capacity(self.posts.len());
        for stage in 0..self.posts.len() {
            self.gauges.gather(stage, &mut seen, false);
            seconds.push(self.gauges.rising_seconds(stage, &mut seen));
        }
        self.gauges.gather_hiccups(&mut seen, false);
        let lanes: Vec<_> = self.lanes.iter().map(|lane| self.lane_report(lane)).collect();
        let stages =
            seen.totals.iter().zip(seconds).enumerate().map(|(stage, (sheets, seconds))| {
                let workers = self.worker_ledgers(stage);
                StageFigures { workers, seconds, sheets: sheets.as_ref() }
            });
        let doorbells = self.plan.threads.iter().zip(&self.doorbells).enumerate();
        let threads = doorbells.map(|(at, (thread, doorbell))| {
            let (parks, wakes, late_wakes) = doorbell
                .as_ref()
                .map_or((0, 0, 0), |bell| (bell.parks(), bell.wakes(), bell.late_wakes()));
            let hiccups = self.gauges.hiccups_of(&seen, at);
            ThreadFigures { name: &thread.name, parks, wakes, late_wakes, hiccups }
        });
        let (plan, elapsed) = (&*self.plan, started.elapsed());
        let (stages, threads) = (stages.collect(), threads.collect());
        Figures { plan, elapsed, stages, lanes: &lanes, threads }.expose()
    }

    /// The ledgers of a stage's workers. A receiver has none.
    fn worker_ledgers(&self, stage: usize) -> Vec<Ledger> {
        let receiver = self.plan.stages[stage].kind == StageKind::Receiver;
        let tallies = if receiver { &[][..] } else { &self.tallies[stage] };
        tallies.iter().map(|tally| Ledger::read(tally)).collect()
    }

    fn ledger(&self, stage: usize) -> Ledger {
        let mut ledger = Ledger::default();
        self.worker_ledgers(stage).iter().for_each(|worker| ledger.add(worker));
        ledger
    }

    fn lane_report(&self, lane: &WiredLane) -> LaneReport {
        let to = &self.plan.stages[lane.to.stage];
        LaneReport::read((lane.from, lane.to), to.capacity, &lane.tally)
    }

    /// Where the counts contradict each other.
    fn imbalances(&self, stages: &[StageReport], lanes: &[LaneReport]) -> Vec<String> {
        let mut found = Vec::new();
        for (number, stage) in stages.iter().enumerate() {
            let Ledger { taken, emitted, .. } = stage.ledger;
            if !stage.ledger.is_balanced() {
                found.push(format!("{}: {:?}", stage.path, stage.ledger));
            }
            let arrived: u64 =
                lanes.iter().filter(|lane| lane.to.stage == number).map(|lane| lane.taken).sum();
            let has_lanes = matches!(stage.kind, StageKind::Worker | StageKind::Output);
            if has_lanes && arrived != taken {
                found.push(format!(
                    "{}: {arrived} came out of its lanes, {taken} were taken",
                    stage.path
                ));
            }
            let left = match &self.forks[number] {
                fork if fork.is_end() => Some(emitted),
                fork => put(fork, number, lanes),
            };
            if stage.kind != StageKind::Output
                && stage.kind != StageKind::Receiver
                && left != Some(emitted)
            {
                found.push(format!(
                    "{}: {emitted} emitted, {left:?} put into its lanes",
                    stage.path
                ));
            }
        }
        found
    }
}

fn tell_ended(report: &Report) {
    for late in &report.unfinished {
        events::unfinished(&late.stage, late.worker, &late.phase, late.taken);
    }
    for stage in report.stages.iter().filter(|stage| !stage.workers.is_empty()) {
        let Ledger { taken, extra, emitted, discarded, failed, dropped, panics, .. } = stage.ledger;
        let totals = Totals { taken, extra, emitted, discarded, failed, dropped, panics };
        events::stage_ended(&stage.path, &totals);
    }
    events::ended(&report.ending, report.elapsed.as_secs_f64(), report.is_complete());
}

/// Shares of the time that workers were at work, from the mean time in nanoseconds that one request took.
fn busy(workers: &[Ledger], mean: u64, elapsed: Duration) -> Vec<f64> {
    let elapsed = elapsed.as_secs_f64().max(f64::MIN_POSITIVE) * 1e9;
    workers.iter().map(|worker| as_float(worker.taken) * as_float(mean) / elapsed).collect()
}

/// Requests that a stage put into the lanes of a fork; `None` where branches of a fan-out got different numbers.
fn put(fork: &Fork, from: usize, lanes: &[LaneReport]) -> Option<u64> {
    match fork {
        Fork::Final | Fork::End(_) => Some(0),
        Fork::Stage(to) => {
            let between =
                lanes.iter().filter(|lane| (lane.from.stage, lane.to.stage) == (from, *to));
            Some(between.map(|lane| lane.put).sum())
        }
        Fork::Route(members) => members.iter().map(|member| put(member, from, lanes)).sum(),
        Fork::Broadcast(members, _) => {
            let mut counts = members.iter().map(|member| put(member, from, lanes));
            let first = counts.next()??;
            counts.all(|count| count == Some(first)).then_some(first)
        }
    }
}

/// How full the lanes into a stage are, together.
fn fill(stage: usize, lanes: &[LaneReport]) -> f64 {
    let into = lanes.iter().filter(|lane| lane.to.stage == stage);
    let (unread, capacity) = into.fold((0, 0), |(unread, capacity), lane| {
        (unread + lane.unread.min(lane.capacity as u64), capacity + lane.capacity as u64)
    });
    as_float(unread) / as_float(capacity).max(1.0)
}
