//! The nightly toolchain of this machine, as `rustup` tells.

use std::io;
use std::process::Command;

use super::Part;

/// What there is of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Toolchain {
    pub(super) host: String,
    /// Its components that are installed, each with its host.
    components: Vec<String>,
}

/// The nightly toolchain, if there is one.
pub(super) fn nightly() -> io::Result<Option<Toolchain>> {
    let Some(toolchains) = told(&["toolchain", "list"])? else { return Ok(None) };
    if !toolchains.lines().any(is_nightly) {
        return Ok(None);
    }
    let version = told(&["run", "nightly", "rustc", "-vV"])?;
    let components = told(&["component", "list", "--toolchain", "nightly", "--installed"])?;
    Ok(version.zip(components).and_then(|(version, components)| {
        let host = version.lines().find_map(|line| line.strip_prefix("host: "))?;
        let components = components.lines().map(str::to_owned).collect();
        Some(Toolchain { host: host.to_owned(), components })
    }))
}

/// Whether this is what `cargo +nightly` finds: a dated one is not.
fn is_nightly(toolchain: &str) -> bool {
    let dated = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    toolchain == "nightly" || toolchain.strip_prefix("nightly-").is_some_and(|rest| !dated(rest))
}

/// What `rustup` says to this; nothing where there is no `rustup`.
fn told(arguments: &[&str]) -> io::Result<Option<String>> {
    match Command::new("rustup").args(arguments).output() {
        Ok(output) if output.status.success() => {
            Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
        }
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            let why = why.lines().next().unwrap_or("without a word");
            Err(io::Error::other(format!("rustup {}: {why}", arguments.join(" "))))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a part lacks, in a few words.
pub(super) fn lacks(part: &Part, toolchain: Option<&Toolchain>) -> Option<String> {
    let Some(toolchain) = toolchain else {
        return Some("no nightly toolchain is installed".to_owned());
    };
    let host = toolchain.host.as_str();
    if !part.hosts.is_empty() && !part.hosts.contains(&host) {
        return Some(format!("there is none for {host}"));
    }
    let missing = part.needs.iter().find(|component| !toolchain.has(component))?;
    Some(format!("the nightly component {missing} is not installed"))
}

impl Toolchain {
    fn has(&self, component: &str) -> bool {
        self.components.iter().any(|installed| {
            let rest = installed.strip_prefix(component);
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.strip_prefix('-') == Some(self.host.as_str())
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::PARTS;
    use super::*;

    fn toolchain(host: &str, components: &[&str]) -> Toolchain {
        let components = components.iter().map(|&component| component.to_owned()).collect();
        Toolchain { host: host.to_owned(), components }
    }

    fn lacking(toolchain: Option<&Toolchain>) -> Vec<Option<String>> {
        PARTS.iter().map(|part| lacks(part, toolchain)).collect()
    }

    #[test]
    fn what_is_not_there_is_named() {
        let told = lacking(None);
        assert!(told.iter().flatten().all(|told| told.contains("no nightly toolchain")));
        assert_eq!(told.iter().flatten().count(), PARTS.len());

        let host = "x86_64-unknown-linux-gnu";
        let bare = toolchain(host, &["cargo-x86_64-unknown-linux-gnu"]);
        let [thread, address, miri] = &lacking(Some(&bare))[..] else { panic!("three parts") };
        assert_eq!(thread.as_deref(), Some("the nightly component rust-src is not installed"));
        assert_eq!(*address, None);
        assert_eq!(miri.as_deref(), Some("the nightly component miri is not installed"));

        let whole = toolchain(host, &["miri-x86_64-unknown-linux-gnu", "rust-src"]);
        assert_eq!(lacking(Some(&whole)), [None, None, None]);
        let other = toolchain("riscv64gc-unknown-linux-gnu", &["rust-src"]);
        assert!(lacking(Some(&other))[1].as_ref().is_some_and(|told| told.contains("riscv64gc")));
    }

    #[test]
    fn a_dated_nightly_is_another_toolchain() {
        let names = [
            "nightly",
            "nightly-aarch64-apple-darwin",
            "nightly-x86_64-unknown-linux-gnu (active)",
        ];
        assert!(names.iter().all(|name| is_nightly(name)));
        assert!(
            !["stable-x86_64", "nightly-2026-01-02-x86_64"].iter().any(|name| is_nightly(name))
        );
    }
}
