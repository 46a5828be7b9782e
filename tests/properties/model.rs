//! The model: what a tree makes of requests, evaluated one after the other by plain recursion.

use ringtract::Ledger;

use super::journal::{Cleanup, Event, Place};
use super::tree::{Fate, Mark, Pool, Tree};

/// What should happen: every event, in no particular order, and the ledger of every pool.
#[derive(Debug)]
pub struct Prediction {
    pub events: Vec<Event>,
    pub ledgers: Vec<Ledger>,
}

/// What becomes of these requests.
pub fn predict(tree: &Tree, requests: &[u64]) -> Prediction {
    let ledgers = vec![Ledger::default(); tree.marks().len()];
    let mut prediction = Prediction { events: Vec::new(), ledgers };
    for &value in requests {
        prediction.events.push(Event::Made { value });
        let success = prediction.pass(value, vec![tree], Vec::new());
        prediction.end(Place::Source, value, success);
    }
    prediction
}

impl Prediction {
    /// Passes a copy through what is ahead of it, the nearest last. `each` is the clean-ups it carries that run once
    /// per copy. Returns whether all it becomes is delivered.
    fn pass(&mut self, value: u64, mut ahead: Vec<&Tree>, each: Vec<Cleanup>) -> bool {
        match ahead.pop() {
            None => {
                self.events.push(Event::Delivered { value });
                self.die(&each, true)
            }
            Some(Tree::Pool(pool)) => self.work(pool, value, &ahead, each),
            Some(Tree::Serial(members)) => {
                ahead.extend(members.iter().rev());
                self.pass(value, ahead, each)
            }
            Some(Tree::Parallel { each: member, .. }) => {
                ahead.push(member);
                self.pass(value, ahead, each)
            }
            Some(Tree::FanOut(members)) => {
                let copies = members.iter().map(|member| {
                    let mut ahead = ahead.clone();
                    ahead.push(member);
                    self.pass(value, ahead, each.clone())
                });
                all(copies)
            }
        }
    }

    fn work(&mut self, pool: &Pool, value: u64, ahead: &[&Tree], mut each: Vec<Cleanup>) -> bool {
        let place = Place::Pool(pool.number);
        if pool.mark == Mark::Each {
            each.push((place, value));
        }
        self.events.push(Event::Taken { pool: pool.number, value });
        self.count(pool, |ledger| ledger.taken += 1);
        let success = match pool.fate(value) {
            Fate::Emit(emitted) => {
                self.count(pool, |ledger| ledger.emitted += 1);
                self.pass(emitted, ahead.to_vec(), each)
            }
            Fate::Several { values, breaks } => {
                self.count_several(pool, values.len() as u64, breaks);
                if values.is_empty() {
                    self.die(&each, false);
                }
                let delivered = !values.is_empty() && !breaks;
                all(values.into_iter().map(|value| self.pass(value, ahead.to_vec(), each.clone())))
                    && delivered
            }
            Fate::Discard => {
                self.count(pool, |ledger| ledger.discarded += 1);
                self.die(&each, false)
            }
            Fate::Fail => {
                self.count(pool, |ledger| ledger.failed += 1);
                self.die(&each, false)
            }
            Fate::Panic => {
                self.count(pool, |ledger| {
                    ledger.failed += 1;
                    ledger.panics += 1;
                });
                self.die(&each, false)
            }
        };
        if pool.mark == Mark::Once {
            self.end(place, value, success);
        }
        success
    }

    /// A request has as many outcomes as it gave values, and one more if it broke; at least one.
    fn count_several(&mut self, pool: &Pool, given: u64, breaks: bool) {
        let outcomes = (given + u64::from(breaks)).max(1);
        self.count(pool, |ledger| {
            ledger.emitted += given;
            ledger.extra += outcomes - 1;
            ledger.failed += u64::from(breaks);
            ledger.panics += u64::from(breaks);
            ledger.discarded += u64::from(given == 0 && !breaks);
        });
    }

    fn count(&mut self, pool: &Pool, change: impl FnOnce(&mut Ledger)) {
        change(&mut self.ledgers[pool.number]);
    }

    /// A copy dies, and with it runs what it carries.
    fn die(&mut self, each: &[Cleanup], success: bool) -> bool {
        each.iter().for_each(|&(place, value)| self.end(place, value, success));
        success
    }

    fn end(&mut self, place: Place, value: u64, success: bool) {
        self.events.push(Event::Ended { place, value, success });
    }
}

/// Whether all are true, every one of them evaluated.
fn all(outcomes: impl Iterator<Item = bool>) -> bool {
    outcomes.fold(true, |all, one| all & one)
}
