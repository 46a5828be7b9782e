//! Breaks each protocol on purpose and runs the models that must notice.
//!
//! ```text
//! cargo run -p loom-tests --bin mutants
//! ```
//!
//! A mutant is a change of the text of one source file, in a copy of the workspace under `target/mutants`; the product
//! knows nothing of it. A model that fails, by an assertion or by a deadlock, has killed it. The models must pass on the
//! unbroken copy first. Exit code 1 if a mutant survives, does not build or no longer applies.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

struct Mutant {
    name: &'static str,
    file: &'static str,
    old: &'static str,
    new: &'static str,
    /// The test in `tests/models.rs` that must fail.
    model: &'static str,
}

const MUTANTS: [Mutant; 8] = [
    Mutant {
        name: "no light fence",
        file: "src/wait/fence.rs",
        old: "        } else {\n            fence(Ordering::SeqCst);\n        }",
        new: "        }",
        model: "no_wake_up_is_lost_when_both_ends_park",
    },
    Mutant {
        name: "no heavy fence",
        file: "src/wait/fence.rs",
        old: "        fence(Ordering::SeqCst);\n        true",
        new: "        true",
        model: "no_wake_up_is_lost_when_both_ends_park",
    },
    Mutant {
        name: "no ring after a put",
        file: "src/lane/ring_lane.rs",
        old: "            bury(request);\n        }\n        self.consumer.ring();",
        new: "            bury(request);\n        }",
        model: "no_wake_up_is_lost_when_both_ends_park",
    },
    Mutant {
        name: "no ring when an end is dropped",
        file: "src/wait/doorbell.rs",
        old: "    fn drop(&mut self) {\n        self.ring();",
        new: "    fn drop(&mut self) {",
        model: "a_lane_that_closes_while_its_consumer_parks_is_seen",
    },
    Mutant {
        name: "no second look after arming",
        file: "src/wait/sleeper.rs",
        old: "if let Some(answer) = ask() {\n                self.bell.disarm();",
        new: "if let Some(answer) = None {\n                self.bell.disarm();",
        model: "a_stop_reaches_everybody_who_is_parked",
    },
    Mutant {
        name: "no second look at an abandoned lane",
        file: "src/lane/ring_lane.rs",
        old: "if self.ring.is_abandoned() && self.ring.slots() == 0 {",
        new: "if self.ring.is_abandoned() {",
        model: "the_last_push_before_a_drop_is_not_lost",
    },
    Mutant {
        name: "no fence in a send",
        file: "src/lane/feed.rs",
        old: "        fence(Ordering::SeqCst);\n        let result",
        new: "        let result",
        model: "a_send_that_was_accepted_is_delivered_despite_a_stop",
    },
    Mutant {
        name: "a copy's failure is not noted",
        file: "src/contract/cleanup.rs",
        old: "shared.failed.store(true, Ordering::Relaxed);",
        new: "",
        model: "a_clean_up_behind_a_fan_out_runs_once_with_the_last_copy",
    },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Mutant {
    /// The broken text; `None` if the place is not there, or more than once.
    fn apply(&self, text: &str) -> Option<String> {
        (text.matches(self.old).count() == 1).then(|| text.replacen(self.old, self.new, 1))
    }

    /// What became of it in this copy of the workspace, which is whole again afterwards.
    fn fate(&self, copy: &Path) -> io::Result<Fate> {
        let file = copy.join(self.file);
        let text = fs::read_to_string(&file)?;
        let Some(broken) = self.apply(&text) else { return Ok(Fate::Stale) };
        fs::write(&file, broken)?;
        let fate = try_models(copy, &[self.model]);
        fs::write(&file, text)?;
        fate
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Killed,
    Survived,
    NotBuilt,
    Stale,
}

/// Builds the models of this copy, and runs these, or all.
fn try_models(copy: &Path, models: &[&str]) -> io::Result<Fate> {
    let cargo = |arguments: &[&str]| {
        Command::new(env!("CARGO"))
            .current_dir(copy)
            .env("RUSTFLAGS", "--cfg loom")
            .env("CARGO_TARGET_DIR", copy.join("../build"))
            .args(["test", "--quiet", "--release", "-p", "loom-tests", "--test", "models"])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
    };
    if !cargo(&["--no-run"])?.success() {
        return Ok(Fate::NotBuilt);
    }
    let passed = cargo(&[&["--", "--exact"], models].concat())?.success();
    Ok(if passed { Fate::Survived } else { Fate::Killed })
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A fresh copy of what the models are built from.
fn copy_workspace() -> io::Result<PathBuf> {
    let copy = root().join("target/mutants/copy");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    for folder in ["src", "loom-tests", "benches", "examples", "tests"] {
        copy_folder(&root().join(folder), &copy.join(folder))?;
    }
    for file in ["Cargo.toml", "Cargo.lock", "README.md"] {
        fs::copy(root().join(file), copy.join(file))?;
    }
    Ok(copy)
}

fn main() -> io::Result<ExitCode> {
    let copy = copy_workspace()?;
    let unbroken = try_models(&copy, &[])?;
    if unbroken != Fate::Survived {
        println!("the unbroken models do not pass: {unbroken:?}");
        return Ok(ExitCode::FAILURE);
    }
    let mut killed = 0;
    for mutant in &MUTANTS {
        let fate = mutant.fate(&copy)?;
        println!("{:<36} {fate:?} ({})", mutant.name, mutant.model);
        killed += usize::from(fate == Fate::Killed);
    }
    println!("{killed} of {} mutants killed", MUTANTS.len());
    Ok(if killed == MUTANTS.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_applies_and_names_a_model() {
        let models = fs::read_to_string(root().join("loom-tests/tests/models.rs")).expect("a file");
        for mutant in &MUTANTS {
            let text = fs::read_to_string(root().join(mutant.file)).expect("a file");
            assert!(mutant.apply(&text).is_some(), "{} does not apply", mutant.name);
            assert!(models.contains(&format!("fn {}()", mutant.model)), "{}", mutant.model);
        }
    }
}
