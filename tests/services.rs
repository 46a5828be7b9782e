//! A tract as a service: calls, tickets, futures, and what becomes of calls that come to nothing.

mod common;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use ringtract::{
    CallError, Envelope, Error, Outcome, Unanswered, fan_out, filter_map, flat_map, outcome,
    parallel, try_map, worker,
};

use common::service::{double, emitted, gated};
use common::{Count, within_a_minute};

#[test]
fn s41_many_threads_call_and_each_gets_its_own_answer() {
    within_a_minute(|| {
        let service = double().into_service().expect("a sound tract");
        thread::scope(|scope| {
            for caller in 0..8_u64 {
                let mut service = service.clone();
                scope.spawn(move || {
                    for n in 0..500 {
                        let n = caller << 32 | n;
                        assert_eq!(service.call(n), Ok(2 * n));
                    }
                });
            }
        });
        let report = service.close().expect("closed once");
        assert_eq!(emitted(&report, "double"), 4_000);
    });
}

#[test]
fn s42_an_inner_discard_or_failure_comes_back_as_such_and_ends_nothing() {
    within_a_minute(|| {
        let odd = worker("odd", 1, || filter_map(|n: u64| (n % 2 == 1).then_some(n)));
        let small =
            worker("small", 1, || try_map(|n: u64| if n < 100 { Ok(n) } else { Err("too large") }));
        let mut service = odd.then(small).into_service().expect("a sound tract");
        for _ in 0..3 {
            assert_eq!(service.call(2), Err(CallError::Unanswered(Unanswered::Discarded)));
            let failed = Unanswered::Failed("too large".to_owned());
            assert_eq!(service.call(101), Err(CallError::Unanswered(failed)));
            assert_eq!(service.call(7), Ok(7));
        }
        let report = service.close().expect("closed once");
        assert!(report.is_complete());
        assert_eq!(report.stage("odd").expect("a stage").ledger.discarded, 3);
        assert_eq!(report.stage("small").expect("a stage").ledger.failed, 3);
    });
}

#[test]
fn s43_clean_ups_added_inside_have_run_before_the_call_returns() {
    within_a_minute(|| {
        let (good, bad) = (Count::default(), Count::default());
        let counts = (good.clone(), bad.clone());
        let tract = worker("clean", 1, move || {
            let (good, bad) = counts.clone();
            outcome(move |n: u64, request: &mut Envelope| {
                let (good, bad) = (good.clone(), bad.clone());
                request.on_end(move |success| {
                    thread::yield_now();
                    if success { &good } else { &bad }.up();
                });
                if n.is_multiple_of(3) { Outcome::Discard } else { Outcome::Emit(n) }
            })
        });
        let mut service = tract.into_service().expect("a sound tract");
        for n in 0..300 {
            let answer = service.call(n);
            assert_eq!(answer.is_ok(), n % 3 != 0);
            assert_eq!(good.get() + bad.get(), n + 1, "a clean-up was late");
            assert_eq!(bad.get(), n / 3 + 1);
        }
    });
}

#[test]
fn s43_clean_ups_of_every_copy_have_run_before_the_call_returns() {
    within_a_minute(|| {
        let ended = Count::default();
        let branch = |name: &str| {
            let ended = ended.clone();
            worker(name, 1, move || {
                let ended = ended.clone();
                outcome(move |n: u64, request: &mut Envelope| {
                    let ended = ended.clone();
                    request.on_end(move |_| ended.add(1));
                    Outcome::Emit(n)
                })
            })
        };
        let both = fan_out("both", [branch("left"), branch("right"), branch("middle")]);
        let mut service = both.setup().service().first().start().expect("a rule is given");
        for n in 0..300 {
            assert_eq!(service.call(n), Ok(n));
            assert_eq!(ended.get(), 3 * (n + 1));
        }
    });
}

#[test]
fn s44_a_fan_out_inside_is_refused_unless_a_rule_is_given() {
    let refused = fan_out("both", [double(), double()]).into_service().expect_err("no rule");
    assert!(matches!(&refused, Error::FanOutInService { path } if path == "both"), "{refused}");
    let inside = double().then(parallel(
        "either",
        [double(), worker("first", 1, || |n: u64| n).then(fan_out("deep", [double(), double()]))],
    ));
    let refused = inside.into_service().expect_err("no rule");
    assert!(refused.to_string().contains("`either/deep`"), "{refused}");
    let single = fan_out("alone", [double()]).into_service();
    assert_eq!(single.expect("one copy").call(4), Ok(8));
}

