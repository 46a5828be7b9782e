//! What a run measures, worker by worker, and what was read of it so far.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::decide::lower::{Defaults, StageParts};
use crate::decide::plan::{Plan, WorkerPlace};
use crate::describe::kit::StageKind;
use crate::lane::fork::Fork;
use crate::measure::Measure;
use crate::measure::hiccups::{HiccupLog, HiccupSheet, Lookout};
use crate::measure::pages::Pages;
use crate::measure::pauses::Spell;
use crate::measure::sheets::{Format, Sheets};
use crate::measure::slowest::Slowest;
use crate::measure::trail::{Trail, Trails};
use crate::step::meter::Gauge;
use crate::sync::lock;
use crate::tell::hiccups::Hiccups;
use crate::tell::report::Ledger;
use crate::tell::slow::SlowRequest;

/// What a run measures, by stage and worker.
pub(crate) struct Gauges {
    workers: Vec<Vec<Gauge>>,
    /// By thread, where anything is measured.
    hiccups: Vec<Arc<HiccupLog>>,
    format: Format,
    /// By number, as trails count them.
    places: Vec<WorkerPlace>,
    seen: Mutex<Seen>,
}

/// What readers have seen. They take turns.
pub(crate) struct Seen {
    /// By stage: everything gathered so far, and what of it no snapshot has shown yet.
    pub(crate) totals: Vec<Option<Sheets>>,
    pub(crate) fresh: Vec<Option<Sheets>>,
    /// By stage: busy, starved and blocked nanoseconds, as far as they were told as counters, which must not fall.
    #[cfg(feature = "prometheus")]
    pub(crate) told: Vec<[u64; 3]>,
    /// By stage: as the last snapshot saw it.
    pub(crate) spells: Vec<Spell>,
    pub(crate) ledgers: Vec<Ledger>,
    /// By thread: what it was watched for until the last look, and the hiccups of it.
    watched: Vec<u64>,
    hiccups: Vec<Option<HiccupSheet>>,
    /// Of all threads together: what of these no snapshot has shown yet.
    fresh_watched: u64,
    fresh_hiccups: Option<HiccupSheet>,
    pub(crate) at: Option<Instant>,
}

/// Hops of a slow request that are told.
const MOST_HOPS: usize = 64;

/// The workers of a plan, one after the other.
fn places(plan: &Plan) -> impl Iterator<Item = WorkerPlace> {
    let stages = plan.stages.iter().enumerate();
    stages.flat_map(|(stage, planned)| {
        (0..planned.workers).map(move |worker| WorkerPlace { stage, worker })
    })
}

impl Gauges {
    pub(crate) fn new(plan: &Plan, parts: &[StageParts], defaults: &Defaults) -> Self {
        let count = plan.stages.len();
        let precision = defaults.precision;
        let places: Vec<_> = places(plan).collect();
        let behind = plan.behind();
        let behind: Vec<_> = places.iter().map(|place| behind[place.stage]).collect();
        let trails = (defaults.measure != Measure::Off).then(|| Arc::new(Trails::new(&behind)));
        let format = Format {
            precision,
            slowest: defaults.slowest,
            hops: plan.longest_way().min(MOST_HOPS),
        };
        let mut counted = 0;
        let workers = plan.stages.iter().zip(parts).enumerate().map(|(number, (stage, parts))| {
            let first = counted;
            counted += stage.workers;
            let last_stage = match parts.fork {
                Fork::Final | Fork::End(_) => true,
                Fork::Stage(to) => plan.stages[to].kind == StageKind::Receiver,
                Fork::Route(_) | Fork::Broadcast(..) => false,
            };
            // Where no request ends, none is kept.
            let format = if last_stage { format } else { Format { slowest: 0, ..format } };
            let keeps = defaults.measure != Measure::Off && stage.has_steps();
            let is_source = matches!(stage.kind, StageKind::Source | StageKind::Input);
            let handler = parts.options.metrics.as_ref().or(defaults.metrics.as_ref());
            let handler = handler.filter(|_| !is_source && stage.has_steps());
            let gauge = |worker| Gauge {
                pages: keeps.then(|| Arc::new(Pages::new(|| Sheets::new(format)))),
                pauses: Arc::default(),
                handler: handler.cloned(),
                final_stage: parts.fork.is_end(),
                last_stage,
                strikes: defaults.troubles.strikes(number, worker),
                trail: trails.clone().map(|trails| Trail::new(trails, first + worker)),
            };
            (0..stage.workers).map(gauge).collect()
        });
        let watched = if defaults.measure == Measure::Off { 0 } else { plan.threads.len() };
        let hiccups = (0..watched).map(|_| Arc::new(HiccupLog::new(precision))).collect();
        let seen = Seen {
            totals: vec![None; count],
            fresh: vec![None; count],
            #[cfg(feature = "prometheus")]
            told: vec![[0; 3]; count],
            spells: vec![Spell::default(); count],
            ledgers: vec![Ledger::default(); count],
            watched: vec![0; watched],
            hiccups: vec![None; watched],
            fresh_watched: 0,
            fresh_hiccups: None,
            at: None,
        };
        Self { workers: workers.collect(), hiccups, format, places, seen: Mutex::new(seen) }
    }

    pub(crate) fn of(&self, stage: usize, worker: usize) -> Gauge {
        self.workers[stage][worker].clone()
    }

