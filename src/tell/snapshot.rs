//! A look at a run while it runs.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::hiccups::Hiccups;
use super::latency::{Shares, Times};
use super::report::{LaneReport, Ledger};
use super::slow::SlowRequest;
use super::verdict::Verdict;
use crate::decide::plan::Plan;
use crate::describe::kit::StageKind;
use crate::measure::sheets::{Aspect, Sheets};

/// How a run is doing: counts as of now, and what was measured since the snapshot before, whoever took that.
///
/// Made by [`Running::snapshot`](crate::Running::snapshot) or by a [`Viewer`](crate::Viewer). Counts are those that the
/// workers had published a moment ago; those of different workers need not fit each other to the request.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// From the start of the run until now.
    pub elapsed: Duration,
    /// From the snapshot before, or the start, until now.
    pub interval: Duration,
    /// The stages, in the order of the plan.
    pub stages: Vec<StageSnapshot>,
    /// Every lane; `unread` is what is in it now.
    pub lanes: Vec<LaneReport>,
    /// Which stage limits the run, in the interval.
    pub verdict: Verdict,
    /// What the machine took from the threads while they waited, all together, in the interval.
    pub hiccups: Hiccups,
    /// The slowest requests measured that ended in the interval, from the slowest on.
    pub slowest: Vec<SlowRequest>,
    #[cfg_attr(feature = "json", serde(skip))]
    pub(crate) sheets: Vec<Option<Sheets>>,
    #[cfg_attr(feature = "json", serde(skip))]
    pub(crate) plan: Arc<Plan>,
}

/// A stage's part of a snapshot.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StageSnapshot {
    /// Its path.
    pub path: String,
    /// What it is made of.
    pub kind: StageKind,
    /// Its workers together, since the start.
    pub ledger: Ledger,
    /// Requests taken per second, in the interval.
    pub rate: f64,
    /// How full the lanes into it are: 0 to 1. 0 for a source.
    pub fill: f64,
    /// How its workers spent the interval.
    pub shares: Shares,
    /// What was measured in the interval.
    pub times: Times,
}

impl Snapshot {
    /// The plan of the run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What was measured in the interval at a stage, by its place in the plan, in nanoseconds. `None` if nothing was.
    pub fn histogram(&self, stage: usize, aspect: Aspect) -> Option<&Histogram<u64>> {
        let sheet = self.sheets.get(stage)?.as_ref()?.of(aspect);
        (!sheet.is_empty()).then_some(sheet)
    }
}
