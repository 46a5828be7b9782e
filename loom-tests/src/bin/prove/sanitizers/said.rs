//! What tests and tools print.

use std::fmt;

/// What tests came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) files: u64,
    pub(super) passed: u64,
    /// Reports of the tool, and tests that failed.
    pub(super) findings: u64,
}

/// How a report of a tool begins, once for each.
const REPORTS: [&str; 4] = [
    "SUMMARY: ThreadSanitizer",
    "SUMMARY: AddressSanitizer",
    "error: Undefined Behavior",
    "error: memory leaked",
];

impl Sum {
    /// Reads what one file of tests said, and whether it ended well. What ended badly in any other way, a crash or a tool that
    /// gave up, is a finding as well, and so is a file in which no test ran.
    pub(super) fn read(said: &str, ended_well: bool) -> Self {
        let (mut passed, mut failed, mut reports) = (0, 0, 0);
        for line in said.lines() {
            let line = line.trim_start();
            if let Some((_, counts)) = line.split_once("test result: ") {
                passed += count(counts, "passed");
                failed += count(counts, "failed");
            }
            reports += u64::from(REPORTS.iter().any(|report| line.starts_with(report)));
        }
        let nothing = passed + failed == 0;
        let findings = (failed + reports).max(u64::from(!ended_well || nothing));
        Self { files: 1, passed, findings }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.findings == 0
    }

    pub(super) fn add(&mut self, other: Self) {
        self.files += other.files;
        self.passed += other.passed;
        self.findings += other.findings;
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6} {:>7} {:>9}", self.files, self.passed, self.findings)
    }
}

/// The number before this word in `ok. 3 passed; 0 failed; ..`.
fn count(counts: &str, word: &str) -> u64 {
    let (before, _) = counts.split_once(&format!(" {word}")).unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: &str = "\nrunning 3 tests\n...\n\
        test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.02s\n";

    fn findings(said: &str, ended_well: bool) -> u64 {
        Sum::read(said, ended_well).findings
    }

    #[test]
    fn what_passed_is_counted() {
        let mut sum = Sum::default();
        sum.add(Sum::read(FINE, true));
        sum.add(Sum::read(&FINE.replace('3', "12"), true));
        assert_eq!(sum, Sum { files: 2, passed: 15, findings: 0 });
        assert!(sum.is_clean());
        assert_eq!(sum.to_string(), "     2      15         0");
    }

    #[test]
    fn every_report_is_a_finding_and_so_is_a_test_that_fails() {
        let race = "WARNING: ThreadSanitizer: data race (pid=7)\n\
                    SUMMARY: ThreadSanitizer: data race a.rs:3 in a::b\n";
        assert_eq!(findings(&format!("{race}{race}{FINE}"), false), 2);
        assert_eq!(findings("error: Undefined Behavior: Data race detected\n", false), 1);
        let failed = "test result: FAILED. 8 passed; 2 failed; 0 ignored; 0 measured\n";
        assert_eq!(Sum::read(failed, false), Sum { files: 1, passed: 8, findings: 2 });
    }

    #[test]
    fn no_result_is_no_good_result() {
        assert_eq!(findings("error: unsupported operation\n", false), 1);
        assert_eq!(findings(FINE, false), 1, "it ended badly after its tests");
        assert_eq!(findings(&FINE.replace('3', "0"), true), 1, "no test ran");
        assert_eq!(findings("", true), 1);
    }
}
