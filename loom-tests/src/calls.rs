//! The models of calls: an answer against its giving up, and a call against the close of its service.
//!
//! Whoever parks has a spawned thread to itself, as in the models of waking.

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::thread;

use super::explore;
use crate::contract::answer::Unanswered;
use crate::contract::input::{Input, Next};
use crate::contract::request::{Envelope, Request};
use crate::lane::feed::{FeedInput, feed};
use crate::lane::fork::End;
use crate::service::call::CallError;
use crate::service::caller::Caller;
use crate::service::gather::Gather;
use crate::service::seat::Seats;
use crate::service::serve::Answers;
use crate::service::window::Roll;
use crate::sync::{AtomicBool, Ordering};
use crate::wait::idle::Idle;

/// What is called: a number, which is answered with itself and with proof that it is dropped once.
type Value = (u32, Arc<()>);

/// A handle with a window of this size, and the two ends of the run that it calls.
struct Called {
    caller: Caller<Value, Value>,
    input: FeedInput<Value>,
    answers: Answers<Value, Value>,
    proof: Arc<()>,
}

impl Called {
    fn new(window: usize) -> Self {
        let (feed, input) = feed(window);
        input.set_stamping(false);
        let (roll, gather) = (Roll::new(), Gather::first(false));
        let answers = Answers::new(gather.add, &roll);
        let caller = Caller::new(feed, Seats::new(window, gather.quorum, roll));
        Self { caller, input, answers, proof: Arc::default() }
    }

    fn value(&self, number: u32) -> Value {
        (number, Arc::clone(&self.proof))
    }
}

/// Takes the next request, which must be there.
fn take(input: &mut FeedInput<Value>) -> Request<Value> {
    let mut envelope = Envelope::BARE;
    match input.poll(&mut envelope) {
        Next::Value(value) => Request { value, envelope },
        _ => unreachable!("a request is there"),
    }
}

/// Answers the next request, which must be there.
fn answer(answers: &Answers<Value, Value>, input: &mut FeedInput<Value>) {
    assert!(answers.end(take(input)).is_empty(), "no clean-up panics");
}

/// The answer to a number, as far as it says anything.
fn number(answer: Result<Value, Unanswered>) -> Result<u32, Unanswered> {
    answer.map(|(number, _)| number)
}

/// A caller who gives up has the answer, or never sees it: the seat is free again when it has come, for the next call and
/// its own answer.
pub fn answer_against_giving_up() {
    explore(|| {
        let mut called = Called::new(1);
        let (one, two) = (called.value(1), called.value(2));
        let Ok(mut seat) = called.caller.send(one) else { unreachable!("a place") };
        let (mut input, answers) = (called.input, called.answers);
        let answering = thread::spawn(move || {
            answer(&answers, &mut input);
            (input, answers)
        });
        let given_up = seat.give_up();
        let (mut input, answers) = answering.join().expect("answers");
        match given_up {
            Some(answer) => assert_eq!(number(answer), Ok(1)),
            None => assert!(matches!(seat.take(), Some(Err(Unanswered::TimedOut)))),
        }
        assert!(seat.take().is_none(), "answered once");
        // A place is free, whoever has the seat.
        let Ok(mut next) = called.caller.send(two) else { unreachable!("a place") };
        answer(&answers, &mut input);
        assert_eq!(next.take().map(number), Some(Ok(2)));
        drop((seat, next));
        assert_eq!(Arc::strong_count(&called.proof), 1, "nothing is left of either");
    });
}

/// A seat that is dropped while its answer comes leaves nothing behind.
pub fn answer_against_leaving() {
    explore(|| {
        let mut called = Called::new(1);
        let value = called.value(1);
        let Ok(seat) = called.caller.send(value) else { unreachable!("a place") };
        let (mut input, answers) = (called.input, called.answers);
        let answering = thread::spawn(move || answer(&answers, &mut input));
        drop(seat);
        answering.join().expect("answers");
        assert_eq!(Arc::strong_count(&called.proof), 1, "the answer is dropped");
    });
}

/// A caller who parks is woken by the answer.
pub fn parked_caller() {
    explore(|| {
        let mut called = Called::new(1);
        let value = called.value(1);
        let (mut input, answers) = (called.input, called.answers);
        let Ok(seat) = called.caller.send(value) else { unreachable!("a place") };
        let mut caller = called.caller;
        let calling = thread::spawn(move || caller.answer(seat, Idle::Park, None));
        answer(&answers, &mut input);
        assert_eq!(number(calling.join().expect("is answered")), Ok(1));
    });
}

