//! Every numbered statement of what a tract does has a test that bears its number.

use std::fs;
use std::path::Path;

/// All of them.
const STATEMENTS: std::ops::RangeInclusive<u32> = 1..=52;

#[test]
fn every_statement_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut tests = String::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            tests.push_str(&fs::read_to_string(path).expect("a readable file"));
        }
    }
    let untested: Vec<u32> =
        STATEMENTS.filter(|number| !tests.contains(&format!("fn s{number:02}_"))).collect();
    assert!(untested.is_empty(), "no test bears the numbers {untested:?}");
}
