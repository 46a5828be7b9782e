//! Square roots through a pool of four workers: first in one breath, then with the plan and the report.
//!
//! `cargo run --example square_roots`

use ringtract::{Error, Measure, source, worker};

fn main() -> Result<(), Error> {
    // A tract is a description: nothing runs yet.
    let squares = source("squares", 1, || (0..=10).map(|n| f64::from(n * n)));
    let tract = squares.then(worker("square root", 4, || f64::sqrt));

    let mut roots = Vec::new();
    tract.run(|root| roots.push(root))?;
    // A pool keeps no order.
    roots.sort_by(f64::total_cmp);
    println!("The roots are {roots:?}.\n");

    // The same again, with every request measured: what will run, the run itself, and what it came to.
    let setup = tract.setup().measure(Measure::ALL);
    println!("{}", setup.plan()?);
    let report = setup.run(|root| print!("{root} "))?;
    print!("\n\n{report}");
    Ok(())
}
