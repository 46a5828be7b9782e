//! Lines that could not be used, told by reason: a damaged recording may have a million of them, and still one
//! must see at a glance what is wrong with it, and where.

use std::fmt;

/// Reasons told one by one; lines refused for others are only counted.
const REASONS: usize = 32;
/// Lines of one reason that are told by number.
const NUMBERS: usize = 8;

#[derive(Default)]
pub(crate) struct Refused {
    reasons: Vec<Reason>,
    /// Lines refused for reasons beyond those.
    others: u64,
}

/// Why lines were refused, and which.
struct Reason {
    name: String,
    /// What was said of the first line.
    first: String,
    /// The first lines.
    lines: Vec<u64>,
    last: u64,
    count: u64,
}

impl Refused {
    /// Takes down that a line is refused. Lines of one reason come in order; one that comes again, because several of
    /// its events were refused, counts once.
    pub(crate) fn note(&mut self, line: u64, reason: impl fmt::Display, error: &impl fmt::Display) {
        let name = reason.to_string();
        let room = self.reasons.len() < REASONS;
        match self.reasons.iter_mut().find(|reason| reason.name == name) {
            Some(reason) => reason.add(line),
            None if room => {
                let (first, lines) = (error.to_string(), vec![line]);
                self.reasons.push(Reason { name, first, lines, last: line, count: 1 });
            }
            None => self.others += 1,
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.reasons.iter().map(|reason| reason.count).sum::<u64>() + self.others
    }
}

impl Reason {
    fn add(&mut self, line: u64) {
        if line == self.last {
            return;
        }
        self.last = line;
        self.count += 1;
        if self.lines.len() < NUMBERS {
            self.lines.push(line);
        }
    }
}

/// For each reason its first line in full, and then which others there are.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reasons: Vec<&Reason> = self.reasons.iter().collect();
        reasons.sort_by_key(|reason| reason.lines[0]);
        for reason in reasons {
            writeln!(f, "{reason}")?;
        }
        match self.others {
            0 => Ok(()),
            others => writeln!(f, "and {others} for other reasons"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first)?;
        let Some(like) = self.count.checked_sub(1).filter(|&like| like > 0) else { return Ok(()) };
        let numbers: Vec<String> = self.lines[1..].iter().map(u64::to_string).collect();
        write!(f, "\n  and {like} more like it: {}", numbers.join(", "))?;
        if self.count > self.lines.len() as u64 { f.write_str(", ...") } else { Ok(()) }
    }
}
