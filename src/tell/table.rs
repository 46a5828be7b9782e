//! A report for people.

use std::fmt;
use std::time::Duration;

use super::latency::{Latency, Shares, Times};
use super::report::{Ending, LaneReport, MemoryReport, Report, StageReport, ThreadReport};
use crate::decide::chart::Bytes;
use crate::describe::kit::StageKind;
use crate::system::Grant;

/// A share of a run that is worth telling.
const NOTABLE: f64 = 0.01;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = match self.ending {
            Ending::Natural => "ended",
            Ending::Stopped => "stopped",
            Ending::GivenUp => "given up",
        };
        writeln!(f, "{ending} after {:.3?}", self.elapsed)?;
        self.stage_table().fmt(f)?;
        self.lane_table().fmt(f)?;
        writeln!(f, "{}", self.verdict)?;
        self.tell_lateness(f)?;
        self.tell_slowest(f)?;
        self.tell_machine(f)?;
        self.tell_threads(f)?;
        for failure in &self.failures {
            writeln!(f, "failure: {failure}")?;
        }
        for late in &self.unfinished {
            writeln!(
                f,
                "unfinished: {}[{}], {:?} at request {} for at least {:.3?}",
                late.stage, late.worker, late.phase, late.taken, late.since
            )?;
        }
        for imbalance in &self.imbalances {
            writeln!(f, "imbalance: {imbalance}")?;
        }
        if self.is_complete() {
            writeln!(f, "ledger balanced: every request accounted for, none dropped")?;
        } else if self.imbalances.is_empty() {
            let dropped: u64 = self.stages.iter().map(|stage| stage.ledger.dropped).sum();
            let (lanes, unfinished) = (self.dropped_in_lanes(), self.unfinished.len());
            writeln!(
                f,
                "ledger: {dropped} dropped in hand, {lanes} dropped in lanes, {unfinished} workers unfinished"
            )?;
        }
        Ok(())
    }
}

impl Report {
    /// How late sources gave those requests that had an intended start.
    fn tell_lateness(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_source = |stage: &&StageReport| {
            matches!(stage.kind, StageKind::Source | StageKind::Input) && stage.times.age.count > 0
        };
        for StageReport { path, times, .. } in self.stages.iter().filter(is_source) {
            let [p50, p99, max] = [times.age.p50, times.age.p99, times.age.max].map(Nanos);
            writeln!(f, "{path} gave requests late by p50 {p50}, p99 {p99}, max {max}")?;
        }
        Ok(())
    }

    /// Where the time of the slowest request went, and in a few words that of the next.
    fn tell_slowest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(slowest) = self.slowest.first() else { return Ok(()) };
        write!(f, "{}", slowest.table())?;
        for (at, slow) in self.slowest.iter().take(3).enumerate() {
            let which = ["slowest", "second", "third"][at];
            let ended = slow.ended.as_secs_f64();
            writeln!(f, "{which} request, ended at {ended:.3} s: {slow}")?;
        }
        Ok(())
    }

    /// What the machine took, and whether that may be what made the slowest requests slow.
    fn tell_machine(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hiccups.watched.is_zero() {
            return Ok(());
        }
        writeln!(f, "{}", self.hiccups)?;
        let longest = self.stages.iter().map(|stage| stage.times.age.max).max().unwrap_or(0);
        if let Some(line) = self.hiccups.on_tail(longest) {
            writeln!(f, "{line}")?;
        }
        for ThreadReport { name, queued, .. } in &self.threads {
            let share = |queued: Duration| queued.as_secs_f64() / self.elapsed.as_secs_f64();
            if let Some(queued) = queued.filter(|&queued| share(queued) >= NOTABLE) {
                let percent = 100.0 * share(queued);
                writeln!(
                    f,
                    "thread {name}: ready but without a core for {queued:.3?}, {percent:.0} % of the run, yields included"
                )?;
            }
        }
        Ok(())
    }

    /// What was asked of the system and what came of it; refusals are never left out.
    fn tell_threads(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.threads.len();
        let plural = if count == 1 { "" } else { "s" };
        writeln!(f, "placement: {} asked, {count} thread{plural}", self.plan.placement)?;
        for thread in &self.threads {
            let who = format!("thread {}", thread.name);
            if let Some(core) = thread.core {
                let asked = format!("pinned to core {core}");
                writeln!(f, "{}", answered(&who, &asked, &thread.pinned))?;
            }
            if let Some(priority) = thread.priority {
                writeln!(
                    f,
                    "{}",
                    answered(&who, &format!("under {priority}"), &thread.prioritised)
                )?;
            }
        }
        for (thread, count) in stepped_down(&self.threads) {
            let others = match count {
                1 => String::new(),
                count => format!(" and {} like it", count - 1),
            };
            let (name, idle) = (&thread.name, thread.idle);
            let down = thread.step_down.expect("it stepped down");
            writeln!(f, "thread {name}{others}: {down}: {idle:?}")?;
        }
        let lanes = format!("brought in, {}", Bytes(self.plan.ring_bytes()));
        let MemoryReport { prefaulted, locked } = &self.memory;
        for (who, asked, grant) in
            [("lanes", lanes.as_str(), prefaulted), ("memory", "locked", locked)]
        {
            if *grant != Grant::NotAsked {
                writeln!(f, "{}", answered(who, &asked, grant))?;
            }
        }
        Ok(())
    }

    fn stage_table(&self) -> Table {
        let header = [
            "stage",
            "workers",
            "taken",
            "emitted",
            "discarded",
            "failed",
            "busy",
            "starved",
            "blocked",
            "work p50",
            "p99",
            "p99.9",
            "max",
            "queue p50",
            "p99",
            "max",
            "age p50",
            "p99",
            "max",
        ];
        let rows =
            self.stages.iter().filter(|stage| !stage.workers.is_empty()).map(StageReport::row);
        Table::new(&header, rows.collect())
    }

    /// One row per mesh: lanes between the same stages together.
    fn lane_table(&self) -> Table {
        let rows = self.plan.meshes.iter().map(|mesh| {
            let lanes: Vec<&LaneReport> = self
                .lanes
                .iter()
                .filter(|lane| (lane.from.stage, lane.to.stage) == (mesh.from, mesh.to))
                .collect();
            let sum =
                |field: fn(&LaneReport) -> u64| lanes.iter().map(|&lane| field(lane)).sum::<u64>();
            let high_water = lanes.iter().map(|lane| lane.high_water).max().unwrap_or(0);
            let path = |stage: usize| self.plan.stages[stage].path.as_str();
            vec![
                format!("{} -> {}", path(mesh.from), path(mesh.to)),
                mesh.lanes.to_string(),
                mesh.capacity.to_string(),
                sum(|lane| lane.put).to_string(),
                high_water.to_string(),
                sum(|lane| lane.full_waits).to_string(),
                sum(|lane| lane.empty_waits).to_string(),
                sum(|lane| lane.dropped).to_string(),
            ]
        });
        let header = [
            "lanes",
            "count",
            "capacity",
            "put",
            "high water",
            "full waits",
            "empty waits",
            "dropped",
        ];
        Table::new(&header, rows.collect())
    }
}

