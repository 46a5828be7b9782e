//! Runs every model, then breaks each protocol on purpose and asks the models to notice.
//!
//! ```text
//! cargo run -p loom-tests               # all of it, in minutes on two cores
//! cargo run -p loom-tests -- --models   # without the mutants
//! cargo run -p loom-tests -- --long     # with more preemptions
//! ```
//!
//! At the end it says how many executions of each model were explored, and how many mutants were killed. Exit code 1 if
//! a model fails, or if a mutant survives, does not build or no longer applies; 2 if it was called wrongly.
//!
//! Tests of the product under the sanitizers and under Miri, instead of the models ([what each can tell](sanitizers)):
//!
//! ```text
//! cargo run -p loom-tests -- --sanitizers                # thread, address and Miri
//! cargo run -p loom-tests -- --sanitizers thread miri    # those named
//! ```
//!
//! A part that lacks something, as a nightly toolchain, says what and is no failure. Exit code 1 if anything is found.

mod models;
mod mutants;
mod sanitizers;

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use sanitizers::Part;

/// What is to run.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    Models { mutants: bool, preemptions: u32 },
    Sanitizers(Vec<&'static Part>),
}

/// The most preemptions that the models explore: of the set that CI runs, and of the long set.
const PREEMPTIONS: u32 = 4;
const MORE_PREEMPTIONS: u32 = 5;

impl Order {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.peekable();
        if arguments.next_if(|argument| argument == "--sanitizers").is_some() {
            return sanitizers::named(arguments).map(Self::Sanitizers);
        }
        let (mut mutants, mut preemptions) = (true, PREEMPTIONS);
        for argument in arguments {
            match argument.as_str() {
                "--models" => mutants = false,
                "--long" => preemptions = MORE_PREEMPTIONS,
                "--sanitizers" => return Err("--sanitizers goes alone".to_owned()),
                _ => {
                    return Err(format!(
                        "{argument} is not known; there are --models, --long and --sanitizers"
                    ));
                }
            }
        }
        Ok(Self::Models { mutants, preemptions })
    }

    /// Whether everything held.
    fn carry_out(&self) -> io::Result<bool> {
        let start = Instant::now();
        let held = match self {
            Self::Models { mutants, preemptions } => prove(*mutants, *preemptions),
            Self::Sanitizers(parts) => sanitizers::run(parts),
        };
        println!("{} s", start.elapsed().as_secs());
        held
    }
}

/// Whether all models hold, and no mutant survives.
fn prove(mutants: bool, preemptions: u32) -> io::Result<bool> {
    let explored = match models::explore(&mutants::root(), preemptions)? {
        Ok(explored) => explored,
        Err(output) => {
            println!("{output}\nthe models do not hold");
            return Ok(false);
        }
    };
    println!("{explored}");
    let survey = if mutants { Some(mutants::try_all()?) } else { None };
    println!(
        "{} models hold in {} executions, with up to {preemptions} preemptions",
        explored.count(),
        models::grouped(explored.executions()),
    );
    if let Some(survey) = &survey {
        println!("{survey}");
    }
    Ok(survey.is_none_or(|survey| survey.is_clean()))
}

fn main() -> io::Result<ExitCode> {
    match Order::parse(std::env::args().skip(1)) {
        Ok(order) => Ok(if order.carry_out()? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Err(message) => {
            eprintln!("{message}");
            Ok(ExitCode::from(2))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(arguments: &[&str]) -> Result<Order, String> {
        Order::parse(arguments.iter().map(|&argument| argument.to_owned()))
    }

    #[test]
    fn it_is_told_what_to_run() {
        assert_eq!(order(&[]), Ok(Order::Models { mutants: true, preemptions: PREEMPTIONS }));
        let long = Order::Models { mutants: false, preemptions: MORE_PREEMPTIONS };
        assert_eq!(order(&["--long", "--models"]), Ok(long));
        assert!(order(&["--all"]).expect_err("unknown").contains("--all"));
    }

    #[test]
    fn sanitizers_are_all_or_those_named() {
        let named = |arguments: &[&str]| match order(arguments) {
            Ok(Order::Sanitizers(parts)) => parts.iter().map(|part| part.name).collect(),
            other => panic!("{other:?}"),
        };
        let all: Vec<_> = named(&["--sanitizers"]);
        assert_eq!(all, ["thread", "address", "miri"]);
        assert_eq!(named(&["--sanitizers", "miri", "thread"]), ["miri", "thread"]);
        let unknown = order(&["--sanitizers", "memory"]).expect_err("there is none");
        assert_eq!(unknown, "memory is no sanitizer; there are thread, address, miri");
        assert!(order(&["--models", "--sanitizers"]).expect_err("not both").contains("alone"));
        assert!(order(&["--sanitizers", "--long"]).expect_err("not both").contains("--long"));
    }
}
