//! Builds the tests of a part and runs them, one file after the other.

use std::fmt;
use std::io;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::part::{File, Part};
use super::said::Sum;
use super::toolchain::{Toolchain, lacks};
use crate::models;
use crate::mutants::root;

/// How much of what the tests can draw is drawn, and how much longer what does not hang may take: all is slower by ten to a
/// hundred times here.
const LESS: [(&str, &str); 3] =
    [("PROPTEST_CASES", "10"), ("RINGTRACT_ROUNDS", "50"), ("RINGTRACT_PATIENCE", "10")];

/// What became of a part.
pub(super) struct Row {
    name: &'static str,
    pub(super) fate: Fate,
    took: Duration,
}

pub(super) enum Fate {
    /// It was not run, and why.
    Lacking(String),
    Ran(Sum),
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fate {
            Fate::Lacking(what) => write!(f, "{:<9} not run: {what}", self.name),
            Fate::Ran(sum) => write!(f, "{:<9} {sum} {:>6}", self.name, self.took.as_secs()),
        }
    }
}

/// Runs a part, and prints what came of each file as it comes; all that was said, where something was found.
pub(super) fn run(part: &Part, toolchain: Option<&Toolchain>) -> io::Result<Row> {
    let start = Instant::now();
    let row = |fate| Row { name: part.name, fate, took: start.elapsed() };
    if let Some(what) = lacks(part, toolchain) {
        println!("{}: not run, {what}", part.name);
        return Ok(row(Fate::Lacking(what)));
    }
    let host = toolchain.map_or("", |toolchain| &toolchain.host);
    let mut sum = Sum::default();
    let built = build(part, host)?;
    println!("{} built in {} s", part.name, start.elapsed().as_secs());
    if !built.status.success() {
        println!("{}\n{} does not build", models::text(&built), part.name);
        sum.findings += 1;
        return Ok(row(Fate::Ran(sum)));
    }
    for file in part.files {
        let start = Instant::now();
        let output = try_file(part, host, file)?;
        let said = models::text(&output);
        let one = Sum::read(&said, output.status.success());
        if !one.is_clean() {
            println!("{said}");
        }
        let (passed, findings, took) = (one.passed, one.findings, start.elapsed().as_secs_f64());
        println!(
            "{} {:<16} {passed:>4} passed, {findings} findings, {took:.1} s",
            part.name, file.name
        );
        sum.add(one);
    }
    Ok(row(Fate::Ran(sum)))
}

fn build(part: &Part, host: &str) -> io::Result<Output> {
    let mut cargo = cargo(part, host);
    cargo.args(part.files.iter().flat_map(|file| ["--test", file.name]));
    cargo.arg("--no-run").output()
}

fn try_file(part: &Part, host: &str, file: &File) -> io::Result<Output> {
    let mut cargo = cargo(part, host);
    cargo.args(["--test", file.name, "--"]);
    cargo.args(file.skip.iter().flat_map(|&test| ["--skip", test])).output()
}

/// The command that builds and runs tests of this part.
fn cargo(part: &Part, host: &str) -> Command {
    let mut cargo = Command::new("rustup");
    cargo
        .args(["run", "nightly", "cargo"])
        .args(part.words)
        .args(["--quiet", "--all-features", "--target", host, "--target-dir"])
        .arg(root().join("target").join(part.name))
        .args(part.flags)
        .current_dir(root())
        // Those of the toolchain that runs this program.
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .envs(LESS)
        .envs(part.environment.iter().copied());
    cargo
}
