//! Partitions: which workers share a thread, worked out from what a run has measured.

use std::fmt;
use std::sync::Arc;

use super::plan::{StagePlan, WorkerPlace};
use crate::describe::kit::StageKind;
use crate::error::Error;

/// Which workers of a tract share a thread, so that every thread has as nearly the same to do as can be.
///
/// Made by [`Report::placement_for`](crate::Report::placement_for) from what a run has measured, for the next run of the
/// same tract. It is cheap to clone. The ends of a run may be others than they were: one that was not measured goes
/// with its neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Partition(Arc<[Share]>);

/// What a partition says of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
struct Share {
    path: String,
    kind: StageKind,
    /// For each worker its thread, counted from 0.
    threads: Vec<usize>,
}

impl Partition {
    /// Cuts the workers that have no thread of their own into at most `count` contiguous pieces of which the largest is
    /// as small as it can be. `cost` tells what a worker has to do.
    pub(crate) fn balanced(
        stages: &[StagePlan],
        count: usize,
        cost: impl Fn(WorkerPlace) -> u64,
    ) -> Self {
        let free = stages.iter().enumerate().filter(|(_, stage)| stage.is_free());
        let places: Vec<_> = free
            .clone()
            .flat_map(|(stage, planned)| {
                (0..planned.workers).map(move |worker| WorkerPlace { stage, worker })
            })
            .collect();
        let costs: Vec<u64> = places.into_iter().map(cost).collect();
        let mut threads = cut(&costs, count).into_iter();
        let shares = free.map(|(_, planned)| Share {
            path: planned.path.clone(),
            kind: planned.kind,
            threads: threads.by_ref().take(planned.workers).collect(),
        });
        Self(shares.collect())
    }

    /// Threads in it.
    pub fn threads(&self) -> usize {
        self.0.iter().flat_map(|share| &share.threads).max().map_or(0, |last| last + 1)
    }

    /// The pieces of a tract with these stages.
    pub(crate) fn pieces(&self, stages: &[StagePlan]) -> Result<Vec<Vec<WorkerPlace>>, Error> {
        let mut inside = self.0.iter().filter(|share| !is_end(share.kind));
        let mut pieces = vec![Vec::new(); self.threads().max(1)];
        for (stage, planned) in stages.iter().enumerate().filter(|(_, stage)| stage.is_free()) {
            let share = if is_end(planned.kind) {
                self.0.iter().find(|share| share.kind == planned.kind)
            } else {
                let next = inside.next();
                if next.is_none_or(|share| !share.is_of(planned)) {
                    return Err(mismatch(next, Some(planned)));
                }
                next
            };
            for worker in 0..planned.workers {
                let thread = match share {
                    Some(share) => share.threads[worker],
                    None if planned.kind == StageKind::Input => 0,
                    None => pieces.len() - 1,
                };
                pieces[thread].push(WorkerPlace { stage, worker });
            }
        }
        if let Some(left) = inside.next() {
            return Err(mismatch(Some(left), None));
        }
        pieces.retain(|piece| !piece.is_empty());
        Ok(pieces)
    }
}

impl Share {
    fn is_of(&self, stage: &StagePlan) -> bool {
        self.path == stage.path && self.threads.len() == stage.workers
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a measured partition over {} threads", self.threads())
    }
}

#[cfg(feature = "json")]
impl serde::Serialize for Partition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

/// The ends of a run, which are no part of the tract.
fn is_end(kind: StageKind) -> bool {
    matches!(kind, StageKind::Input | StageKind::Output | StageKind::Receiver)
}

fn sized(path: &str, workers: usize) -> String {
    format!("`{path}` with {workers} worker{}", if workers == 1 { "" } else { "s" })
}

fn mismatch(measured: Option<&Share>, here: Option<&StagePlan>) -> Error {
    Error::OtherTract {
        measured: measured.map(|share| sized(&share.path, share.threads.len())),
        here: here.map(|stage| sized(&stage.path, stage.workers)),
    }
}

/// For each cost the piece it belongs to: at most `count` contiguous pieces of which the largest is as small as it can
/// be, and no more of them than that takes.
fn cut(costs: &[u64], count: usize) -> Vec<usize> {
    let total = costs.iter().fold(0_u64, |sum, &cost| sum.saturating_add(cost));
    let (mut low, mut high) = (costs.iter().copied().max().unwrap_or(0), total);
    while low < high {
        let limit = low + (high - low) / 2;
        let pieces = fill(costs, limit).last().map_or(0, |last| last + 1);
        if pieces <= count.max(1) { high = limit } else { low = limit + 1 }
    }
    fill(costs, high)
}

/// Fills one piece after the other up to the limit, which is no less than any cost.
fn fill(costs: &[u64], limit: u64) -> Vec<usize> {
    let (mut piece, mut sum) = (0, 0_u64);
    let place = |&cost: &u64| {
        sum = sum.saturating_add(cost);
        if sum > limit {
            (piece, sum) = (piece + 1, cost);
        }
        piece
    };
    costs.iter().map(place).collect()
}
