//! The parts: how each is built and run, and which tests it runs.

/// Tests that run under one tool.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// Words of cargo before its own: `miri` is a command around `test`.
    pub(super) words: &'static [&'static str],
    /// Flags of cargo that the standard library needs, so that it is built with the sanitizer as well.
    pub(super) flags: &'static [&'static str],
    /// Flags of the compiler, and what else is in the environment.
    pub(super) environment: &'static [(&'static str, &'static str)],
    /// Components of the nightly toolchain.
    pub(super) needs: &'static [&'static str],
    /// Hosts for which there is such a sanitizer; empty if for all.
    pub(super) hosts: &'static [&'static str],
    pub(super) files: &'static [File],
}

/// Tests of one file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: &'static str,
    /// Beginnings of the names of tests that are left out.
    pub(super) skip: &'static [&'static str],
}

const fn all_of(name: &'static str) -> File {
    File { name, skip: &[] }
}

/// Where there are sanitizers for threads and for addresses.
const HOSTS: &[&str] = &[
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
];

pub(crate) const PARTS: &[Part] = &[
    Part {
        name: "thread",
        words: &["test"],
        flags: &["-Zbuild-std"],
        environment: &[("RUSTFLAGS", "-Zsanitizer=thread")],
        needs: &["rust-src"],
        hosts: HOSTS,
        files: REAL_THREADS,
    },
    Part {
        name: "address",
        words: &["test"],
        flags: &[],
        environment: &[("RUSTFLAGS", "-Zsanitizer=address")],
        needs: &[],
        hosts: HOSTS,
        files: REAL_THREADS,
    },
    Part {
        name: "miri",
        words: &["miri", "test"],
        flags: &[],
        // Isolated: no files but those of `/proc`, and a clock of its own that runs ahead of what is done. Each seed gives another
        // order of threads, and other choices among the values that a load may see.
        environment: &[
            ("RINGTRACT_PATIENCE", "1000"),
            (
                "MIRIFLAGS",
                "-Zmiri-many-seeds=0..8 -Zmiri-num-cpus=2 -Zmiri-isolation-error=hide \
                 -Zmiri-env-forward=RINGTRACT_PATIENCE",
            ),
        ],
        needs: &["miri", "rust-src"],
        hosts: &[],
        files: INTERPRETED,
    },
];

/// Real threads with every way to wait; feeds, receivers, streams, groups, calls; stops, clean-ups and panics.
const REAL_THREADS: &[File] = &[
    all_of("waiting"),
    all_of("feeds"),
    all_of("receivers"),
    all_of("streams"),
    all_of("groups"),
    all_of("stopping"),
    all_of("cleanups_once"),
    all_of("panics"),
    all_of("services"),
    // The one that is left out wants a source that keeps to 20,000 requests a second.
    File { name: "slowest", skip: &["where_more_are_on_their_way"] },
    all_of("properties"),
];

/// What Miri can run in a minute.
const INTERPRETED: &[File] = &[all_of("interpreted")];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::mutants::root;

    #[test]
    fn every_part_names_tests_that_exist() {
        for file in PARTS.iter().flat_map(|part| part.files) {
            let path = root().join("tests").join(file.name).with_extension("rs");
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            for test in file.skip {
                assert!(text.contains(&format!("fn {test}")), "{path:?} has no {test}");
            }
        }
    }
}
