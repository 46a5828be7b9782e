//! Troubles that a simulated run has planned for the workers of its stages. Other runs have none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::BoxError;

/// By stage.
#[derive(Debug, Clone, Default)]
pub(crate) struct Troubles(Vec<Trouble>);

#[derive(Debug, Clone, Default)]
struct Trouble {
    /// Worker and request.
    strikes: Vec<(usize, u64)>,
    makes: Option<Arc<Makes>>,
}

/// Makes of one stage, some of which fail.
#[derive(Debug, Default)]
pub(crate) struct Makes {
    /// Counted from 1.
    failing: Vec<u64>,
    made: AtomicU64,
}

impl Makes {
    /// The next make.
    pub(crate) fn next(&self) -> Result<(), BoxError> {
        // Relaxed: a count, of one thread.
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        match self.failing.contains(&number) {
            true => Err("a failure that the simulation planned".into()),
            false => Ok(()),
        }
    }
}

impl Troubles {
    /// For a run of so many stages.
    pub(crate) fn of_stages(count: usize) -> Self {
        Self(vec![Trouble::default(); count])
    }

    /// Has this worker panic at this request, counted from 1.
    pub(crate) fn strike(&mut self, stage: usize, worker: usize, request: u64) {
        self.0[stage].strikes.push((worker, request));
    }

    /// Has these makes of a stage fail, counted from 1.
    pub(crate) fn fail_makes(&mut self, stage: usize, failing: Vec<u64>) {
        self.0[stage].makes = Some(Arc::new(Makes { failing, made: AtomicU64::new(0) }));
    }

    /// The requests at which this worker panics, in order.
    pub(crate) fn strikes(&self, stage: usize, worker: usize) -> Arc<[u64]> {
        let strikes = self.0.get(stage).map_or(&[][..], |trouble| &trouble.strikes);
        let own = strikes.iter().filter(|(struck, _)| *struck == worker);
        let mut own: Vec<u64> = own.map(|(_, request)| *request).collect();
        own.sort_unstable();
        own.into()
    }

    pub(crate) fn makes(&self, stage: usize) -> Option<Arc<Makes>> {
        self.0.get(stage)?.makes.clone()
    }
}
