//! Feeds: requests sent into a tract from other threads.

mod common;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::probe::{Journal, Topology, run_between, topologies};
use common::{A_MINUTE, Count, EVERY_WAY, within_a_minute};
use ringtract::{
    Error, Feed, Placement, Request, SendError, Tract, TrySendError, collect, feed, final_output,
    for_each, worker,
};

fn pass() -> Tract<u64, u64> {
    worker("pass", 1, || |n: u64| n)
}

/// A request with a clean-up that tells how it ended.
fn tracked(n: u64, ended: &mpsc::Sender<(u64, bool)>) -> Request<u64> {
    let (mut request, ended) = (Request::new(n), ended.clone());
    request
        .envelope_mut()
        .on_end(move |success| ended.send((n, success)).expect("the test listens"));
    request
}

fn assert_closed(feed: &mut Feed<u64>) {
    assert!(feed.is_closed());
    assert!(matches!(feed.try_send(1), Err(TrySendError::Closed(request)) if *request == 1));
    assert!(matches!(feed.send(2), Err(SendError(request)) if *request == 2));
    let late = feed.send_timeout(3, A_MINUTE);
    assert!(matches!(late, Err(TrySendError::Closed(request)) if *request == 3));
}

#[test]
fn what_is_fed_before_the_start_is_delivered() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for Topology { name, tract, copies, .. } in topologies(&Journal::default()) {
                let (mut feed, input) = feed(50);
                (0..50).for_each(|n| feed.try_send(n).expect("there is room"));
                drop(feed);
                let (output, values) = collect();
                let report = run_between(&tract, way, input, output).expect("starts");
                assert!(report.is_complete(), "{name}: {report}");
                assert_eq!(values.take().iter().sum::<u64>(), 1225 * copies, "{name}");
            }
        }
    });
}

#[test]
fn every_handle_has_a_lane_of_its_own() {
    within_a_minute(|| {
        let (mut feed, input) = feed(2);
        let mut clones = [feed.clone(), feed.clone(), feed.clone()];
        for handle in clones.iter_mut().chain([&mut feed]) {
            handle.try_send(1).expect("there is room for the first");
            handle.try_send(2).expect("and for the second");
            assert!(matches!(handle.try_send(3), Err(TrySendError::Full(_))));
        }
        drop((feed, clones));
        let (output, values) = collect();
        run_between(&pass(), Placement::Auto, input, output).expect("starts");
        assert_eq!(values.take().iter().sum::<u64>(), 4 * 3);
    });
}

#[test]
fn the_order_of_a_handle_is_kept() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (feed, input) = feed(3);
            let senders: Vec<_> = (0..4_u64)
                .map(|sender| {
                    let mut feed = feed.clone();
                    thread::spawn(move || {
                        (0..500).for_each(|n| feed.send((sender, n)).expect("open"))
                    })
                })
                .collect();
            drop(feed);
            let tract = worker("pass", 1, || |numbered: (u64, u64)| numbered);
            let (output, values) = collect();
            run_between(&tract, way, input, output).expect("starts");
            senders.into_iter().for_each(|sender| sender.join().expect("sends"));
            let values = values.take();
            for sender in 0..4 {
                let own = values.iter().filter(|(from, _)| *from == sender).map(|(_, n)| *n);
                assert!(own.eq(0..500), "sender {sender}");
            }
        }
    });
}

#[test]
fn a_full_feed_gives_the_request_back() {
    within_a_minute(|| {
        for capacity in [1, 2, 7] {
            let (ended, endings) = mpsc::channel();
            let (mut feed, input) = feed::<u64>(capacity);
            for n in 0..capacity as u64 {
                feed.try_send(tracked(n, &ended)).expect("exactly as many as there is room for");
            }
            let error = feed.try_send(tracked(100, &ended)).expect_err("it is full");
            assert_eq!(error.to_string(), "the feed is full");
            let TrySendError::Full(request) = error else { panic!("{error}") };
            assert_eq!((*request, request.envelope().cleanups()), (100, 1));
            assert!(endings.try_recv().is_err(), "it has not ended");
            drop(request);
            assert_eq!(endings.recv(), Ok((100, false)), "it never got in");
            drop((feed, input));
        }
    });
}

