//! The slowest requests, as plain data and for people.

use std::fmt;
use std::time::Duration;

use super::table::{Nanos, Table};
use crate::decide::plan::{Plan, WorkerPlace};
use crate::measure::slowest::Slow;

/// A request that took long, and where its time went.
///
/// The time before the first hop that is told ([`untold`](Self::untold)) and those of its [hops](Self::hops) add up to
/// what it [took](Self::took), to the nanosecond.
///
/// Of requests with the same start only the slowest is kept: so the many that one request became stand for one.
///
/// ```
/// use ringtract::{Measure, source, worker};
///
/// let tract = source("numbers", 1, || 0..1_000_u64).then(worker("half", 1, || |n: u64| n / 2));
/// let report = tract.setup().measure(Measure::ALL).run(drop)?;
/// let slowest = &report.slowest[0];
/// assert_eq!(slowest.hops.last().expect("told").stage, "half");
/// let told: u64 = slowest.hops.iter().map(|hop| hop.total()).sum();
/// assert_eq!(told + slowest.untold, slowest.took);
/// # Ok::<(), ringtract::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SlowRequest {
    /// When it ended, after the first turn of the run.
    pub ended: Duration,
    /// Nanoseconds from its start to its end at the last stage, or to its leaving that for a receiver.
    pub took: u64,
    /// Nanoseconds of these that no hop tells, before the first one that does. 0 unless it had more than 64 hops, was given
    /// another start on the way, or so many requests were measured meanwhile that what its first hops had noted was
    /// overwritten.
    ///
    /// A worker keeps notes of twice as many requests as lanes and workers behind it can hold, and of 2,048 at least; in a
    /// run that would need more than 16,383 notes, fewer. So requests that stay in line are told from their source on
    /// where lanes are not very large, however slow or crowded the machine is. More than that may go by a request that
    /// waits for a slow worker of a pool or of a parallel group, or end early in a filter that discards nearly all.
    pub untold: u64,
    /// What it met on its way, from its source on. At a source it waited until it was given, if it had an
    /// [intended start](crate::Envelope::set_started) or came through a [`Feed`](crate::Feed).
    pub hops: Vec<Hop>,
}

/// The time that a request spent at one worker, in nanoseconds: from the end of the hop before to the end of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Hop {
    /// The path of the stage.
    pub stage: String,
    /// The worker, counted from 0.
    pub worker: usize,
    /// How long it waited to be taken, in the lane, or behind others of a request that became several.
    pub wait: u64,
    /// How long it waited because the worker had no room to put anything.
    pub blocked: u64,
    /// How long it was in the worker.
    pub work: u64,
}

impl Hop {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.wait + self.blocked + self.work
    }

    /// The greatest part, and its name.
    fn greatest(&self) -> (u64, &'static str) {
        let parts =
            [(self.wait, "waiting for"), (self.blocked, "blocked at"), (self.work, "working in")];
        parts.into_iter().max_by_key(|part| part.0).unwrap_or_default()
    }
}

impl SlowRequest {
    pub(crate) fn of(slow: &Slow, begun: u64, plan: &Plan, places: &[WorkerPlace]) -> Self {
        let hops = slow.hops.iter().map(|hop| {
            let WorkerPlace { stage, worker } = places[hop.worker];
            let stage = plan.stages[stage].path.clone();
            Hop { stage, worker, wait: hop.wait, blocked: hop.blocked, work: hop.work }
        });
        Self {
            ended: Duration::from_nanos(slow.ended.saturating_sub(begun)),
            took: slow.took,
            untold: slow.untold,
            hops: hops.collect(),
        }
    }

    /// Its hops, one in a row.
    pub(crate) fn table(&self) -> Table {
        let header = ["slowest request", "worker", "wait", "blocked", "work"];
        let nanos = |nanos| Nanos(nanos).to_string();
        let rows = self.hops.iter().map(|hop| {
            let [wait, blocked, work] = [hop.wait, hop.blocked, hop.work].map(nanos);
            vec![hop.stage.clone(), hop.worker.to_string(), wait, blocked, work]
        });
        let untold = (self.untold > 0).then(|| {
            let rest = nanos(self.untold);
            vec!["(not told)".to_owned(), String::new(), rest, String::new(), String::new()]
        });
        Table::new(&header, untold.into_iter().chain(rows).collect())
    }
}

impl fmt::Display for SlowRequest {
    /// In a few words: `16 ms, of which 14 ms waiting for decode`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Nanos(self.took))?;
        let parts = self.hops.iter().map(|hop| (hop.greatest(), &hop.stage));
        match parts.max_by_key(|((nanos, _), _)| *nanos) {
            Some(((nanos, doing), stage)) => {
                write!(f, ", of which {} {doing} {stage}", Nanos(nanos))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(stage: &str, wait: u64, blocked: u64, work: u64) -> Hop {
        Hop { stage: stage.to_owned(), worker: 0, wait, blocked, work }
    }

    #[test]
    fn it_is_told_in_a_few_words() {
        let hops = vec![hop("feed", 20, 0, 0), hop("decode", 14_000_000, 9, 70)];
        let mut slow = SlowRequest { ended: Duration::ZERO, took: 15_900_000, untold: 0, hops };
        assert_eq!(slow.to_string(), "16 ms, of which 14 ms waiting for decode");
        slow.hops.push(hop("books", 0, 15_000_000, 5));
        assert_eq!(slow.to_string(), "16 ms, of which 15 ms blocked at books");
        assert!(!slow.table().to_string().contains("not told"));
        slow.untold = 900;
        let table = slow.table().to_string();
        let row = table.lines().nth(1).expect("a row");
        assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["(not", "told)", "900", "ns"]);
    }
}
