//! What the Go package `tract` shows in its examples, on both its branches: functions as workers, linked chains, messages
//! from outside, factories that own something.

mod common;

use std::sync::{Arc, Mutex};

use common::books::ledger;
use common::probe::run_between;
use common::{Count, EVERY_WAY, within_a_minute};
use ringtract::{
    BoxError, Envelope, Factory, Outcome, Placement, Worker, collect, feed, final_output, input,
    serial, source, try_map, worker,
};

/// Runs a test in every way, and not for ever.
fn in_every_way(test: impl Fn(Placement) + Send + 'static) {
    within_a_minute(move || EVERY_WAY.into_iter().for_each(test));
}

#[test]
fn square_roots_by_one_stage_and_by_three_linked_ones() {
    in_every_way(|way| {
        let powers = |exponent| move || (0..=10).map(move |n| f64::from(n).powi(exponent));
        let root = |name, size| worker(name, size, || f64::sqrt);
        let tracts = [
            source("squares", 1, powers(2)).then(root("square root", 4)),
            source("eighth powers", 1, powers(8))
                .then(serial("group", root("1", 1).then(root("2", 1).then(root("3", 1))))),
        ];
        for tract in tracts {
            let mut roots = Vec::new();
            tract.setup().placement(way).run(|root| roots.push(root)).expect("a sound tract");
            roots.sort_by(f64::total_cmp);
            assert!(roots.into_iter().eq((0..=10).map(f64::from)), "{way:?}");
        }
    });
}

#[test]
fn a_function_that_may_fail_as_a_worker() {
    in_every_way(|way| {
        let write = || try_map(|text: &[u8]| std::io::Write::write(&mut std::io::sink(), text));
        let texts: [&[u8]; 2] = [b"hello", b"world!"];
        let (output, lengths) = collect();
        let input = input(move || Ok::<_, BoxError>(texts.into_iter()));
        let report = run_between(&worker("write", 4, write), way, input, output).expect("sound");
        let mut lengths = lengths.take();
        lengths.sort_unstable();
        assert_eq!(lengths, [5, 6], "{way:?}");
        assert!(report.failures.is_empty(), "{way:?}");
    });
}

/// Messages come in from outside, are parsed, worked on and written: three pools in one named chain, fed by a thread
/// of its own until that has no more.
#[test]
fn messages_are_parsed_worked_on_and_written() {
    in_every_way(|way| {
        let written = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&written);
        let parse = || try_map(|text: String| text.parse::<f64>());
        let write = move || {
            let log = Arc::clone(&log);
            move |root: f64| log.lock().expect("no panic in here").push(root)
        };
        let chain = worker("parse", 2, parse)
            .then(worker("square root", 3, || f64::sqrt))
            .then(worker("write", 2, write));
        let (mut feed, input) = feed(4);
        let consumer = std::thread::spawn(move || {
            let texts = (0..50).map(|n| if n == 13 { "thirteen".into() } else { n.to_string() });
            texts.for_each(|text: String| feed.send(text).expect("open"));
        });
        let tract = serial("messages", chain);
        let report = run_between(&tract, way, input, final_output()).expect("a sound tract");
        consumer.join().expect("sends");

        let written = written.lock().expect("no panic in there");
        let squares = written.iter().map(|root| root * root);
        assert_eq!(squares.sum::<f64>().round(), f64::from(49 * 25 - 13), "{way:?}");
        assert_eq!(ledger(&report, "messages/parse").failed, 1, "{way:?}");
        assert_eq!(ledger(&report, "messages/write").emitted, 49, "{way:?}");
    });
}

/// A factory that owns one connection for all its workers and opens another for each of them.
struct Databases {
    shared: Arc<Mutex<rusqlite::Connection>>,
    opened: Count,
    closed: Count,
}

struct Lookup {
    shared: Arc<Mutex<rusqlite::Connection>>,
    /// `None` once it is closed. Its type cannot be shared between threads.
    own: Option<rusqlite::Connection>,
    closed: Count,
}

impl Databases {
    fn new(opened: &Count, closed: &Count) -> Self {
        let shared = rusqlite::Connection::open_in_memory().expect("a database in memory");
        shared
            .execute_batch("CREATE TABLE prices (id INTEGER, price INTEGER); INSERT INTO prices VALUES (1, 10), (2, 20)")
            .expect("sound statements");
        let shared = Arc::new(Mutex::new(shared));
        Self { shared, opened: opened.clone(), closed: closed.clone() }
    }
}

impl Factory for Databases {
    type Product = Lookup;

    fn make(&mut self) -> Result<Lookup, BoxError> {
        let own = rusqlite::Connection::open_in_memory()?;
        self.opened.up();
        Ok(Lookup { shared: Arc::clone(&self.shared), own: Some(own), closed: self.closed.clone() })
    }
}

impl Lookup {
    /// The price from the common database, doubled by the worker's own.
    fn double_price(&self, id: i64) -> Result<i64, BoxError> {
        let shared = self.shared.lock().expect("no panic in here");
        let sql = "SELECT price FROM prices WHERE id = ?1";
        let price: i64 = shared.query_row(sql, [id], |row| row.get(0))?;
        drop(shared);
        let own = self.own.as_ref().ok_or("closed")?;
        Ok(own.query_row("SELECT ?1 * 2", [price], |row| row.get(0))?)
    }
}

impl Worker<i64> for Lookup {
    type Out = i64;

    fn work(&mut self, id: i64, _request: &mut Envelope) -> Outcome<i64> {
        self.double_price(id).into()
    }

    fn close(&mut self) {
        self.own.take();
        self.closed.up();
    }
}

#[test]
fn workers_with_a_common_resource_and_one_each() {
    in_every_way(|way| {
        let (opened, closed) = (Count::default(), Count::default());
        let lookup = worker("lookup", 2, Databases::new(&opened, &closed)).blocking();
        let tract = source("ids", 1, || [1_i64, 2, 3].into_iter()).then(lookup);
        let mut prices = Vec::new();
        let setup = tract.setup().placement(way);
        let report = setup.run(|price| prices.push(price)).expect("a sound tract");
        prices.sort_unstable();
        assert_eq!(prices, [20, 40], "{way:?}");
        assert_eq!((opened.get(), closed.get()), (2, 2), "{way:?}");
        assert_eq!(report.failures[0].message, "Query returned no rows", "{way:?}");
    });
}
