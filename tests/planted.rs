//! Bugs planted in a copy of the source: the random schedules must find each within 1,000 seeds.
//!
//! ```text
//! cargo test --release --test planted -- --ignored --nocapture
//! ```
//!
//! A bug is a change of the text of one source file, in a copy of the package under the target folder; the product knows
//! nothing of it. The unbroken copy must pass first. Printed is in which seed, and by which property, each was found. It
//! takes minutes, for the copy is built anew for each, so CI only checks that every bug still applies.

#[path = "common/copied.rs"]
mod copied;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Bug {
    name: &'static str,
    file: &'static str,
    /// What is there, and what is put in its place.
    edits: &'static [(&'static str, &'static str)],
}

const BUGS: [Bug; 6] = [
    Bug {
        name: "a lane drops the last value when it closes",
        file: "src/lane/ring_lane.rs",
        edits: &[
            ("if waiting == 0 {", "if waiting <= usize::from(self.ring.is_abandoned()) {"),
            (
                "if self.ring.is_abandoned() && self.ring.slots() == 0 {",
                "if self.ring.is_abandoned() && self.ring.slots() <= 1 {",
            ),
        ],
    },
    Bug {
        name: "a clean-up of the last copy runs twice",
        file: "src/contract/cleanup.rs",
        edits: &[(
            "let own = std::mem::take(&mut self.per_copy).into_iter().map(Cleanup::PerCopy).collect();\n        let trail",
            "let own = self.per_copy.iter().cloned().map(Cleanup::PerCopy).collect();\n        let trail",
        )],
    },
    Bug {
        name: "a discarded request is not counted",
        file: "src/step/hands.rs",
        edits: &[("self.post.tally.discarded.add(1);", "")],
    },
    Bug {
        name: "a failed request counts as held for ever",
        file: "src/step/hands.rs",
        edits: &[(
            "let panics = envelope.finish(false);\n        self.post.cleanup_panics(panics);\n        self.let_go();",
            "let panics = envelope.finish(false);\n        self.post.cleanup_panics(panics);",
        )],
    },
    Bug {
        name: "a feed that closes gives up what it has accepted",
        file: "src/lane/feed.rs",
        edits: &[(
            "if closed {\n            self.close_hub();",
            "if closed {\n            self.close_hub();\n            return Next::Ended;",
        )],
    },
    // This one was in the product until a schedule found it.
    Bug {
        name: "the end of a request of several is taken for rest",
        file: "src/step/work.rs",
        edits: &[("let settled = was_full && !hands.are_full();", "let settled = false;")],
    },
];

const SEEDS: u64 = 1_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Bug {
    /// The broken text; `None` if a place is not there, or more than once.
    fn apply(&self, text: &str) -> Option<String> {
        self.edits.iter().try_fold(text.to_owned(), |text, (old, new)| {
            (text.matches(old).count() == 1).then(|| text.replacen(old, new, 1))
        })
    }

    /// Where the schedules find it in this copy, which is whole again afterwards.
    fn found_in(&self, copy: &Path) -> io::Result<Vec<Found>> {
        let file = copy.join(self.file);
        let text = fs::read_to_string(&file)?;
        fs::write(&file, self.apply(&text).expect("every bug applies"))?;
        let found = schedules(copy);
        fs::write(&file, text)?;
        found
    }
}

/// A property, and the first seed for which it fails.
struct Found {
    seed: u64,
    property: String,
}

/// Runs the schedules of this copy; what they find.
fn schedules(copy: &Path) -> io::Result<Vec<Found>> {
    let release = !cfg!(debug_assertions);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--quiet", "--offline", "--test", "schedules"]);
    if release {
        cargo.arg("--release");
    }
    // A target of its own: cargo does not tell a copy of a workspace from the workspace, and would take the last bug for
    // the product the next time that its tests run.
    cargo.arg("--target-dir").arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted-build"));
    let ran = cargo
        .current_dir(copy)
        .env("RINGTRACT_SEEDS", SEEDS.to_string())
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .output()?;
    let told = String::from_utf8_lossy(&ran.stdout);
    let found: Vec<Found> = told
        .split("\n---- ")
        .filter_map(|story| {
            let property = story.split_whitespace().next()?.to_owned();
            let (_, rest) = story.split_once("\nseed ")?;
            let seed = rest.split_whitespace().next()?.parse().ok()?;
            Some(Found { seed, property })
        })
        .collect();
    let as_told = ran.status.success() == found.is_empty();
    assert!(as_told, "{told}{}", String::from_utf8_lossy(&ran.stderr));
    Ok(found)
}

/// A fresh copy of what the package is built from.
fn copy_package() -> io::Result<PathBuf> {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted");
    copied::copy_workspace(root(), &copy)?;
    Ok(copy)
}

#[test]
fn every_planted_bug_applies() {
    for bug in &BUGS {
        let text = fs::read_to_string(root().join(bug.file)).expect("a file");
        assert!(bug.apply(&text).is_some(), "{} does not apply", bug.name);
    }
}

#[test]
#[ignore = "builds the package once for each bug: minutes"]
fn every_planted_bug_is_found_within_a_thousand_seeds() {
    let copy = copy_package().expect("the package can be copied");
    assert!(schedules(&copy).expect("cargo can be started").is_empty(), "the unbroken copy fails");
    let mut missed = Vec::new();
    for bug in &BUGS {
        let found = bug.found_in(&copy).expect("cargo can be started");
        match found.iter().min_by_key(|found| found.seed) {
            Some(Found { seed, property }) => {
                println!("{:<52} seed {seed:>3}: {property}", bug.name);
            }
            None => missed.push(bug.name),
        }
    }
    println!("{} of {} bugs found within {SEEDS} seeds", BUGS.len() - missed.len(), BUGS.len());
    assert!(missed.is_empty(), "missed: {missed:?}");
}
