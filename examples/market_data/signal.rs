//! What a trader would look at, computed each time the best bid or ask of a book changes, and a running
//! account by which two replays of the same feed can be compared.

use crate::book::{Best, Finding, Observation};
use crate::event::{Price, Product};
use crate::fixed::Fixed;
use std::fmt;

/// The state of the best bid and ask at one change.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Signal {
    /// The line that brought the change.
    pub(crate) line: u64,
    /// When that line was received, in µs since 1970.
    pub(crate) received: u64,
    pub(crate) product: Product,
    /// Halfway between best bid and ask, rounded down.
    pub(crate) mid: Price,
    /// From best bid to best ask.
    pub(crate) spread: Price,
    /// From -1, all size is asked for sale, to 1, all size is bid for.
    pub(crate) imbalance: f64,
}

/// Makes signals, and keeps the account.
#[derive(Debug)]
pub(crate) struct Signals {
    pub(crate) changes: u64,
    /// FNV-1a 64 over best bid and best ask at each change, as units in little-endian order; a side without
    /// levels counts as 0.
    pub(crate) checksum: u64,
    pub(crate) tickers: u64,
    pub(crate) agreeing: u64,
    /// How many of the latest tickers agreed without a break.
    pub(crate) agreeing_in_a_row: u64,
}

impl Signals {
    pub(crate) fn new() -> Signals {
        Signals {
            changes: 0,
            checksum: FNV_OFFSET_BASIS,
            tickers: 0,
            agreeing: 0,
            agreeing_in_a_row: 0,
        }
    }

    /// Gives a signal if the best bid or ask changed and the book has both, uncrossed.
    pub(crate) fn observe(&mut self, observation: &Observation) -> Option<Signal> {
        match observation.finding {
            Finding::BestChanged(best) => {
                self.changes += 1;
                let (bid, ask) = best.prices();
                for price in [bid, ask] {
                    let units = price.unwrap_or_default().0.units();
                    self.checksum = fnv1a(self.checksum, &units.to_le_bytes());
                }
                Signal::new(observation, &best)
            }
            Finding::TickerAgrees => {
                self.tickers += 1;
                self.agreeing += 1;
                self.agreeing_in_a_row += 1;
                None
            }
            Finding::TickerDiffers => {
                self.tickers += 1;
                self.agreeing_in_a_row = 0;
                None
            }
        }
    }
}

impl Signal {
    fn new(observation: &Observation, best: &Best) -> Option<Signal> {
        if best.is_crossed() {
            return None;
        }
        let (bid, ask) = (best.bid?, best.ask?);
        let (low, high) = (bid.price.0.units(), ask.price.0.units());
        let (bid_size, ask_size) = (bid.size.0.units() as f64, ask.size.0.units() as f64);
        Some(Signal {
            line: observation.line,
            received: observation.received,
            product: observation.product,
            mid: Price(Fixed::from_units(low.midpoint(high))),
            spread: Price(Fixed::from_units(high - low)),
            imbalance: (bid_size - ask_size) / (bid_size + ask_size),
        })
    }
}

const FNV_OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Signal { line, product, mid, spread, imbalance, .. } = self;
        write!(f, "line {line}: {product} mid {mid} spread {spread} imbalance {imbalance:+.3}")
    }
}

impl fmt::Display for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Signals { changes, checksum, tickers, agreeing, agreeing_in_a_row } = self;
        writeln!(f, "{changes} changes of best bid or ask, checksum {checksum:016x}")?;
        write!(f, "{agreeing} of {tickers} tickers agree, the last {agreeing_in_a_row} in a row")
    }
}
