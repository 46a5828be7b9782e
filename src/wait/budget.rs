//! How long to spin, and how long to yield, before parking: measured, once per process.
//!
//! Spinning for as long as a park and its wake-up cost is at most twice as dear as knowing the future (the ski-rental
//! argument; Karlin, Manasse, McGeoch and Owicki, "Competitive randomized algorithms for nonuniform problems",
//! Algorithmica 11, 1994). After that a thread lingers, yielding: it keeps nobody from the core, and what comes within the
//! next millisecond still finds it awake. Without that, requests 100 us apart are each met by a sleeper.
//!
//! What a wake-up costs is measured between threads that have slept for microseconds. Where the core has gone to sleep as
//! well it takes several times as long, and that is what a thread spins for.

use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What was measured, and what follows from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// From the unpark of a parked thread to its running, there and back, halved.
    pub(crate) wake_up: Duration,
    /// Idle turns that take as long as a wake-up on a core that has slept.
    pub(crate) spins: u32,
    /// Yields that take as long as a thread lingers.
    pub(crate) yields: u32,
}

/// How many times as long a wake-up takes on a core that has slept: here 5 us and 30 us or more.
const ASLEEP: u32 = 4;
/// How long a thread stays awake after it has spun.
const LINGER: Duration = Duration::from_millis(1);

/// Never fewer turns than this, and never more, whatever was measured on a machine that was busy just then.
const FEWEST: u32 = 64;
const MOST: u32 = 8_192;
const PAUSES: u32 = 1_024;
const YIELDS: u32 = 64;
const ROUND_TRIPS: usize = 16;

impl Budget {
    /// The budget of this process. The first call takes about a millisecond.
    pub(crate) fn measured() -> Self {
        static MEASURED: OnceLock<Budget> = OnceLock::new();
        *MEASURED.get_or_init(Self::measure)
    }

    fn measure() -> Self {
        let wake_up = wake_up();
        // Who spins on the only core there is keeps what it waits for from coming.
        let spins = match thread::available_parallelism() {
            Ok(cores) if cores.get() == 1 => 0,
            _ => times(ASLEEP * wake_up, each(PAUSES, std::hint::spin_loop)),
        };
        let yields = times(LINGER, each(YIELDS, thread::yield_now));
        Self { wake_up, spins, yields }
    }
}

/// What one call costs.
fn each(calls: u32, call: fn()) -> Duration {
    let start = Instant::now();
    (0..calls).for_each(|_| call());
    start.elapsed() / calls
}

/// How often the one fits into the other, within reason.
fn times(whole: Duration, part: Duration) -> u32 {
    let times = whole.as_nanos() / part.as_nanos().max(1);
    u32::try_from(times).unwrap_or(MOST).clamp(FEWEST, MOST)
}

/// The median of what one wake-up of a parked thread costs; a guess where the system gives no thread to measure with.
fn wake_up() -> Duration {
    const GUESS: Duration = Duration::from_micros(10);
    let here = thread::current();
    let (ask, asked) = mpsc::channel::<()>();
    let echo = move || {
        while asked.recv().is_ok() {
            here.unpark();
        }
    };
    let Ok(there) = thread::Builder::new().name("wake-up".to_owned()).spawn(echo) else {
        return GUESS;
    };
    let mut trips: Vec<Duration> = (0..ROUND_TRIPS)
        .map(|_| {
            let start = Instant::now();
            // The thread waits for as long as this end exists.
            let _ = ask.send(());
            thread::park_timeout(Duration::from_millis(1));
            start.elapsed() / 2
        })
        .collect();
    drop(ask);
    // It contains no code of others that could panic.
    let _ = there.join();
    trips.sort_unstable();
    trips[trips.len() / 2]
}
