//! Waiting: who parks, who is woken, by whom, and that no wake-up is lost.
//!
//! `RINGTRACT_ROUNDS` sets how many runs the round trips make: 10,000 is the longer mode.

mod common;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use common::books::assert_balanced;
use common::probe::{eventually, run_to};
use common::{within, within_a_minute};
use ringtract::{
    Envelope, Idle, Input, Next, Output, Placement, Report, Request, Room, collect, feed,
    final_output, input, output, receiver, source, worker,
};

const ON_THREADS: [Placement; 4] =
    [Placement::Auto, Placement::PerWorker, Placement::Threads(1), Placement::Threads(2)];

/// Ways to wait that end in a parked thread.
const PARKING: [Idle; 3] =
    [Idle::Park, Idle::Backoff { spins: 0, yields: 0 }, Idle::Backoff { spins: 50, yields: 2 }];

fn parks(report: &Report) -> u64 {
    report.threads.iter().map(|thread| thread.parks).sum()
}

fn assert_nobody_was_woken_late(report: &Report) {
    assert!(report.threads.iter().all(|thread| thread.late_wakes == 0), "{report}");
    assert!(report.threads.iter().all(|thread| thread.wakes <= thread.parks), "{report}");
}

/// A value that says whether it has been fetched, and whom to wake.
#[derive(Clone, Default)]
struct Mailbox {
    letters: Arc<AtomicU64>,
    waker: Arc<OnceLock<Waker>>,
}

