//! A whole benchmark: reads the command line, measures, and tells.

use std::path::Path;

use super::args::{Args, Format, refuse};
use super::cell::{Cell, System, Topology};
use super::clock::Clock;
use super::figures;
use super::load::Load;
use super::machine::Machine;
use super::page::{self, Pictures, Shown};
use super::rounds::{self, Effort, Planned};
use super::table;

/// What a benchmark is.
pub struct Bench {
    /// In one line.
    pub title: &'static str,
    pub topologies: &'static [Topology],
    pub systems: &'static [System],
    /// The system that all others are compared with.
    pub baseline: &'static str,
    /// What is measured where nothing else is asked for, in earnest and as a smoke test.
    pub cells: Vec<Cell>,
    pub quick_cells: Vec<Cell>,
    /// Loads and cores where only some of them are asked for.
    pub loads: &'static [Load],
    pub cores: usize,
    pub full: Effort,
    pub quick: Effort,
    /// Told in place of every single cell, where only all of them together say something; and what its pictures are.
    pub findings: Option<(Find, Pictures)>,
}

/// Finds what all cells together say.
pub type Find = fn(&[Shown]) -> Vec<Finding>;

/// What all cells together say.
pub struct Finding {
    pub heading: &'static str,
    pub text: String,
    /// Of the page, above the text.
    pub picture: String,
}

impl Bench {
    pub fn run(self) {
        let args = Args::read(self.full, self.quick);
        let cells = if args.is_quick { self.quick_cells } else { self.cells };
        let plan = args.plan(self.topologies, self.systems, cells, (self.loads, self.cores));
        if args.list {
            return list(&plan);
        }
        if let Some(path) = &args.html {
            // What cannot be written is better known before than after.
            write(path, "");
        }
        let clock = Clock::new();
        let machine = Machine::this(clock.name());
        if args.format == Format::Table {
            println!("{}\n{machine}", self.title);
            println!(
                "medians over {} rounds, in which every system runs once; x: how many times as long as {}",
                args.effort.rounds, self.baseline
            );
        }
        let mut all = Vec::new();
        rounds::measure(plan, &args.effort, &clock, |result| {
            let figures = figures::of(&result, self.baseline);
            match args.format {
                Format::Table if self.findings.is_some() => {}
                Format::Table => {
                    print!("{}", table::cell(&result.cell.title(), self.baseline, &figures));
                }
                Format::Json => {
                    for line in &figures {
                        println!("{}", serde_json::to_string(line).expect("plain data"));
                    }
                }
            }
            all.push((result.cell.title(), figures));
        });
        let findings = self.findings.map_or_else(Vec::new, |(find, _)| find(&all));
        if args.format == Format::Table {
            if self.findings.is_none() {
                print!("{}", table::summary(self.baseline, &all));
            }
            for Finding { heading, text, .. } in &findings {
                println!("\n{heading}\n{text}");
            }
        }
        if let Some(path) = &args.html {
            // Findings stand for the cells they were found in.
            let shown = if findings.is_empty() { &all[..] } else { &[] };
            let pictures = self.findings.map_or(Pictures::CurvesAndBars, |(_, pictures)| pictures);
            let page = page::page(self.title, pictures, &machine, self.baseline, shown, &findings);
            write(path, &page);
        }
    }
}

fn list(plan: &[Planned]) {
    for (cell, systems) in plan {
        let names: Vec<&str> = systems.iter().map(|system| system.name).collect();
        println!("{}: {}", cell.title(), names.join(", "));
    }
}

fn write(path: &Path, page: &str) {
    if let Err(why) = std::fs::write(path, page) {
        refuse(&format!("{} cannot be written: {why}", path.display()));
    }
}