#[test]
fn waiting_for_room_ends_at_the_time_limit() {
    within_a_minute(|| {
        let (mut feed, _input) = feed(1);
        feed.send_timeout(0, Duration::ZERO).expect("there is room");
        for limit in [Duration::ZERO, Duration::from_millis(20)] {
            let start = Instant::now();
            let error = feed.send_timeout(1, limit).expect_err("nobody makes room");
            assert!(start.elapsed() >= limit);
            assert!(matches!(error, TrySendError::Full(request) if *request == 1));
        }
    });
}

#[test]
fn sending_waits_for_room() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (mut feed, input) = feed(1);
            let mut patient = feed.clone();
            let senders = [
                thread::spawn(move || (0..1000).for_each(|n| feed.send(n).expect("open"))),
                thread::spawn(move || {
                    for n in 0..1000 {
                        patient.send_timeout(n, Duration::MAX).expect("open");
                    }
                }),
            ];
            let (output, values) = collect();
            run_between(&pass(), way, input, output).expect("starts");
            senders.into_iter().for_each(|sender| sender.join().expect("sends"));
            assert_eq!(values.take().iter().sum::<u64>(), 2 * 499_500);
        }
    });
}

#[test]
fn a_closed_feed_gives_the_request_back_and_delivers_what_it_accepted() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (ended, endings) = mpsc::channel();
            let (mut feed, input) = feed::<u64>(8);
            let mut other = feed.clone();
            (0..5).for_each(|n| feed.try_send(tracked(n, &ended)).expect("open"));
            other.close();
            other.close();
            assert_closed(&mut feed);
            assert_closed(&mut other);
            assert_closed(&mut feed.clone());
            let error = feed.try_send(tracked(100, &ended)).expect_err("it is closed");
            assert_eq!(error.to_string(), "the feed is closed");
            assert_eq!(error.into_request().envelope().cleanups(), 1);
            assert_eq!(endings.recv(), Ok((100, false)), "it never got in");
            let report = run_between(&pass(), way, input, final_output()).expect("starts");
            assert!(report.is_complete(), "{report}");
            assert!(endings.try_iter().eq((0..5).map(|n| (n, true))));
        }
    });
}

#[test]
fn the_drop_of_every_handle_ends_the_input() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (feed, input) = feed(4);
            let handles: Vec<_> = (0..8).map(|_| feed.clone()).collect();
            drop(feed);
            let (output, values) = collect();
            let senders: Vec<_> = handles
                .into_iter()
                .map(|mut handle| thread::spawn(move || handle.send(1).expect("open")))
                .collect();
            run_between(&pass(), way, input, output).expect("starts");
            senders.into_iter().for_each(|sender| sender.join().expect("sends"));
            assert_eq!(values.take().len(), 8);
        }
    });
}

#[test]
fn one_handle_closes_the_feed_for_all() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (mut feed, input) = feed(4);
            let mut other = feed.clone();
            let closer = thread::spawn(move || {
                other.send(1).expect("open");
                other.close();
            });
            run_between(&pass(), way, input, final_output()).expect("ends though handles are left");
            closer.join().expect("closes");
            assert_closed(&mut feed);
        }
    });
}

#[test]
fn handles_join_and_leave_while_the_tract_runs() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (feed, input) = feed(2);
            let root = thread::spawn(move || {
                let branches: Vec<_> = (0..20)
                    .map(|_| {
                        let mut handle = feed.clone();
                        thread::spawn(move || (0..50).for_each(|n| handle.send(n).expect("open")))
                    })
                    .collect();
                drop(feed);
                branches.into_iter().for_each(|branch| branch.join().expect("sends"));
            });
            let (output, values) = collect();
            run_between(&pass(), way, input, output).expect("starts");
            root.join().expect("sends");
            assert_eq!(values.take().iter().sum::<u64>(), 20 * 1225);
        }
    });
}

/// Sends until the feed is closed; returns how many were accepted.
fn send_until_closed(mut feed: Feed<u64>) -> u64 {
    (0..).take_while(|&n| feed.send(n).is_ok()).count() as u64
}

