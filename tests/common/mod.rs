//! What the tests share.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod books;
pub mod deaths;
pub mod probe;
pub mod service;
pub mod staff;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringtract::Placement;

/// Every way to run a tract: a thread per worker, shared threads, one thread, the caller's thread.
pub const EVERY_WAY: [Placement; 6] = [
    Placement::Auto,
    Placement::PerWorker,
    Placement::Threads(1),
    Placement::Threads(2),
    Placement::Inline { seed: 1 },
    Placement::Inline { seed: 2 },
];

/// The ways to run that have threads of their own.
pub const EVERY_THREADED_WAY: [Placement; 4] =
    [Placement::Auto, Placement::PerWorker, Placement::Threads(1), Placement::Threads(2)];

/// Longer than anything takes that does not hang.
pub const A_MINUTE: Duration = Duration::from_secs(60);

/// A counter that test code shares with workers.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    /// Adds one; returns what it was before.
    pub fn up(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::SeqCst);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Runs something that must not hang: fails the test if it has not returned after a minute, which is a hang
/// detector and no measurement.
pub fn within_a_minute<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    within(A_MINUTE, work)
}

/// Like [`within_a_minute`], for what may take long on a busy machine. `RINGTRACT_PATIENCE=10` waits ten times as long, for
/// those who run tests in what slows them down.
pub fn within<R: Send + 'static>(limit: Duration, work: impl FnOnce() -> R + Send + 'static) -> R {
    let patience = std::env::var("RINGTRACT_PATIENCE").ok();
    let patience =
        patience.map_or(1, |times| times.parse().expect("RINGTRACT_PATIENCE is a number"));
    let limit = limit * patience;
    let (done, finished) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let result = work();
        // The receiver is gone only if the test has failed already.
        let _ = done.send(());
        result
    });
    if finished.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        panic!("still running after {limit:?}");
    }
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What a panic that a test means to happen begins with.
pub const MEANT: &str = "meant: ";

/// Keeps the panics that are meant out of the output; others are shown as ever.
pub fn hush_meant_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let said = info.payload();
            let text = said.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| said.downcast_ref::<&str>().copied());
            if !text.is_some_and(|text| text.starts_with(MEANT)) {
                loud(info);
            }
        }));
    });
}
