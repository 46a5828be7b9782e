//! One run of one system, and what came of it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use hdrhistogram::Histogram;

use super::clock::Clock;
use super::load::Load;
use super::machine;
use super::pacer::{Pacer, Sent};
use super::shape::{Arrivals, Shape};
use super::sink::{Sink, Sunk};

/// What a system is asked to do.
#[derive(Clone)]
pub struct Job {
    pub shape: Shape,
    pub load: Load,
    /// Bytes of a value.
    pub payload: usize,
    /// The cores to be used, which the calling thread is confined to.
    pub cores: Vec<usize>,
    /// Requests that each queue holds.
    pub capacity: usize,
    /// How long requests are given.
    pub duration: Duration,
    pub clock: Clock,
    /// Requests that have arrived, told by the sink where the source waits for it.
    pub arrived: Arc<CachePadded<AtomicU64>>,
}

impl Job {
    /// The core of one of so many threads: neighbours share.
    pub fn core(&self, thread: usize, threads: usize) -> usize {
        self.cores[thread * self.cores.len() / threads.max(1)]
    }

    /// A job like this one that nothing has arrived at.
    pub fn afresh(&self) -> Self {
        Self { arrived: Arc::default(), ..self.clone() }
    }

    /// The source of a system in which every copy of a request arrives.
    pub fn pacer(&self) -> Pacer {
        self.pacer_of(self.shape.merged().copies)
    }

    /// The source of a system in which so much of each request arrives.
    pub fn pacer_of(&self, copies: u64) -> Pacer {
        Pacer::new(self, copies)
    }

    /// The sink of any system.
    pub fn sink(&self) -> Sink {
        Sink::new(self)
    }
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Requests given by the source.
    pub requests: u64,
    /// From the first request given to the end of the last.
    pub elapsed: Duration,
    /// Of every request that arrived, after a warm-up, in nanoseconds.
    pub latencies: Histogram<u64>,
    /// Processor time used, in cores.
    pub cores_busy: f64,
    /// Whether requests were given when they were due, in the end.
    pub kept_pace: bool,
}

impl Outcome {
    /// Requests a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs a system and checks what came out against what went in.
pub fn check(job: &Job, arrivals: Arrivals, run: impl FnOnce() -> (Sent, Sunk)) -> Outcome {
    let used = machine::cpu_time();
    let began = job.clock.now();
    let (sent, sunk) = run();
    let took = Duration::from_nanos(job.clock.now() - began);
    let used = machine::cpu_time().saturating_sub(used);
    let Arrivals { copies, least, most } = arrivals;
    assert_eq!(sunk.count, copies * sent.count, "requests arrived");
    assert_eq!(sunk.sum, sent.sum.wrapping_mul(copies), "the sum of what arrived");
    assert!(
        (least * sent.count..=most * sent.count).contains(&sunk.stages),
        "{} stages passed by {} requests, of {least} to {most} each",
        sunk.stages,
        sent.count,
    );
    Outcome {
        requests: sent.count,
        elapsed: Duration::from_nanos(sunk.ended.saturating_sub(sent.started).max(1)),
        latencies: sunk.latencies,
        cores_busy: used.as_secs_f64() / took.as_secs_f64(),
        kept_pace: sent.kept_pace,
    }
}
