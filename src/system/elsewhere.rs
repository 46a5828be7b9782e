//! Other systems: threads are pinned through `core_affinity`, which tells neither reasons nor masks.

use std::time::Duration;

use core_affinity::CoreId;

pub(super) fn usable_cores() -> Vec<usize> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    cores.into_iter().map(|core| core.id).collect()
}

pub(super) fn pin(core: usize) -> Result<(), String> {
    if core_affinity::set_for_current(CoreId { id: core }) {
        Ok(())
    } else {
        Err("the system refused it without a reason".to_owned())
    }
}

/// Nobody can be asked.
pub(super) fn check_pin(_core: usize) -> Result<(), String> {
    Ok(())
}

/// The standard library has named the thread, as far as it can.
pub(super) fn name_thread(_name: &str) -> Option<String> {
    None
}

pub(super) fn lock_memory() -> Result<(), String> {
    Err("locking memory is not supported on this system".to_owned())
}

/// Nobody can be asked.
pub(super) fn time_queued() -> Option<Duration> {
    None
}
