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

mod models;
mod mutants;

use std::io;
use std::process::ExitCode;
use std::time::Instant;

/// What of it is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    mutants: bool,
    preemptions: u32,
}

/// The most preemptions that the models explore: of the set that CI runs, and of the long set.
const PREEMPTIONS: u32 = 4;
const MORE_PREEMPTIONS: u32 = 5;

impl Order {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut order = Self { mutants: true, preemptions: PREEMPTIONS };
        for argument in arguments {
            match argument.as_str() {
                "--models" => order.mutants = false,
                "--long" => order.preemptions = MORE_PREEMPTIONS,
                _ => return Err(format!("{argument} is not known; there are --models and --long")),
            }
        }
        Ok(order)
    }

    /// Whether everything held.
    fn carry_out(self) -> io::Result<bool> {
        let start = Instant::now();
        let explored = match models::explore(&mutants::root(), self.preemptions)? {
            Ok(explored) => explored,
            Err(output) => {
                println!("{output}\nthe models do not hold");
                return Ok(false);
            }
        };
        println!("{explored}");
        let survey = if self.mutants { Some(mutants::try_all()?) } else { None };
        println!(
            "{} models hold in {} executions, with up to {} preemptions",
            explored.count(),
            models::grouped(explored.executions()),
            self.preemptions,
        );
        if let Some(survey) = &survey {
            println!("{survey}");
        }
        println!("{} s", start.elapsed().as_secs());
        Ok(survey.is_none_or(|survey| survey.is_clean()))
    }
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
        assert_eq!(order(&[]), Ok(Order { mutants: true, preemptions: PREEMPTIONS }));
        let long = Order { mutants: false, preemptions: MORE_PREEMPTIONS };
        assert_eq!(order(&["--long", "--models"]), Ok(long));
        assert!(order(&["--all"]).expect_err("unknown").contains("--all"));
    }
}
