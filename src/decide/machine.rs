//! The machine, as far as this process may use it: which cores, how they hang together, and how much time on them.
//!
//! What it consists of is read by [`super::detect`]; here are the questions that a placement asks.

use std::fmt;

/// What this process may use of the machine it runs on.
///
/// ```
/// let machine = ringtract::Machine::this();
/// assert!(machine.threads_at_once() >= 1);
/// println!("{machine}");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Machine {
    /// The cores this process may use, in the order of their numbers. Never empty.
    pub cores: Vec<Core>,
    /// The time it may use on them, in cores: 1.5 is 150 ms of every 100 ms. `None` without a limit.
    pub quota: Option<f64>,
}

/// A core as the system counts them: one of the hardware threads of a physical core, where there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Core {
    /// Its number.
    pub id: usize,
    /// The lowest number on the same physical core; its own where that is not known.
    pub physical: usize,
    /// The lowest number of those that share its last level of cache; 0 where that is not known.
    pub cache: usize,
    /// The package (socket) it is on; 0 where that is not known.
    pub package: usize,
    /// Whether the system's scheduler keeps off it, so that only threads that are pinned to it run there.
    pub isolated: bool,
}

impl Core {
    /// Sorts cores so that those next to each other share as much as they can.
    fn neighbourhood(&self) -> (usize, usize, usize, usize) {
        (self.package, self.cache, self.physical, self.id)
    }
}

/// Cores this machine must have before one is left to the system.
const ENOUGH_TO_SHARE: usize = 4;

impl Machine {
    /// Threads that can run at once: the cores, or fewer where the process has a quota of time, and at least 1.
    pub fn threads_at_once(&self) -> usize {
        let cores = self.cores.len().max(1);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floor, >= 1")]
        self.quota.map_or(cores, |quota| (quota.max(1.0) as usize).min(cores))
    }

    /// The core with that number.
    pub(crate) fn core(&self, id: usize) -> Option<&Core> {
        self.cores.iter().find(|core| core.id == id)
    }

    /// Cores over which the system spreads threads that are not pinned, without those in `taken`.
    pub(crate) fn roaming(&self, taken: &[usize]) -> usize {
        let open = |core: &&Core| !core.isolated && !taken.contains(&core.id);
        self.cores.iter().filter(open).count()
    }

    /// How many cores `Placement::Auto` has for its threads, beside those in `taken`: all that are left, but on a
    /// machine of 4 or more one that is not isolated goes to the system. At least 1, and with those in `taken` no more
    /// than can run at once.
    pub(crate) fn room(&self, taken: &[usize]) -> usize {
        let open = self.cores.iter().filter(|core| !taken.contains(&core.id)).count();
        let shared = self.roaming(taken) > 0;
        let left = open - usize::from(shared && self.cores.len() >= ENOUGH_TO_SHARE);
        left.min(self.threads_at_once().saturating_sub(taken.len())).max(1)
    }

    /// The `count` best cores beside those in `taken`, so that the first is near the second and so on.
    ///
    /// Chosen are isolated cores before others, the first hardware thread of a physical core before its second, and
    /// among these by neighbourhood; but where one is left to the system, that is the first that is not isolated, and
    /// it comes last. Where there are not enough, those in `taken` follow, and then all again.
    pub(crate) fn line_up(&self, count: usize, taken: &[usize]) -> Vec<Core> {
        let busiest = self.cores.iter().find(|core| !core.isolated).map(|core| core.id);
        let mut best = self.cores.clone();
        best.sort_by_cached_key(|core| {
            let system = self.cores.len() >= ENOUGH_TO_SHARE && Some(core.id) == busiest;
            (
                taken.contains(&core.id),
                system,
                !core.isolated,
                self.sibling(core),
                core.neighbourhood(),
            )
        });
        let mut line: Vec<Core> = best.iter().copied().take(count).collect();
        let open = line.iter().filter(|core| !taken.contains(&core.id)).count();
        line[..open].sort_by_key(Core::neighbourhood);
        let again = line.clone().into_iter().cycle();
        again.take(count).collect()
    }

    /// Which of the hardware threads of its physical core it is, counted from 0 among those this process may use.
    fn sibling(&self, core: &Core) -> usize {
        let same = |other: &&Core| {
            (other.package, other.physical) == (core.package, core.physical) && other.id < core.id
        };
        self.cores.iter().filter(same).count()
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = |isolated| {
            let ids = self.cores.iter().filter(move |core| core.isolated == isolated);
            ids.map(|core| core.id).collect::<Vec<_>>()
        };
        let physical = self.cores.iter().filter(|core| self.sibling(core) == 0).count();
        write!(f, "cores {:?} on {physical} physical", ids(false))?;
        if !ids(true).is_empty() {
            write!(f, ", isolated {:?}", ids(true))?;
        }
        match self.quota {
            Some(quota) => write!(f, ", time on {quota} of them"),
            None => Ok(()),
        }
    }
}
