//! The example program, run as a user would.

use std::env::consts::EXE_SUFFIX;
use std::fmt::Debug;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::common::A_MINUTE;

/// What the program left behind.
#[derive(Debug)]
pub struct Told {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

/// Runs it with these words as arguments.
pub fn run(words: &str) -> Told {
    finish(command(words).stdout(Stdio::piped()))
}

/// Runs it on a recording.
pub fn replay(recording: &Path, words: &str) -> Told {
    finish(command(words).arg("--input").arg(recording).stdout(Stdio::piped()))
}

/// Runs it with its output going where it is told.
pub fn run_into(out: impl Into<Stdio>, words: &str) -> Told {
    finish(command(words).stdout(out))
}

fn command(words: &str) -> Command {
    let mut command = Command::new(program());
    command.args(words.split_whitespace()).stdin(Stdio::null());
    command
}

/// Waits for the program, but not for ever.
fn finish(command: &mut Command) -> Told {
    let start = Instant::now();
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
    let (out, err) = (read_all(child.stdout.take()), read_all(child.stderr.take()));
    while child.try_wait().expect("a child can be asked").is_none() {
        if start.elapsed() > 2 * A_MINUTE {
            stop(&mut child);
            panic!("still running after {:?}: {command:?}", 2 * A_MINUTE);
        }
        thread::sleep(Duration::from_millis(1));
    }
    let code = child.wait().expect("it has ended").code();
    let [out, err] = [out, err].map(|text| text.join().expect("a reader does not panic"));
    assert!(!err.contains("panicked"), "{command:?}\n{err}");
    Told { code, out, err, took: start.elapsed() }
}

fn stop(child: &mut Child) {
    child.kill().expect("a child can be killed");
    child.wait().expect("what was killed ends");
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_string(&mut text).expect("what is printed is text");
        }
        text
    })
}

/// The program of this build. Cargo makes it along with the tests, unless it was told to make this test only.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().expect("a test knows its place");
        let build = test.ancestors().nth(2).expect("it is in the `deps` of its build");
        let program = build.join("examples").join(format!("market_data{EXE_SUFFIX}"));
        if !program.exists() {
            make(build);
        }
        program
    })
}

fn make(build: &Path) {
    let profile = match build.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let made = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--example", "market_data", "--profile", profile])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .arg("--target-dir")
        .arg(build.parent().expect("a build is in a target directory"))
        .status();
    assert!(made.expect("cargo can be started").success(), "the example cannot be built");
}

/// What a good run tells of the feed; how it ran is left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The table of counts, a row for each product.
    pub statistics: Vec<String>,
    /// The table of last signals.
    pub last: Vec<String>,
    pub messages: u64,
    pub refused: u64,
    /// The list of lines refused.
    pub list: Vec<String>,
    pub crossed: u64,
    /// Changes with their checksum, and tickers.
    pub signals: Vec<String>,
}

impl Told {
    /// The facts of a run in which nothing went wrong or was lost.
    pub fn facts(&self) -> Facts {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        let whole = "ledger balanced: every request accounted for, none dropped\n\n";
        let (_, facts) = self.out.split_once(whole).expect("the ledger balances");
        let sections: Vec<&str> = facts.trim_end().split("\n\n").collect();
        let table = |title: &str| {
            let section = sections.iter().find_map(|section| section.strip_prefix(title));
            section.into_iter().flat_map(str::lines).skip(1).map(str::to_owned).collect()
        };
        let mut totals = sections.last().expect("there are totals").lines();
        let counts = totals.next().expect("there are counts").split_whitespace();
        let counts: Vec<u64> = counts.filter_map(|word| word.parse().ok()).collect();
        let [messages, refused, crossed] = counts[..] else { panic!("three counts: {counts:?}") };
        let statistics = table("product ");
        let (last, list) = (table("last signal "), table("lines refused"));
        let signals = totals.map(str::to_owned).collect();
        Facts { statistics, last, messages, refused, list, crossed, signals }
    }

    /// Of a stage: taken, emitted, discarded, failed.
    pub fn ledger(&self, stage: &str) -> [u64; 4] {
        let mut rows = self.out.lines().map(str::split_whitespace);
        let row = rows.find_map(|mut row| (row.next() == Some(stage)).then_some(row));
        let counts = row.expect("the stage is in the report").skip(1).take(4);
        let counts: Vec<u64> = counts.map(|word| word.parse().expect("a count")).collect();
        counts.try_into().expect("four counts")
    }

    /// The program has refused to run: one line says why, and nothing else.
    pub fn assert_refused(&self, why: &str) {
        assert_eq!((self.code, self.out.as_str()), (Some(2), ""), "{}", self.err);
        let only = self.err.strip_suffix('\n').filter(|line| !line.contains('\n'));
        let said = only.and_then(|line| line.strip_prefix("market_data: "));
        assert!(said.is_some_and(|said| said.contains(why)), "{why:?} is not in {:?}", self.err);
    }
}

impl Facts {
    /// What both tables say of a product.
    pub fn of(&self, product: &str) -> Vec<&str> {
        let rows = self.statistics.iter().chain(&self.last).map(String::as_str);
        rows.filter(|row| row.split_whitespace().next() == Some(product)).collect()
    }
}

/// Asserts that a list has these lines, each of which may go on.
pub fn assert_begin<S: AsRef<str> + Debug>(lines: &[String], beginnings: &[S]) {
    let fit = |(line, beginning): (&String, &S)| line.starts_with(beginning.as_ref());
    let all = lines.len() == beginnings.len() && lines.iter().zip(beginnings).all(fit);
    assert!(all, "{lines:#?} do not begin with {beginnings:#?}");
}
