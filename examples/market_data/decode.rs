//! Lines in, events out.
//!
//! A message is judged as a whole before its first event is given: a book that got half a snapshot would be
//! wrong without anybody noticing. Once its list has grown to the longest message the decoder allocates
//! nothing for a good one: names and numbers are read in place, and levels go straight into the list.

use crate::event::{Event, Kind, Product, ProductError, SideError};
use crate::fixed::FixedError;
use crate::line::{Frame, Line};
use crate::wire::{Message, MessageKind, required, trade};
use serde_json::error::Category;
use std::error::Error;
use std::fmt;

/// Takes one line with [`begin`](Decoder::begin), and is then the iterator of its events.
#[derive(Default)]
pub(crate) struct Decoder {
    /// Only there when all of the message is good; without it no event is given.
    header: Option<Header>,
    /// Given ahead of what the message lists, which may be nothing.
    first: Option<Kind>,
    listed: Vec<Kind>,
    given: usize,
}

/// What the events of one message share.
#[derive(Clone, Copy)]
struct Header {
    line: u64,
    received: u64,
    product: Product,
}

/// What a good line holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decoded {
    /// At least one event, to be taken from the decoder.
    Events,
    /// Nothing about the market: blank, a connection, a confirmed subscription.
    Skip,
}

impl Decoder {
    pub(crate) fn new() -> Decoder {
        Decoder::default()
    }

    /// Takes the next line. Events of the line before that were not taken are gone.
    pub(crate) fn begin(&mut self, line: &Line) -> Result<Decoded, LineError> {
        self.header = None;
        self.listed.clear();
        self.given = 0;
        self.decode(line).map_err(|reason| LineError::new(line, reason))
    }

    fn decode(&mut self, line: &Line) -> Result<Decoded, Reason> {
        let (received, json) = match line.frame() {
            Frame::Blank | Frame::Connection => return Ok(Decoded::Skip),
            Frame::Unstamped => return Err(Reason::NoStamp),
            Frame::Received { at, json } => (at, json),
        };
        let json = str::from_utf8(json).map_err(|_| Reason::NotUtf8)?;
        let message = Message::read(json, &mut self.listed).map_err(Reason::from_json)?;
        let kind = required("type", message.kind)?.0?;
        self.first = match (kind, message.bids, message.asks, message.changes) {
            (MessageKind::Subscriptions, ..) => return Ok(Decoded::Skip),
            (MessageKind::Snapshot, bids, asks, None) => {
                required("bids", bids)??;
                required("asks", asks)??;
                Some(Kind::Snapshot)
            }
            (MessageKind::Update, None, None, changes) => {
                required("changes", changes)??;
                if self.listed.is_empty() {
                    return Err(Reason::NoChanges);
                }
                None
            }
            (MessageKind::Ticker, None, None, None) => {
                let bid = required("best_bid", message.best_bid)?.price()?;
                let ask = required("best_ask", message.best_ask)?.price()?;
                Some(Kind::Ticker { bid, ask })
            }
            (MessageKind::Match, None, None, None) => {
                let (side, price, size) = trade(message.side, message.price, message.size)?;
                Some(Kind::Trade { side, price, size })
            }
            (MessageKind::LastMatch, None, None, None) => {
                let (side, price, size) = trade(message.side, message.price, message.size)?;
                Some(Kind::LastTrade { side, price, size })
            }
            // It has a list that does not belong there.
            _ => return Err(Reason::Shape),
        };
        let product = required("product_id", message.product)?.0.map_err(Reason::Product)?;
        self.header = Some(Header { line: line.number, received, product });
        Ok(Decoded::Events)
    }
}

impl Iterator for Decoder {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let Header { line, received, product } = self.header?;
        let kind = match self.first.take() {
            Some(first) => first,
            None => {
                let kind = *self.listed.get(self.given)?;
                self.given += 1;
                kind
            }
        };
        Some(Event { line, received, product, kind, last: self.given == self.listed.len() })
    }
}

/// A line that was refused, all of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LineError {
    pub(crate) line: u64,
    pub(crate) reason: Reason,
    excerpt: String,
}

/// Why a line was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    NoStamp,
    NotUtf8,
    /// The JSON ends too early.
    CutShort,
    BadJson,
    /// Good JSON, but something in it is not of the kind that it has to be.
    Shape,
    UnknownType,
    Missing(&'static str),
    /// An update that updates nothing.
    NoChanges,
    Product(ProductError),
    Side(SideError),
    Price(FixedError),
    Size(FixedError),
}

impl Reason {
    fn from_json(error: serde_json::Error) -> Reason {
        match error.classify() {
            Category::Eof => Reason::CutShort,
            Category::Data => Reason::Shape,
            Category::Syntax | Category::Io => Reason::BadJson,
        }
    }
}

impl LineError {
    fn new(line: &Line, reason: Reason) -> LineError {
        const EXCERPT: usize = 48;
        let start = &line.bytes[..line.bytes.len().min(EXCERPT)];
        let excerpt = String::from_utf8_lossy(start).into_owned();
        LineError { line: line.number, reason, excerpt }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}, begins with {:?}", self.line, self.reason, self.excerpt)
    }
}

impl Error for LineError {}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoStamp => f.write_str("no receive stamp"),
            Reason::NotUtf8 => f.write_str("not UTF-8"),
            Reason::CutShort => f.write_str("cut short"),
            Reason::BadJson => f.write_str("bad JSON"),
            Reason::Shape => f.write_str("JSON of another shape"),
            Reason::UnknownType => f.write_str("unknown message type"),
            Reason::Missing(field) => write!(f, "no {field}"),
            Reason::NoChanges => f.write_str("an update without changes"),
            Reason::Product(error) => write!(f, "the product {error}"),
            Reason::Side(error) => write!(f, "a side {error}"),
            Reason::Price(error) => write!(f, "a price {error}"),
            Reason::Size(error) => write!(f, "a size {error}"),
        }
    }
}
