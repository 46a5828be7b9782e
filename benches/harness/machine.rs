//! The machine: its cores, what time was used, and a line that describes it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use serde::Serialize;

use super::clock::Clock;

/// The cores this process may use, by number.
pub fn cores() -> Vec<usize> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let cores: Vec<usize> = cores.into_iter().map(|core| core.id).collect();
    if cores.is_empty() { vec![0] } else { cores }
}

/// Pins the calling thread to one core.
pub fn pin(core: usize) {
    core_affinity::set_for_current(core_affinity::CoreId { id: core });
}

/// Confines the calling thread, and all it will start, to some cores.
#[cfg(target_os = "linux")]
pub fn confine(cores: &[usize]) {
    let mut set = rustix::thread::CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    rustix::thread::sched_setaffinity(None, &set).expect("these cores were offered");
}

/// Elsewhere a thread can be pinned to one core only; more are left to the system.
#[cfg(not(target_os = "linux"))]
pub fn confine(cores: &[usize]) {
    if let [core] = cores {
        pin(*core);
    }
}

/// Processor time that this process has used.
#[cfg(target_os = "linux")]
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Not known here.
#[cfg(not(target_os = "linux"))]
pub fn cpu_time() -> Duration {
    Duration::ZERO
}

/// What it takes for a cache line to come from one core to another, in nanoseconds: half of the way there and back.
///
/// On a virtual machine it changes with where the host puts its processors, and every figure changes with it.
pub fn line_crossing(from: usize, to: usize, clock: &Clock) -> f64 {
    const TRIPS: u64 = 2_000;
    let line = CachePadded::new(AtomicU64::new(0));
    // Each number is put by one side once it has seen the one before: acquire pairs with release.
    let put_after = |number: u64| {
        while line.load(Ordering::Acquire) != number {
            std::hint::spin_loop();
        }
        line.store(number + 1, Ordering::Release);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(to);
            (0..2 * TRIPS).filter(|number| number % 2 == 1).for_each(put_after);
        });
        let near = scope.spawn(|| {
            pin(from);
            let mut began = 0;
            for trip in 0..TRIPS {
                if trip == TRIPS / 2 {
                    began = clock.now();
                }
                put_after(2 * trip);
            }
            (clock.now() - began) as f64 / TRIPS as f64
        });
        near.join().expect("counts")
    })
}

/// What a reader has to know of the machine to judge its numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub is_virtual: bool,
    pub system: String,
    pub clock: &'static str,
    pub compiler: &'static str,
}

impl Machine {
    pub fn this(clock: &'static str) -> Self {
        let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = about.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: cores().len(),
            is_virtual: field("flags").is_some_and(|flags| flags.contains(" hypervisor")),
            system: format!("{} {}", std::env::consts::OS, release.trim()).trim().to_owned(),
            clock,
            compiler: if cfg!(debug_assertions) { "unoptimised" } else { "optimised" },
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, is_virtual, system, clock, compiler } = self;
        let kind = if *is_virtual { ", virtual" } else { "" };
        write!(f, "{processor}, {cores} cores{kind}; {system}; clock: {clock}; {compiler}")
    }
}
