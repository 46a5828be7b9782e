//! What a run measures, worker by worker, and what was read of it so far.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::decide::lower::{Defaults, StageParts};
use crate::decide::plan::Plan;
use crate::describe::kit::StageKind;
use crate::lane::fork::Fork;
use crate::measure::Measure;
use crate::measure::pages::Pages;
use crate::measure::pauses::Spell;
use crate::measure::sheets::{Precision, Sheets};
use crate::step::meter::Gauge;
use crate::sync::lock;
use crate::tell::report::Ledger;

/// What a run measures, by stage and worker.
pub(crate) struct Gauges {
    workers: Vec<Vec<Gauge>>,
    precision: Precision,
    seen: Mutex<Seen>,
}

/// What readers have seen. They take turns.
pub(crate) struct Seen {
    /// By stage: everything until the last look, and at the last look.
    pub(crate) totals: Vec<Option<Sheets>>,
    pub(crate) spells: Vec<Spell>,
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) at: Option<Instant>,
}

impl Gauges {
    pub(crate) fn new(plan: &Plan, parts: &[StageParts], defaults: &Defaults) -> Self {
        let count = plan.stages.len();
        let precision = defaults.precision;
        let workers = plan.stages.iter().zip(parts).map(|(stage, parts)| {
            let keeps = defaults.measure != Measure::Off && stage.has_steps();
            let is_source = matches!(stage.kind, StageKind::Source | StageKind::Input);
            let handler = parts.options.metrics.as_ref().or(defaults.metrics.as_ref());
            let handler = handler.filter(|_| !is_source && stage.has_steps());
            let gauge = |_| Gauge {
                pages: keeps.then(|| Arc::new(Pages::new(precision))),
                pauses: Arc::default(),
                handler: handler.cloned(),
                final_stage: matches!(parts.fork, Fork::Final),
            };
            (0..stage.workers).map(gauge).collect()
        });
        let seen = Seen {
            totals: vec![None; count],
            spells: vec![Spell::default(); count],
            ledgers: vec![Ledger::default(); count],
            at: None,
        };
        Self { workers: workers.collect(), precision, seen: Mutex::new(seen) }
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

    /// What was recorded at a stage since the last look, which is also added to its total. `last` where its workers may
    /// be gone.
    pub(crate) fn look(&self, stage: usize, seen: &mut Seen, last: bool) -> Option<Sheets> {
        let mut new = None;
        for pages in self.workers[stage].iter().filter_map(|gauge| gauge.pages.as_ref()) {
            match last {
                false => pages.drain(&mut new, self.precision),
                true => pages.drain_all(&mut new, self.precision),
            }
        }
        if let Some(new) = &new {
            seen.totals[stage].get_or_insert_with(|| Sheets::new(self.precision)).add(new);
        }
        new
    }
}
