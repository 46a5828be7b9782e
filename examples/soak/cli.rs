//! The command line.

use std::ffi::OsString;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use lexopt::prelude::{Long, Short};

/// What the user wants.
pub(crate) enum Command {
    Run(Options),
    Help,
}

#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) time: Duration,
    /// The seed of the first cycle; each further one has the next.
    pub(crate) seed: u64,
    /// The most cycles.
    pub(crate) cycles: u64,
}

pub(crate) const HELP: &str = "\
Starts, loads, disturbs, stops and restarts tracts of random shapes, and checks
that every ledger balances and that nothing grows.

Usage: soak [OPTIONS]

  --minutes N   How long [default: 1]
  --seconds N   As well, in seconds
  --seed N      The seed of the first cycle; each further one has the next
                [default: 1]
  --cycles N    No more cycles than this
  -h, --help    Print this text

A violation gives the exit code 1 and the seed that starts with it. What the
system does not tell is said: threads, file descriptors and memory are counted
on Linux.
";

/// Reads the arguments that follow the name of the program; what is wrong with them, in one line.
pub(crate) fn parse<A>(arguments: A) -> Result<Command, String>
where
    A: IntoIterator<Item: Into<OsString>>,
{
    let (mut minutes, mut seconds) = (None::<u32>, None::<u32>);
    let mut options = Options { time: Duration::ZERO, seed: 1, cycles: u64::MAX };
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(line)? {
        match argument {
            Long("minutes") => minutes = Some(number("--minutes", parser.value())?),
            Long("seconds") => seconds = Some(number("--seconds", parser.value())?),
            Long("seed") => options.seed = number("--seed", parser.value())?,
            Long("cycles") => options.cycles = number("--cycles", parser.value())?,
            Short('h') | Long("help") => return Ok(Command::Help),
            _ => return Err(line(argument.unexpected())),
        }
    }
    let minutes = minutes.unwrap_or(u32::from(seconds.is_none()));
    let seconds = u64::from(minutes) * 60 + u64::from(seconds.unwrap_or(0));
    if seconds == 0 {
        return Err("there is nothing to do in no time: ask for a minute or a second".to_owned());
    }
    options.time = Duration::from_secs(seconds);
    Ok(Command::Run(options))
}

fn number<N: FromStr>(option: &str, text: Result<OsString, lexopt::Error>) -> Result<N, String> {
    let text = text.map_err(line)?;
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{option} takes a number, not {text:?}"))
}

fn line(error: impl Display) -> String {
    error.to_string()
}
