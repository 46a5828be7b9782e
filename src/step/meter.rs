//! The meter of a step: what is measured of its requests, and how long it pauses.
//!
//! A step has one only where somebody wants to know: without, no clock is read. The time of a worker between two requests
//! is divided into turns that found nothing to take and turns that found no room; what came right before a request is
//! its In and its Out. An idle turn reads the clock once, a request that is measured twice, any other not at all.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use super::post::Post;
use crate::contract::failure::FailureKind;
use crate::contract::request::Stamp;
use crate::measure::clock;
use crate::measure::metrics::{Metric, MetricKey, SharedHandler};
use crate::measure::pages::Pages;
use crate::measure::pauses::{Pause, Pauses};
use crate::measure::sheets::{Aspect, Sheets};
use crate::measure::slowest::Slowest;
use crate::measure::trail::{Link, Told, Trail};

/// What a meter is made of, given to each step by the wiring.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge {
    /// The worker's histograms, where the run keeps any.
    pub(crate) pages: Option<Arc<Pages<Sheets>>>,
    pub(crate) pauses: Arc<Pauses>,
    pub(crate) handler: Option<SharedHandler>,
    /// Whether requests end their lives here.
    pub(crate) final_stage: bool,
    /// Whether this is the last that the run sees of them: it is the final stage, or a receiver comes next.
    pub(crate) last_stage: bool,
    /// Where its hops are noted, where the run keeps any histograms.
    pub(crate) trail: Option<Trail>,
    /// The requests, counted from 1, at which a simulated run has the worker panic; in order.
    pub(crate) strikes: Arc<[u64]>,
}

pub(crate) struct Meter {
    gauge: Gauge,
    begun: bool,
    pause: Option<Pause>,
    /// Requests taken before this turn.
    taken_before: u64,
    /// How long the pause before this turn lasted.
    starved: u64,
    blocked: u64,
    /// The request in hand: whether it goes into the histograms, whether the handler wants it, when it was taken.
    recorded: bool,
    wanted: bool,
    taken_at: u64,
    stamp: Stamp,
    /// The hop before, and how long ago it was done, where it is known.
    before: Link,
    queued: Option<u64>,
    /// The next of the strikes.
    strike: u64,
}

impl Meter {
    /// `None` where nobody wants to know.
    pub(crate) fn new(gauge: &Gauge) -> Option<Box<Self>> {
        if gauge.pages.is_none() && gauge.handler.is_none() && gauge.strikes.is_empty() {
            return None;
        }
        let strike = next_after(0, &gauge.strikes);
        Some(Box::new(Self {
            gauge: gauge.clone(),
            begun: false,
            pause: None,
            taken_before: 0,
            starved: 0,
            blocked: 0,
            recorded: false,
            wanted: false,
            taken_at: 0,
            stamp: Stamp::NONE,
            before: Link::default(),
            queued: None,
            strike,
        }))
    }

    /// Whether every request is to be looked at, since a handler is to be asked or a panic is planned; otherwise those that are measured are enough.
    pub(crate) fn asks_for_each(&self) -> bool {
        self.gauge.handler.is_some() || !self.gauge.strikes.is_empty()
    }

    /// A turn begins, after so many requests.
    pub(crate) fn begin_turn(&mut self, taken: u64) {
        self.taken_before = taken;
        let pauses = &self.gauge.pauses;
        if !self.begun {
            self.begun = true;
            pauses.begin(clock::now());
        }
        match self.pause {
            None => (self.starved, self.blocked) = (0, 0),
            Some(pause @ Pause::Starved) => self.starved += pauses.extend(pause, clock::now()),
            Some(pause @ Pause::Blocked) => self.blocked += pauses.extend(pause, clock::now()),
        }
    }

    /// A turn ends, in which something moved, or nothing for this reason.
    pub(crate) fn end_turn(&mut self, pause: Option<Pause>) {
        if pause != self.pause {
            match pause {
                None => self.gauge.pauses.leave(),
                Some(pause) => self.gauge.pauses.enter(pause, clock::now()),
            }
            self.pause = pause;
        }
    }

    /// A whole turn in which there was nothing to take, after so many requests.
    pub(crate) fn starved_turn(&mut self, taken: u64) {
        self.begin_turn(taken);
        self.end_turn(Some(Pause::Starved));
    }

    /// The step has ended for good.
    pub(crate) fn end(&self) {
        self.gauge.pauses.end();
    }

    /// A request is taken, the `number`th; whether it is measured. Panics where a simulated run has planned that, as the
    /// worker would.
    #[inline(never)]
    pub(crate) fn take(&mut self, stamp: Stamp, number: u64, post: &Post) -> bool {
        if number == self.strike {
            self.strike(number);
        }
        self.recorded = stamp.is_measured() && self.gauge.pages.is_some();
        self.wanted = match &self.gauge.handler {
            None => false,
            Some(handler) => {
                post.contain(FailureKind::HandlerPanicked, || handler.0.wants()) == Some(true)
            }
        };
        let measured = self.recorded || self.wanted;
        if measured {
            if number != self.taken_before + 1 {
                (self.starved, self.blocked) = (0, 0);
            }
            self.stamp = stamp;
            self.taken_at = clock::now();
            let before = self.hop_before(stamp);
            self.before = before.map(|(_, link)| link).unwrap_or_default();
            self.queued = before.map(|(done, _)| self.taken_at.saturating_sub(done));
        }
        measured
    }

    fn hop_before(&self, stamp: Stamp) -> Option<(u64, Link)> {
        let trail = self.gauge.trail.as_ref().filter(|_| self.recorded)?;
        trail.trails().find(stamp.hop(), stamp.start())
    }