/// Sets a flag.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        // Relaxed: who looks has joined the thread.
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A future that is polled while its answer comes has it, or is woken.
pub fn polled_ticket() {
    explore(|| {
        let mut called = Called::new(1);
        let value = called.value(1);
        let Ok(mut seat) = called.caller.send(value) else { unreachable!("a place") };
        let (mut input, answers) = (called.input, called.answers);
        let answering = thread::spawn(move || answer(&answers, &mut input));
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let polled = seat.take_or_wake(&Waker::from(Arc::clone(&flag)));
        answering.join().expect("answers");
        let answer = polled.or_else(|| {
            assert!(flag.0.load(Ordering::Relaxed), "neither answered nor woken");
            seat.take()
        });
        assert_eq!(answer.map(number), Some(Ok(1)));
    });
}

/// A caller who parks for a place in the window is woken by the end of the call that has it.
pub fn parked_for_a_place() {
    explore(|| {
        let mut called = Called::new(1);
        let (one, two) = (called.value(1), called.value(2));
        let Ok(first) = called.caller.send(one) else { unreachable!("a place") };
        let (mut caller, mut input, answers) = (called.caller, called.input, called.answers);
        let calling = thread::spawn(move || {
            caller.wait_for_place(Idle::Park, None);
            let second = caller.send(two).ok();
            (second.is_some(), second, first)
        });
        answer(&answers, &mut input);
        let (sent, ..) = calling.join().expect("gets a place");
        assert!(sent);
    });
}

/// A caller who parks for a place in the window is woken by the close of the service.
pub fn parked_while_closing() {
    explore(|| {
        let mut called = Called::new(1);
        let (one, two) = (called.value(1), called.value(2));
        let Ok(first) = called.caller.send(one) else { unreachable!("a place") };
        let closer = called.caller.of_another();
        let mut caller = called.caller;
        let calling = thread::spawn(move || {
            caller.wait_for_place(Idle::Park, None);
            let refused = matches!(caller.send(two), Err(CallError::Closed((2, _))));
            (refused, first)
        });
        closer.close();
        let (refused, _) = calling.join().expect("gives up");
        assert!(refused);
    });
}

/// A call beside a close is answered, or says that the service is closed and gives its value back.
pub fn call_against_close() {
    explore(|| {
        let called = Called::new(1);
        let value = called.value(1);
        let closer = called.caller.of_another();
        let (mut caller, mut input, answers) = (called.caller, called.input, called.answers);
        let calling = thread::spawn(move || match caller.send(value) {
            Ok(seat) => caller.answer(seat, Idle::Park, None).map(|(number, _)| number),
            Err(CallError::Closed((number, _))) => Ok(number),
            Err(_) => unreachable!("there is a place"),
        });
        closer.close();
        drop(closer);
        let mut envelope = Envelope::BARE;
        loop {
            match input.poll(&mut envelope) {
                Next::Value(value) => {
                    let envelope = std::mem::replace(&mut envelope, Envelope::BARE);
                    assert!(answers.end(Request { value, envelope }).is_empty());
                }
                Next::Ended => break,
                _ => thread::yield_now(),
            }
        }
        assert_eq!(calling.join().expect("is answered"), Ok(1));
        drop((input, answers));
        assert_eq!(Arc::strong_count(&called.proof), 1);
    });
}

/// A request that dies while the run ends is answered once, and one that never dies is answered for.
pub fn answer_against_the_end() {
    explore(|| {
        let mut called = Called::new(2);
        let (one, two) = (called.value(1), called.value(2));
        let Ok(mut first) = called.caller.send(one) else { unreachable!("a place") };
        let Ok(mut second) = called.caller.send(two) else { unreachable!("a place") };
        let (mut input, answers) = (called.input, called.answers);
        let (dying, kept) = (take(&mut input), take(&mut input));
        let ending = thread::spawn(move || drop(answers));
        drop(dying.into_parts());
        ending.join().expect("ends");
        assert!(matches!(first.take(), Some(Err(Unanswered::Dropped))));
        assert!(matches!(second.take(), Some(Err(Unanswered::Dropped))));
        // Too late.
        drop(kept);
        // What died beside the end may have been answered for as well: nobody mistakes that for the answer to a call.
        assert_eq!(first.open().is_none(), matches!(first.take(), Some(Err(Unanswered::Dropped))));
    });
}