pub(crate) fn share_cells(shares: Shares) -> [String; 3] {
    let Shares { busy, starved, blocked } = shares;
    let measured = busy + starved + blocked > 0.0;
    [busy, starved, blocked].map(|share| match measured {
        true => format!("{:.0} %", 100.0 * share),
        false => "-".to_owned(),
    })
}

pub(crate) fn time_cell(latency: &Latency, nanos: u64) -> String {
    if latency.count == 0 { "-".to_owned() } else { Nanos(nanos).to_string() }
}

impl StageReport {
    fn row(&self) -> Vec<String> {
        let Self { path, ledger, workers, shares, times: Times { work, queue, age, .. }, .. } =
            self;
        let mut row = vec![path.clone(), workers.len().to_string()];
        row.extend(
            [ledger.taken, ledger.emitted, ledger.discarded, ledger.failed]
                .map(|count| count.to_string()),
        );
        row.extend(share_cells(*shares));
        row.extend([work.p50, work.p99, work.p999, work.max].map(|nanos| time_cell(work, nanos)));
        row.extend([queue.p50, queue.p99, queue.max].map(|nanos| time_cell(queue, nanos)));
        row.extend([age.p50, age.p99, age.max].map(|nanos| time_cell(age, nanos)));
        row
    }
}

/// What was asked of the system, and its answer.
fn answered(who: &str, asked: &dyn fmt::Display, grant: &Grant) -> String {
    match grant {
        Grant::Granted => format!("{who}: {asked}"),
        Grant::Refused(reason) => format!("{who}: asked to be {asked}, REFUSED: {reason}"),
        Grant::NotAsked => format!("{who}: {asked} planned, not asked for yet"),
    }
}

/// Threads that stepped down: the first of each kind, and how many there are of it.
fn stepped_down(threads: &[ThreadReport]) -> Vec<(&ThreadReport, usize)> {
    let mut kinds: Vec<(&ThreadReport, usize)> = Vec::new();
    for thread in threads.iter().filter(|thread| thread.step_down.is_some()) {
        let alike = |(first, _): &&mut (&ThreadReport, usize)| {
            (first.idle, first.step_down) == (thread.idle, thread.step_down)
        };
        match kinds.iter_mut().find(alike) {
            Some((_, count)) => *count += 1,
            None => kinds.push((thread, 1)),
        }
    }
    kinds
}

/// A time for people: three digits.
pub(crate) struct Nanos(pub(crate) u64);

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let nanos = self.0 as f64;
        match self.0 {
            0..1_000 => write!(f, "{nanos:.0} ns"),
            1_000..10_000 => write!(f, "{:.2} us", nanos / 1e3),
            10_000..1_000_000 => write!(f, "{:.0} us", nanos / 1e3),
            1_000_000..10_000_000 => write!(f, "{:.2} ms", nanos / 1e6),
            10_000_000..1_000_000_000 => write!(f, "{:.0} ms", nanos / 1e6),
            _ => write!(f, "{:.1} s", nanos / 1e9),
        }
    }
}

/// Columns under a header, the first to the left and the others to the right.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&str], mut rows: Vec<Vec<String>>) -> Self {
        if !rows.is_empty() {
            rows.insert(0, header.iter().map(|&cell| cell.to_owned()).collect());
        }
        Self { rows }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 {
                    write!(f, "{cell:width$}")?;
                } else {
                    write!(f, "  {cell:>width$}")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