#[test]
fn s44_a_fan_out_gathers_by_its_rule() {
    within_a_minute(|| {
        let branches = || {
            fan_out(
                "three",
                [
                    worker("even", 1, || filter_map(|n: u64| n.is_multiple_of(2).then_some(n))),
                    worker("third", 1, || {
                        filter_map(|n: u64| n.is_multiple_of(3).then_some(n + 1))
                    }),
                    worker("sixth", 1, || {
                        filter_map(|n: u64| n.is_multiple_of(6).then_some(n + 2))
                    }),
                ],
            )
        };
        let tract = branches();
        let discarded = CallError::Unanswered(Unanswered::Discarded);

        let mut first = tract.setup().service().first().start().expect("a rule is given");
        let mut all = tract.setup().service().all().start().expect("a rule is given");
        let mut two = tract.setup().service().at_least(2).start().expect("a rule is given");
        for round in 0..50 {
            let n = 6 * round;
            assert!((n..n + 3).contains(&first.call(n).expect("three values")));
            assert_eq!(first.call(n + 1), Err(discarded.clone()));
            assert_eq!(first.call(n + 3), Ok(n + 4));

            let mut values = all.call(n).expect("no copy came to nothing");
            values.sort_unstable();
            assert_eq!(values, [n, n + 1, n + 2]);
            assert_eq!(all.call(n + 3), Err(discarded.clone()));

            assert_eq!(two.call(n).expect("three values").len(), 3);
            assert_eq!(two.call(n + 2), Err(discarded.clone()));
        }
        let mut four = tract.setup().service().at_least(4).start().expect("a rule is given");
        let short = Unanswered::TooFew { got: 3, least: 4 };
        assert_eq!(four.call(0), Err(CallError::Unanswered(short)));
    });
}

#[test]
fn s44_a_request_that_becomes_several_values_is_answered_with_the_first() {
    within_a_minute(|| {
        let several = worker("several", 1, || flat_map(|n: u64| 10 * n..11 * n));
        let mut service = several.into_service().expect("a sound tract");
        for n in 1..100 {
            assert_eq!(service.call(n), Ok(10 * n));
        }
        assert_eq!(service.call(0), Err(CallError::Unanswered(Unanswered::Discarded)));
    });
}

#[test]
fn s44_a_worker_that_panics_or_drops_clean_ups_still_answers() {
    within_a_minute(|| {
        let rough = worker("rough", 1, || {
            outcome(|n: u64, request: &mut Envelope| {
                assert!(n % 4 != 1, "one too many");
                request.clear_cleanups();
                request.run_cleanups(false);
                if n % 4 == 2 {
                    // The envelope that the answer is owed through is thrown away.
                    *request = ringtract::Request::new(()).into_parts().1;
                }
                Outcome::Emit(n + 1)
            })
        });
        let mut service = rough.into_service().expect("a sound tract");
        for n in (0..80).step_by(4) {
            assert_eq!(service.call(n), Ok(n + 1));
            let panicked = Unanswered::Panicked("one too many".to_owned());
            assert_eq!(service.call(n + 1), Err(CallError::Unanswered(panicked)));
            let dropped = CallError::Unanswered(Unanswered::Dropped);
            assert_eq!(service.call(n + 2), Err(dropped));
        }
    });
}

#[test]
fn s44_the_calls_in_flight_when_the_tract_stops_itself_are_answered() {
    within_a_minute(|| {
        let fuse = worker("fuse", 1, || |n: u64| assert!(n != 5, "blown"))
            .on_panic(ringtract::OnPanic::Stop);
        let mut service = fuse.into_service().expect("a sound tract");
        let tickets: Vec<_> = (0..40).map_while(|n| service.submit(n).ok()).collect();
        let mut answers = tickets.into_iter().map(ringtract::Ticket::wait);
        assert!(answers.by_ref().take(5).all(|answer| answer == Ok(())));
        assert_eq!(answers.next(), Some(Err(Unanswered::Panicked("blown".to_owned()))));
        assert!(answers.all(|answer| answer == Err(Unanswered::Dropped)));
        assert_eq!(service.call(1), Err(CallError::Closed(1)));
    });
}

#[test]
fn s45_closing_finishes_what_was_accepted_and_twice_is_fine() {
    within_a_minute(|| {
        let (open, tract) = gated();
        let mut service = tract.into_service().expect("a sound tract");
        let tickets: Vec<_> = (0..10).map(|n| service.submit(n).expect("room")).collect();
        let closing = thread::spawn({
            let service = service.clone();
            move || service.close()
        });
        while !service.is_closed() {
            thread::yield_now();
        }
        assert_eq!(service.call(10), Err(CallError::Closed(10)));
        (0..10).for_each(|_| open.send(()).expect("waiting"));
        let report = closing.join().expect("no panic").expect("closed once");
        assert_eq!(emitted(&report, "gated"), 10);
        for (n, ticket) in tickets.into_iter().enumerate() {
            assert_eq!(ticket.wait(), Ok(n as u64));
        }
        assert!(service.close().is_none());
        assert_eq!(service.call(11), Err(CallError::Closed(11)));
    });
}

