//! The meter of a step: what is measured of its requests, and how long it pauses.
//!
//! A step has one only where somebody wants to know: without, no clock is read. The time of a worker between two requests
//! is divided into turns that found nothing to take and turns that found no room; what came right before a request is
//! its In and its Out. An idle turn reads the clock once, a request that is measured twice, any other not at all.

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

/// What a meter is made of, given to each step by the wiring.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge {
    /// The worker's histograms, where the run keeps any.
    pub(crate) pages: Option<Arc<Pages<Sheets>>>,
    pub(crate) pauses: Arc<Pauses>,
    pub(crate) handler: Option<SharedHandler>,
    /// Whether requests end their lives here.
    pub(crate) final_stage: bool,
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
}

impl Meter {
    /// `None` where nobody wants to know.
    pub(crate) fn new(gauge: &Gauge) -> Option<Box<Self>> {
        if gauge.pages.is_none() && gauge.handler.is_none() {
            return None;
        }
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
        }))
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

    /// A request is taken, the `number`th; whether it is measured.
    #[inline(never)]
    pub(crate) fn take(&mut self, stamp: Stamp, number: u64, post: &Post) -> bool {
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
        }
        measured
    }

    /// The request in hand has been worked on, and is `emitted` or not. At the end of a tract that is the end of it,
    /// unless it becomes `several`.
    pub(crate) fn worked(&mut self, emitted: bool, several: bool, post: &Post) {
        let now = clock::now();
        let work = now.saturating_sub(self.taken_at);
        let age = self.stamp.nanos().map(|start| now.saturating_sub(start));
        let tract = age.filter(|_| emitted && !several && self.gauge.final_stage);
        let out = emitted.then_some(self.blocked);
        if let (true, Some(pages)) = (self.recorded, &self.gauge.pages) {
            let values = [
                Some((Aspect::Wait, self.starved)),
                Some((Aspect::Work, work)),
                age.map(|age| (Aspect::Age, age)),
                out.map(|out| (Aspect::Blocked, out)),
                tract.map(|tract| (Aspect::Tract, tract)),
            ];
            with_some(&values, |values| pages.record(values));
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
    }

    /// A request that became several has ended its life here.
    pub(crate) fn ended(&self, stamp: Stamp, measured: Measured, post: &Post) {
        let Some(start) = stamp.nanos().filter(|_| self.gauge.final_stage) else { return };
        let tract = clock::now().saturating_sub(start);
        if let (true, Some(pages)) = (measured.recorded, &self.gauge.pages) {
            pages.record(&[(Aspect::Tract, tract)]);
        }
        if measured.wanted {
            with_some(&[metric(MetricKey::Tract, tract)], |values| self.tell(values, post));
        }
    }

    /// What was decided about the request in hand.
    pub(crate) fn measured(&self) -> Measured {
        Measured { recorded: self.recorded, wanted: self.wanted }
    }

    fn tell(&self, metrics: &[Metric], post: &Post) {
        if let Some(handler) = &self.gauge.handler {
            post.contain(FailureKind::HandlerPanicked, || handler.0.handle(metrics));
        }
    }

    /// A source was late with a request by so much.
    pub(crate) fn late(&self, nanos: u64) {
        if let Some(pages) = &self.gauge.pages {
            pages.record(&[(Aspect::Age, nanos)]);
        }
    }
}

/// What was decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Measured {
    recorded: bool,
    wanted: bool,
}

impl Measured {
    pub(crate) fn is_any(self) -> bool {
        self.recorded || self.wanted
    }
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
