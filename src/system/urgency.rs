//! Real-time priorities, through `thread-priority`.

use std::io;

use thread_priority::{
    Error, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id, thread_schedule_policy_param,
};

use super::Priority;

const FIFO: ThreadSchedulePolicy =
    ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);

fn said(error: Error) -> String {
    match error {
        Error::OS(code) => io::Error::from_raw_os_error(code).to_string(),
        other => format!("{other:?}"),
    }
}

pub(super) fn prioritise(priority: Priority) -> Result<(), String> {
    let Priority::Fifo(level) = priority;
    let (me, value) = (thread_native_id(), ThreadPriorityValue::try_from(level)?);
    set_thread_priority_and_policy(me, ThreadPriority::Crossplatform(value), FIFO).map_err(said)?;
    let (policy, got) = thread_schedule_policy_param(me).map_err(said)?;
    if policy == FIFO && ThreadPriority::from_posix(got) == ThreadPriority::Crossplatform(value) {
        Ok(())
    } else {
        Err(format!("the thread runs under {policy:?} at {got:?}"))
    }
}
