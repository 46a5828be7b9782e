//! Whether anything grows: threads and descriptors from one cycle to the next, memory over the whole time.

use std::thread;
use std::time::{Duration, Instant};

use crate::process::Usage;

/// What was there before the first cycle, and the memory since.
pub(crate) struct Growth {
    before: Usage,
    time: Duration,
    /// The most memory in the second and in the third third of the time, in KiB. In the first one it may still rise to
    /// what it takes.
    most: [u64; 2],
}

/// How much more memory the last third may show than the one before: what an allocator that keeps pools for threads gives
/// and takes by itself.
const SLACK_KIB: u64 = 8 * 1_024;

impl Growth {
    pub(crate) fn new(time: Duration) -> Self {
        Self { before: Usage::now(), time, most: [0; 2] }
    }

    /// After a cycle: threads and descriptors are as before the first.
    pub(crate) fn look(&mut self, elapsed: Duration) -> Result<(), String> {
        let since = Instant::now();
        let mut now = Usage::now();
        // A thread that was joined may be seen by the system for a moment longer, and the other thread of this program may be
        // counting, too.
        let before = self.before;
        let more =
            |now: Usage| now.threads > before.threads || now.descriptors > before.descriptors;
        while more(now) && since.elapsed() < Duration::from_secs(5) {
            thread::yield_now();
            now = Usage::now();
        }
        if now.threads > self.before.threads {
            return Err(grown("threads", self.before.threads, now.threads));
        }
        if now.descriptors > self.before.descriptors {
            return Err(grown("file descriptors", self.before.descriptors, now.descriptors));
        }
        let third = 3.0 * elapsed.as_secs_f64() / self.time.as_secs_f64();
        if let (Some(memory), true) = (now.memory, third >= 1.0) {
            let most = &mut self.most[usize::from(third >= 2.0)];
            *most = memory.max(*most);
        }
        Ok(())
    }

    /// At the end: what was seen, or that memory grew.
    pub(crate) fn verdict(&self) -> Result<String, String> {
        let [middle, last] = self.most;
        let Usage { threads: Some(threads), descriptors: Some(descriptors), memory: Some(_) } =
            self.before
        else {
            return Ok("this system does not tell threads, descriptors or memory".to_owned());
        };
        if middle > 0 && last > middle + middle / 20 + SLACK_KIB {
            return Err(grown("KiB resident", Some(middle), Some(last)));
        }
        Ok(format!(
            "{threads} threads and {descriptors} descriptors after every cycle, as before the first; \
             memory at most {middle} KiB in the second third of the time, {last} KiB in the third"
        ))
    }
}

fn grown<N: std::fmt::Debug>(what: &str, before: Option<N>, now: Option<N>) -> String {
    match (before, now) {
        (Some(before), Some(now)) => format!("{what} grew from {before:?} to {now:?}"),
        _ => format!("{what} cannot be counted any more"),
    }
}
