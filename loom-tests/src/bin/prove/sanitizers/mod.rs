//! Runs tests under the thread sanitizer, the address sanitizer and Miri.
//!
//! The product has no `unsafe` of its own, but what it stands on has: rings, padding, clocks, the standard library's threads.
//! And a data race between plain memory of ours would be a mistake in one of the protocols. What each part can tell:
//!
//! | part | finds | is blind to |
//! |---|---|---|
//! | `thread` | accesses to the same memory, one of them a write, that no lock, join or atomic orders, in what really ran | what a fence orders (below) |
//! | `address` | use after free, out of bounds, double free, leaks | order |
//! | `miri` | the above, and undefined behaviour in what can be interpreted, with old values for loads that may see them | system calls that it does not know |
//!
//! The thread sanitizer knows nothing of `fence` and `membarrier`: to it, they order nothing. That could make it report what is
//! no race, but it does not, and nothing is suppressed: what the product's fences stand between are atomics, and what these
//! guard (values in rings, wakers, threads) is handed over by releases and acquires, or under a lock. It also means that the
//! thread sanitizer would not notice if a fence were missing. The models do, for they have mutants without; Miri may, for
//! it knows fences, and under it the product's are ordinary ones, since it does not know `membarrier`.
//!
//! All of it wants a nightly toolchain. What this machine lacks is said, and is no failure.

mod part;
mod run;
mod said;
mod toolchain;

use std::io;

use part::PARTS;
pub(crate) use part::Part;
use run::{Fate, Row};

/// The parts of these names; all of them, if there are no names.
pub(crate) fn named(names: impl Iterator<Item = String>) -> Result<Vec<&'static Part>, String> {
    let parts: Vec<_> = names.map(|name| part(&name)).collect::<Result<_, _>>()?;
    Ok(if parts.is_empty() { PARTS.iter().collect() } else { parts })
}

fn part(name: &str) -> Result<&'static Part, String> {
    PARTS.iter().find(|part| part.name == name).ok_or_else(|| {
        let names: Vec<_> = PARTS.iter().map(|part| part.name).collect();
        format!("{name} is no sanitizer; there are {}", names.join(", "))
    })
}

/// Runs these parts, and prints what came of each; whether nothing was found.
pub(crate) fn run(parts: &[&'static Part]) -> io::Result<bool> {
    let toolchain = toolchain::nightly()?;
    let rows = parts.iter().map(|&part| run::run(part, toolchain.as_ref()));
    let rows = rows.collect::<io::Result<Vec<Row>>>()?;
    println!("\n{:<9} {:>6} {:>7} {:>9} {:>6}", "part", "files", "passed", "findings", "s");
    for row in &rows {
        println!("{row}");
    }
    Ok(rows.iter().all(|row| !matches!(row.fate, Fate::Ran(ref sum) if !sum.is_clean())))
}
