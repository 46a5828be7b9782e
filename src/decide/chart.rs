//! A plan as a picture: a text tree, Graphviz, JSON.

use std::fmt::{self, Write};

use super::plan::{GroupKind, Plan, PlanNode, StagePlan, WorkerPlace};
use crate::describe::kit::StageKind;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stages, threads, .. } = self;
        let counts = [
            counted(stages.len(), "stage"),
            counted(self.workers(), "worker"),
            counted(threads.len(), "thread"),
            counted(self.lanes(), "lane"),
        ];
        writeln!(f, "{}, {}", counts.join(", "), Bytes(self.ring_bytes()))?;
        let mut lines = Vec::new();
        self.draw(&self.tree, "", "", &mut lines);
        let width = lines.iter().map(|(text, _)| text.chars().count()).max().unwrap_or(0);
        for (text, facts) in &lines {
            writeln!(f, "{}", format_args!("{text:width$}  {facts}").to_string().trim_end())?;
        }
        for (number, thread) in threads.iter().enumerate() {
            let core =
                thread.core.map_or_else(|| "any core".to_owned(), |core| format!("core {core}"));
            let priority =
                thread.priority.map_or_else(String::new, |priority| format!(", {priority}"));
            let step_down = thread.step_down.map_or_else(String::new, |down| format!(" ({down})"));
            writeln!(
                f,
                "thread {number}, {core}{priority}, {:?}{step_down}: {}",
                thread.idle,
                self.crew(&thread.workers)
            )?;
        }
        Ok(())
    }
}

/// A number of things, in words.
fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// A size for people.
pub(crate) struct Bytes(pub(crate) usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..10_240 => write!(f, "{bytes} B"),
            bytes @ 10_240..10_485_760 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{} MiB", bytes >> 20),
        }
    }
}

impl Plan {
    /// One line per tract: its drawing, and its facts.
    fn draw(&self, node: &PlanNode, first: &str, rest: &str, lines: &mut Vec<(String, String)>) {
        match node {
            PlanNode::Stage(stage) => {
                let stage_plan = &self.stages[*stage];
                lines.push((format!("{first}{}", stage_plan.name), self.facts(*stage, stage_plan)));
            }
            PlanNode::Group { name, kind, members } => {
                let word = match kind {
                    GroupKind::Serial => "serial",
                    GroupKind::Parallel => "parallel",
                    GroupKind::FanOut => "fan-out",
                };
                let text =
                    if name.is_empty() { word.to_owned() } else { format!("{name} ({word})") };
                lines.push((format!("{first}{text}"), String::new()));
                for (at, member) in members.iter().enumerate() {
                    let (branch, stem) = if at + 1 < members.len() {
                        ("├─ ", "│  ")
                    } else {
                        ("└─ ", "   ")
                    };
                    self.draw(member, &format!("{rest}{branch}"), &format!("{rest}{stem}"), lines);
                }
            }
        }
    }

    fn facts(&self, number: usize, stage: &StagePlan) -> String {
        let mut facts = match (stage.kind, stage.workers) {
            (StageKind::Source, n) => counted(n, "source"),
            (StageKind::Worker, n) => counted(n, "worker"),
            (StageKind::Input, _) => "input".to_owned(),
            (StageKind::Output, _) => "output".to_owned(),
            (StageKind::Receiver, _) => "receiver".to_owned(),
        };
        let lanes: usize =
            self.meshes.iter().filter(|mesh| mesh.to == number).map(|mesh| mesh.lanes).sum();
        if lanes > 0 {
            let (capacity, bytes) = (stage.capacity, stage.request_bytes);
            let _ = write!(facts, ", {lanes} × {capacity} × {bytes} B in");
        }
        if stage.batch > 1 {
            let _ = write!(facts, ", batches of {} out", stage.batch);
        }
        if stage.blocking {
            facts.push_str(", blocking");
        }
        facts
    }

    /// The workers of a thread, pools in short.
    fn crew(&self, workers: &[WorkerPlace]) -> String {
        let mut crews: Vec<(usize, usize, usize)> = Vec::new();
        for place in workers {
            match crews.last_mut() {
                Some((stage, _, last)) if *stage == place.stage && *last + 1 == place.worker => {
                    *last = place.worker;
                }
                _ => crews.push((place.stage, place.worker, place.worker)),
            }
        }
        let names = crews.iter().map(|&(stage, first, last)| {
            let StagePlan { path, workers, .. } = &self.stages[stage];
            match (workers, last - first) {
                (1, _) => path.clone(),
                (_, 0) => format!("{path}[{first}]"),
                _ => format!("{path}[{first}..={last}]"),
            }
        });
        names.collect::<Vec<_>>().join(", ")
    }

    /// The plan as a Graphviz graph: `dot -Tsvg`.
    pub fn to_dot(&self) -> String {
        let mut dot =
            String::from("digraph tract {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n");
        self.dot_node(&self.tree, 1, &mut 0, &mut dot);
        for mesh in &self.meshes {
            let lanes = counted(mesh.lanes, "lane");
            let _ = writeln!(
                dot,
                "  s{} -> s{} [label=\"{lanes} of {}\"];",
                mesh.from, mesh.to, mesh.capacity
            );
        }
        dot.push_str("}\n");
        dot
    }

    fn dot_node(&self, node: &PlanNode, depth: usize, clusters: &mut usize, dot: &mut String) {
        let indent = "  ".repeat(depth);
        match node {
            PlanNode::Stage(number) => {
                let stage = &self.stages[*number];
                let size = if stage.workers > 1 {
                    format!(" × {}", stage.workers)
                } else {
                    String::new()
                };
                let _ =
                    writeln!(dot, "{indent}s{number} [label=\"{}{size}\"];", Quoted(&stage.name));
            }
            // A chain without a name is drawn by its arrows alone.
            PlanNode::Group { name, members, .. } if name.is_empty() => {
                members.iter().for_each(|member| self.dot_node(member, depth, clusters, dot));
            }
            PlanNode::Group { name, members, .. } => {
                let _ = writeln!(dot, "{indent}subgraph cluster_{clusters} {{");
                *clusters += 1;
                let _ = writeln!(dot, "{indent}  label=\"{}\";", Quoted(name));
                members.iter().for_each(|member| self.dot_node(member, depth + 1, clusters, dot));
                let _ = writeln!(dot, "{indent}}}");
            }
        }
    }

    /// The plan as JSON. Needs the feature `json`.
    ///
    /// # Panics
    ///
    /// Never: a plan has nothing that JSON cannot say.
    #[cfg(feature = "json")]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a plan is plain data")
    }
}

/// A name inside a Graphviz string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}
