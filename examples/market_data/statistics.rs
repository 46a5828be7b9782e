//! How much of what went by: counts by product and kind of event, and the volume traded.

use crate::event::{Event, Kind, Product};
use crate::fixed::Fixed;
use std::collections::BTreeMap;
use std::fmt;

#[derive(Default)]
pub(crate) struct Statistics {
    products: BTreeMap<Product, Counts>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) messages: u64,
    pub(crate) snapshots: u64,
    /// In snapshots.
    pub(crate) levels: u64,
    pub(crate) updates: u64,
    pub(crate) tickers: u64,
    pub(crate) trades: u64,
    pub(crate) last_trades: u64,
    /// Of the trades; a sum over products has no unit, but still tells two runs apart.
    pub(crate) volume: Fixed,
}

impl Statistics {
    pub(crate) fn new() -> Statistics {
        Statistics::default()
    }

    pub(crate) fn count(&mut self, event: &Event) {
        let counts = self.products.entry(event.product).or_default();
        counts.messages += u64::from(event.last);
        match event.kind {
            Kind::Snapshot => counts.snapshots += 1,
            Kind::Level { .. } => counts.levels += 1,
            Kind::Update { .. } => counts.updates += 1,
            Kind::Ticker { .. } => counts.tickers += 1,
            Kind::Trade { size, .. } => {
                counts.trades += 1;
                counts.volume = counts.volume.saturating_add(size.0);
            }
            Kind::LastTrade { .. } => counts.last_trades += 1,
        }
    }

    /// In the order of their names.
    pub(crate) fn products(&self) -> impl Iterator<Item = (Product, Counts)> {
        self.products.iter().map(|(&product, &counts)| (product, counts))
    }

    pub(crate) fn total(&self) -> Counts {
        self.products.values().fold(Counts::default(), |sum, counts| Counts {
            messages: sum.messages + counts.messages,
            snapshots: sum.snapshots + counts.snapshots,
            levels: sum.levels + counts.levels,
            updates: sum.updates + counts.updates,
            tickers: sum.tickers + counts.tickers,
            trades: sum.trades + counts.trades,
            last_trades: sum.last_trades + counts.last_trades,
            volume: sum.volume.saturating_add(counts.volume),
        })
    }
}

/// A table with a line for each product and one for the total.
impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<15} {:>10} {:>9} {:>9} {:>10} {:>9} {:>9} {:>10} {:>20}",
            "product",
            "messages",
            "snapshots",
            "levels",
            "updates",
            "tickers",
            "trades",
            "last trade",
            "volume"
        )?;
        for (product, counts) in self.products() {
            writeln!(f, "{product:<15} {counts}")?;
        }
        write!(f, "{:<15} {}", "total", self.total())
    }
}

/// One line of the table.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>10} {:>9} {:>9} {:>10} {:>9} {:>9} {:>10} {:>20}",
            self.messages,
            self.snapshots,
            self.levels,
            self.updates,
            self.tickers,
            self.trades,
            self.last_trades,
            format!("{:.8}", self.volume)
        )
    }
}
