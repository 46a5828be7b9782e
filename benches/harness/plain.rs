//! Rounds of plain figures, for benches that compare a few systems by one number or one histogram each: every system
//! once per round, in rotating order, and medians of the ratios within the rounds.

use std::fmt;

pub use super::figures::Spread;

/// Settings of a run, from the command line.
pub struct Settings {
    /// Rounds in which every system runs once.
    pub rounds: usize,
    /// Divides the work: 1 in earnest, more for a smoke test.
    pub shrink: usize,
}

impl Settings {
    /// Reads `--quick` and `--rounds N`; ignores what `cargo bench` adds. Anything else ends the program with one line
    /// and exit code 2.
    pub fn from_args() -> Self {
        let mut settings = Self { rounds: 15, shrink: 1 };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => {}
                "--quick" => settings = Self { rounds: 3, shrink: 20 },
                "--rounds" => match args.next().and_then(|rounds| rounds.parse().ok()) {
                    Some(rounds) if rounds > 0 => settings.rounds = rounds,
                    _ => refuse("--rounds needs a number above 0"),
                },
                other => {
                    refuse(&format!("unknown argument `{other}`: there are --quick and --rounds N"))
                }
            }
        }
        settings
    }
}

fn refuse(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(2)
}

/// One system under test, and the figures of its rounds.
pub struct System<F> {
    pub name: &'static str,
    pub run: Box<dyn FnMut() -> F>,
    pub figures: Vec<F>,
}

impl<F> System<F> {
    pub fn new(name: &'static str, run: impl FnMut() -> F + 'static) -> Self {
        Self { name, run: Box::new(run), figures: Vec::new() }
    }
}

/// Runs every system once per round, in rotating order, after one round that is not counted.
pub fn interleave<F>(systems: &mut [System<F>], rounds: usize) {
    for system in &mut *systems {
        (system.run)();
    }
    for round in 0..rounds {
        for at in 0..systems.len() {
            let system = &mut systems[(round + at) % systems.len()];
            let figure = (system.run)();
            system.figures.push(figure);
        }
        eprint!("\rround {} of {rounds}", round + 1);
    }
    eprintln!();
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min, median, max } = self;
        write!(f, "{median:>9.2}  ({min:.2} .. {max:.2})")
    }
}
