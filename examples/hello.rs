//! Hello: a source, a worker, and what to do with what comes out.
//!
//! `cargo run --example hello`

use ringtract::{Error, source, worker};

fn main() -> Result<(), Error> {
    source("names", 1, || ["Ada", "Grace", "Barbara"].into_iter())
        .then(worker("greet", 1, || |name: &str| format!("Hello, {name}!")))
        .run(|greeting| println!("{greeting}"))?;
    Ok(())
}
