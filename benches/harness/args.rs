//! The command line. What it cannot take it refuses in one line, with exit code 2.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use super::cell::{Cell, System, Topology};
use super::load::Load;
use super::payload::PAYLOADS;
use super::rounds::{Effort, Planned};

/// What was asked for.
pub struct Args {
    pub effort: Effort,
    pub format: Format,
    pub html: Option<PathBuf>,
    pub list: bool,
    pub is_quick: bool,
    topologies: Vec<String>,
    systems: Vec<String>,
    loads: Vec<Load>,
    payloads: Vec<usize>,
    cores: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Table,
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            _ => Err(format!("`{text}` is no format: `table` and `json` are")),
        }
    }
}

const HELP: &str = "\
Options, all of them after `--`:
  --quick           a smoke test: few rounds, short runs
  --rounds N        rounds that count
  --seconds N       what all of it may take
  --topology NAME   only this topology; may be given several times, as may the next four
  --system NAME     only this system
  --load LOAD       saturated, 100k/s, burst10/1ms
  --payload N       bytes of a value: 8, 64, 256, 1024, 4096
  --cores N         how many cores are used
  --format FORMAT   table, or json: an object on each line
  --html FILE       also as a page with pictures
  --list            what would be measured
A name stands for all that begin with it. Where a load, a payload or a number of cores is asked for, every combination
of what was asked for is measured; else the bench's own choice.";

impl Args {
    /// Reads the command line for a bench that takes this long when nobody says otherwise.
    pub fn read(full: Effort, quick: Effort) -> Self {
        match Self::parse(Parser::from_env(), full, quick) {
            Ok(args) => args,
            Err(why) => refuse(&why.to_string()),
        }
    }

    fn parse(mut parser: Parser, full: Effort, quick: Effort) -> Result<Self, lexopt::Error> {
        let mut args = Self {
            effort: full,
            format: Format::Table,
            html: None,
            list: false,
            is_quick: false,
            topologies: Vec::new(),
            systems: Vec::new(),
            loads: Vec::new(),
            payloads: Vec::new(),
            cores: Vec::new(),
        };
        let (mut rounds, mut seconds) = (None, None);
        while let Some(arg) = parser.next()? {
            match arg {
                // Cargo adds it.
                Arg::Long("bench") => {}
                Arg::Long("help") | Arg::Short('h') => {
                    println!("{HELP}");
                    std::process::exit(0)
                }
                Arg::Long("quick") => args.is_quick = true,
                Arg::Long("rounds") => {
                    rounds = Some(parser.value()?.parse_with(within(1..=1_000))?)
                }
                Arg::Long("seconds") => {
                    seconds = Some(parser.value()?.parse_with(within(1..=86_400))?);
                }
                Arg::Long("topology") => args.topologies.push(parser.value()?.string()?),
                Arg::Long("system") => args.systems.push(parser.value()?.string()?),
                Arg::Long("load") => args.loads.push(parser.value()?.parse()?),
                Arg::Long("payload") => args.payloads.push(parser.value()?.parse_with(payload)?),
                Arg::Long("cores") => {
                    let have = super::machine::cores().len();
                    args.cores.push(parser.value()?.parse_with(within(1..=have))?);
                }
                Arg::Long("format") => args.format = parser.value()?.parse()?,
                Arg::Long("html") => args.html = Some(parser.value()?.into()),
                Arg::Long("list") => args.list = true,
                other => return Err(other.unexpected()),
            }
        }
        if args.is_quick {
            args.effort = quick;
        }
        if let Some(rounds) = rounds {
            args.effort.rounds = rounds;
        }
        if let Some(seconds) = seconds {
            args.effort.budget = Duration::from_secs(seconds as u64);
        }
        Ok(args)
    }

    /// The cells asked for, each with its systems: of `own` where no load, payload or number of cores was asked for,
    /// else every combination.
    pub fn plan(
        &self,
        topologies: &'static [Topology],
        systems: &'static [System],
        own: Vec<Cell>,
        defaults: (&[Load], usize),
    ) -> Vec<Planned> {
        let topologies = chosen("topology", &self.topologies, topologies, |topology| topology.name);
        let named = chosen("system", &self.systems, systems, |system| system.name);
        let is_free = self.loads.is_empty() && self.payloads.is_empty() && self.cores.is_empty();
        let cells = if is_free {
            let is_chosen = |cell: &Cell| {
                topologies.iter().any(|topology| std::ptr::eq(*topology, cell.topology))
            };
            own.into_iter().filter(is_chosen).collect()
        } else {
            self.combine(&topologies, defaults)
        };
        let plan = cells.into_iter().map(|cell| {
            let fitting = named.iter().copied().filter(|system| {
                system.run_of(&cell.topology.exercise).is_some()
                    // What is asked for by name is run wherever it can be.
                    && ((system.fits)(&cell) || !self.systems.is_empty())
            });
            let fitting = fitting.collect();
            (cell, fitting)
        });
        let plan: Vec<Planned> =
            plan.filter(|(_, systems): &Planned| !systems.is_empty()).collect();
        if plan.is_empty() {
            refuse("nothing to measure: no system asked for runs any topology asked for");
        }
        plan
    }

    fn combine(
        &self,
        topologies: &[&'static Topology],
        (loads, cores): (&[Load], usize),
    ) -> Vec<Cell> {
        let loads = if self.loads.is_empty() { loads } else { &self.loads };
        let payloads = if self.payloads.is_empty() { &[8][..] } else { &self.payloads };
        let cores = if self.cores.is_empty() { vec![cores] } else { self.cores.clone() };
        let mut cells = Vec::new();
        for &topology in topologies {
            for &load in loads {
                for &payload in payloads {
                    for &cores in &cores {
                        cells.push(Cell::new(topology, load, payload, cores));
                    }
                }
            }
        }
        cells
    }
}

/// Those whose name begins with one of these; all, if there are none.
fn chosen<T>(
    what: &str,
    asked: &[String],
    all: &'static [T],
    name: impl Fn(&T) -> &'static str,
) -> Vec<&'static T> {
    for asked in asked {
        if !all.iter().any(|one| name(one).starts_with(asked.as_str())) {
            let names: Vec<&str> = all.iter().map(&name).collect();
            refuse(&format!("there is no {what} `{asked}`: there are {}", names.join(", ")));
        }
    }
    let is_asked = |one: &&T| {
        asked.is_empty() || asked.iter().any(|asked| name(one).starts_with(asked.as_str()))
    };
    all.iter().filter(is_asked).collect()
}

fn within(range: std::ops::RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))
    }
}

fn payload(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes| PAYLOADS.contains(bytes));
    bytes.ok_or_else(|| format!("one of {PAYLOADS:?}"))
}

/// Ends the program with one line and exit code 2.
pub fn refuse(why: &str) -> ! {
    eprintln!("{}", why.replace('\n', " "));
    std::process::exit(2)
}
