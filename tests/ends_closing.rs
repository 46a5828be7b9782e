//! Outputs that close, or never take anything: a tract that ends from behind.

mod common;

use std::convert::Infallible;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use common::probe::{Journal, Topology, run_between, run_to, topologies};
use common::{Count, EVERY_THREADED_WAY, EVERY_WAY, within_a_minute};
use ringtract::{
    Ending, Envelope, NoInput, Outcome, Output, Request, Room, Tract, outcome, output, source,
    worker,
};

fn pass() -> Tract<u64, u64> {
    worker("pass", 1, || |n: u64| n)
}

/// Takes three requests and is closed from then on.
struct Threefold {
    journal: Journal,
    taken: u64,
}

impl Output<u64> for Threefold {
    fn room(&mut self) -> Room {
        if self.taken < 3 {
            return Room::Free;
        }
        self.journal.note("refuse");
        Room::Closed
    }

    fn put(&mut self, _request: Request<u64>) {
        self.taken += 1;
    }

    fn close(&mut self) {
        self.journal.note("close");
    }
}

/// An endless source, whose requests count those of them that fail, before this tract.
fn endless(tract: Tract<u64, u64>, failed: &Count) -> Tract<NoInput, u64> {
    let failed = failed.clone();
    let mark = worker("mark", 1, move || {
        let failed = failed.clone();
        outcome(move |n, request: &mut Envelope| {
            let failed = failed.clone();
            request.on_each_end(move |success| failed.add(u64::from(!success)));
            Outcome::Emit(n)
        })
    });
    source("endless", 2, || 0_u64..).then(mark).then(tract)
}

#[test]
fn an_output_that_closes_ends_the_tract_before_it() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for Topology { name, tract, .. } in topologies(&Journal::default()) {
                let (journal, failed) = (Journal::default(), Count::default());
                let noted = journal.clone();
                let threefold = output(move || {
                    noted.note("open");
                    Ok::<_, Infallible>(Threefold { journal: noted, taken: 0 })
                });
                let report = run_to(&endless(tract, &failed), way, threefold).expect("starts");
                assert_eq!(report.ending, Ending::Natural);
                assert!(report.imbalances.is_empty(), "{name}: {report}");
                assert_eq!(report.stage("output").expect("a stage").ledger.emitted, 3);
                assert_eq!(journal.count("refuse"), 1, "{name}: it is not asked again");
                assert_eq!(journal.count("close"), 1, "{name}");
            }
        }
    });
}

#[test]
fn what_a_closed_output_does_not_take_is_dropped_and_counted() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let failed = Count::default();
            let threefold =
                output(|| Ok::<_, Infallible>(Threefold { journal: Journal::default(), taken: 0 }));
            let report = run_to(&endless(pass(), &failed), way, threefold).expect("starts");
            let lost = report.stages[0].ledger.emitted - 3;
            let in_hand: u64 = report.stages.iter().map(|stage| stage.ledger.dropped).sum();
            assert_eq!(report.dropped_in_lanes() + in_hand, lost, "{report}");
            let marked = report.stage("mark").expect("a stage").ledger.emitted;
            assert_eq!(failed.get(), marked - 3);
            assert_eq!(report.is_complete(), lost == 0, "{report}");
        }
    });
}

#[test]
fn what_a_feed_accepted_and_a_closed_output_did_not_take_is_counted() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (mut feed, input) = ringtract::feed(32);
            (0..32).for_each(|n| feed.try_send(n).expect("there is room"));
            let threefold =
                output(|| Ok::<_, Infallible>(Threefold { journal: Journal::default(), taken: 0 }));
            let narrow = pass().capacity(1);
            let report = run_between(&narrow, way, input, threefold).expect("starts");
            let in_hand: u64 = report.stages.iter().map(|stage| stage.ledger.dropped).sum();
            assert_eq!(report.dropped_in_lanes() + in_hand, 32 - 3, "{report}");
            assert!(!report.is_complete(), "{report}");
        }
    });
}

/// Never has room, and takes a moment to find that out. Tells when it is asked.
struct Slow(Sender<()>);

impl Output<u64> for Slow {
    fn room(&mut self) -> Room {
        // Nobody listens any more after the first.
        let _ = self.0.send(());
        thread::sleep(Duration::from_millis(1));
        Room::Full
    }

    fn put(&mut self, _request: Request<u64>) {
        panic!("there was no room");
    }
}

#[test]
fn a_run_that_is_dropped_while_its_output_takes_its_time_to_be_full_does_not_hang() {
    within_a_minute(|| {
        for way in EVERY_THREADED_WAY {
            let (asked, is_asked) = mpsc::channel();
            let slow = output(move || Ok::<_, Infallible>(Slow(asked)));
            let tract = source("endless", 1, || 0_u64..).then(pass());
            let ready = tract.setup().placement(way).init(slow).expect("initialises");
            let running = ready.start().expect("starts");
            is_asked.recv().expect("it runs");
            drop(running);
        }
    });
}
