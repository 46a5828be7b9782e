//! The order of the layers, proven from the `use` lines: a module uses its own layer and those below, never one above.

use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom up. `ARCHITECTURE.md` says what each is for.
const LAYERS: [&str; 15] = [
    "sync", "events", "system", "measure", "wait", "error", "contract", "lane", "step", "describe",
    "decide", "tell", "run", "service", "sim",
];

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|known| *known == layer)
}

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&source_folder(), &mut files);
    files
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The layer of a file: its folder, or its name where it stands alone.
fn layer_of(file: &Path) -> String {
    let inside = file.strip_prefix(source_folder()).expect("a file of the crate");
    let first =
        inside.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The layers that a file names, in `use` lines and in paths.
fn layers_used(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            rest.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect()
        })
        .collect()
}

#[test]
fn every_module_uses_only_its_own_layer_and_those_below() {
    let mut uses = 0;
    for file in sources() {
        let layer = layer_of(&file);
        if layer == "lib" {
            continue;
        }
        let own = rank(&layer).unwrap_or_else(|| panic!("{} is in no layer", file.display()));
        let text = fs::read_to_string(&file).expect("a readable file");
        for used in layers_used(&text) {
            let Some(below) = rank(&used) else { continue };
            assert!(below <= own, "{} in layer `{layer}` uses `{used}` above it", file.display());
            uses += 1;
        }
    }
    assert!(uses > 50, "only {uses} uses were found: the search is broken");
}

#[test]
fn no_file_is_longer_than_four_hundred_lines_of_code() {
    for file in sources() {
        let text = fs::read_to_string(&file).expect("a readable file");
        let code =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
        let lines = code.count();
        assert!(lines <= 400, "{} has {lines} lines of code", file.display());
    }
}