    /// What readers have seen, for one reader at a time.
    pub(crate) fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// How the time of a stage's workers was spent, all together, until now.
    pub(crate) fn spell(&self, stage: usize) -> Spell {
        let mut spell = Spell::default();
        self.workers[stage].iter().for_each(|gauge| spell.add(gauge.pauses.read()));
        spell
    }

    /// Busy, starved and blocked seconds of a stage's workers. Readings are out of step by a turn; these never fall.
    #[cfg(feature = "prometheus")]
    pub(crate) fn rising_seconds(&self, stage: usize, seen: &mut Seen) -> [f64; 3] {
        let Spell { present, starved, blocked } = self.spell(stage);
        let now = [present.saturating_sub(starved + blocked), starved, blocked];
        let told = &mut seen.told[stage];
        *told = std::array::from_fn(|state| told[state].max(now[state]));
        told.map(|nanos| std::time::Duration::from_nanos(nanos).as_secs_f64())
    }

    /// Gathers what was recorded at a stage since the last time. `last` where its workers may be gone.
    pub(crate) fn gather(&self, stage: usize, seen: &mut Seen, last: bool) {
        let mut new = None;
        for pages in self.workers[stage].iter().filter_map(|gauge| gauge.pages.as_ref()) {
            match last {
                false => pages.drain(&mut new, || Sheets::new(self.format)),
                true => pages.drain_all(&mut new, || Sheets::new(self.format)),
            }
        }
        let Some(new) = new else { return };
        seen.totals[stage].get_or_insert_with(|| Sheets::new(self.format)).add(&new);
        match &mut seen.fresh[stage] {
            Some(fresh) => fresh.add(&new),
            none => *none = Some(new),
        }
    }

    /// The slowest requests that the sheets of some stages tell of.
    pub(crate) fn slowest<'a>(
        &self,
        plan: &Plan,
        sheets: impl Iterator<Item = &'a Sheets>,
    ) -> Vec<SlowRequest> {
        let mut slowest = Slowest::new(self.format.slowest, self.format.hops);
        sheets.for_each(|sheets| slowest.add(&sheets.slowest));
        let gauges = self.workers.iter().flatten();
        let begun = gauges.filter_map(|gauge| gauge.pauses.begun()).min().unwrap_or(0);
        let slow = slowest.kept().iter();
        slow.map(|slow| SlowRequest::of(slow, begun, plan, &self.places)).collect()
    }

    /// What looks out for hiccups on a thread, where anything is measured.
    pub(crate) fn lookout(&self, thread: usize) -> Option<Lookout> {
        self.hiccups.get(thread).map(|log| Lookout::new(Arc::clone(log)))
    }

    /// Gathers the hiccups of every thread since the last time. `last` where the threads may be gone.
    pub(crate) fn gather_hiccups(&self, seen: &mut Seen, last: bool) {
        for (thread, log) in self.hiccups.iter().enumerate() {
            let (mut new, sheet) = (None, || HiccupSheet::new(self.format.precision));
            match last {
                false => log.pages.drain(&mut new, sheet),
                true => log.pages.drain_all(&mut new, sheet),
            }
            let so_far = log.watched.get();
            seen.fresh_watched += so_far - std::mem::replace(&mut seen.watched[thread], so_far);
            if let Some(new) = new {
                seen.fresh_hiccups.get_or_insert_with(sheet).add(&new);
                seen.hiccups[thread].get_or_insert_with(sheet).add(&new);
            }
        }
    }

    /// The hiccups of all threads together that no snapshot has shown yet, for one that does.
    pub(crate) fn fresh_hiccups(seen: &mut Seen) -> Hiccups {
        let watched = std::mem::take(&mut seen.fresh_watched);
        Hiccups::of(watched, seen.fresh_hiccups.take().as_ref())
    }

    /// The hiccups of a thread over the whole run, as far as they have been looked at.
    pub(crate) fn hiccups_of(&self, seen: &Seen, thread: usize) -> Hiccups {
        let watched = seen.watched.get(thread).copied().unwrap_or(0);
        Hiccups::of(watched, seen.hiccups.get(thread).and_then(Option::as_ref))
    }

    /// The hiccups of all threads over the whole run, as far as they have been looked at.
    pub(crate) fn all_hiccups(&self, seen: &Seen) -> Hiccups {
        let mut all = None;
        for sheet in seen.hiccups.iter().flatten() {
            all.get_or_insert_with(|| HiccupSheet::new(self.format.precision)).add(sheet);
        }
        Hiccups::of(seen.watched.iter().sum(), all.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use crate::{NoInput, Tract, fan_out, source, worker};

    fn stage(name: &str, size: usize) -> Tract<u64, u64> {
        worker(name, size, || |n: u64| n)
    }

    fn behind(tract: &Tract<NoInput, u64>) -> Vec<usize> {
        tract.setup().capacity(10).plan().expect("a plan").behind()
    }

    #[test]
    fn behind_a_stage_is_what_lanes_and_workers_hold_on_the_longest_way() {
        let numbers = || source("numbers", 2, || 0..9_u64);
        // Two lanes of 10 and a worker, then three lanes and three workers, behind which the run sees nothing.
        assert_eq!(behind(&numbers().then(stage("one", 1)).then(stage("three", 3))), [54, 33, 0]);
        let both = fan_out("both", [stage("a", 1).capacity(5).then(stage("b", 1)), stage("c", 1)]);
        assert_eq!(behind(&numbers().then(both)), [10 + 1 + 10 + 1, 11, 0, 0]);
        assert_eq!(behind(&numbers()), [0]);
    }
}
