//! The command line of the soak.

#[path = "../examples/soak/cli.rs"]
mod cli;

use std::time::Duration;

use cli::{Command, HELP, Options, parse};

fn options(words: &str) -> Options {
    match parse(words.split_whitespace()) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => panic!("{words:?} asks for no help"),
        Err(error) => panic!("{words:?}: {error}"),
    }
}

#[test]
fn times_add_up_and_seeds_are_taken() {
    let Options { time, seed, cycles } = options("");
    assert_eq!((time, seed, cycles), (Duration::from_secs(60), 1, u64::MAX));
    assert_eq!(options("--minutes 5").time, Duration::from_secs(300));
    assert_eq!(options("--seconds 7").time, Duration::from_secs(7));
    assert_eq!(options("--minutes 1 --seconds 7").time, Duration::from_secs(67));
    let Options { seed, cycles, .. } = options("--seed 212 --cycles 1");
    assert_eq!((seed, cycles), (212, 1));
}

#[test]
fn help_names_every_option() {
    assert!(matches!(parse(["-h"]), Ok(Command::Help)));
    for option in ["--minutes", "--seconds", "--seed", "--cycles", "--help"] {
        assert!(HELP.contains(option), "{option}");
    }
}

#[test]
fn what_cannot_be_understood_is_refused_in_one_line() {
    let lines = [
        ("--seconds 0", "no time"),
        ("--seconds -1", "--seconds takes a number"),
        ("--minutes soon", "--minutes takes a number"),
        ("--seed", "missing argument"),
        ("--hours 2", "--hours"),
        ("now", "now"),
    ];
    for (words, why) in lines {
        let Err(error) = parse(words.split_whitespace()) else { panic!("{words:?} was taken") };
        assert!(error.contains(why) && !error.contains('\n'), "{words:?}: {error}");
    }
}
