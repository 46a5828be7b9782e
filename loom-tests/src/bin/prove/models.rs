//! Builds the models of a workspace, runs them, and reads how much they explored.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

/// The command that builds and runs the models of the workspace in this folder.
pub(crate) fn cargo(workspace: &Path, target: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(workspace)
        .env("RUSTFLAGS", "--cfg loom")
        // From one mutant to the next, two files change, and loom is where the time goes when they run.
        .env("CARGO_INCREMENTAL", "1")
        .args(["test", "--quiet", "--release", "-p", "loom-tests"])
        .args(["--test", "models", "--test", "conformance"])
        .args(["ringtract", "loom-tests"].into_iter().flat_map(light))
        .args([OsStr::new("--target-dir"), target.as_os_str()]);
    cargo
}

/// Has a package built quickly. Not without optimisation: the stacks of loom's threads are small.
fn light(package: &str) -> [String; 4] {
    let profile = format!("profile.release.package.{package}");
    let config = || "--config".to_owned();
    [config(), format!("{profile}.opt-level=1"), config(), format!("{profile}.debug=0")]
}

/// How many executions of each model were explored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Explored(BTreeMap<String, u64>);

/// Runs all of them; what they said, if one failed.
pub(crate) fn explore(workspace: &Path, preemptions: u32) -> io::Result<Result<Explored, String>> {
    let mut cargo = cargo(workspace, &workspace.join("target/loom"));
    // Two threads: a test that is run by the harness itself does not have its name there.
    let run = ["--", "--nocapture", "--test-threads", "2"];
    let output = cargo.env("LOOM_MAX_PREEMPTIONS", preemptions.to_string()).args(run).output()?;
    let said = text(&output);
    Ok(if output.status.success() { Ok(Explored::read(&said)) } else { Err(said) })
}

/// What it said, errors first.
pub(crate) fn text(output: &Output) -> String {
    let both = [output.stderr.as_slice(), &output.stdout].concat();
    String::from_utf8_lossy(&both).into_owned()
}

impl Explored {
    /// Reads what the models print, one line for each time that something was explored.
    fn read(said: &str) -> Self {
        let mut explored = Self::default();
        for line in said.lines() {
            // The test harness prints its dots without ending the line.
            let Some((_, rest)) = line.split_once("explored ") else { continue };
            let Some((count, model)) = rest.split_once(" executions of ") else { continue };
            let Ok(count) = count.parse::<u64>() else { continue };
            *explored.0.entry(model.trim().to_owned()).or_default() += count;
        }
        explored
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn executions(&self) -> u64 {
        self.0.values().sum()
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (model, count) in &self.0 {
            writeln!(f, "{model:<64} {:>10}", grouped(*count))?;
        }
        Ok(())
    }
}

/// A number with commas.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_explored_is_summed_by_model() {
        let said = "running 2 tests\nexplored 3 executions of one\n.explored 40 executions of two\n\
                    explored 1200 executions of one\n..\ntest result: ok. 2 passed\n";
        let explored = Explored::read(said);
        assert_eq!((explored.count(), explored.executions()), (2, 1_243));
        assert!(explored.to_string().starts_with("one "));
        assert!(explored.to_string().contains(" 1,203\n"));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
