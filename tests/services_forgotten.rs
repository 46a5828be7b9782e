//! Calls whose requests never die: nobody waits for them longer than the run lasts.

mod common;

use std::sync::{Arc, Mutex};
use std::thread;

use ringtract::{
    CallError, Envelope, Idle, OnPanic, Outcome, Request, Service, Tract, Unanswered, outcome,
    worker,
};

use common::{MEANT, hush_meant_panics, within_a_minute};

const DROPPED: Unanswered = Unanswered::Dropped;

/// What a worker has in place of the envelope that it takes.
fn another() -> Envelope {
    Request::new(()).into_parts().1
}

/// Forgets the envelopes of odd numbers.
fn forgetful() -> Tract<u64, u64> {
    worker("forgetful", 1, || {
        outcome(|n: u64, request: &mut Envelope| {
            if !n.is_multiple_of(2) {
                std::mem::forget(std::mem::replace(request, another()));
            }
            Outcome::Emit(n)
        })
    })
}

/// Lets a handle wait for an answer on a thread, and tells when it is about to.
fn waiting(
    mut service: Service<u64, u64>,
    n: u64,
) -> thread::JoinHandle<Result<u64, CallError<u64>>> {
    let (about_to, told) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        assert_eq!(service.call(2), Ok(2));
        about_to.send(()).expect("heard");
        service.call(n)
    });
    told.recv().expect("told");
    thread
}

#[test]
fn s44_a_forgotten_envelope_is_answered_for_when_the_service_closes() {
    within_a_minute(|| {
        for idle in [Idle::default(), Idle::Spin, Idle::Yield, Idle::Park] {
            for _ in 0..20 {
                let tract = forgetful();
                let mut service =
                    tract.setup().service().idle(idle).start().expect("a sound tract");
                let callers: Vec<_> = (0..4).map(|_| waiting(service.clone(), 1)).collect();
                let (ticket, kept) = (service.submit(3), service.submit(5));
                drop(kept.expect("a place"));
                assert_eq!(service.call(4), Ok(4));
                let mut tickets = [ticket.expect("a place")];
                assert_eq!(tickets[0].try_answer(), None);
                let report = service.close().expect("closed once");
                assert!(report.is_complete());
                for caller in callers {
                    match caller.join().expect("no panic") {
                        // It came too late to be taken.
                        Err(CallError::Closed(1)) => {}
                        answer => assert_eq!(answer, Err(CallError::Unanswered(DROPPED))),
                    }
                }
                assert_eq!(tickets[0].try_answer(), Some(Err(DROPPED)));
                assert_eq!(service.call(2), Err(CallError::Closed(2)));
            }
        }
    });
}

#[test]
fn s44_a_forgotten_envelope_is_answered_for_when_the_tract_stops_by_itself() {
    hush_meant_panics();
    within_a_minute(|| {
        for _ in 0..50 {
            let tract = worker("fuse", 1, || {
                outcome(|n: u64, request: &mut Envelope| {
                    assert!(n != 9, "{MEANT}blown");
                    std::mem::forget(std::mem::replace(request, another()));
                    Outcome::Emit(n)
                })
            });
            let mut service = tract.on_panic(OnPanic::Stop).into_service().expect("a sound tract");
            let forgotten = service.submit(1).expect("a place");
            let fatal = service.submit(9).expect("a place");
            let blown = Unanswered::Panicked(format!("{MEANT}blown"));
            assert_eq!(fatal.wait(), Err(blown));
            assert_eq!(forgotten.wait(), Err(DROPPED));
            // What gets in before the stop has reached the input is dropped there.
            let refused = CallError::Closed(2);
            let mut answers =
                std::iter::repeat_with(|| service.call(2).expect_err("it is stopping"));
            let after = answers.find(|answer| *answer != CallError::Unanswered(DROPPED));
            assert_eq!(after, Some(refused));
        }
    });
}

#[test]
fn s44_an_envelope_that_outlives_the_run_answers_nobody_twice() {
    within_a_minute(|| {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&kept);
        let tract = worker("keep", 1, move || {
            let keep = Arc::clone(&keep);
            outcome(move |n: u64, request: &mut Envelope| {
                keep.lock().expect("whole").push(std::mem::replace(request, another()));
                Outcome::Emit(n)
            })
        });
        let mut service = tract.into_service().expect("a sound tract");
        let early = service.submit(1).expect("a place");
        while kept.lock().expect("whole").is_empty() {
            thread::yield_now();
        }
        // It dies while the service is open: there is a call, but no value.
        kept.lock().expect("whole").clear();
        assert_eq!(early.wait(), Err(DROPPED));
        let late = service.submit(2).expect("a place");
        let given_up = service.submit(3).expect("a place");
        while kept.lock().expect("whole").len() < 2 {
            thread::yield_now();
        }
        drop(given_up);
        service.close().expect("closed once");
        kept.lock().expect("whole").clear();
        assert_eq!(late.wait(), Err(DROPPED));
        assert_eq!(service.call(4), Err(CallError::Closed(4)));
    });
}

#[test]
fn s46_nothing_is_left_of_calls_that_were_forgotten_or_given_up() {
    within_a_minute(|| {
        let alive = Arc::new(());
        let made = Arc::clone(&alive);
        let tract = worker("hold", 1, move || {
            let made = Arc::clone(&made);
            outcome(move |n: u64, request: &mut Envelope| {
                if n.is_multiple_of(7) {
                    // Dropped, not forgotten: what is forgotten is lost by definition.
                    drop(std::mem::replace(request, another()));
                }
                Outcome::Emit(Arc::clone(&made))
            })
        });
        let mut service = tract.setup().service().window(4).start().expect("a sound tract");
        let mut lasting = Vec::new();
        for n in 0..1_000 {
            let ticket = service.submit_within(n, std::time::Duration::MAX).expect("a place");
            match n % 3 {
                0 => drop(ticket),
                1 => drop(ticket.wait()),
                _ => lasting.push(ticket),
            }
        }
        drop(service);
        lasting.truncate(100);
        for ticket in lasting.drain(..50) {
            drop(ticket.wait());
        }
        drop((lasting, tract));
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}
