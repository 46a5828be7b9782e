//! A million requests through a pool of four: none lost, none doubled.

mod common;

use std::time::Duration;

use ringtract::{NoInput, Placement, Report, Tract, source, worker};

use common::within;

const MILLION: u64 = 1_000_000;
/// Long enough for a debug build on a machine that does other things too.
const LONG: Duration = Duration::from_secs(600);

/// Gives every number from 1 to this one.
fn pipeline(count: u64) -> Tract<NoInput, u64> {
    source("numbers", 1, move || 0..count).then(worker("successor", 4, || |n: u64| n + 1))
}

/// What came out: a number lost, doubled or changed shows in one of these.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    count: u64,
    sum: u64,
    squares: u64,
}

impl Sums {
    fn add(&mut self, n: u64) {
        self.count += 1;
        self.sum += n;
        self.squares += n * n;
    }

    fn of_all_to(count: u64) -> Self {
        let sum = count * (count + 1) / 2;
        Self { count, sum, squares: sum * (2 * count + 1) / 3 }
    }
}

fn run(tract: &Tract<NoInput, u64>, capacity: usize, placement: Placement) -> (Sums, Report) {
    let mut sums = Sums::default();
    let setup = tract.setup().capacity(capacity).placement(placement);
    let report = setup.run(|n| sums.add(n)).expect("a sound description");
    (sums, report)
}

fn check(count: u64, (sums, report): (Sums, Report)) {
    assert_eq!(sums, Sums::of_all_to(count), "{report}");
    assert!(report.is_complete(), "{report}");
    let ledger = report.stage("successor").expect("a stage").ledger;
    assert_eq!((ledger.taken, ledger.emitted), (count, count));
}

/// A million over as many threads as there are cores, and a million on the caller's.
fn a_million(capacity: usize) {
    within(LONG, move || {
        let tract = pipeline(MILLION);
        for placement in [Placement::Auto, Placement::Inline { seed: 1 }] {
            check(MILLION, run(&tract, capacity, placement));
        }
    });
}

#[test]
fn a_million_with_room_for_1() {
    a_million(1);
}

#[test]
fn a_million_with_room_for_2() {
    a_million(2);
}

#[test]
fn a_million_with_room_for_64() {
    a_million(64);
}

#[test]
fn a_million_with_room_for_4096() {
    a_million(4096);
}

/// Fewer through the smallest lanes: where threads outnumber the cores, the system has to switch between them for
/// every request or two.
#[test]
fn many_with_a_thread_for_each_worker() {
    for (capacity, count) in [(1, 50_000), (2, 100_000), (64, MILLION), (4096, MILLION)] {
        within(LONG, move || {
            check(count, run(&pipeline(count), capacity, Placement::PerWorker));
        });
    }
}

#[test]
fn a_million_in_each_of_three_runs_at_once() {
    within(LONG, || {
        let tract = pipeline(MILLION);
        std::thread::scope(|scope| {
            let runs = [1, 64, 4096].map(|capacity| {
                let tract = &tract;
                scope.spawn(move || run(tract, capacity, Placement::Auto))
            });
            for run in runs {
                check(MILLION, run.join().expect("no panic"));
            }
        });
    });
}
