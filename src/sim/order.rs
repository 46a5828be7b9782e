//! The order of turns: drawn from a seed, or after so many turns one after the other.

use std::cell::Cell;
use std::rc::Rc;

use fastrand::Rng;

use crate::decide::plan::WorkerPlace;

/// How many turns the runs of a case have had, and how many of them may be out of order.
#[derive(Debug)]
pub(super) struct Disorder {
    pub(super) turns: Cell<u64>,
    pub(super) most: u64,
}

/// Whose turn it is. Seeds differ in how: all alike, or some rarely, so that others come far before them; one at a
/// time, or the same several times; with few requests in a turn, or many.
pub(super) struct Order {
    disorder: Rc<Disorder>,
    random: Rng,
    salt: u64,
    skewed: bool,
    /// Of 8 turns, how many go to whom the last one went.
    repeats: u8,
    most_requests: usize,
    last: usize,
}

impl Order {
    pub(super) fn new(seed: u64, disorder: &Rc<Disorder>) -> Self {
        let mut random = Rng::with_seed(seed);
        Self {
            disorder: Rc::clone(disorder),
            salt: random.u64(..),
            skewed: random.bool(),
            repeats: [0, 4, 7][random.usize(..3)],
            most_requests: [1, 8, 64][random.usize(..3)],
            random,
            last: 0,
        }
    }

    /// Whose turn it is of these, and how many requests they may move.
    pub(super) fn pick(&mut self, places: &[WorkerPlace]) -> (usize, usize) {
        let turn = self.disorder.turns.get();
        self.disorder.turns.set(turn + 1);
        if turn >= self.disorder.most {
            self.last = (self.last + 1) % places.len();
            return (self.last, 8);
        }
        let repeat = self.random.u8(..8) < self.repeats && self.last < places.len();
        if !repeat {
            self.last = self.draw(places);
        }
        (self.last, self.random.usize(1..=self.most_requests))
    }

    fn draw(&mut self, places: &[WorkerPlace]) -> usize {
        if !self.skewed {
            return self.random.usize(..places.len());
        }
        let salt = self.salt;
        let weights = places.iter().map(|place| weight(*place, salt));
        let all: u64 = weights.clone().sum();
        let mut at = self.random.u64(..all);
        let mut drawn = 0;
        for (number, weight) in weights.enumerate() {
            drawn = number;
            match at.checked_sub(weight) {
                Some(rest) => at = rest,
                None => break,
            }
        }
        drawn
    }
}

/// How often a worker has its turn, as against others: 1, 8, 64 or 512.
fn weight(place: WorkerPlace, salt: u64) -> u64 {
    let mixed = (place.stage as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (place.worker as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        ^ salt;
    1 << (3 * (mixed.wrapping_mul(0x94d0_49bb_1331_11eb) >> 62))
}
