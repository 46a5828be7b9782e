//! What a request carries: its start, and clean-ups that nobody can lose. S34, S36 to S38.

mod common;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::deaths::{Deaths, marked, watched};
use common::probe::{run_between, run_to};
use common::{EVERY_WAY, within_a_minute};
use ringtract::{
    Envelope, Input, Measure, Next, NoInput, Outcome, Output, OutputEnd, Placement, Request, Tract,
    collect, fan_out, feed, final_output, flat_map, outcome, output, receiver, source, worker,
};

/// Two clocks are compared, which may differ by this much.
const SLACK: Duration = Duration::from_millis(5);

/// Returns after some time, so that what comes later is seen to be later.
fn pass_time<T>(value: T) -> T {
    let begun = Instant::now();
    while begun.elapsed() < 2 * SLACK {
        thread::yield_now();
    }
    value
}

/// A worker that emits the start of each request.
fn started(name: &str) -> Tract<u64, Option<Instant>> {
    worker(name, 1, || outcome(|_: u64, request: &mut Envelope| Outcome::Emit(request.started())))
}

#[test]
fn s34_a_request_carries_the_time_at_which_its_source_made_it() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let made = Arc::new(Mutex::new(Vec::new()));
            let times = Arc::clone(&made);
            let numbers = marked(0..20, move |_, _: &mut Envelope| {
                times.lock().expect("no panic in here").push(Instant::now());
            });
            let tract = source("numbers", 1, move || numbers.clone())
                .then(worker("pause", 1, || |n: u64| pass_time(n)))
                .then(started("started"));
            let (output, starts) = collect();
            run_to(&tract, way, output).expect("a sound tract");

            let mut made = made.lock().expect("no panic in there").clone();
            made.push(Instant::now());
            let starts = starts.take();
            assert_eq!(starts.len(), 20, "{way:?}");
            for (start, between) in starts.into_iter().zip(made.windows(2)) {
                let start = start.expect("stamped");
                assert!(start + SLACK >= between[0] && start <= between[1] + SLACK, "{way:?}");
            }
        }
    });
}

#[test]
fn s34_all_that_becomes_of_a_request_has_its_start() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let note =
                || outcome(|n: u64, request: &mut Envelope| Outcome::Emit((n, request.started())));
            let check = || {
                outcome(|(n, start), request: &mut Envelope| {
                    Outcome::Emit((n, request.started().is_some() && request.started() == start))
                })
            };
            let twice = || flat_map(|(n, start): (u64, Option<Instant>)| vec![(n, start); 2]);
            let both = fan_out(
                "both",
                [
                    worker("check", 1, check),
                    worker("twice", 1, twice).then(worker("check", 1, check)),
                ],
            );
            let tract = source("numbers", 1, || 0..20).then(worker("note", 1, note)).then(both);
            let (output, checked) = collect();
            run_to(&tract, way, output).expect("a sound tract");
            let checked = checked.take();
            assert_eq!(checked.len(), 60, "{way:?}");
            assert!(checked.iter().all(|(_, same)| *same), "{way:?}");
        }
    });
}

/// A source that gives each request the time it was meant to start.
#[derive(Clone)]
struct Late(std::vec::IntoIter<Instant>);

impl Input for Late {
    type Item = u64;

    fn poll(&mut self, request: &mut Envelope) -> Next<u64> {
        match Iterator::next(&mut self.0) {
            Some(intended) => {
                request.set_started(intended);
                Next::Value(0)
            }
            None => Next::Ended,
        }
    }
}

/// Some instants in the past, but after the process first used the library.
fn intended_times() -> Vec<Instant> {
    Request::new(()).envelope_mut().set_started(Instant::now());
    (0..5).map(|_| Instant::now()).collect()
}

#[test]
fn s34_an_intended_start_is_kept() {
    within_a_minute(|| {
        let intended = intended_times();
        let expected: Vec<_> = intended.iter().copied().map(Some).collect();
        for way in EVERY_WAY {
            for measure in [Measure::Off, Measure::ALL] {
                let late = Late(intended.clone().into_iter());
                let tract = source("late", 1, move || late.clone()).then(started("started"));
                let mut starts = Vec::new();
                let setup = tract.setup().placement(way).measure(measure);
                setup.run(|start| starts.push(start)).expect("a sound tract");
                assert_eq!(starts, expected, "{way:?}, {measure:?}");
            }
        }
    });
}

#[test]
fn s34_a_request_that_is_fed_is_stamped_when_it_is_sent() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (mut feed, input) = feed(8);
            let before = Instant::now();
            feed.send(1_u64).expect("open");
            let after = Instant::now();
            drop(pass_time(feed));
            let (output, starts) = collect();
            run_between(&started("started"), way, input, output).expect("a sound tract");
            let start = starts.take().pop().expect("a request").expect("stamped");
            assert!(start + SLACK >= before && start <= after + SLACK, "{way:?}");
        }
    });
}

