//! The source of every system: says which requests are due.
//!
//! Requests are due at times fixed beforehand. One that is given late still counts from when it was due, so a system
//! that holds up its source is charged for every request that it held up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::clock::{Clock, nanos};
use super::job::Job;
use super::load::Load;
use super::payload::STAGE_BITS;

/// What the source is to do now.
#[derive(Debug, Clone, Copy)]
pub enum Due {
    /// So many requests are due: give one, or all.
    Now(u64),
    /// None before this reading of the clock.
    At(u64),
    /// None before those under way have arrived.
    Later,
    Ended,
}

/// What was given.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub count: u64,
    /// Of all words, without the stages they count.
    pub sum: u64,
    /// When the first was given.
    pub started: u64,
    pub kept_pace: bool,
}

pub struct Pacer {
    clock: Clock,
    load: Load,
    started: Option<u64>,
    duration: u64,
    deadline: u64,
    /// When the next is due.
    due: u64,
    /// Time from one to the next, and from one burst to the next.
    period: u64,
    pause: u64,
    /// Requests that are due and not given.
    due_now: u64,
    arrived: Arc<CachePadded<AtomicU64>>,
    /// Arrivals for each request.
    copies: u64,
    count: u64,
    sum: u64,
    is_late: bool,
}

/// A source looks at the clock at the latest after so many requests.
const LOOK_EVERY: u64 = 256;

impl Pacer {
    pub fn new(job: &Job, copies: u64) -> Self {
        Self {
            clock: job.clock.clone(),
            load: job.load,
            started: None,
            duration: nanos(job.duration),
            deadline: u64::MAX,
            due: 0,
            period: job.load.period(),
            pause: job.load.pause(),
            due_now: 0,
            arrived: Arc::clone(&job.arrived),
            copies,
            count: 0,
            sum: 0,
            is_late: false,
        }
    }

    /// The instant of a reading, for those who sleep until then.
    pub fn instant(&self, reading: u64) -> Instant {
        self.clock.instant(reading)
    }

    /// What is to be done now.
    #[inline]
    pub fn poll(&mut self) -> Due {
        if self.due_now > 0 { Due::Now(self.due_now) } else { self.look() }
    }

    /// Looks at the clock.
    #[inline(never)]
    fn look(&mut self) -> Due {
        let now = self.clock.now();
        if self.started.is_none() {
            self.started = Some(now);
            self.due = now;
            self.deadline = now + self.duration;
        }
        let due = match self.load {
            Load::Saturated if now >= self.deadline => Due::Ended,
            Load::Saturated => Due::Now(LOOK_EVERY),
            Load::Paced(_) => self.look_paced(now),
            Load::Bursts { size, .. } => self.look_burst(now, size),
            Load::Closed => self.look_burst(now, 1),
        };
        if let Due::Now(count) = due {
            self.due_now = count;
        }
        due
    }

    fn look_paced(&mut self, now: u64) -> Due {
        // Who falls behind for good may not take forever: what was not given by then was not kept pace with.
        if self.due >= self.deadline || now >= self.deadline + self.duration {
            self.is_late = self.due < self.deadline;
            return Due::Ended;
        }
        let Some(behind) = now.checked_sub(self.due) else { return Due::At(self.due) };
        let left = (self.deadline - self.due).div_ceil(self.period);
        Due::Now((behind / self.period + 1).min(left).min(LOOK_EVERY))
    }

    fn look_burst(&mut self, now: u64, size: u64) -> Due {
        if self.arrived.load(Relaxed) < self.count * self.copies {
            return Due::Later;
        }
        if now >= self.deadline {
            return Due::Ended;
        }
        let planned = self.due + self.pause;
        if self.count > 0 && now < planned {
            return Due::At(planned);
        }
        // Without a pause, or where all came late, the next burst starts when the last has arrived.
        let is_as_planned = self.count > 0 && self.pause > 0 && now < planned + self.pause;
        self.due = if is_as_planned { planned } else { now };
        Due::Now(size)
    }

    /// The word of the next request, which is due.
    #[inline]
    pub fn give(&mut self) -> u64 {
        // Numbers, or due times.
        let word = if self.load == Load::Saturated { self.count } else { self.due };
        self.due += self.period;
        self.due_now -= 1;
        self.count += 1;
        self.sum = self.sum.wrapping_add(word);
        word << STAGE_BITS
    }

    pub fn finish(&self) -> Sent {
        Sent {
            count: self.count,
            sum: self.sum,
            started: self.started.unwrap_or_default(),
            kept_pace: !self.is_late,
        }
    }
}

/// How the source of a system without a runtime of its own waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Spin,
    Yield,
    /// Sleeps as long as the next request is further away than a sleep is inexact, then yields.
    Sleep,
}

impl Wait {
    /// What a sleep of the system is late by, and somewhat more.
    const SLEEP_MARGIN: Duration = Duration::from_micros(120);

    pub fn once(self) {
        match self {
            Self::Spin => std::hint::spin_loop(),
            Self::Yield | Self::Sleep => std::thread::yield_now(),
        }
    }

    fn until(self, due: Instant) {
        if self == Self::Sleep {
            let left = due.saturating_duration_since(Instant::now());
            if left > Self::SLEEP_MARGIN {
                return std::thread::sleep(left - Self::SLEEP_MARGIN);
            }
        }
        self.once();
    }
}

impl Pacer {
    /// Waits for the next requests that are due and tells how many they are; `None` at the end.
    pub fn wait(&mut self, wait: Wait) -> Option<u64> {
        loop {
            match self.poll() {
                Due::Now(count) => return Some(count),
                Due::At(due) => wait.until(self.instant(due)),
                Due::Later => wait.once(),
                Due::Ended => return None,
            }
        }
    }
}
