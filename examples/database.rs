//! Workers over a database: orders are priced and the sales recorded.
//!
//! Prices are read by three workers, each over a connection of its own, which its factory opens and which closes
//! with the worker. Sales are written by two workers over one connection, which belongs to their factory and stays
//! open from run to run.
//!
//! `cargo run --example database`

use std::error::Error;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ringtract::{BoxError, Envelope, Factory, Outcome, Worker, source, worker};
use rusqlite::OptionalExtension;

struct Order {
    product: &'static str,
    pieces: i64,
}

#[derive(Debug)]
struct Sale {
    product: &'static str,
    cents: i64,
}

const ORDERS: [Order; 5] = [
    Order { product: "apple", pieces: 3 },
    Order { product: "pear", pieces: 2 },
    Order { product: "unicorn", pieces: 1 },
    Order { product: "quince", pieces: 4 },
    Order { product: "apple", pieces: 12 },
];

/// Looks prices up, over a connection of its own.
struct Pricer {
    connection: Connection,
}

impl Pricer {
    fn new(database: &Path) -> rusqlite::Result<Self> {
        Ok(Self { connection: Connection::open(database)? })
    }

    fn price(&self, product: &str) -> rusqlite::Result<Option<i64>> {
        let mut query =
            self.connection.prepare_cached("SELECT cents FROM prices WHERE product = ?1")?;
        query.query_row([product], |row| row.get(0)).optional()
    }
}

impl Worker<&Order> for Pricer {
    type Out = Sale;

    fn work(&mut self, order: &Order, _request: &mut Envelope) -> Outcome<Sale> {
        let &Order { product, pieces } = order;
        match self.price(product) {
            Ok(Some(cents)) => Outcome::Emit(Sale { product, cents: cents * pieces }),
            Ok(None) => Outcome::Discard,
            Err(error) => Outcome::fail(error),
        }
    }
}

/// Makes the recorders, and owns the connection that they share.
struct Recorders {
    connection: Option<Arc<Mutex<Connection>>>,
}

impl Recorders {
    fn new(database: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(database)?;
        connection.execute("CREATE TABLE sales (product TEXT, cents INTEGER)", [])?;
        Ok(Self { connection: Some(Arc::new(Mutex::new(connection))) })
    }
}

impl Factory for Recorders {
    type Product = Recorder;

    fn make(&mut self) -> Result<Recorder, BoxError> {
        let connection = self.connection.clone().ok_or("the connection is closed")?;
        Ok(Recorder { connection })
    }

    fn close(&mut self) {
        self.connection = None;
    }
}

/// Writes sales down, over the connection of its factory.
struct Recorder {
    connection: Arc<Mutex<Connection>>,
}

impl Worker<Sale> for Recorder {
    type Out = Sale;

    fn work(&mut self, sale: Sale, _request: &mut Envelope) -> Outcome<Sale> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let values = (sale.product, sale.cents);
        match connection.execute("INSERT INTO sales VALUES (?1, ?2)", values) {
            Ok(_) => Outcome::Emit(sale),
            Err(error) => Outcome::fail(error),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let database = Database::create()?;
    let path = database.path.clone();
    let tract = source("orders", 1, || ORDERS.iter())
        .then(worker("price", 3, move || Pricer::new(&path)).blocking())
        .then(worker("record", 2, Recorders::new(&database.path)?).blocking());

    for day in ["Monday", "Tuesday"] {
        println!("{day}");
        let report = tract.run(|sale| println!("  {}s for {} ct", sale.product, sale.cents))?;
        let priced = report.stage("price").expect("it is in the tract").ledger;
        println!("  no price: {}, price not readable: {}", priced.discarded, priced.failed);
        for failure in &report.failures {
            println!("  {failure}");
        }
        assert_eq!((priced.emitted, priced.discarded, priced.failed), (3, 1, 1));
        println!("  connections still open: {}", Connection::count());
        assert_eq!(Connection::count(), 1, "that of the recorders");
    }

    tract.close();
    println!("Closed; connections still open: {}", Connection::count());
    assert_eq!(Connection::count(), 0);

    let sales = Connection::open(&database.path)?;
    let total: i64 = sales.query_row("SELECT sum(cents) FROM sales", [], |row| row.get(0))?;
    println!("Sold for {total} ct in all.");
    assert_eq!(total, 2 * (3 * 40 + 2 * 55 + 12 * 40));
    Ok(())
}

/// A database in a file, for as long as this lives.
struct Database {
    path: PathBuf,
}

impl Database {
    fn create() -> rusqlite::Result<Self> {
        let name = format!("ringtract-{}.sqlite", std::process::id());
        let database = Self { path: std::env::temp_dir().join(name) };
        // SQLite takes any value in any column: this quince is priceless.
        Connection::open(&database.path)?.execute_batch(
            "CREATE TABLE prices (product TEXT PRIMARY KEY, cents INTEGER);
             INSERT INTO prices VALUES ('apple', 40), ('pear', 55), ('quince', 'ask us');",
        )?;
        Ok(database)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            eprintln!("{} is left behind: {error}", self.path.display());
        }
    }
}

/// A connection that counts among those that are open.
struct Connection(rusqlite::Connection);

static OPEN: AtomicUsize = AtomicUsize::new(0);

impl Connection {
    fn open(database: &Path) -> rusqlite::Result<Self> {
        let connection = rusqlite::Connection::open(database)?;
        OPEN.fetch_add(1, Ordering::Relaxed);
        Ok(Self(connection))
    }

    /// How many are open now.
    fn count() -> usize {
        OPEN.load(Ordering::Relaxed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Deref for Connection {
    type Target = rusqlite::Connection;

    fn deref(&self) -> &rusqlite::Connection {
        &self.0
    }
}
