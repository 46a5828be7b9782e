//! What the system says about this process.

use std::fs;

/// Threads, file descriptors and resident memory; `None` where the system does not tell.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) threads: Option<usize>,
    pub(crate) descriptors: Option<usize>,
    /// In KiB.
    pub(crate) memory: Option<u64>,
}

impl Usage {
    pub(crate) fn now() -> Self {
        let entries = |folder| fs::read_dir(folder).ok().map(Iterator::count);
        Self {
            threads: entries("/proc/self/task"),
            // The folder that is read is one of them, at every count.
            descriptors: entries("/proc/self/fd"),
            memory: resident(),
        }
    }
}

fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
