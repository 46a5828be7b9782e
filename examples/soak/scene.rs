//! A tract drawn from a seed, whose workers do all that can befall a request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use ringtract::{
    BoxError, Envelope, Factory, Input, Next, NoInput, OnPanic, Outcome, Tract, Worker, fan_out,
    parallel, serial, source, worker,
};

use crate::account::Account;

/// What a panic that is meant begins with.
pub(crate) const MEANT: &str = "meant: ";

/// A piece of tract, and about how many values a request becomes in it.
pub(crate) struct Scene {
    pub(crate) tract: Tract<u64, u64>,
    pub(crate) growth: u64,
    /// Workers in it.
    pub(crate) workers: usize,
}

/// The most that a request may become.
const MOST_GROWTH: u64 = 30;

impl Scene {
    pub(crate) fn draw(random: &mut Rng, account: &Arc<Account>) -> Self {
        loop {
            let scene = Self::piece(random, account, 3);
            if scene.growth <= MOST_GROWTH && scene.workers <= 16 {
                return scene;
            }
        }
    }

    /// The same behind sources, which share out the numbers below `requests`.
    pub(crate) fn behind_sources(
        self,
        sources: usize,
        requests: u64,
        account: &Arc<Account>,
    ) -> (Tract<NoInput, u64>, usize) {
        let (account, mut made) = (Arc::clone(account), 0);
        let numbers = move || {
            let next = made % sources as u64;
            made += 1;
            account.make()?;
            let account = Arc::clone(&account);
            Ok::<_, BoxError>(Numbers { next, step: sources as u64, requests, account })
        };
        (source("source", sources, numbers).then(self.tract), sources + self.workers)
    }

    fn piece(random: &mut Rng, account: &Arc<Account>, depth: u8) -> Self {
        let kind = if depth == 0 { 0 } else { random.u8(0..6) };
        if kind < 2 {
            return Self::pool(random, account);
        }
        let members: Vec<Self> =
            (0..random.u8(1..=3)).map(|_| Self::piece(random, account, depth - 1)).collect();
        let workers = members.iter().map(|member| member.workers).sum();
        let growths = members.iter().map(|member| member.growth);
        let growth = match kind {
            2 | 3 => growths.product(),
            4 => growths.max().unwrap_or(1),
            _ => growths.sum(),
        };
        let tracts = members.into_iter().map(|member| member.tract);
        let tract = match kind {
            2 | 3 => serial("serial", tracts.reduce(Tract::then).expect("at least one")),
            4 => parallel("parallel", tracts),
            _ => fan_out("fan-out", tracts),
        };
        Self { tract, growth, workers }
    }

    fn pool(random: &mut Rng, account: &Arc<Account>) -> Self {
        let workers = random.usize(1..=3);
        let several = random.u8(0..5) == 0;
        let hand = Hand {
            salt: random.u64(..),
            odds: [random.u64(0..30), random.u64(0..60), random.u64(0..60)],
            several,
            left: 0,
            account: Arc::clone(account),
        };
        let on_panic = if random.u8(0..8) == 0 { OnPanic::Stop } else { OnPanic::Replace };
        let tract = worker("pool", workers, Crew(hand))
            .capacity(1 << random.u8(0..8))
            .batch(random.usize(1..=8))
            .on_panic(on_panic);
        Self { tract, growth: if several { 3 } else { 1 }, workers }
    }
}

impl Account {
    /// A factory makes something, or fails where it is its turn.
    fn make(&self) -> Result<(), BoxError> {
        if self.makes_left.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err("this make was to fail".into());
        }
        self.made.up();
        Ok(())
    }

    /// Counts this request, and its end.
    pub(crate) fn watch(self: &Arc<Self>, request: &mut Envelope) {
        self.born.up();
        let account = Arc::clone(self);
        request.on_end(move |_| account.died.up());
    }
}

/// A source of every so many numbers.
struct Numbers {
    next: u64,
    step: u64,
    requests: u64,
    account: Arc<Account>,
}

impl Input for Numbers {
    type Item = u64;

    fn poll(&mut self, request: &mut Envelope) -> Next<u64> {
        let value = self.next;
        if value >= self.requests {
            return Next::Ended;
        }
        self.next += self.step;
        self.account.watch(request);
        Next::Value(value)
    }

    fn close(&mut self) {
        self.account.closed.up();
    }
}

/// Makes workers like this one.
struct Crew(Hand);

impl Factory for Crew {
    type Product = Hand;

    fn make(&mut self) -> Result<Hand, BoxError> {
        self.0.account.make()?;
        Ok(self.0.clone())
    }
}

#[derive(Clone)]
struct Hand {
    salt: u64,
    /// Of a thousand requests: panics, failures, discards.
    odds: [u64; 3],
    /// Whether a request becomes several.
    several: bool,
    left: u64,
    account: Arc<Account>,
}

impl Worker<u64> for Hand {
    type Out = u64;

    fn work(&mut self, value: u64, _request: &mut Envelope) -> Outcome<u64> {
        self.account.jam.pass();
        let drawn = mix(value ^ self.salt);
        let [panics, failures, discards] = self.odds;
        let at = drawn % 1_000;
        if at >= 990 && self.account.stalls_left.fetch_sub(1, Ordering::Relaxed) > 0 {
            thread::sleep(Duration::from_micros(drawn / 1_000 % 2_000));
        }
        if at < panics {
            panic!("{MEANT}a worker panics");
        } else if at < panics + failures {
            Outcome::fail("it is the fate of this value")
        } else if at < panics + failures + discards {
            Outcome::Discard
        } else if self.several {
            self.left = drawn / 1_000 % 6;
            Outcome::EmitAll
        } else {
            Outcome::Emit(drawn)
        }
    }

    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        Some(mix(self.salt ^ self.left))
    }

    fn close(&mut self) {
        self.account.closed.up();
    }
}

/// A bijection that scatters (the end of splitmix64).
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
