//! The JSON of the exchange's messages, as serde reads it: in one pass, and without an allocation.
//!
//! Lists of levels go straight into a list that the caller keeps. What they are made of follows from their
//! names, so it does not matter whether the type of the message comes before or after them.

use crate::decode::Reason;
use crate::event::{Kind, Price, Product, Side, Size};
use crate::fixed::Fixed;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// All messages in one: which fields are there depends on the type.
#[derive(Default)]
pub(crate) struct Message {
    pub(crate) kind: Option<Parsed<MessageKind>>,
    pub(crate) product: Option<Parsed<Product>>,
    pub(crate) side: Option<Parsed<Side>>,
    pub(crate) price: Option<Number>,
    pub(crate) size: Option<Number>,
    pub(crate) best_bid: Option<Number>,
    pub(crate) best_ask: Option<Number>,
    // Of the lists only whether they are there, and good; their elements are in the caller's list.
    pub(crate) bids: Option<Result<(), Reason>>,
    pub(crate) asks: Option<Result<(), Reason>>,
    pub(crate) changes: Option<Result<(), Reason>>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Type,
    ProductId,
    Side,
    Price,
    Size,
    BestBid,
    BestAsk,
    Bids,
    Asks,
    Changes,
    #[serde(other)]
    Other,
}

pub(crate) enum MessageKind {
    Subscriptions,
    Snapshot,
    Update,
    Ticker,
    Match,
    LastMatch,
}

impl FromStr for MessageKind {
    type Err = Reason;

    fn from_str(name: &str) -> Result<MessageKind, Reason> {
        match name {
            "subscriptions" => Ok(MessageKind::Subscriptions),
            "snapshot" => Ok(MessageKind::Snapshot),
            "l2update" => Ok(MessageKind::Update),
            "ticker" => Ok(MessageKind::Ticker),
            "match" => Ok(MessageKind::Match),
            "last_match" => Ok(MessageKind::LastMatch),
            _ => Err(Reason::UnknownType),
        }
    }
}

pub(crate) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Reason> {
    value.ok_or(Reason::Missing(field))
}

pub(crate) fn trade(
    side: Option<Parsed<Side>>,
    price: Option<Number>,
    size: Option<Number>,
) -> Result<(Side, Price, Size), Reason> {
    let side = required("side", side)?.side()?;
    let price = required("price", price)?.price()?;
    let size = required("size", size)?.size()?;
    Ok((side, price, size))
}

/// A JSON string read as a `T`. The outcome is kept, because an error that goes through serde loses its type.
pub(crate) struct Parsed<T: FromStr>(pub(crate) Result<T, T::Err>);

pub(crate) type Number = Parsed<Fixed>;

impl Parsed<Side> {
    pub(crate) fn side(self) -> Result<Side, Reason> {
        self.0.map_err(Reason::Side)
    }
}

impl Number {
    pub(crate) fn price(self) -> Result<Price, Reason> {
        self.0.map(Price).map_err(Reason::Price)
    }

    pub(crate) fn size(self) -> Result<Size, Reason> {
        self.0.map(Size).map_err(Reason::Size)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);

        impl<T: FromStr> Visitor<'_> for Text<T> {
            type Value = Parsed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Parsed<T>, E> {
                Ok(Parsed(text.parse()))
            }
        }

        deserializer.deserialize_str(Text(PhantomData))
    }
}

impl Message {
    /// Reads the JSON of a message. What its lists hold is appended to `listed`.
    pub(crate) fn read(json: &str, listed: &mut Vec<Kind>) -> serde_json::Result<Message> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let message = deserializer.deserialize_map(Fields { listed })?;
        deserializer.end()?;
        Ok(message)
    }
}

struct Fields<'a> {
    listed: &'a mut Vec<Kind>,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Message;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Message, A::Error> {
        let listed = self.listed;
        let level = |side, (price, size): (Number, Number)| {
            Ok(Kind::Level { side, price: price.price()?, size: size.size()? })
        };
        let update = |(side, price, size): (Parsed<Side>, Number, Number)| {
            Ok(Kind::Update { side: side.side()?, price: price.price()?, size: size.size()? })
        };
        let mut message = Message::default();
        while let Some(field) = map.next_key()? {
            match field {
                Field::Type => once(&mut message.kind, &mut map, PhantomData),
                Field::ProductId => once(&mut message.product, &mut map, PhantomData),
                Field::Side => once(&mut message.side, &mut map, PhantomData),
                Field::Price => once(&mut message.price, &mut map, PhantomData),
                Field::Size => once(&mut message.size, &mut map, PhantomData),
                Field::BestBid => once(&mut message.best_bid, &mut map, PhantomData),
                Field::BestAsk => once(&mut message.best_ask, &mut map, PhantomData),
                Field::Bids => {
                    once(&mut message.bids, &mut map, Each::new(listed, |at| level(Side::Bid, at)))
                }
                Field::Asks => {
                    once(&mut message.asks, &mut map, Each::new(listed, |at| level(Side::Ask, at)))
                }
                Field::Changes => once(&mut message.changes, &mut map, Each::new(listed, update)),
                Field::Other => map.next_value().map(|IgnoredAny| ()),
            }?;
        }
        Ok(message)
    }
}

/// Reads the value of a field that must not come twice.
fn once<'de, A, S>(field: &mut Option<S::Value>, map: &mut A, seed: S) -> Result<(), A::Error>
where
    A: MapAccess<'de>,
    S: DeserializeSeed<'de>,
{
    match field.replace(map.next_value_seed(seed)?) {
        None => Ok(()),
        Some(_) => Err(A::Error::custom("a field comes twice")),
    }
}

/// Reads a list, one element after the other; what comes after a bad one is not kept.
struct Each<'a, T, F> {
    listed: &'a mut Vec<Kind>,
    read: F,
    element: PhantomData<T>,
}

impl<'a, T, F: Fn(T) -> Result<Kind, Reason>> Each<'a, T, F> {
    fn new(listed: &'a mut Vec<Kind>, read: F) -> Self {
        Each { listed, read, element: PhantomData }
    }
}

impl<'de, T, F> DeserializeSeed<'de> for Each<'_, T, F>
where
    T: Deserialize<'de>,
    F: Fn(T) -> Result<Kind, Reason>,
{
    type Value = Result<(), Reason>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T, F> Visitor<'de> for Each<'_, T, F>
where
    T: Deserialize<'de>,
    F: Fn(T) -> Result<Kind, Reason>,
{
    type Value = Result<(), Reason>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut outcome = Ok(());
        while let Some(element) = list.next_element()? {
            outcome = outcome.and_then(|()| {
                self.listed.push((self.read)(element)?);
                Ok(())
            });
        }
        Ok(outcome)
    }
}
