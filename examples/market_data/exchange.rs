//! A made-up market: a book on a grid of prices, moved at random.
//!
//! One array holds both sides: bids up to the best bid, asks from the best ask on, nothing in between. So the
//! book cannot be crossed, and a change costs a few array accesses.

use crate::event::{Price, Side, Size};
use crate::fixed::Fixed;
use fastrand::Rng;

/// What makes one market different from another.
pub(crate) struct Listing {
    pub(crate) name: &'static str,
    /// Where the price starts, in steps of its last decimal; more than `levels` of them.
    pub(crate) mid: u64,
    pub(crate) price_decimals: usize,
    pub(crate) size_decimals: usize,
    /// About how many levels the book has.
    pub(crate) levels: usize,
    /// Its share of all messages, in thousandths.
    pub(crate) share: u32,
}

pub(crate) struct Market {
    pub(crate) listing: &'static Listing,
    pub(crate) last_trade: Trade,
    pub(crate) volume: Fixed,
    /// The size at each point of the grid, in steps of its last decimal.
    sizes: Vec<u64>,
    bid: usize,
    ask: usize,
}

#[derive(Clone, Copy)]
pub(crate) struct Trade {
    /// Counted from 1 in each market.
    pub(crate) id: u64,
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) size: Size,
}

/// One level has a new size.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) size: Size,
    /// Whether it comes from a trade.
    pub(crate) traded: bool,
}

impl Market {
    /// How far behind the best price levels change. The best prices stay farther than that from the ends of
    /// the grid.
    const DEPTH: usize = 64;

    pub(crate) fn new(listing: &'static Listing, rng: &mut Rng) -> Market {
        let grid = 2 * listing.levels.max(2 * Self::DEPTH);
        let (bid, ask) = (grid / 2 - 1, grid / 2 + 1);
        let mut sizes: Vec<u64> =
            (0..grid).map(|_| if rng.bool() { random_size(rng) } else { 0 }).collect();
        sizes[bid] = random_size(rng);
        sizes[bid + 1..ask].fill(0);
        sizes[ask] = random_size(rng);
        let price = Price(with_decimals(listing.mid, listing.price_decimals));
        let size = Size(with_decimals(random_size(rng), listing.size_decimals));
        let last_trade = Trade { id: 1, side: Side::Bid, price, size };
        Market { listing, last_trade, volume: size.0, sizes, bid, ask }
    }

    pub(crate) fn best(&self, side: Side) -> Price {
        self.price(self.behind_best(side, 0))
    }

    /// From the best level on.
    pub(crate) fn levels(&self, side: Side) -> impl Iterator<Item = (Price, Size)> {
        (0..=self.room(side))
            .map(move |distance| self.behind_best(side, distance))
            .filter(|&at| self.sizes[at] > 0)
            .map(|at| (self.price(at), self.size(self.sizes[at])))
    }

    /// The lowest and the highest price that can be best.
    pub(crate) fn range(&self) -> (Price, Price) {
        let margin = self.margin();
        (self.price(margin), self.price(self.sizes.len() - 1 - margin))
    }

    /// Lets one level change.
    pub(crate) fn step(&mut self, rng: &mut Rng) -> Change {
        let side = if rng.bool() { Side::Bid } else { Side::Ask };
        let best = self.behind_best(side, 0);
        match (rng.u32(0..100), self.second_best(side)) {
            (0, Some(second)) => {
                let taken = rng.u64(1..=self.sizes[best]);
                let left = self.sizes[best] - taken;
                let (price, size) = (self.price(best), self.size(taken));
                self.last_trade = Trade { id: self.last_trade.id + 1, side, price, size };
                self.volume = self.volume.saturating_add(size.0);
                let new_best = if left == 0 { second } else { best };
                Change { traded: true, ..self.set(side, best, left, new_best) }
            }
            (1..=5, Some(second)) => self.set(side, best, 0, second),
            (6..=11, _) if self.ask - self.bid > 1 => {
                let between = rng.usize(self.bid + 1..self.ask);
                self.set(side, between, random_size(rng), between)
            }
            _ => {
                let at = self.behind_best(side, rng.usize(0..Self::DEPTH));
                let removes = at != best && self.sizes[at] > 0 && rng.u32(0..3) == 0;
                let size = if removes { 0 } else { random_size(rng) };
                self.set(side, at, size, best)
            }
        }
    }

    fn set(&mut self, side: Side, at: usize, size: u64, best: usize) -> Change {
        self.sizes[at] = size;
        match side {
            Side::Bid => self.bid = best,
            Side::Ask => self.ask = best,
        }
        Change { side, price: self.price(at), size: self.size(size), traded: false }
    }

    /// The level that would be best without the best one, unless the price would leave the middle of the
    /// grid.
    fn second_best(&self, side: Side) -> Option<usize> {
        (1..=self.room(side).saturating_sub(self.margin()))
            .map(|distance| self.behind_best(side, distance))
            .find(|&at| self.sizes[at] > 0)
    }

    /// How much of each end of the grid the best prices keep away from.
    fn margin(&self) -> usize {
        self.sizes.len() / 4
    }

    /// How many points of the grid are behind the best price.
    fn room(&self, side: Side) -> usize {
        match side {
            Side::Bid => self.bid,
            Side::Ask => self.sizes.len() - 1 - self.ask,
        }
    }

    fn behind_best(&self, side: Side, distance: usize) -> usize {
        match side {
            Side::Bid => self.bid - distance,
            Side::Ask => self.ask + distance,
        }
    }

    fn price(&self, at: usize) -> Price {
        let lowest = self.listing.mid - self.sizes.len() as u64 / 2;
        Price(with_decimals(lowest + at as u64, self.listing.price_decimals))
    }

    fn size(&self, steps: u64) -> Size {
        Size(with_decimals(steps, self.listing.size_decimals))
    }
}

fn with_decimals(steps: u64, decimals: usize) -> Fixed {
    Fixed::from_units(steps * Fixed::ONE.units() / 10_u64.pow(decimals as u32))
}

/// Small sizes are more frequent than large ones.
fn random_size(rng: &mut Rng) -> u64 {
    rng.u64(1..=200) * rng.u64(1..=200)
}
