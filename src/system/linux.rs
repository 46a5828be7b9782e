//! Linux, through `rustix`.

use std::ffi::CString;
use std::time::Duration;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::thread::{CpuSet, name, sched_getaffinity, sched_setaffinity, set_name};

/// Bytes of a thread's name.
const NAME_LIMIT: usize = 15;

fn said(error: rustix::io::Errno) -> String {
    std::io::Error::from(error).to_string()
}

fn members(set: &CpuSet) -> Vec<usize> {
    (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect()
}

pub(super) fn usable_cores() -> Vec<usize> {
    sched_getaffinity(None).map_or_else(|_| Vec::new(), |set| members(&set))
}

pub(super) fn pin(core: usize) -> Result<(), String> {
    if core >= CpuSet::MAX_CPU {
        return Err(format!("only cores below {} can be asked for", CpuSet::MAX_CPU));
    }
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(said)
}

pub(super) fn check_pin(core: usize) -> Result<(), String> {
    let cores = members(&sched_getaffinity(None).map_err(said)?);
    if cores == [core] { Ok(()) } else { Err(format!("the thread may run on cores {cores:?}")) }
}

pub(super) fn name_thread(wanted: &str) -> Option<String> {
    // Miri does not know this call.
    if cfg!(miri) {
        return None;
    }
    let cut = CString::new(super::cut_name(wanted, NAME_LIMIT)).ok()?;
    // What the system made of it is read back, and told.
    let _ = set_name(&cut);
    Some(name().ok()?.to_string_lossy().into_owned())
}

pub(super) fn lock_memory() -> Result<(), String> {
    mlockall(MlockAllFlags::CURRENT).map_err(said)
}

/// The second number of `schedstat`: nanoseconds on a run queue.
pub(super) fn time_queued() -> Option<Duration> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = statistics.split_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}
