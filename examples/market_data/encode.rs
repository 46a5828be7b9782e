//! The lines of a simulated feed as text, in the grammar that the decoder reads.

use crate::event::{Price, Side, Size};
use crate::exchange::{Change, Listing, Market};
use std::fmt;
use std::io::{self, Write};

const HOST: &str = "wss://feed.example.com";

type Out = Vec<u8>;

pub(crate) fn connect(out: &mut Out, at: u64) -> io::Result<()> {
    write!(out, "{HOST} <-> {}", Stamp(at))
}

pub(crate) fn subscribe(
    out: &mut Out,
    at: u64,
    channel: &str,
    markets: &[Market],
) -> io::Result<()> {
    write!(out, r#"{HOST} <- {}: {{"type":"subscribe","product_ids":["#, Stamp(at))?;
    list(out, markets, name)?;
    write!(out, r#"],"channels":["{channel}"]}}"#)
}

pub(crate) fn subscriptions(
    out: &mut Out,
    at: u64,
    channels: &[&str],
    markets: &[Market],
) -> io::Result<()> {
    write!(out, r#"{}: {{"type":"subscriptions","channels":["#, Stamp(at))?;
    list(out, channels, |out, channel| {
        write!(out, r#"{{"name":"{channel}","product_ids":["#)?;
        list(out, markets, name)?;
        write!(out, "]}}")
    })?;
    write!(out, "]}}")
}

pub(crate) fn snapshot(out: &mut Out, at: u64, market: &Market) -> io::Result<()> {
    let Listing { name, price_decimals, size_decimals, .. } = *market.listing;
    let level = |out: &mut Out, (price, size): (Price, Size)| {
        write!(out, r#"["{price:.price_decimals$}","{size:.size_decimals$}"]"#)
    };
    write!(out, r#"{}: {{"type":"snapshot","product_id":"{name}","asks":["#, Stamp(at))?;
    list(out, market.levels(Side::Ask), level)?;
    write!(out, r#"],"bids":["#)?;
    list(out, market.levels(Side::Bid), level)?;
    write!(out, "]}}")
}

pub(crate) fn update(out: &mut Out, at: u64, listing: &Listing, change: &Change) -> io::Result<()> {
    let Listing { name, price_decimals, size_decimals, .. } = *listing;
    let Change { side, price, size, .. } = *change;
    write!(out, r#"{}: {{"type":"l2update","product_id":"{name}","#, Stamp(at))?;
    write!(out, r#""changes":[["{}","{price:.price_decimals$}","#, side.as_str())?;
    write!(out, r#""{size:.size_decimals$}"]],"time":"{}"}}"#, Time(at))
}

/// A trade is a `match`; the `last_match` of before the subscription looks the same.
pub(crate) fn trade(
    out: &mut Out,
    at: u64,
    kind: &str,
    [maker, taker]: [u128; 2],
    market: &Market,
) -> io::Result<()> {
    let (name, trade) = (market.listing.name, &market.last_trade);
    write!(out, r#"{}: {{"type":"{kind}","trade_id":{},"#, Stamp(at), trade.id)?;
    write!(out, r#""maker_order_id":"{}","taker_order_id":"{}","#, Uuid(maker), Uuid(taker))?;
    write!(out, r#""side":"{}","size":"{}","#, trade.side.as_str(), trade.size)?;
    write!(out, r#""price":"{}","product_id":"{name}","#, trade.price)?;
    write!(out, r#""sequence":{},"time":"{}"}}"#, trade.id, Time(at))
}

pub(crate) fn ticker(out: &mut Out, at: u64, market: &Market) -> io::Result<()> {
    let (name, trade, volume) = (market.listing.name, &market.last_trade, market.volume);
    let (low, high) = market.range();
    let (bid, ask) = (market.best(Side::Bid), market.best(Side::Ask));
    // The side of a ticker is that of the order that took; the side of a trade is the other one.
    let taker = match trade.side {
        Side::Bid => Side::Ask,
        Side::Ask => Side::Bid,
    };
    write!(out, r#"{}: {{"type":"ticker","sequence":{},"#, Stamp(at), trade.id)?;
    write!(out, r#""product_id":"{name}","price":"{}","open_24h":"{low}","#, trade.price)?;
    write!(out, r#""volume_24h":"{volume:.8}","low_24h":"{low}","high_24h":"{high}","#)?;
    write!(out, r#""volume_30d":"{volume:.8}","best_bid":"{bid}","best_ask":"{ask}","#)?;
    write!(out, r#""side":"{}","time":"{}","#, taker.as_str(), Time(at))?;
    write!(out, r#""trade_id":{},"last_size":"{}"}}"#, trade.id, trade.size)
}

fn name(out: &mut Out, market: &Market) -> io::Result<()> {
    write!(out, r#""{}""#, market.listing.name)
}

/// Writes all items, with commas in between.
fn list<T>(
    out: &mut Out,
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut Out, T) -> io::Result<()>,
) -> io::Result<()> {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item)?;
    }
    Ok(())
}

const MICROS: u64 = 1_000_000;

/// µs since 1970 as seconds.
struct Stamp(u64);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / MICROS, self.0 % MICROS)
    }
}

/// µs since 1970 as date and time.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0 / MICROS, self.0 % MICROS);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let (year, month, day) = date(seconds / 86_400);
        write!(f, "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

/// Year, month and day from the days since 1970. The year is taken to begin in March, so that a leap day is
/// its last.
fn date(days: u64) -> (u64, u64, u64) {
    // 0000-03-01 is 719,468 days before 1970, and 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (400 * era + year + next_year, month, day)
}

/// An order's name.
struct Uuid(u128);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |from: u32, bits: u32| (self.0 >> from) & ((1 << bits) - 1);
        write!(f, "{:08x}-{:04x}-", part(96, 32), part(80, 16))?;
        write!(f, "{:04x}-{:04x}-{:012x}", part(64, 16), part(48, 16), part(0, 48))
    }
}