    /// Without a word of the panic hook: it was meant to happen.
    #[cold]
    fn strike(&mut self, number: u64) {
        self.strike = next_after(number, &self.gauge.strikes);
        resume_unwind(Box::new("a panic that the simulation planned"));
    }

    /// The request in hand has been worked on, and is `emitted` or not. At the end of a tract that is the end of it,
    /// unless it becomes `several`. Returns its stamp, told of this hop if it goes on.
    #[inline(never)]
    pub(crate) fn worked(
        &mut self,
        emitted: bool,
        several: bool,
        mut stamp: Stamp,
        post: &Post,
    ) -> Stamp {
        let now = clock::now();
        let work = now.saturating_sub(self.taken_at);
        let age = self.stamp.age_at(now);
        let ended = emitted && !several;
        let tract = age.filter(|_| ended && self.gauge.final_stage);
        let out = emitted.then_some(self.blocked);
        if let (true, Some(pages)) = (self.recorded, &self.gauge.pages) {
            let took = age.filter(|_| ended && self.gauge.last_stage);
            pages.write(|sheets| {
                sheets.record(Aspect::Wait, self.starved);
                sheets.record(Aspect::Work, work);
                let others = [
                    (Aspect::Queue, self.queued),
                    (Aspect::Age, age),
                    (Aspect::Blocked, out),
                    (Aspect::Tract, tract),
                ];
                for (aspect, nanos) in others {
                    if let Some(nanos) = nanos {
                        sheets.record(aspect, nanos);
                    }
                }
                if let Some(took) = took {
                    self.keep_if_slow(self.told(now), took, &mut sheets.slowest);
                }
            });
            if emitted && took.is_none() {
                let told = self.told(now);
                stamp.set_hop(self.gauge.trail.as_mut().map_or(0, |trail| trail.note(told)));
            }
        }
        if self.wanted {
            let values = [
                metric(MetricKey::In, self.starved),
                metric(MetricKey::During, work),
                out.and_then(|out| metric(MetricKey::Out, out)),
                tract.and_then(|tract| metric(MetricKey::Tract, tract)),
            ];
            with_some(&values, |values| self.tell(values, post));
        }
        stamp
    }

    /// What this hop has to tell of the request in hand.
    fn told(&self, done: u64) -> Told {
        let (start, before) = (self.stamp.start(), self.before);
        Told { start, before, taken: self.taken_at, done, blocked: self.blocked }
    }

    fn keep_if_slow(&self, told: Told, took: u64, slowest: &mut Slowest) {
        let Some(trail) = &self.gauge.trail else { return };
        if let Some(slow) = slowest.admit(told.start, took) {
            slow.ended = told.done;
            slow.untold = trail.trails().walk(trail.worker(), told, took, &mut slow.hops);
        }
    }

    /// A request that became several has ended its life here.
    pub(crate) fn ended(&self, stamp: Stamp, measured: &Measured, post: &Post) {
        let now = clock::now();
        let Some(took) = stamp.age_at(now).filter(|_| self.gauge.last_stage) else { return };
        if let (true, Some(pages)) = (measured.recorded, &self.gauge.pages) {
            pages.write(|sheets| {
                if self.gauge.final_stage {
                    sheets.record(Aspect::Tract, took);
                }
                let told = Told { done: now, ..measured.told };
                self.keep_if_slow(told, took, &mut sheets.slowest);
            });
        }
        if measured.wanted && self.gauge.final_stage {
            with_some(&[metric(MetricKey::Tract, took)], |values| self.tell(values, post));
        }
    }

    /// What was decided about the request in hand.
    pub(crate) fn measured(&self) -> Measured {
        let (recorded, wanted) = (self.recorded, self.wanted);
        Measured { recorded, wanted, told: self.told(self.taken_at) }
    }

    fn tell(&self, metrics: &[Metric], post: &Post) {
        if let Some(handler) = &self.gauge.handler {
            post.contain(FailureKind::HandlerPanicked, || handler.0.handle(metrics));
        }
    }

    /// A source gives a request that is measured, which its input gave a time to start or not.
    #[inline(never)]
    pub(crate) fn gave(&mut self, mut stamp: Stamp, intended: bool) -> Stamp {
        let now = clock::now();
        if let (true, Some(pages)) = (intended, &self.gauge.pages) {
            let late = stamp.age_at(now).unwrap_or(0);
            pages.write(|sheets| sheets.record(Aspect::Age, late));
        }
        if let Some(trail) = &mut self.gauge.trail {
            let (start, before) = (stamp.start(), Link::START);
            stamp.set_hop(trail.note(Told { start, before, taken: now, done: now, blocked: 0 }));
        }
        stamp
    }
}

/// The first strike after a request; none is at no request at all.
fn next_after(number: u64, strikes: &[u64]) -> u64 {
    strikes.iter().copied().find(|strike| *strike > number).unwrap_or(u64::MAX)
}

/// What was decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    recorded: bool,
    wanted: bool,
    told: Told,
}

fn metric(key: MetricKey, nanos: u64) -> Option<Metric> {
    Some(Metric { key, value: Duration::from_nanos(nanos) })
}

/// Hands over those values that there are, packed, without allocating.
fn with_some<T: Copy, const N: usize>(values: &[Option<T>; N], hand_over: impl FnOnce(&[T])) {
    let Some(filler) = values.iter().flatten().next() else { return };
    let mut packed = [*filler; N];
    let mut count = 0;
    for value in values.iter().flatten() {
        packed[count] = *value;
        count += 1;
    }
    hand_over(&packed[..count]);
}