#[test]
fn s34_a_request_that_is_fed_may_bring_its_own_start() {
    within_a_minute(|| {
        let intended = intended_times()[0];
        for way in EVERY_WAY {
            let (mut feed, input) = feed(8);
            let mut request = Request::new(1_u64);
            request.envelope_mut().set_started(intended);
            feed.send(request).expect("open");
            drop(feed);
            let (output, starts) = collect();
            run_between(&started("started"), way, input, output).expect("a sound tract");
            assert_eq!(starts.take(), [Some(intended)], "{way:?}");
        }
    });
}

#[test]
fn s34_where_nothing_is_measured_requests_have_no_start() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let tract = source("numbers", 1, || 0..10).then(started("started"));
            let mut starts = Vec::new();
            let setup = tract.setup().placement(way).measure(Measure::Off);
            setup.run(|start| starts.push(start)).expect("a sound tract");
            assert_eq!(starts, [None; 10], "{way:?}");
        }
    });
}

/// Ten watched requests with an unfinished end.
fn ten(deaths: &Deaths) -> Tract<NoInput, u64> {
    let numbers = watched(0..10, deaths);
    source("numbers", 1, move || numbers.clone())
}

#[test]
fn s36_clean_ups_can_be_removed_unrun() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (removed, later) = (Deaths::default(), Deaths::default());
            let added = later.clone();
            let remove = move || {
                let added = added.clone();
                outcome(move |n: u64, request: &mut Envelope| {
                    assert_eq!(request.cleanups(), 1);
                    request.clear_cleanups();
                    assert_eq!(request.cleanups(), 0);
                    added.watch(n, request);
                    Outcome::Emit(n)
                })
            };
            let tract = ten(&removed).then(worker("remove", 1, remove));
            let report = run_to(&tract, way, final_output()).expect("a sound tract");
            assert!(report.failures.is_empty(), "{way:?}: {:?}", report.failures);
            removed.assert_each_once(0..0, |_| true);
            later.assert_each_once(0..10, |_| true);
        }
    });
}

#[test]
fn s36_clean_ups_run_by_hand_run_at_once_and_are_gone() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let deaths = Deaths::default();
            let seen = deaths.clone();
            let by_hand = move || {
                let seen = seen.clone();
                outcome(move |n: u64, request: &mut Envelope| {
                    seen.watch(n, request);
                    assert_eq!(request.run_cleanups(n.is_multiple_of(2)), 0);
                    assert_eq!(request.cleanups(), 0);
                    assert_eq!(seen.all()[&n], [n.is_multiple_of(2); 2], "at once");
                    seen.watch(n, request);
                    Outcome::Emit(n)
                })
            };
            let tract = ten(&deaths).then(worker("by hand", 1, by_hand));
            let report = run_to(&tract, way, final_output()).expect("a sound tract");
            assert!(report.failures.is_empty(), "{way:?}: {:?}", report.failures);
            deaths.assert_are((0..10).map(|n| (n, vec![n % 2 == 0, n % 2 == 0, true])).collect());
        }
    });
}

#[test]
fn s36_a_copy_can_remove_or_run_only_its_own_clean_ups() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (shared, own) = (Deaths::default(), Deaths::default());
            let branch = |name, by_hand: bool| {
                let own = own.clone();
                worker(name, 1, move || {
                    let own = own.clone();
                    outcome(move |n: u64, request: &mut Envelope| {
                        own.watch(n, request);
                        assert_eq!(request.cleanups(), 1);
                        if by_hand {
                            request.run_cleanups(false);
                        } else {
                            request.clear_cleanups();
                        }
                        Outcome::Emit(n)
                    })
                })
            };
            let tract =
                ten(&shared).then(fan_out("both", [branch("clears", false), branch("runs", true)]));
            let report = run_to(&tract, way, final_output()).expect("a sound tract");
            assert!(report.failures.is_empty(), "{way:?}: {:?}", report.failures);
            shared.assert_each_once(0..10, |_| true);
            own.assert_each_once(0..10, |_| false);
        }
    });
}

#[test]
fn s37_a_worker_cannot_lose_clean_ups_by_returning_another_value() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let deaths = Deaths::default();
            let tract = ten(&deaths)
                .then(worker("text", 1, || |n: u64| n.to_string()))
                .then(worker("nothing", 1, || |_: String| ()))
                .then(worker("three", 1, || flat_map(|()| [1.5, 2.5, 3.5])));
            let (output, values) = collect();
            run_to(&tract, way, output).expect("a sound tract");
            assert_eq!(values.take().len(), 30, "{way:?}");
            deaths.assert_each_once(0..10, |_| true);
        }
    });
}

/// An output that drops each request at once, looks at what was written down, and adds a clean-up before if asked.
struct Drops {
    deaths: Deaths,
    adds: Option<Deaths>,
}

impl Output<u64> for Drops {
    fn put(&mut self, mut request: Request<u64>) {
        let number = *request;
        assert!(!self.deaths.all().contains_key(&number), "not before it is dropped");
        if let Some(added) = &self.adds {
            added.watch(number, request.envelope_mut());
        }
        drop(request);
        assert_eq!(self.deaths.all().get(&number), Some(&vec![true]), "as it is dropped");
    }
}

