//! What the exchange said, as plain data: one message becomes one event or, for a snapshot, one per level.
//!
//! Events are small, `Copy` and own no memory, so that they can travel through rings and fan out for the
//! price of copying one cache line. The last event of each message is marked: between the events of one
//! message a book is half changed, and nothing may be concluded from it.

use crate::fixed::Fixed;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// One step of the feed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Event {
    /// The line that it came from.
    pub(crate) line: u64,
    /// When that line was received, in µs since 1970.
    pub(crate) received: u64,
    pub(crate) product: Product,
    pub(crate) kind: Kind,
    /// Whether it is the last event of its message.
    pub(crate) last: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A snapshot begins: what was known of the product is void.
    Snapshot,
    /// One level of the snapshot.
    Level { side: Side, price: Price, size: Size },
    /// One level has a new size; size 0 takes the level away.
    Update { side: Side, price: Price, size: Size },
    /// The best bid and ask, as the exchange saw them after a trade.
    Ticker { bid: Price, ask: Price },
    /// A trade; `side` is the side of the book that it took from.
    Trade { side: Side, price: Price, size: Size },
    /// The latest trade before the subscription, repeated by the exchange as a starting point.
    LastTrade { side: Side, price: Price, size: Size },
}

/// A side of the book. Orders to buy are bids, orders to sell are asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Bid,
    Ask,
}

impl Side {
    /// What an order of this side does, which is what the exchange calls the side.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Side::Bid => "buy",
            Side::Ask => "sell",
        }
    }
}

impl FromStr for Side {
    type Err = SideError;

    fn from_str(name: &str) -> Result<Side, SideError> {
        [Side::Bid, Side::Ask].into_iter().find(|side| side.as_str() == name).ok_or(SideError)
    }
}

/// A text is neither `buy` nor `sell`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SideError;

impl fmt::Display for SideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is neither buy nor sell")
    }
}

impl Error for SideError {}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct Price(pub(crate) Fixed);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct Size(pub(crate) Fixed);

/// Formatting options are those of [`Fixed`].
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Formatting options are those of [`Fixed`].
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of what is traded, such as `BTC-USD`, held in place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Product {
    // Ahead of the length and padded with zeros, so that the derived order is that of the names.
    bytes: [u8; Product::MAX_LEN],
    len: u8,
}

impl Product {
    pub(crate) const MAX_LEN: usize = 15;

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("only ASCII is let in")
    }
}

impl FromStr for Product {
    type Err = ProductError;

    fn from_str(name: &str) -> Result<Product, ProductError> {
        let len = name.len();
        if !(1..=Product::MAX_LEN).contains(&len) {
            return Err(ProductError::Length(len));
        }
        if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ProductError::Characters);
        }
        let mut bytes = [0; Product::MAX_LEN];
        bytes[..len].copy_from_slice(name.as_bytes());
        Ok(Product { bytes, len: len as u8 })
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Product({self})")
    }
}

/// Why a text is not the name of a [`Product`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProductError {
    /// Not 1 to 15 bytes, but this many.
    Length(usize),
    /// Something other than printable ASCII.
    Characters,
}

impl fmt::Display for ProductError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProductError::Length(len) => {
                write!(f, "is {len} bytes long, not 1 to {}", Product::MAX_LEN)
            }
            ProductError::Characters => f.write_str("is not printable ASCII"),
        }
    }
}

impl Error for ProductError {}
