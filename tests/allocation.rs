//! A tract that runs allocates nothing and frees nothing.
//!
//! Counted over all threads of the process, so there is one test here, which measures one run after the other, and no
//! test harness, which would allocate beside it when it says that a test takes long.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ringtract::{Measure, NoInput, Placement, Tract, fan_out, flat_map, parallel, source, worker};

use common::within;

/// The system's allocator, counting.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static FREES: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promises are those that are asked for here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        FREES.fetch_add(1, Relaxed);
        // SAFETY: as above; the pointer came from `alloc`, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Allocations and frees so far.
fn counts() -> (u64, u64) {
    (ALLOCATIONS.load(Relaxed), FREES.load(Relaxed))
}

/// The first request of the measurement, the last one, and a few more so that no end is in it.
const FROM: u64 = 10_000;
const TO: u64 = 100_000;
const END: u64 = 110_000;

/// Allocations and frees of a whole process between two requests, each of which becomes this many values.
fn measure(
    tract: &Tract<NoInput, u64>,
    values: u64,
    placement: Placement,
    measure: Measure,
) -> (u64, u64) {
    let mut seen = 0;
    let (mut from, mut to) = ((0, 0), (0, 0));
    let setup = tract.setup().placement(placement).measure(measure);
    let report = setup.run(|_| {
        seen += 1;
        if seen == FROM * values {
            from = counts();
        } else if seen == TO * values {
            to = counts();
        }
    });
    assert!(report.expect("a sound description").is_complete());
    assert_eq!(seen, END * values);
    (to.0 - from.0, to.1 - from.1)
}

fn numbers() -> Tract<NoInput, u64> {
    source("numbers", 1, || 0..END)
}

fn add(name: &str, size: usize) -> Tract<u64, u64> {
    worker(name, size, || |n: u64| n + 1)
}

/// Every kind of tract, with the values that each of its requests becomes.
fn tracts() -> [(&'static str, Tract<NoInput, u64>, u64); 5] {
    let several = worker("several", 1, || flat_map(|n: u64| n..n + 3));
    [
        ("serial", numbers().then(add("first", 1)).then(add("second", 1)).then(add("third", 1)), 1),
        ("parallel", numbers().then(parallel("either", [add("left", 1), add("right", 2)])), 1),
        ("fan-out", numbers().then(fan_out("both", [add("left", 1), add("right", 1)])), 2),
        ("pool", numbers().then(add("four", 4)), 1),
        ("one to several", numbers().then(several), 3),
    ]
}

fn main() {
    a_running_tract_allocates_and_frees_nothing();
    a_called_service_allocates_and_frees_nothing();
    println!("test a_running_tract_allocates_and_frees_nothing ... ok");
    println!("test a_called_service_allocates_and_frees_nothing ... ok");
}

/// Allocations and frees of a whole process while calls are made, after some have been.
fn calls(mut call: impl FnMut(u64)) -> (u64, u64) {
    (0..1_000).for_each(&mut call);
    let from = counts();
    (0..10_000).for_each(&mut call);
    let to = counts();
    (to.0 - from.0, to.1 - from.1)
}

fn a_called_service_allocates_and_frees_nothing() {
    within(Duration::from_secs(600), || {
        for how in [Measure::Off, Measure::default(), Measure::ALL] {
            let tract = add("first", 1).then(add("second", 2));
            let start = || tract.setup().measure(how).service().start().expect("a sound tract");
            let mut service = start();
            let counted = calls(|n| assert_eq!(service.call(n), Ok(n + 2)));
            assert_eq!(counted, (0, 0), "calls, {how:?}");

            let counted = calls(|n| {
                let tickets: [_; 8] = std::array::from_fn(|_| service.submit(n).expect("room"));
                tickets.into_iter().for_each(|ticket| assert_eq!(ticket.wait(), Ok(n + 2)));
            });
            assert_eq!(counted, (0, 0), "tickets, {how:?}");
        }
        let nested =
            worker("outer", 1, worker("middle", 1, add("inner", 1).into_workers()).into_workers());
        let mut service = nested.into_service().expect("a sound tract");
        let counted = calls(|n| assert_eq!(service.call(n), Ok(n + 1)));
        assert_eq!(counted, (0, 0), "nested");
    });
}

fn a_running_tract_allocates_and_frees_nothing() {
    within(Duration::from_secs(600), || {
        let boxing =
            numbers().then(worker("boxing", 1, || |n: u64| *std::hint::black_box(Box::new(n))));
        let inline = Placement::Inline { seed: 1 };
        let boxed = measure(&boxing, 1, inline, Measure::Off);
        assert!(boxed.0 >= TO - FROM - 1_000, "the counters do not count: {boxed:?}");

        for (name, tract, values) in tracts() {
            for placement in [Placement::PerWorker, Placement::Threads(2), inline] {
                for how in [Measure::default(), Measure::ALL] {
                    let counted = measure(&tract, values, placement, how);
                    assert_eq!(counted, (0, 0), "{name}, {placement:?}, {how:?}");
                }
            }
        }
    });
}