fn drops(deaths: &Deaths, adds: Option<&Deaths>) -> OutputEnd<u64> {
    let drops = Drops { deaths: deaths.clone(), adds: adds.cloned() };
    output(move || Ok::<_, Infallible>(drops))
}

#[test]
fn s38_a_request_dropped_by_an_output_has_succeeded() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let deaths = Deaths::default();
            let report = run_to(&ten(&deaths), way, drops(&deaths, None)).expect("a sound tract");
            assert!(report.failures.is_empty(), "{way:?}: {:?}", report.failures);
            deaths.assert_each_once(0..10, |_| true);
        }
    });
}

#[test]
fn s38_clean_ups_added_in_the_output_run_with_success() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let (deaths, added) = (Deaths::default(), Deaths::default());
            run_to(&ten(&deaths), way, drops(&deaths, Some(&added))).expect("a sound tract");
            added.assert_each_once(0..10, |_| true);
        }
    });
}

#[test]
fn s38_the_first_clean_up_of_a_request_may_be_added_in_the_output() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let added = Deaths::default();
            let adds = added.clone();
            let sink =
                move |mut request: Request<u64>| adds.watch(*request, request.envelope_mut());
            let tract = source("numbers", 1, || 0..10);
            run_to(&tract, way, output(move || Ok::<_, Infallible>(sink))).expect("a sound tract");
            added.assert_each_once(0..10, |_| true);
        }
    });
}

#[test]
fn s38_a_request_lives_as_long_as_its_user_keeps_it() {
    within_a_minute(|| {
        for way in EVERY_WAY {
            let deaths = Deaths::default();
            let kept = Arc::new(Mutex::new(Vec::new()));
            let keep = Arc::clone(&kept);
            let keeps = move |request: Request<u64>| {
                keep.lock().expect("no panic in here").push(request);
            };
            let end = output(move || Ok::<_, Infallible>(keeps));
            run_to(&ten(&deaths), way, end).expect("a sound tract");

            deaths.assert_each_once(0..0, |_| true);
            let kept = std::mem::take(&mut *kept.lock().expect("no panic in there"));
            for (request, n) in kept.into_iter().zip(0..) {
                let (number, envelope) = request.into_parts();
                assert_eq!(number, n);
                deaths.assert_each_once(0..n, |_| true);
                drop(envelope);
            }
            deaths.assert_each_once(0..10, |_| true);
        }
    });
}

#[test]
fn s38_a_request_that_is_received_has_succeeded_when_it_is_dropped() {
    within_a_minute(|| {
        let deaths = Deaths::default();
        let (output, mut receiver) = receiver();
        let running = ten(&deaths).init(output).expect("a sound tract").start().expect("runs");
        let first = receiver.recv().expect("a request");
        assert_eq!(receiver.recv().expect("a request").into_value(), 1);
        deaths.assert_each_once(1..2, |_| true);
        drop(receiver.by_ref().collect::<Vec<_>>());
        deaths.assert_each_once(1..10, |_| true);
        drop(first);
        deaths.assert_each_once(0..10, |_| true);
        assert!(running.wait().is_complete());
    });
}

#[test]
fn s38_requests_that_are_never_received_have_failed() {
    within_a_minute(|| {
        for received in [0, 1] {
            let deaths = Deaths::default();
            let (output, mut receiver) = receiver();
            let tract = ten(&deaths);
            tract.init(output).expect("a sound tract").start().expect("runs").wait();
            drop(receiver.by_ref().take(received).collect::<Vec<_>>());
            drop(receiver);
            deaths.assert_each_once(0..10, |n| n < received as u64);
        }
    });
}

#[test]
fn s38_a_request_that_is_sent_on_into_another_tract_can_fail_there() {
    within_a_minute(|| {
        let deaths = Deaths::default();
        let (first_output, mut first) = receiver();
        let running = ten(&deaths).init(first_output).expect("sound").start().expect("runs");
        let (mut feed, input) = feed(16);
        for request in first.by_ref() {
            feed.send(request).expect("open");
        }
        drop(feed);
        running.wait();
        let (second_output, never_read) = receiver::<u64>();
        let second = worker("second", 1, || |n: u64| n);
        run_between(&second, Placement::Auto, input, second_output).expect("a sound tract");
        deaths.assert_each_once(0..0, |_| true);
        drop(never_read);
        deaths.assert_each_once(0..10, |_| false);
    });
}

#[test]
fn s38_a_request_that_never_gets_in_has_failed() {
    let deaths = Deaths::default();
    let (mut feed, _input) = feed::<u64>(4);
    feed.close();
    let mut request = Request::new(1);
    deaths.watch(1, request.envelope_mut());
    let refused = feed.send(request).expect_err("closed");
    deaths.assert_each_once(0..0, |_| true);
    drop(refused);
    deaths.assert_each_once(1..2, |_| false);
}
