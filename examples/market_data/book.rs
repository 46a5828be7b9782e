//! Order books, one per product, kept from snapshots and updates.
//!
//! A book speaks only at the end of a message. After an update it says so if its best bid or ask is another
//! than the one it announced last; a snapshot announces nothing by itself, so the first update after it does.

use crate::event::{Event, Kind, Price, Product, Side, Size};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

/// The books of all products that had a snapshot.
#[derive(Default)]
pub(crate) struct Books {
    books: BTreeMap<Product, Book>,
}

/// The levels of one product.
#[derive(Default)]
struct Book {
    bids: BTreeMap<Price, Size>,
    asks: BTreeMap<Price, Size>,
    announced: Prices,
    crossed: u64,
}

/// The best level of each side; a side without levels has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Best {
    pub(crate) bid: Option<Level>,
    pub(crate) ask: Option<Level>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Level {
    pub(crate) price: Price,
    pub(crate) size: Size,
}

/// Best bid and best ask.
pub(crate) type Prices = (Option<Price>, Option<Price>);

/// What an event told about a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Observation {
    /// The line that it came from.
    pub(crate) line: u64,
    /// When that line was received, in µs since 1970.
    pub(crate) received: u64,
    pub(crate) product: Product,
    pub(crate) finding: Finding,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Finding {
    BestChanged(Best),
    /// A ticker carries the best bid and ask of the book.
    TickerAgrees,
    TickerDiffers,
}

impl Books {
    pub(crate) fn new() -> Books {
        Books::default()
    }

    pub(crate) fn apply(&mut self, event: &Event) -> Result<Option<Observation>, BookError> {
        let &Event { line, received, product, .. } = event;
        let book = match event.kind {
            Kind::Snapshot => self.books.entry(product).or_default(),
            Kind::Level { .. } | Kind::Update { .. } | Kind::Ticker { .. } => {
                self.books.get_mut(&product).ok_or(BookError::UnknownProduct { line, product })?
            }
            // A trade shows in the book as an update; by itself it needs no book.
            Kind::Trade { .. } | Kind::LastTrade { .. } => return Ok(None),
        };
        let finding = book.apply(event);
        Ok(finding.map(|finding| Observation { line, received, product, finding }))
    }

    /// How many messages have left a book crossed: its best bid not below its best ask.
    pub(crate) fn crossed(&self) -> u64 {
        self.books.values().map(|book| book.crossed).sum()
    }
}

impl Book {
    fn apply(&mut self, event: &Event) -> Option<Finding> {
        match event.kind {
            Kind::Snapshot => {
                self.bids.clear();
                self.asks.clear();
            }
            Kind::Level { side, price, size } | Kind::Update { side, price, size } => {
                self.set(side, price, size);
            }
            Kind::Ticker { bid, ask } => return Some(self.compare((Some(bid), Some(ask)))),
            Kind::Trade { .. } | Kind::LastTrade { .. } => return None,
        }
        if !event.last {
            return None;
        }
        let best = self.best();
        if best.is_crossed() {
            self.crossed += 1;
        }
        let announces = matches!(event.kind, Kind::Update { .. });
        if !announces || best.prices() == self.announced {
            return None;
        }
        self.announced = best.prices();
        Some(Finding::BestChanged(best))
    }

    fn set(&mut self, side: Side, price: Price, size: Size) {
        let levels = match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        };
        if size == Size::default() {
            levels.remove(&price);
        } else {
            levels.insert(price, size);
        }
    }

    fn best(&self) -> Best {
        let level = |(&price, &size)| Level { price, size };
        Best {
            bid: self.bids.last_key_value().map(level),
            ask: self.asks.first_key_value().map(level),
        }
    }

    fn compare(&self, ticker: Prices) -> Finding {
        if ticker == self.best().prices() { Finding::TickerAgrees } else { Finding::TickerDiffers }
    }
}

impl Best {
    pub(crate) fn prices(&self) -> Prices {
        (self.bid.map(|level| level.price), self.ask.map(|level| level.price))
    }

    /// Whether somebody bids at least what somebody else asks, which an exchange never leaves standing.
    pub(crate) fn is_crossed(&self) -> bool {
        matches!(self.prices(), (Some(bid), Some(ask)) if bid >= ask)
    }
}

/// Why an event does not fit the books.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BookError {
    /// No snapshot came before it.
    UnknownProduct { line: u64, product: Product },
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BookError::UnknownProduct { line, product } => {
                write!(f, "line {line}: no snapshot of {product} yet")
            }
        }
    }
}

impl Error for BookError {}
