//! Requests whose deaths are written down: how often their clean-ups ran, with which flag.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use ringtract::{Envelope, Input, Next};

/// What the clean-ups of each request were told, in the order in which they ran.
#[derive(Debug, Clone, Default)]
pub struct Deaths(Arc<Mutex<BTreeMap<u64, Vec<bool>>>>);

impl Deaths {
    /// Adds a clean-up that writes down how this request ends.
    pub fn watch(&self, number: u64, request: &mut Envelope) {
        let deaths = self.clone();
        request.on_end(move |success| deaths.note(number, success));
    }

    /// Adds a clean-up that writes down how each copy of this request ends.
    pub fn watch_each(&self, number: u64, request: &mut Envelope) {
        let deaths = self.clone();
        request.on_each_end(move |success| deaths.note(number, success));
    }

    pub fn note(&self, number: u64, success: bool) {
        let mut deaths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        deaths.entry(number).or_default().push(success);
    }

    /// Everything that was written down.
    pub fn all(&self) -> BTreeMap<u64, Vec<bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often the clean-ups of all requests together were told success, and failure.
    pub fn totals(&self) -> (u64, u64) {
        let all: Vec<bool> = self.all().into_values().flatten().collect();
        let successes = all.iter().filter(|&&success| success).count() as u64;
        (successes, all.len() as u64 - successes)
    }

    /// Each of these requests has died exactly once, with success or not as `succeeds` says.
    pub fn assert_each_once(&self, numbers: Range<u64>, succeeds: impl Fn(u64) -> bool) {
        let expected = numbers.map(|number| (number, vec![succeeds(number)])).collect();
        self.assert_are(expected);
    }

    /// This is what was written down, no more and no less; names what differs.
    pub fn assert_are(&self, expected: BTreeMap<u64, Vec<bool>>) {
        let all = self.all();
        let extra = all.iter().filter(|(number, told)| expected.get(number) != Some(told));
        let missing = expected.iter().filter(|(number, told)| all.get(number) != Some(told));
        assert!(
            all == expected,
            "written down {:?}, expected {:?}",
            extra.collect::<Vec<_>>(),
            missing.collect::<Vec<_>>()
        );
    }
}

/// A source of numbers that shows the envelope of each to `mark` before it goes.
#[derive(Debug, Clone)]
pub struct Marked<M> {
    numbers: Range<u64>,
    mark: M,
}

/// A source of numbers that shows the envelope of each to `mark` before it goes.
pub fn marked<M: FnMut(u64, &mut Envelope)>(numbers: Range<u64>, mark: M) -> Marked<M> {
    Marked { numbers, mark }
}

/// A source of numbers each of which is watched.
pub fn watched(
    numbers: Range<u64>,
    deaths: &Deaths,
) -> Marked<impl FnMut(u64, &mut Envelope) + Clone + Send + 'static> {
    let deaths = deaths.clone();
    marked(numbers, move |number, request| deaths.watch(number, request))
}

impl<M: FnMut(u64, &mut Envelope)> Input for Marked<M> {
    type Item = u64;

    fn poll(&mut self, request: &mut Envelope) -> Next<u64> {
        match Iterator::next(&mut self.numbers) {
            Some(number) => {
                (self.mark)(number, request);
                Next::Value(number)
            }
            None => Next::Ended,
        }
    }
}
