//! A feed that no exchange sent, line by line in the grammar of a recording.
//!
//! The lines open with a connection, subscriptions and a snapshot of each product, as a recording does. Then
//! come updates, trades and tickers in bursts and pauses. All of it follows from the seed, and the books that
//! can be rebuilt from it are never crossed and agree with every ticker.

use crate::encode;
use crate::exchange::{Change, Listing, Market};
use crate::line::Line;
use fastrand::Rng;
use std::collections::VecDeque;
use std::io;

#[rustfmt::skip]
const LISTINGS: [Listing; 10] = [
    Listing { name: "AAA-USD",  mid: 7_911,   price_decimals: 4, size_decimals: 1, levels: 1100, share: 266 },
    Listing { name: "AAA-BTC",  mid: 1_305,   price_decimals: 8, size_decimals: 1, levels:  350, share: 180 },
    Listing { name: "AAA-GBP",  mid: 5_762,   price_decimals: 4, size_decimals: 1, levels:  700, share: 140 },
    Listing { name: "BBBB-BTC", mid: 620_125, price_decimals: 8, size_decimals: 3, levels: 2100, share: 110 },
    Listing { name: "BBBB-EUR", mid: 670_210, price_decimals: 4, size_decimals: 3, levels:  900, share:  90 },
    Listing { name: "CC-BTC",   mid: 82_727,  price_decimals: 5, size_decimals: 6, levels:  800, share:  70 },
    Listing { name: "CC-EUR",   mid: 33_024,  price_decimals: 4, size_decimals: 2, levels:  600, share:  60 },
    Listing { name: "DDDD-BTC", mid: 33_519,  price_decimals: 8, size_decimals: 2, levels:  500, share:  46 },
    Listing { name: "DDDD-GBP", mid: 148_024, price_decimals: 4, size_decimals: 2, levels:  800, share:  30 },
    Listing { name: "EE-GBP",   mid: 4_394,   price_decimals: 4, size_decimals: 6, levels:  500, share:   8 },
];

const CHANNELS: [&str; 3] = ["level2", "ticker", "matches"];

/// When the feed begins, in µs since 1970.
const BEGIN: u64 = 1_700_000_000_000_000;

/// Bytes that most lines fit in.
const ROOM: usize = 192;

pub(crate) struct Simulator {
    rng: Rng,
    markets: Vec<Market>,
    /// What has to come next; when it is empty, anything may.
    due: VecDeque<Message>,
    left: u64,
    number: u64,
    at: u64,
    left_of_burst: u32,
}

/// What a line is about; the numbers are those of the markets.
#[derive(Clone, Copy)]
enum Message {
    Connect,
    Subscribe(&'static str),
    /// Confirms this many channels.
    Subscriptions(usize),
    Snapshot(usize),
    Update(usize, Change),
    Match(usize),
    LastMatch(usize),
    Ticker(usize),
}

impl Simulator {
    /// `messages` are the updates, trades and tickers that follow the opening.
    pub(crate) fn new(seed: u64, messages: u64) -> Simulator {
        let mut rng = Rng::with_seed(seed);
        let markets: Vec<Market> =
            LISTINGS.iter().map(|listing| Market::new(listing, &mut rng)).collect();

        let mut due = VecDeque::from([Message::Connect]);
        due.extend(CHANNELS.map(Message::Subscribe));
        due.extend([1, 2, 3].map(Message::Subscriptions));
        for market in 0..markets.len() {
            due.extend([
                Message::Snapshot(market),
                Message::Ticker(market),
                Message::LastMatch(market),
            ]);
        }

        let left = due.len() as u64 + messages;
        Simulator { rng, markets, due, left, number: 0, at: BEGIN, left_of_burst: 0 }
    }

    fn next_message(&mut self) -> Message {
        if let Some(message) = self.due.pop_front() {
            return message;
        }
        let market = self.choose_market();
        let change = self.markets[market].step(&mut self.rng);
        if change.traded {
            self.due.extend([Message::Match(market), Message::Ticker(market)]);
        }
        Message::Update(market, change)
    }

    fn choose_market(&mut self) -> usize {
        let mut choice = self.rng.u32(0..LISTINGS.iter().map(|listing| listing.share).sum());
        for (market, listing) in LISTINGS.iter().enumerate() {
            if choice < listing.share {
                return market;
            }
            choice -= listing.share;
        }
        unreachable!("the choice is below the sum of all shares")
    }

    fn let_time_pass(&mut self) {
        if self.left_of_burst > 0 {
            self.left_of_burst -= 1;
            self.at += self.rng.u64(8..20);
            return;
        }
        let long = self.rng.u32(0..64) == 0;
        self.left_of_burst = if long { self.rng.u32(40..64) } else { self.rng.u32(0..6) };
        let pause = self.rng.u32(0..1024) == 0;
        self.at += if pause {
            self.rng.u64(200_000..1_000_000)
        } else {
            self.rng.u64(0..230) * self.rng.u64(0..230)
        };
    }

    fn write(&mut self, message: Message, out: &mut Vec<u8>) -> io::Result<()> {
        let at = self.at;
        match message {
            Message::Connect => encode::connect(out, at),
            Message::Subscribe(channel) => encode::subscribe(out, at, channel, &self.markets),
            Message::Subscriptions(count) => {
                encode::subscriptions(out, at, &CHANNELS[..count], &self.markets)
            }
            Message::Snapshot(market) => encode::snapshot(out, at, &self.markets[market]),
            Message::Update(market, change) => {
                encode::update(out, at, self.markets[market].listing, &change)
            }
            Message::Ticker(market) => encode::ticker(out, at, &self.markets[market]),
            Message::Match(market) => {
                let orders = [self.rng.u128(..), self.rng.u128(..)];
                encode::trade(out, at, "match", orders, &self.markets[market])
            }
            Message::LastMatch(market) => {
                let orders = [self.rng.u128(..), self.rng.u128(..)];
                encode::trade(out, at, "last_match", orders, &self.markets[market])
            }
        }
    }
}

impl Iterator for Simulator {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        self.left = self.left.checked_sub(1)?;
        self.number += 1;
        self.let_time_pass();
        let message = self.next_message();
        let mut bytes = Vec::with_capacity(ROOM);
        self.write(message, &mut bytes).expect("a Vec takes all that is written to it");
        Some(Line { number: self.number, bytes })
    }
}
