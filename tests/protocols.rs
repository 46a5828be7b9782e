//! What a protocol's README names exists: the files it links to, and the models it lists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The targets of the links in a text.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// The models in the last column of the table at the end.
fn listed(text: &str) -> BTreeSet<String> {
    let (_, table) = text.split_once("## The models").expect("a list of models");
    let rows = table.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    rows.filter_map(|row| row.split('`').nth(1)).map(str::to_owned).collect()
}

/// The public functions of a file.
fn public(text: &str) -> BTreeSet<String> {
    let names = text.lines().filter_map(|line| line.strip_prefix("pub fn "));
    names.filter_map(|rest| rest.split('(').next()).map(str::to_owned).collect()
}

/// A protocol's README, and the file of its models as the tests call it.
struct Protocol {
    folder: &'static str,
    models: &'static str,
    module: &'static str,
}

const PROTOCOLS: [Protocol; 2] = [
    Protocol { folder: "src/wait", models: "waking.rs", module: "models::waking" },
    Protocol { folder: "src/lane", models: "models.rs", module: "models" },
];

#[test]
fn every_link_of_a_protocol_leads_to_a_file() {
    for Protocol { folder, .. } in PROTOCOLS {
        let folder = root().join(folder);
        let text = read(&folder.join("README.md"));
        let links = links(&text);
        assert!(links.len() >= 5, "only {links:?} were found: the search is broken");
        for link in links {
            assert!(folder.join(link).is_file(), "there is no {link}");
        }
    }
}

#[test]
fn a_protocol_lists_its_models_all_and_only() {
    let run = read(&root().join("loom-tests/tests/models.rs"));
    for Protocol { folder, models, module } in PROTOCOLS {
        let listed = listed(&read(&root().join(folder).join("README.md")));
        let models = public(&read(&root().join("loom-tests/src").join(models)));
        assert!(!models.is_empty());
        assert_eq!(listed, models);
        for model in listed {
            assert!(run.contains(&format!("{module}::{model}();")), "{model} is not run");
        }
    }
}
