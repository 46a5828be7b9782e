//! The verdict: which stage limits a run.
//!
//! The rule, over the time looked at:
//!
//! 1. A stage's *load* is the share of time that its workers were busy. On a thread that it shares, waiting for a turn
//!    looks busy too, so where work was measured the load is at most `mean time in the worker * requests / worker time`, and
//!    a source's at most what the work of the others on its thread leaves.
//! 2. The stage with the greatest load is the limit, if that is at least a half.
//! 3. Otherwise, if every source is starved most of the time, the input is the limit: there is not more to do.
//! 4. Otherwise, if some stage that nothing comes after but a receiver is blocked most of the time, whoever reads the
//!    receiver is the limit.
//! 5. Otherwise nothing stands out.

use std::fmt;
use std::time::Duration;

use super::latency::{Shares, Times, as_float};
use crate::decide::plan::Plan;
use crate::describe::kit::StageKind;

/// Which stage limits a run, and by how much. `Display` is one line.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing was measured.
    Unknown,
    /// A stage does all it can.
    Stage {
        /// Its path.
        path: String,
        /// Its load: 0.5 to 1.
        load: f64,
        /// The stage before it that waits for it most, and the share of its time that it does, if that is at least a tenth.
        held_back: Option<(String, f64)>,
    },
    /// There is not more to do: the sources wait for their inputs.
    Input {
        /// The path of the source that waits least.
        path: String,
        /// The share of its time that it waits.
        starved: f64,
    },
    /// Whoever reads the receiver is slow.
    Reader {
        /// The path of the stage that waits for it most.
        path: String,
        /// The share of its time that it waits.
        blocked: f64,
    },
    /// Nothing stands out: no stage is busy half of the time.
    Nothing {
        /// The path of the busiest stage.
        path: String,
        /// Its load.
        load: f64,
    },
}

/// What the rule looks at, of one stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence {
    pub(crate) shares: Shares,
    /// Mean nanoseconds in the worker times requests, over nanoseconds of worker time; where work was measured.
    pub(crate) work: Option<f64>,
}

impl Evidence {
    pub(crate) fn new(shares: Shares, times: &Times, taken: u64, worker_time: Duration) -> Self {
        let work = (times.work.count > 0 && !worker_time.is_zero()).then(|| {
            as_float(times.work.mean) * as_float(taken) / (worker_time.as_secs_f64() * 1e9)
        });
        Self { shares, work }
    }

    fn load(&self) -> f64 {
        self.work.map_or(self.shares.busy, |work| work.min(self.shares.busy))
    }

    fn is_measured(&self) -> bool {
        let Shares { busy, starved, blocked } = self.shares;
        busy + starved + blocked > 0.0
    }
}

/// From here on a load, or a wait, is most of the time.
const MOST: f64 = 0.5;
/// A wait that is worth telling.
const NOTABLE: f64 = 0.1;

/// Applies the rule.
pub(crate) fn verdict(plan: &Plan, evidence: &[Evidence]) -> Verdict {
    let path = |stage: usize| plan.stages[stage].path.clone();
    let measured = (0..evidence.len()).filter(|&stage| evidence[stage].is_measured());
    let most = |stages: &mut dyn Iterator<Item = usize>, figure: &dyn Fn(usize) -> f64| {
        stages.max_by(|&one, &other| figure(one).total_cmp(&figure(other)))
    };
    let load = |stage: usize| evidence[stage].load().min(left_by_others(plan, evidence, stage));
    let blocked = |stage: usize| evidence[stage].shares.blocked;
    let starved = |stage: usize| evidence[stage].shares.starved;
    let Some(busiest) = most(&mut measured.clone(), &load) else { return Verdict::Unknown };
    if load(busiest) >= MOST {
        let mut before = plan.meshes.iter().filter(|mesh| mesh.to == busiest).map(|mesh| mesh.from);
        let held_back = most(&mut before, &blocked)
            .filter(|&stage| blocked(stage) >= NOTABLE)
            .map(|stage| (path(stage), blocked(stage)));
        return Verdict::Stage { path: path(busiest), load: load(busiest), held_back };
    }
    let is_source =
        |stage: &usize| matches!(plan.stages[*stage].kind, StageKind::Source | StageKind::Input);
    let eager = most(&mut measured.filter(is_source), &|stage| -starved(stage));
    if let Some(source) = eager.filter(|&source| starved(source) >= MOST) {
        return Verdict::Input { path: path(source), starved: starved(source) };
    }
    let is_receiver = |stage: usize| plan.stages[stage].kind == StageKind::Receiver;
    let mut last = plan.meshes.iter().filter(|mesh| is_receiver(mesh.to)).map(|mesh| mesh.from);
    if let Some(stage) = most(&mut last, &blocked).filter(|&stage| blocked(stage) >= MOST) {
        return Verdict::Reader { path: path(stage), blocked: blocked(stage) };
    }
    Verdict::Nothing { path: path(busiest), load: load(busiest) }
}