impl Mailbox {
    fn post(&self) {
        self.letters.fetch_add(1, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    fn attach(&self, waker: &Waker) {
        self.waker.set(waker.clone()).expect("attached once");
    }
}

/// Gives a value for every letter in a mailbox, up to a number of them.
struct Postman {
    mailbox: Mailbox,
    given: u64,
    end: u64,
}

impl Input for Postman {
    type Item = u64;

    fn poll(&mut self, _request: &mut Envelope) -> Next<u64> {
        if self.given == self.end {
            return Next::Ended;
        }
        if self.mailbox.letters.load(Ordering::SeqCst) == self.given {
            return Next::UntilWoken;
        }
        self.given += 1;
        Next::Value(self.given)
    }

    fn attach(&mut self, waker: &Waker) {
        self.mailbox.attach(waker);
    }
}

#[test]
fn an_input_that_will_be_woken_lets_its_thread_park() {
    within_a_minute(|| {
        let mut parked = 0;
        for idle in PARKING {
            let mailbox = Mailbox::default();
            let postman = Postman { mailbox: mailbox.clone(), given: 0, end: 100 };
            let (output, received) = receiver();
            let tract = worker("pass", 1, || |n: u64| n);
            let setup = tract.setup().placement(Placement::PerWorker).idle(idle);
            let input = input(move || Ok::<_, Infallible>(postman));
            let running = setup.init_fed(input, output).expect("sound").start().expect("starts");
            let mut received = received.idle(idle);
            for n in 1..=100 {
                mailbox.post();
                assert_eq!(received.recv().expect("a value").into_value(), n);
            }
            assert!(received.recv().is_none());
            let report = running.wait();
            assert_balanced(&report);
            assert_nobody_was_woken_late(&report);
            parked += parks(&report);
        }
        assert!(parked > 0);
    });
}

/// An output with room for one request at a time, which somebody else makes.
struct Turnstile {
    mailbox: Mailbox,
    let_in: u64,
}

impl Output<u64> for Turnstile {
    fn room(&mut self) -> Room {
        if self.mailbox.letters.load(Ordering::SeqCst) == self.let_in {
            return Room::UntilWoken;
        }
        Room::Free
    }

    fn attach(&mut self, waker: &Waker) {
        self.mailbox.attach(waker);
    }

    fn put(&mut self, _request: Request<u64>) {
        self.let_in += 1;
    }
}

#[test]
fn an_output_that_will_be_woken_lets_its_thread_park() {
    within_a_minute(|| {
        for idle in PARKING {
            let mailbox = Mailbox::default();
            let turnstile = Turnstile { mailbox: mailbox.clone(), let_in: 0 };
            let tract = source("numbers", 1, || 0..100_u64).capacity(2);
            let setup = tract.setup().placement(Placement::PerWorker).idle(idle);
            let output = output(move || Ok::<_, Infallible>(turnstile));
            let running = setup.init(output).expect("sound").start().expect("starts");
            for _ in 0..100 {
                mailbox.post();
                std::thread::yield_now();
            }
            let report = running.wait();
            assert_eq!(report.stage("output").expect("a stage").ledger.taken, 100);
            assert_balanced(&report);
            assert_nobody_was_woken_late(&report);
        }
    });
}

/// Says that nothing comes for so long from the first time that it is asked, and counts how often it is asked until then.
struct Alarm {
    ahead: Duration,
    due: Option<Instant>,
    polls: Arc<AtomicU64>,
}

impl Input for Alarm {
    type Item = u64;

    fn poll(&mut self, _request: &mut Envelope) -> Next<u64> {
        let polls = self.polls.fetch_add(1, Ordering::SeqCst);
        let due = *self.due.get_or_insert_with(|| Instant::now() + self.ahead);
        if Instant::now() < due {
            return Next::NotBefore(due);
        }
        if polls == u64::MAX { Next::Value(polls) } else { Next::Ended }
    }
}

#[test]
fn a_paced_source_parks_until_it_is_due() {
    within_a_minute(|| {
        let polls = Arc::new(AtomicU64::new(0));
        let (start, ahead) = (Instant::now(), Duration::from_millis(300));
        let asked = Arc::clone(&polls);
        let alarm = move || Alarm { ahead, due: None, polls: Arc::clone(&asked) };
        let tract = source("alarm", 1, alarm).idle(Idle::Park);
        let report = run_to(&tract, Placement::PerWorker, final_output()).expect("sound");
        assert!(start.elapsed() >= ahead);
        // Asked without parking, it would be tens of thousands of times even on a machine that is busy.
        assert!(polls.load(Ordering::SeqCst) < 1_000, "{} polls", polls.load(Ordering::SeqCst));
        assert!(parks(&report) > 0);
        let wakes: u64 = report.threads.iter().map(|thread| thread.wakes).sum();
        assert_eq!(wakes, 0, "the clock woke it, since nobody else is there");
        assert_nobody_was_woken_late(&report);
    });
}

#[test]
fn a_slow_consumer_lets_its_producers_park() {
    within_a_minute(|| {
        for idle in PARKING {
            let slow = || {
                |n: u64| {
                    std::thread::sleep(Duration::from_micros(200));
                    n
                }
            };
            let tract = source("numbers", 1, || 0..200_u64)
                .then(worker("slow", 2, slow).blocking())
                .capacity(2)
                .idle(idle);
            let (output, numbers) = collect();
            let report = run_to(&tract, Placement::PerWorker, output).expect("sound");
            assert_eq!(numbers.take().into_iter().sum::<u64>(), 199 * 200 / 2);
            let source = report.threads.iter().find(|thread| thread.name == "numbers");
            let source = source.expect("its thread");
            // It waits for nothing but room, so that only its consumers wake it, or the watchdog after a second.
            assert!(source.parks > 0 && source.wakes > 0, "{report}");
            assert_balanced(&report);
            assert_nobody_was_woken_late(&report);
        }
    });
}

#[test]
fn those_who_spin_or_yield_never_park() {
    within_a_minute(|| {
        for idle in [Idle::Spin, Idle::Yield] {
            let tract =
                source("numbers", 1, || 0..10_000_u64).then(worker("pass", 1, || |n: u64| n));
            let setup = tract.setup().placement(Placement::Threads(2)).idle(idle);
            let mut sum = 0;
            let report = setup.run(|n| sum += n).expect("sound");
            assert_eq!(sum, 9_999 * 10_000 / 2);
            for thread in &report.threads {
                assert!(thread.idle != idle || thread.parks == 0, "{report}");
            }
        }
    });
}

#[test]
fn a_stop_wakes_everybody_who_is_parked() {
    within_a_minute(|| {
        for placement in ON_THREADS {
            let (feed, input) = feed::<u64>(2);
            let tract = worker("a", 3, || |n: u64| n).then(worker("b", 2, || |n: u64| n));
            let setup = tract.setup().placement(placement).idle(Idle::Park);
            let running =
                setup.init_fed(input, final_output()).expect("sound").start().expect("starts");
            running.stop();
            let report = running.wait();
            assert_balanced(&report);
            assert!(feed.is_closed(), "{placement:?}");
        }
    });
}

#[test]
fn a_feed_that_is_closed_or_dropped_wakes_the_tract() {
    within_a_minute(|| {
        for close in [true, false] {
            let (feed, input) = feed::<u64>(2);
            let tract = worker("pass", 1, || |n: u64| n);
            let setup = tract.setup().placement(Placement::PerWorker).idle(Idle::Park);
            let running =
                setup.init_fed(input, final_output()).expect("sound").start().expect("starts");
            if close {
                feed.close();
                assert_balanced(&running.wait());
            } else {
                drop(feed);
                assert_balanced(&running.wait());
            }
        }
    });
}

#[test]
fn a_sender_that_is_parked_before_a_full_feed_is_woken_by_room_and_by_the_end() {
    within_a_minute(|| {
        let (mut feed, input) = feed::<u64>(1);
        feed = feed.idle(Idle::Park);
        let open = Arc::new(AtomicBool::new(false));
        let gate = Arc::clone(&open);
        let gated = move || {
            let gate = Arc::clone(&gate);
            move |n: u64| {
                eventually("the gate opens", || gate.load(Ordering::SeqCst));
                n
            }
        };
        let tract = worker("gated", 1, gated).blocking().capacity(1);
        let running = tract.setup().init_fed(input, final_output()).expect("sound");
        let running = running.start().expect("starts");
        let sender = std::thread::spawn(move || {
            (0..100).for_each(|n| feed.send(n).expect("open"));
            feed
        });
        open.store(true, Ordering::SeqCst);
        let mut feed = sender.join().expect("sends");
        running.stop();
        let report = running.wait();
        assert_eq!(report.stage("gated").expect("a stage").ledger.taken, 100);
        assert!(feed.send(100).is_err(), "the end is told");
    });
}

#[test]
fn user_code_that_parks_cannot_make_the_thread_miss_a_ring() {
    within_a_minute(|| {
        // A worker that swallows every token of its thread, as one that uses a channel or a lock may.
        let thief = || {
            |n: u64| {
                std::thread::park_timeout(Duration::from_micros(1));
                n
            }
        };
        let tract = source("numbers", 1, || 0..2_000_u64)
            .then(worker("thief", 2, thief))
            .then(worker("other thief", 1, thief))
            .capacity(1)
            .idle(Idle::Park);
        let (output, numbers) = collect();
        let report = run_to(&tract, Placement::PerWorker, output).expect("sound");
        assert_eq!(numbers.take().len(), 2_000);
        assert_nobody_was_woken_late(&report);
    });
}

fn rounds() -> u64 {
    let asked = std::env::var("RINGTRACT_ROUNDS").ok();
    asked.map_or(500, |rounds| rounds.parse().expect("RINGTRACT_ROUNDS is a number"))
}

#[test]
fn every_round_of_start_three_requests_idle_and_close_ends() {
    let rounds = rounds();
    within(Duration::from_secs(60 + rounds / 20), move || {
        let mut random = fastrand::Rng::with_seed(1);
        let delivered = Arc::new(Mutex::new(0));
        for round in 0..rounds {
            let (mut feed, input) = feed::<u64>(4);
            let count = Arc::clone(&delivered);
            let sink = move |_request: Request<u64>| *count.lock().expect("whole") += 1;
            let tract = worker("first", 1, || |n: u64| n).then(worker("second", 2, || |n: u64| n));
            let placement = ON_THREADS[(round % 4) as usize];
            let idle = PARKING[(round % 3) as usize];
            let setup = tract.setup().placement(placement).idle(idle);
            let output = output(move || Ok::<_, Infallible>(sink));
            let running = setup.init_fed(input, output).expect("sound").start().expect("starts");
            for n in 0..3 {
                feed.send(n).expect("open");
                if random.bool() {
                    std::thread::sleep(Duration::from_micros(random.u64(..300)));
                }
            }
            std::thread::sleep(Duration::from_micros(random.u64(..2_000)));
            drop(feed);
            let report = running.wait();
            assert_balanced(&report);
            assert_nobody_was_woken_late(&report);
        }
        assert_eq!(*delivered.lock().expect("whole"), 3 * rounds);
    });
}
