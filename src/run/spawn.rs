//! Spawning: the threads of a plan are started, and each asks the system for what its plan says before its first
//! worker is made, so that memory is first touched where it is used.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::books::Books;
use super::gate::Gate;
use super::running::Threads;
use super::thread::{Crew, Recruit};
use super::wiring::WiredStep;
use crate::decide::plan::ThreadPlan;
use crate::error::Error;
use crate::events;
use crate::sync::lock;
use crate::system::{self, Grant};
use crate::tell::hiccups::Hiccups;
use crate::tell::report::ThreadReport;

/// What a thread got from the system.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settled {
    shown_name: Option<String>,
    pinned: Grant,
    prioritised: Grant,
    /// How long it waited for a core.
    queued: Option<Duration>,
}

impl Settled {
    /// Settles the calling thread as planned.
    fn settle(plan: &ThreadPlan) -> Self {
        let settled = Self {
            shown_name: system::name_thread(&nameable(plan)),
            pinned: plan.core.map_or(Grant::NotAsked, system::pin),
            prioritised: plan.priority.map_or(Grant::NotAsked, system::prioritise),
            queued: None,
        };
        settled.tell_pin(plan);
        if let (Some(priority), Some(reason)) = (plan.priority, settled.prioritised.refusal()) {
            events::refused(&plan.name, &priority, reason);
        }
        settled
    }

    fn tell_pin(&self, plan: &ThreadPlan) {
        if let (Some(core), Some(reason)) = (plan.core, self.pinned.refusal()) {
            events::refused(&plan.name, &format_args!("core {core}"), reason);
        }
    }

    /// Looks, on the same thread at its end, whether it was left where it was put, and how the system treated it.
    fn check(&mut self, plan: &ThreadPlan) {
        if let Some(core) = plan.core.filter(|_| self.pinned.is_granted()) {
            self.pinned = system::still_pinned(core);
            self.tell_pin(plan);
        }
        self.queued = system::time_queued();
    }
}

/// Its name without what no system takes.
fn nameable(plan: &ThreadPlan) -> String {
    plan.name.replace('\0', "")
}

/// Starts the threads of a plan. If the system refuses one, those that run are sent home.
pub(crate) fn spawn(steps: Vec<WiredStep>, books: &Books) -> Result<Threads, Error> {
    let gate = Arc::new(Gate::new());
    let settled = Arc::new(Mutex::new(vec![Settled::default(); books.plan.threads.len()]));
    let mut recruits: Vec<Option<(usize, WiredStep)>> =
        steps.into_iter().enumerate().map(Some).collect();
    let mut threads =
        Threads { gate: Arc::clone(&gate), handles: Vec::new(), settled: Arc::clone(&settled) };
    for (at, plan) in books.plan.threads.iter().enumerate() {
        let mut builders = Vec::with_capacity(plan.workers.len());
        for recruit in &mut recruits {
            let is_mine =
                recruit.as_ref().is_some_and(|(_, step)| plan.workers.contains(&step.place));
            if let Some((number, WiredStep { place, builder })) = recruit.take_if(|_| is_mine) {
                let stage = Arc::clone(&books.posts[place.stage]);
                builders.push((number, Recruit { builder, stage, worker: place.worker }));
            }
        }
        let crew = Crew {
            gate: Arc::clone(&gate),
            control: Arc::clone(&books.control),
            idle: plan.idle,
            doorbell: books.doorbells[at].clone(),
            lookout: books.gauges.lookout(at),
            builders,
        };
        let (plan, settled) = (plan.clone(), Arc::clone(&settled));
        let builder = std::thread::Builder::new().name(nameable(&plan));
        let name = plan.name.clone();
        let body = move || {
            lock(&settled)[at] = Settled::settle(&plan);
            crew.run();
            lock(&settled)[at].check(&plan);
        };
        match builder.spawn(body) {
            Ok(handle) => threads.handles.push(handle),
            Err(source) => {
                gate.shut();
                threads.join();
                return Err(Error::Thread { name, source });
            }
        }
    }
    Ok(threads)
}

/// What the threads of a plan got.
pub(crate) fn thread_reports(books: &Books, settled: &[Settled]) -> Vec<ThreadReport> {
    let threads = books.plan.threads.iter().zip(&books.doorbells).enumerate();
    threads
        .map(|(at, (thread, doorbell))| {
            let Settled { shown_name, pinned, prioritised, queued } =
                settled.get(at).cloned().unwrap_or_default();
            ThreadReport {
                name: thread.name.clone(),
                shown_name,
                core: thread.core,
                pinned,
                priority: thread.priority,
                prioritised,
                idle: thread.idle,
                step_down: thread.step_down,
                parks: doorbell.as_ref().map_or(0, |doorbell| doorbell.parks()),
                wakes: doorbell.as_ref().map_or(0, |doorbell| doorbell.wakes()),
                late_wakes: doorbell.as_ref().map_or(0, |doorbell| doorbell.late_wakes()),
                queued,
                hiccups: Hiccups::default(),
                workers: thread.workers.clone(),
            }
        })
        .collect()
}