#[test]
fn what_was_accepted_is_delivered_when_a_stop_races_with_the_senders() {
    within_a_minute(|| {
        for way in [Placement::Auto, Placement::PerWorker, Placement::Threads(1)] {
            for round in 0..100 {
                let (feed, input) = feed(1 + round % 4);
                let senders: Vec<_> = (0..4)
                    .map(|_| {
                        let feed = feed.clone();
                        thread::spawn(move || send_until_closed(feed))
                    })
                    .collect();
                let (arrived, arrives) = mpsc::channel();
                let output = for_each(move |_| arrived.send(()).expect("the test listens"));
                let ready = pass().setup().placement(way).init_fed(input, output);
                let running = ready.expect("initialises").start().expect("starts");
                arrives.recv().expect("it runs");
                running.stop();
                let report = running.wait();
                let accepted: u64 =
                    senders.into_iter().map(|sender| sender.join().expect("sends")).sum();
                assert!(report.is_complete(), "{report}");
                assert_eq!(report.stages[0].ledger.taken, accepted, "{report}");
                assert_eq!(1 + arrives.iter().count() as u64, accepted);
            }
        }
    });
}

#[test]
fn what_was_accepted_is_delivered_when_a_close_races_with_the_senders() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            for _ in 0..50 {
                let (feed, input) = feed(2);
                let senders: Vec<_> = (0..4)
                    .map(|_| {
                        let feed = feed.clone();
                        thread::spawn(move || send_until_closed(feed))
                    })
                    .collect();
                let arrived = Count::default();
                let output = {
                    let arrived = arrived.clone();
                    for_each(move |_| {
                        if arrived.up() == 20 {
                            feed.close();
                        }
                    })
                };
                run_between(&pass(), way, input, output).expect("starts");
                let accepted: u64 =
                    senders.into_iter().map(|sender| sender.join().expect("sends")).sum();
                assert_eq!(arrived.get(), accepted);
            }
        }
    });
}

#[test]
fn the_feed_of_a_run_that_could_not_be_initialised_is_closed() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (ended, endings) = mpsc::channel();
            let (mut feed, input) = feed(4);
            feed.try_send(tracked(7, &ended)).expect("there is room");
            let tract = worker("broken", 1, || Err::<fn(u64) -> u64, _>("no luck"));
            run_between(&tract, way, input, final_output()).expect_err("no luck");
            assert_closed(&mut feed);
            assert_eq!(endings.recv(), Ok((7, false)));
        }
    });
}

#[test]
fn the_feed_of_an_input_that_is_never_used_is_closed() {
    let (ended, endings) = mpsc::channel();
    let (mut feed, input) = feed(4);
    feed.try_send(tracked(7, &ended)).expect("there is room");
    drop(input);
    assert_closed(&mut feed);
    assert_eq!(endings.try_recv(), Ok((7, false)));
}

#[test]
fn the_feed_of_a_run_that_is_dropped_before_its_start_is_closed() {
    within_a_minute(|| {
        let (mut feed, input) = feed(4);
        let ready = pass().setup().init_fed(input, final_output()).expect("initialises");
        feed.try_send(1).expect("there is room");
        drop(ready);
        assert_closed(&mut feed);
    });
}

#[test]
fn the_feed_of_a_run_that_is_over_is_closed() {
    within_a_minute(|| {
        let (mut feed, input) = feed(4);
        let ready = pass().setup().init_fed(input, final_output()).expect("initialises");
        drop(ready.start().expect("starts"));
        assert_closed(&mut feed);
    });
}

fn assert_refused(capacity: usize) {
    within_a_minute(move || {
        for way in EVERY_WAY {
            let (mut feed, input) = feed::<u64>(capacity);
            let error = run_between(&pass(), way, input, final_output()).expect_err("no such ring");
            let Error::Capacity { path, asked } = &error else { panic!("{error}") };
            assert_eq!((path.as_str(), *asked), ("input", capacity));
            assert_closed(&mut feed);
        }
    });
}

#[test]
fn a_feed_without_room_is_refused() {
    assert_refused(0);
}

#[test]
fn a_feed_too_large_is_refused() {
    assert_refused((1 << 24) + 1);
}

#[test]
fn a_feed_beyond_all_memory_is_refused_and_does_not_panic() {
    assert_refused(usize::MAX);
}
