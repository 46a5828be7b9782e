//! A tract that has nothing to do: the processor time it takes, and how soon it ends.

use std::fmt::Write;
use std::time::{Duration, Instant};

use ringtract::{Placement, feed, final_output, worker};

use crate::harness::bench::Finding;
use crate::harness::machine::cpu_time;

const WORKERS: usize = 8;
/// What it is given to come to rest, and how long it is then looked at.
const SETTLE: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_secs(1);

/// The share of a core that an idle tract takes, and what it takes to end it.
fn idle(placement: Placement) -> (f64, Duration) {
    let (feed, input) = feed::<u64>(64);
    let tract = worker("pool", WORKERS, || |n: u64| n);
    let setup = tract.setup().placement(placement);
    let running = setup.init_fed(input, final_output()).expect("valid").start().expect("starts");
    std::thread::sleep(SETTLE);
    let (used, since) = (cpu_time(), Instant::now());
    std::thread::sleep(LOOK);
    // Nothing else runs in this process.
    let share = (cpu_time() - used).as_secs_f64() / since.elapsed().as_secs_f64();
    let closed = Instant::now();
    drop(feed);
    let report = running.wait();
    assert!(report.is_complete(), "{report}");
    (share, closed.elapsed())
}

pub fn finding() -> Finding {
    let mut text = format!(
        "a tract of {WORKERS} workers to which nothing comes, after {} ms; wanted: at most 2 % of a core\n",
        SETTLE.as_millis()
    );
    for placement in [Placement::PerWorker, Placement::Auto] {
        let (share, ending) = idle(placement);
        let _ = writeln!(
            text,
            "  {:<12}{:>8.3} % of a core; ends {:.2} ms after its feed",
            format!("{placement:?}"),
            100.0 * share,
            1e3 * ending.as_secs_f64()
        );
    }
    Finding { heading: "idle", text, picture: String::new() }
}
