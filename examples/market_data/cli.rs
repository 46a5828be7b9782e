//! The command line.

use crate::pace::Speed;
use lexopt::prelude::{Long, Short};
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

/// What the user wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    Run(Options),
    Help,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Options {
    pub(crate) feed: Feed,
    pub(crate) speed: Speed,
    pub(crate) placement: Placement,
    /// How many requests a lane holds.
    pub(crate) capacity: NonZeroUsize,
    /// Print the plan instead of running it.
    pub(crate) plan: bool,
    /// Show how the run is doing while it runs.
    pub(crate) watch: bool,
    pub(crate) files: Files,
}

/// Where to write what was measured.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Files {
    pub(crate) report: Option<PathBuf>,
    pub(crate) hlog: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Feed {
    Recording(PathBuf),
    Simulator { seed: u64, messages: u64 },
}

/// Which workers share a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Placement {
    Auto,
    PerWorker,
    Threads(NonZeroUsize),
    /// All on the thread of the caller, in an order that follows from the seed.
    Inline {
        seed: u64,
    },
}

const DEFAULT_SEED: u64 = 1;
const DEFAULT_MESSAGES: u64 = 2_000_000;
const DEFAULT_CAPACITY: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

pub(crate) fn help() -> String {
    format!(
        "\
Replays an exchange feed: lines, decoder, order books, signal, statistics.

Usage: market_data [OPTIONS]

Feed:
  --input FILE       Replay this recording, not a simulated feed
  --messages N       How many messages the simulator makes [default: {DEFAULT_MESSAGES}]
  --seed N           What the simulator starts from [default: {DEFAULT_SEED}]
  --speed SPEED      1: as it was received, N: N times as fast, in both cases
                     without pauses of more than a minute;
                     max: without waiting [default: max]

Pipeline:
  --placement WHERE  per-worker: a thread for each worker, threads=N: N threads,
                     inline=SEED: all on the main thread, auto [default: auto]
  --capacity N       How many requests a lane holds [default: {DEFAULT_CAPACITY}]
  --plan             Print stages, workers and lanes, and do not run

Metrics:
  --watch            Show stages, rates, latencies and what limits the run while
                     it runs: in place on a terminal, else a line a second
  --report FILE      Write the report as one HTML page
  --hlog FILE        Write an interval log of HdrHistogram [feature: hlog]
  --json FILE        Write the report as JSON [feature: json]

  -h, --help         Print this text

Lines that cannot be used are passed over and reported by their numbers. What
cannot be replayed at all, or not to its end, gives the exit code 2.
"
    )
}

/// Reads the arguments that follow the name of the program.
pub(crate) fn parse<A>(arguments: A) -> Result<Command, CliError>
where
    A: IntoIterator<Item: Into<OsString>>,
{
    let (mut input, mut messages, mut seed) = (None, None, None);
    let mut speed = Speed::Max;
    let mut placement = Placement::Auto;
    let mut capacity = DEFAULT_CAPACITY;
    let (mut plan, mut watch) = (false, false);
    let mut files = Files::default();

    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("input") => input = Some(PathBuf::from(parser.value()?)),
            Long("messages") => messages = Some(number("--messages", parser.value()?)?),
            Long("seed") => seed = Some(number("--seed", parser.value()?)?),
            Long("speed") => {
                let expected = "a number from 1, or max";
                speed = value("--speed", parser.value()?, expected, parse_speed)?;
            }
            Long("placement") => {
                let expected = "auto, per-worker, threads=N or inline=SEED";
                placement = value("--placement", parser.value()?, expected, parse_placement)?;
            }
            Long("capacity") => {
                let expected = "a number from 1";
                capacity = value("--capacity", parser.value()?, expected, parse_as)?;
            }
            Long("plan") => plan = true,
            Long("watch") => watch = true,
            Long("report") => files.report = Some(PathBuf::from(parser.value()?)),
            Long("hlog") => files.hlog = Some(PathBuf::from(parser.value()?)),
            Long("json") => files.json = Some(PathBuf::from(parser.value()?)),
            Short('h') | Long("help") => return Ok(Command::Help),
            _ => return Err(argument.unexpected().into()),
        }
    }

    let lacking = [
        (files.hlog.is_some() && !cfg!(feature = "hlog"), "hlog"),
        (files.json.is_some() && !cfg!(feature = "json"), "json"),
    ];
    if let Some((_, feature)) = lacking.into_iter().find(|(lacks, _)| *lacks) {
        return Err(CliError::Feature(feature));
    }
    let feed = match (input, messages, seed) {
        (Some(path), None, None) => Feed::Recording(path),
        (Some(_), Some(_), _) => return Err(CliError::Contradiction("--input", "--messages")),
        (Some(_), _, Some(_)) => return Err(CliError::Contradiction("--input", "--seed")),
        (None, messages, seed) => Feed::Simulator {
            seed: seed.unwrap_or(DEFAULT_SEED),
            messages: messages.unwrap_or(DEFAULT_MESSAGES),
        },
    };
    Ok(Command::Run(Options { feed, speed, placement, capacity, plan, watch, files }))
}

fn number(option: &'static str, text: OsString) -> Result<u64, CliError> {
    value(option, text, "a number", parse_as)
}

fn value<T>(
    option: &'static str,
    text: OsString,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, CliError> {
    text.to_str().and_then(parse).ok_or(CliError::Value { option, text, expected })
}

fn parse_as<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn parse_speed(text: &str) -> Option<Speed> {
    match text {
        "max" => Some(Speed::Max),
        times => parse_as(times).map(Speed::Times),
    }
}

fn parse_placement(text: &str) -> Option<Placement> {
    match text.split_once('=') {
        None if text == "auto" => Some(Placement::Auto),
        None if text == "per-worker" => Some(Placement::PerWorker),
        Some(("threads", count)) => parse_as(count).map(Placement::Threads),
        Some(("inline", seed)) => parse_as(seed).map(|seed| Placement::Inline { seed }),
        _ => None,
    }
}

#[derive(Debug)]
pub(crate) enum CliError {
    Arguments(lexopt::Error),
    Value {
        option: &'static str,
        text: OsString,
        expected: &'static str,
    },
    Contradiction(&'static str, &'static str),
    /// The option of this name needs the feature of this name.
    Feature(&'static str),
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CliError::Arguments(error) => error.fmt(f),
            CliError::Value { option, text, expected } => {
                write!(f, "{option} takes {expected}, not {text:?}")
            }
            CliError::Feature(feature) => {
                write!(f, "--{feature} needs a build with --features {feature}")
            }
            CliError::Contradiction(one, other) => {
                write!(f, "{one} and {other} exclude each other")
            }
        }
    }
}

impl Error for CliError {}

impl From<lexopt::Error> for CliError {
    fn from(error: lexopt::Error) -> CliError {
        CliError::Arguments(error)
    }
}
