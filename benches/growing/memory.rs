//! The memory of a run, counted, beside the sum that its plan says.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ringtract::{Measure, NoInput, Tract, final_output, source, worker};

use crate::harness::bench::Finding;

/// The system's allocator, counting.
pub struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promises are those that are asked for here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above; the pointer came from `alloc`, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What a plan says, and what it takes.
struct Weighed {
    lanes: usize,
    workers: usize,
    /// Bytes of rings, by the formula.
    planned: usize,
    /// Bytes of everything, once the run is initialised.
    allocated: usize,
}

fn weigh(workers: usize, capacity: usize, measure: Measure) -> Weighed {
    let tract: Tract<NoInput, u64> = source("source", 1, || 0..0_u64)
        .then(worker("pool", workers, || |n: u64| n))
        .then(worker("last", 1, || |n: u64| n));
    let before = IN_USE.load(Relaxed);
    let setup = tract.setup().capacity(capacity).measure(measure);
    let ready = setup.init(final_output()).expect("a valid tract");
    let allocated = IN_USE.load(Relaxed) - before;
    let plan = ready.plan();
    let (lanes, workers, planned) = (plan.lanes(), plan.workers(), plan.ring_bytes());
    assert!(allocated >= planned, "{planned} bytes of rings planned, {allocated} allocated");
    Weighed { lanes, workers, planned, allocated }
}

/// Pools of every size, with every capacity.
pub fn finding() -> Finding {
    let mut text = "source > pool of n > 1; stacks are the system's\n".to_owned();
    let _ = writeln!(text, "  {:>6}{:>10}{:>7}{:>38}{:>38}", "", "", "", OFF, ON);
    let columns = format!("{:>14}{:>14}{:>10}", "planned", "allocated", "beside");
    let _ = writeln!(text, "  {:>6}{:>10}{:>7}{columns}{columns}", "pool", "capacity", "lanes");
    for workers in [1, 8, 64] {
        for capacity in [1, 64, 1_024, 65_536] {
            let off = weigh(workers, capacity, Measure::Off);
            let on = weigh(workers, capacity, Measure::default());
            let _ = write!(text, "  {workers:>6}{capacity:>10}{:>7}", off.lanes);
            for Weighed { lanes, workers, planned, allocated } in [off, on] {
                let beside = allocated.saturating_sub(planned) / (lanes + workers);
                let _ = write!(text, "{planned:>14}{allocated:>14}{beside:>10}");
            }
            text.push('\n');
        }
    }
    text.push_str(
        "bytes; planned: lanes * (capacity * request size + header), as Plan::ring_bytes says; beside: what was \
         allocated beyond, for each lane and worker\n",
    );
    Finding { heading: "memory", text, picture: String::new() }
}

const OFF: &str = "nothing measured";
const ON: &str = "one request in 64 measured";