/// The share of its thread's time that the measured work of the others on it leaves to a source; 1 for any other stage.
fn left_by_others(plan: &Plan, evidence: &[Evidence], stage: usize) -> f64 {
    let is_source = matches!(plan.stages[stage].kind, StageKind::Source | StageKind::Input);
    let mut shared = plan
        .threads
        .iter()
        .filter(|thread| thread.workers.iter().any(|place| place.stage == stage));
    match shared.next() {
        Some(thread) if is_source => {
            let work = thread.workers.iter().filter_map(|place| evidence[place.stage].work);
            (1.0 - work.sum::<f64>()).max(0.0)
        }
        _ => 1.0,
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no verdict: nothing was measured"),
            Self::Stage { path, load, held_back } => {
                write!(f, "{path} is the limit: {:.0} % busy", 100.0 * load)?;
                match held_back {
                    Some((before, share)) => write!(
                        f,
                        "; {before} spends {:.0} % of its time waiting for it",
                        100.0 * share
                    ),
                    None => Ok(()),
                }
            }
            Self::Input { path, starved } => write!(
                f,
                "the input is the limit: {path} spends {:.0} % of its time waiting for it",
                100.0 * starved
            ),
            Self::Reader { path, blocked } => write!(
                f,
                "the reader of the receiver is the limit: {path} spends {:.0} % of its time waiting for it",
                100.0 * blocked
            ),
            Self::Nothing { path, load } => {
                write!(f, "nothing is the limit: the busiest is {path}, {:.0} %", 100.0 * load)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::tract::{source, worker};

    fn plan() -> Plan {
        let tract = source("feed", 1, || 0..1_u64)
            .then(worker("decode", 1, || |n: u64| n))
            .then(worker("books", 1, || |n: u64| n));
        tract.plan().expect("a good tract")
    }

    /// Each on a thread of its own.
    fn evidence(shares: [(f64, f64); 3], work: [Option<f64>; 3]) -> [Evidence; 3] {
        std::array::from_fn(|stage| {
            let (starved, blocked) = shares[stage];
            let shares = Shares { busy: 1.0 - starved - blocked, starved, blocked };
            Evidence { shares, work: work[stage] }
        })
    }

    fn line(shares: [(f64, f64); 3], work: [Option<f64>; 3]) -> String {
        verdict(&plan(), &evidence(shares, work)).to_string()
    }

    #[test]
    fn the_busiest_stage_is_the_limit_and_the_one_before_waits() {
        let line = line([(0.0, 0.9), (0.05, 0.71), (0.03, 0.0)], [None; 3]);
        assert_eq!(
            line,
            "books is the limit: 97 % busy; decode spends 71 % of its time waiting for it"
        );
    }

    #[test]
    fn waiting_for_a_turn_is_not_work() {
        let shares = [(0.0, 0.0), (0.0, 0.0), (0.2, 0.0)];
        let line = line(shares, [Some(0.1), Some(0.1), Some(0.75)]);
        assert_eq!(line, "books is the limit: 75 % busy");
    }

    #[test]
    fn a_quiet_input_is_the_limit_where_nothing_is_busy() {
        let line = line([(0.9, 0.0), (0.8, 0.0), (0.7, 0.0)], [None; 3]);
        assert_eq!(line, "the input is the limit: feed spends 90 % of its time waiting for it");
    }

    #[test]
    fn where_nothing_stands_out_it_says_so() {
        let line = line([(0.4, 0.3), (0.4, 0.3), (0.4, 0.2)], [None; 3]);
        assert_eq!(line, "nothing is the limit: the busiest is books, 40 %");
    }

    #[test]
    fn without_measurements_there_is_no_verdict() {
        let nothing = Evidence { shares: Shares::default(), work: None };
        assert_eq!(verdict(&plan(), &[nothing; 3]), Verdict::Unknown);
    }
}
