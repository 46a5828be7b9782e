//! An input that gives each request when it is due, and lets it start then, however late it is given.

use std::fmt;
use std::task::Waker;

use super::input::{Input, Next};
use super::pace::Pace;
use super::request::{Envelope, Stamp};
use crate::measure::clock;

/// Gives the values of an input when they are due, by a [`Pace`]; counted from the first time it is asked.
///
/// Each request starts when it was due, not when it was given, so that latencies from the start, and the handlers'
/// [`Tract`](crate::MetricKey::Tract), say what a user would have seen who does not wait for others: a tract that stalls for
/// a second makes every request late that was due in that second, not one. How late the requests were given is what a
/// [`Report`](crate::Report) says of the source's own [`Age`](crate::Aspect::Age); a start that the input itself gave to a
/// request is replaced.
///
/// Until a request is due the thread does what its [`Idle`](crate::Idle) strategy says. One that parks wakes up early enough
/// to spin for the last stretch.
///
/// At a stop nothing is waited for any more: what the input had already given is passed on at once, and so is what it still
/// hands over.
///
/// ```
/// use std::time::Duration;
/// use ringtract::{Aspect, Measure, Pace, for_each, paced, source, worker};
///
/// let numbers = || paced(0..100_u64, Pace::even(20_000, Duration::from_secs(1)));
/// let stall = |n: u64| {
///     if n == 0 {
///         std::thread::sleep(Duration::from_millis(20));
///     }
///     n
/// };
/// let tract = source("numbers", 1, numbers).then(worker("stalls once", 1, move || stall));
/// let setup = tract.setup().capacity(1).measure(Measure::ALL);
/// let report = setup.init(for_each(drop))?.start()?.wait();
/// let tract = report.histogram(2, Aspect::Tract).expect("measured");
/// assert!(tract.min() > 14_000_000, "all 100 were due within the first 5 of the 20 ms");
/// # Ok::<(), ringtract::Error>(())
/// ```
pub fn paced<S: Input>(input: S, pace: Pace<S::Item>) -> Paced<S> {
    Paced { input, pace, begin: None, ahead: None, life: Life::Open }
}

/// What [`paced`] makes.
pub struct Paced<S: Input> {
    input: S,
    pace: Pace<S::Item>,
    /// When it was first asked.
    begin: Option<u64>,
    /// Read, but not yet due.
    ahead: Option<Ahead<S::Item>>,
    life: Life,
}

struct Ahead<T> {
    value: T,
    envelope: Envelope,
    due: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    /// Stopped: the input hands over what it had accepted.
    Draining,
    /// Stopped: the input has ended.
    Over,
}

impl<S: Input> Paced<S> {
    fn poll_at(&mut self, now: u64, request: &mut Envelope) -> Next<S::Item> {
        let begin = *self.begin.get_or_insert(now);
        let Ahead { value, envelope, due } = match self.ahead.take() {
            Some(ahead) => ahead,
            None if self.life == Life::Over => return Next::Ended,
            None => {
                let mut envelope = Envelope::BARE;
                match self.input.poll(&mut envelope) {
                    Next::Value(value) => {
                        let due = begin.saturating_add(self.pace.due(&value));
                        Ahead { value, envelope, due }
                    }
                    nothing => return nothing,
                }
            }
        };
        if now < due && self.life == Life::Open {
            self.ahead = Some(Ahead { value, envelope, due });
            return Next::NotBefore(clock::instant(due));
        }
        *request = envelope;
        request.stamp = Stamp::new(due.min(now), false);
        Next::Value(value)
    }
}

impl<S: Input> Input for Paced<S> {
    type Item = S::Item;

    #[inline]
    fn poll(&mut self, request: &mut Envelope) -> Next<S::Item> {
        if self.pace.is_at_once() {
            return self.input.poll(request);
        }
        self.poll_at(clock::now(), request)
    }

    fn attach(&mut self, waker: &Waker) {
        self.input.attach(waker);
    }

    fn stop(&mut self) -> bool {
        self.life = if self.input.stop() { Life::Draining } else { Life::Over };
        self.life == Life::Draining || self.ahead.is_some()
    }

    fn idle(&mut self) {
        self.input.idle();
    }

    fn close(&mut self) {
        self.input.close();
    }

    fn left_over(&mut self) -> u64 {
        self.input.left_over() + u64::from(self.ahead.is_some())
    }
}

