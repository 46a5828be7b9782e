//! The window of a handle: how many calls may be under way, and who waits where it is full.

mod common;

use std::thread;
use std::time::Duration;

use ringtract::{CallError, Idle, worker};

use common::service::{double, emitted, gated};
use common::within_a_minute;

/// Longer than any test runs.
const FOR_EVER: Duration = Duration::MAX;

#[test]
fn s41_a_call_waits_where_the_window_is_full_and_submit_says_so() {
    for idle in [Idle::default(), Idle::Spin, Idle::Yield, Idle::Park] {
        within_a_minute(move || {
            let (open, tract) = gated();
            let service = tract.setup().service().window(2).idle(idle);
            let mut service = service.start().expect("a sound tract");
            for round in 0..200 {
                let (one, two) = (service.submit(round), service.submit(round + 1));
                assert_eq!(service.submit(9).expect_err("two are under way"), CallError::Busy(9));
                let open = open.clone();
                let opening =
                    thread::spawn(move || (0..3).for_each(|_| open.send(()).expect("heard")));
                assert_eq!(service.call(round + 2), Ok(round + 2));
                assert_eq!(one.expect("a place").wait(), Ok(round));
                assert_eq!(two.expect("a place").wait(), Ok(round + 1));
                opening.join().expect("no panic");
            }
            assert_eq!(emitted(&service.close().expect("closed once"), "gated"), 600);
        });
    }
}

#[test]
fn s41_answers_that_wait_to_be_taken_take_no_place() {
    within_a_minute(|| {
        let service = double().setup().service().window(2).start().expect("a sound tract");
        thread::scope(|scope| {
            for caller in 0..4_u64 {
                let mut service = service.clone();
                scope.spawn(move || {
                    let numbers = || (caller << 32..).take(500);
                    let tickets = numbers().map(|n| service.submit_within(n, FOR_EVER));
                    let tickets: Vec<_> = tickets.map(|ticket| ticket.expect("a place")).collect();
                    for (n, ticket) in numbers().zip(tickets) {
                        assert_eq!(service.call(n), Ok(2 * n));
                        assert_eq!(ticket.wait(), Ok(2 * n));
                    }
                });
            }
        });
        assert_eq!(emitted(&service.close().expect("closed once"), "double"), 4_000);
    });
}

#[test]
fn s46_a_limit_holds_for_the_place_as_well_and_gives_the_value_back() {
    within_a_minute(|| {
        let (open, tract) = gated();
        let mut service = tract.setup().service().window(1).start().expect("a sound tract");
        let ticket = service.submit(1).expect("a place");
        let limit = Duration::from_millis(1);
        assert_eq!(service.call_within(2, limit), Err(CallError::Busy(2)));
        assert_eq!(service.submit_within(3, limit).expect_err("no place"), CallError::Busy(3));
        open.send(()).expect("heard");
        assert_eq!(ticket.wait(), Ok(1));
        open.send(()).expect("heard");
        assert_eq!(service.call_within(4, FOR_EVER), Ok(4));
        assert_eq!(emitted(&service.close().expect("closed once"), "gated"), 2);
    });
}

#[test]
fn s45_who_waits_for_a_place_when_the_service_closes_gets_the_value_back() {
    within_a_minute(|| {
        for _ in 0..50 {
            let (open, tract) = gated();
            let mut service = tract.setup().service().window(1).start().expect("a sound tract");
            let closer = service.clone();
            let ticket = service.submit(1).expect("a place");
            let waiting = thread::spawn(move || service.call(2));
            let closing = thread::spawn({
                let closer = closer.clone();
                move || closer.close().expect("closed once")
            });
            while !closer.is_closed() {
                thread::yield_now();
            }
            open.send(()).expect("heard");
            assert_eq!(waiting.join().expect("no panic"), Err(CallError::Closed(2)));
            assert_eq!(ticket.wait(), Ok(1));
            assert_eq!(emitted(&closing.join().expect("no panic"), "gated"), 1);
        }
    });
}

#[test]
fn s46_calls_given_up_on_make_their_places_free_for_who_waits() {
    within_a_minute(|| {
        let slow = worker("slow", 1, || |n: u64| (0..50).fold(n, |n, _| std::hint::black_box(n)));
        let mut service = slow.setup().service().window(1).start().expect("a sound tract");
        for n in 0..2_000 {
            drop(service.submit_within(n, FOR_EVER).expect("a place"));
            assert_eq!(service.call(n), Ok(n));
        }
        assert_eq!(emitted(&service.close().expect("closed once"), "slow"), 4_000);
    });
}
