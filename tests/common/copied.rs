//! A copy of the package, for those who break it on purpose.

use std::fs;
use std::io;
use std::path::Path;

/// Makes a fresh copy of everything that the workspace is built from.
pub fn copy_workspace(root: &Path, copy: &Path) -> io::Result<()> {
    if copy.exists() {
        fs::remove_dir_all(copy)?;
    }
    for folder in ["src", "tests", "examples", "benches", "loom-tests"] {
        copy_folder(&root.join(folder), &copy.join(folder))?;
    }
    for file in ["Cargo.toml", "Cargo.lock", "README.md"] {
        fs::copy(root.join(file), copy.join(file))?;
    }
    Ok(())
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