impl<S: Input> fmt::Debug for Paced<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced").field("pace", &self.pace).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PERIOD: Duration = Duration::from_nanos(10);

    /// What comes of asking at a time: the value with its start, or when it is due.
    #[derive(Debug, PartialEq, Eq)]
    enum Got {
        Value(u64, u64),
        NotBefore(u64),
        Other,
    }

    fn ask<S: Input<Item = u64>>(paced: &mut Paced<S>, now: u64) -> Got {
        let mut envelope = Envelope::BARE;
        match paced.poll_at(now, &mut envelope) {
            Next::Value(value) => Got::Value(value, envelope.stamp.start()),
            Next::NotBefore(instant) => Got::NotBefore(clock::reading(instant)),
            _ => Got::Other,
        }
    }

    #[test]
    fn each_starts_when_it_was_due_however_late_it_is_given() {
        let mut paced = paced(0..5, Pace::even(1, PERIOD));
        assert_eq!(ask(&mut paced, 1_000), Got::Value(0, 1_000));
        assert_eq!(ask(&mut paced, 1_001), Got::NotBefore(1_010));
        assert_eq!(ask(&mut paced, 1_009), Got::NotBefore(1_010));
        assert_eq!(ask(&mut paced, 1_010), Got::Value(1, 1_010));
        // A stall of two periods: the schedule goes on without it.
        assert_eq!(ask(&mut paced, 1_039), Got::Value(2, 1_020));
        assert_eq!(ask(&mut paced, 1_039), Got::Value(3, 1_030));
        assert_eq!(ask(&mut paced, 1_039), Got::NotBefore(1_040));
        assert_eq!(ask(&mut paced, 1_041), Got::Value(4, 1_040));
        assert_eq!(
            ask(&mut paced, 1_041),
            Got::Other,
            "ended, and that is known before the next is due"
        );
    }

    #[test]
    fn a_stop_passes_on_at_once_what_was_read_ahead() {
        let mut paced = paced(0..5, Pace::even(1, PERIOD));
        assert_eq!(ask(&mut paced, 1_000), Got::Value(0, 1_000));
        assert_eq!(ask(&mut paced, 1_001), Got::NotBefore(1_010));
        assert!(paced.stop(), "there is one more");
        assert_eq!(ask(&mut paced, 1_002), Got::Value(1, 1_002));
        assert_eq!(ask(&mut paced, 1_030), Got::Other, "an iterator has ended with the stop");
    }

    #[test]
    fn what_was_read_ahead_and_never_given_is_left_over() {
        let mut paced = paced(0..5, Pace::even(1, PERIOD));
        assert_eq!(ask(&mut paced, 1_000), Got::Value(0, 1_000));
        assert_eq!(paced.left_over(), 0);
        assert_eq!(ask(&mut paced, 1_001), Got::NotBefore(1_010));
        assert_eq!(paced.left_over(), 1);
    }

    /// Gives on every other call, and cannot say when.
    struct Reluctant(u64);

    impl Input for Reluctant {
        type Item = u64;

        fn poll(&mut self, request: &mut Envelope) -> Next<u64> {
            self.0 += 1;
            if self.0 % 2 == 1 {
                return Next::Nothing;
            }
            request.on_each_end(|_| ());
            Next::Value(self.0)
        }

        fn stop(&mut self) -> bool {
            true
        }
    }

    #[test]
    fn an_input_that_is_late_itself_does_not_move_the_schedule() {
        let mut paced = paced(Reluctant(0), Pace::even(1, PERIOD));
        assert_eq!(ask(&mut paced, 1_000), Got::Other);
        assert_eq!(ask(&mut paced, 1_007), Got::Value(2, 1_000), "due when it was first asked");
        assert_eq!(ask(&mut paced, 1_008), Got::Other);
        assert_eq!(ask(&mut paced, 1_008), Got::NotBefore(1_010));
        assert!(paced.stop(), "the input has more");
        assert_eq!(ask(&mut paced, 1_009), Got::Value(4, 1_009));
        assert_eq!(ask(&mut paced, 1_009), Got::Other);
        assert_eq!(ask(&mut paced, 1_009), Got::Value(6, 1_009), "nothing is waited for");
    }

    #[test]
    fn what_the_input_puts_on_an_envelope_stays_with_its_value() {
        let mut paced = paced(Reluctant(1), Pace::even(1, PERIOD));
        let mut envelope = Envelope::BARE;
        assert_eq!(paced.poll_at(1_000, &mut envelope), Next::Value(2));
        assert_eq!(envelope.cleanups(), 1);
        assert_eq!(paced.poll_at(1_001, &mut envelope), Next::Nothing);
        let mut held = Envelope::BARE;
        assert!(matches!(paced.poll_at(1_001, &mut held), Next::NotBefore(_)));
        assert_eq!(held.cleanups(), 0);
        assert_eq!(paced.poll_at(1_010, &mut held), Next::Value(4));
        assert_eq!(held.cleanups(), 1);
    }

    #[test]
    fn without_a_schedule_the_input_is_asked_as_it_is() {
        let mut paced = paced(0..2, Pace::at_once());
        let mut envelope = Envelope::BARE;
        assert_eq!(paced.poll(&mut envelope), Next::Value(0));
        assert!(envelope.is_bare());
    }
}