/// A thousand rounds where `RINGTRACT_LONG` is set.
#[test]
fn s45_every_call_beside_a_close_returns_an_answer_or_closed() {
    let rounds = if std::env::var_os("RINGTRACT_LONG").is_some() { 1_000 } else { 100 };
    common::within(Duration::from_secs(600), move || {
        for round in 0..rounds {
            let service = double().into_service().expect("a sound tract");
            let answers = Count::default();
            let report = thread::scope(|scope| {
                for caller in 0..8_u64 {
                    let (mut service, answers) = (service.clone(), answers.clone());
                    scope.spawn(move || {
                        for n in caller.. {
                            match service.call(n) {
                                Ok(answer) => {
                                    assert_eq!(answer, 2 * n);
                                    answers.up();
                                }
                                Err(error) => return assert_eq!(error, CallError::Closed(n)),
                            }
                        }
                    });
                }
                while answers.get() < round % 50 {
                    thread::yield_now();
                }
                service.close().expect("closed once")
            });
            assert!(report.is_complete());
            assert_eq!(emitted(&report, "double"), answers.get());
        }
    });
}

#[test]
fn s45_the_last_handle_closes_the_service() {
    within_a_minute(|| {
        let (open, tract) = gated();
        let mut service = tract.into_service().expect("a sound tract");
        let ticket = service.submit(3).expect("room");
        open.send(()).expect("waiting");
        drop(service.clone());
        drop(service);
        assert!(open.send(()).is_err(), "the worker is gone");
        assert_eq!(ticket.wait(), Ok(3));
    });
}

#[test]
fn s46_a_call_given_up_on_leaves_nothing_behind() {
    within_a_minute(|| {
        let (open, tract) = gated();
        let mut service = tract.setup().service().window(2).start().expect("a sound tract");
        let late = service.call_within(1, Duration::from_millis(1));
        assert_eq!(late, Err(CallError::Unanswered(Unanswered::TimedOut)));
        let mut ticket = service.submit(2).expect("room for two");
        assert_eq!(ticket.try_answer(), None);
        assert_eq!(ticket.wait_for(Duration::from_millis(1)), None);
        drop(ticket);
        // Both places are taken until the answers come that nobody waits for.
        assert!(matches!(service.submit(3), Err(CallError::Busy(3))));
        open.send(()).expect("waiting");
        open.send(()).expect("waiting");
        for n in 4..1_000 {
            open.send(()).expect("waiting");
            let mut next = service.submit(n);
            while let Err(CallError::Busy(_)) = next {
                thread::yield_now();
                next = service.submit(n);
            }
            let mut ticket = next.expect("open");
            if n % 3 == 0 {
                continue;
            }
            assert_eq!(ticket.wait_for(Duration::from_secs(50)), Some(Ok(n)));
            assert_eq!(ticket.try_answer(), Some(Err(Unanswered::Taken)));
        }
        let report = service.close().expect("closed once");
        assert!(report.is_complete());
    });
}

#[test]
fn s46_answers_given_up_on_are_dropped() {
    within_a_minute(|| {
        let alive = Arc::new(());
        let made = Arc::clone(&alive);
        let tract = worker("hold", 1, move || {
            let made = Arc::clone(&made);
            move |_: u64| Arc::clone(&made)
        });
        let mut service = tract.setup().service().window(8).start().expect("a sound tract");
        for n in 0..1_000 {
            drop(service.submit(n));
            drop(service.call_within(n, Duration::ZERO));
        }
        service.close();
        drop((service, tract));
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// Wakes a thread of the test's.
struct Unpark(thread::Thread, AtomicBool);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.store(true, SeqCst);
        self.0.unpark();
    }
}

/// The smallest executor there is: it polls again only when it was woken.
fn block_on<F: Future>(future: F) -> F::Output {
    let woken = Arc::new(Unpark(thread::current(), AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    loop {
        while !woken.1.swap(false, SeqCst) {
            thread::park();
        }
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
    }
}

#[test]
fn s46_a_ticket_is_a_future_in_any_executor() {
    within_a_minute(|| {
        let mut service = double().into_service().expect("a sound tract");
        let sum = block_on(async {
            let mut sum = 0;
            for n in 0..2_000 {
                sum += service.submit(n).expect("room").await.expect("an answer");
            }
            sum
        });
        assert_eq!(sum, 2_000 * 1_999);
        let (open, tract) = gated();
        let mut slow = tract.into_service().expect("a sound tract");
        let ticket = slow.submit(1).expect("room");
        let opening = thread::spawn(move || open.send(()).expect("waiting"));
        assert_eq!(block_on(ticket), Ok(1));
        opening.join().expect("no panic");
    });
}
