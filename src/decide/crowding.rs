//! Stepping down: threads that would fight the threads they wait for wait less eagerly than they were asked to.
//!
//! A thread is crowded
//! - where the run has more threads than can run at once, by cores and by quota;
//! - where another thread is pinned to the same core;
//! - where it has a real-time priority, and the run has as many such threads as there are cores: nothing else would run,
//!   not even the caller;
//! - where threads that are not pinned outnumber the cores that the system spreads them over, which leaves out
//!   isolated cores and those that other threads of the run are pinned to. Threads pinned to isolated cores do not
//!   notice.
//!
//! Threads of blocking stages come on top, so they are crowded where all threads are too many, and crowd no others. What
//! a crowded thread does is for `Idle::crowded` to say.

use super::machine::Machine;
use super::plan::{Crowd, StagePlan, StepDown, ThreadPlan};

/// Lets the crowded among the threads step down.
pub(crate) fn step_down(stages: &[StagePlan], threads: &mut [ThreadPlan], machine: &Machine) {
    let is_extra = |thread: &ThreadPlan| stages[thread.workers[0].stage].blocking;
    let all = Census::of(threads.iter(), machine);
    let without_extra = Census::of(threads.iter().filter(|thread| !is_extra(thread)), machine);
    let crowds: Vec<_> = threads
        .iter()
        .map(|thread| {
            let census = if is_extra(thread) { &all } else { &without_extra };
            all.on_its_core(thread)
                .or_else(|| census.crowd_around(thread, machine))
                .or_else(|| all.too_urgent(thread, machine))
        })
        .collect();
    for (thread, crowd) in threads.iter_mut().zip(crowds) {
        let asked = thread.idle;
        let Some(crowd) = crowd.filter(|_| asked.crowded() != asked) else { continue };
        (thread.idle, thread.step_down) = (asked.crowded(), Some(StepDown { asked, crowd }));
    }
}

/// Threads counted.
struct Census {
    threads: usize,
    at_once: usize,
    /// Threads that are not pinned, and the cores they have.
    roamers: usize,
    roaming: usize,
    /// The core of every thread that is pinned.
    pins: Vec<usize>,
    /// Threads with a real-time priority.
    urgent: usize,
}

impl Census {
    fn of<'a>(threads: impl Iterator<Item = &'a ThreadPlan>, machine: &Machine) -> Self {
        let mut urgent = 0;
        let cores: Vec<Option<usize>> = threads
            .inspect(|thread| urgent += usize::from(thread.priority.is_some()))
            .map(|thread| thread.core)
            .collect();
        let pins: Vec<usize> = cores.iter().copied().flatten().collect();
        // Somewhere they do run.
        let least = usize::from(pins.is_empty());
        Self {
            threads: cores.len(),
            at_once: machine.threads_at_once(),
            roamers: cores.len() - pins.len(),
            roaming: machine.roaming(&pins).max(least),
            pins,
            urgent,
        }
    }

    fn on_its_core(&self, thread: &ThreadPlan) -> Option<Crowd> {
        let core = thread.core?;
        let threads = self.pins.iter().filter(|&&other| other == core).count();
        (threads > 1).then_some(Crowd::Core { core, threads })
    }

    fn too_urgent(&self, thread: &ThreadPlan, machine: &Machine) -> Option<Crowd> {
        let (threads, cores) = (self.urgent, machine.cores.len());
        let crowded = thread.priority.is_some() && threads >= cores;
        crowded.then_some(Crowd::Urgent { threads, cores })
    }

    fn crowd_around(&self, thread: &ThreadPlan, machine: &Machine) -> Option<Crowd> {
        let &Self { threads, at_once, roamers, roaming, .. } = self;
        if threads > at_once {
            return Some(Crowd::Threads { threads, at_once });
        }
        let alone =
            thread.core.and_then(|core| machine.core(core)).is_some_and(|core| core.isolated);
        let crowded = roamers > roaming && !alone;
        crowded.then_some(Crowd::Threads { threads: roamers, at_once: roaming })
    }
}
