//! Many seeds: trying a property on each, and making a case that fails smaller.

use std::cell::Cell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::case::{Case, Edits};
use super::fault::Fault;
use crate::error::{BoxError, panic_message};
use crate::measure::clock;

/// Tries a property on this many seeds, from 0 on.
///
/// The property fails by an error or a panic. Then the case is made smaller as far as it goes (smaller numbers drawn, faults
/// left out, fewer turns out of order), and told with its seed. `RINGTRACT_SEED=n` in the environment tries that seed
/// alone, `RINGTRACT_SEEDS=n` that many. Returns how many were tried.
///
/// # Panics
///
/// With the [`Failure`] if there is one, and where a variable holds no number.
pub fn check(seeds: u64, property: impl Fn(&mut Case) -> Result<(), BoxError>) -> u64 {
    let seeds = match number_in("RINGTRACT_SEED") {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..number_in("RINGTRACT_SEEDS").unwrap_or(seeds),
    };
    let count = seeds.end - seeds.start;
    if let Some(failure) = explore(seeds, property) {
        panic!("{failure}");
    }
    count
}

fn number_in(variable: &str) -> Option<u64> {
    let text = std::env::var_os(variable)?;
    let number = text.to_str().and_then(|text| text.parse().ok());
    Some(number.unwrap_or_else(|| panic!("{variable} takes a number, not {text:?}")))
}

/// Tries a property on these seeds; the first failure, made smaller.
pub fn explore(
    seeds: impl IntoIterator<Item = u64>,
    property: impl Fn(&mut Case) -> Result<(), BoxError>,
) -> Option<Failure> {
    seeds.into_iter().find_map(|seed| {
        let story = attempt(seed, Edits::none(), &property)?;
        let message = story.message.clone();
        Some(Failure { seed, message, smaller: shrink(seed, story, &property) })
    })
}

/// A seed for which a property fails.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What the property said: its error, or its panic.
    pub message: String,
    smaller: Story,
}

impl Failure {
    /// The numbers drawn in the smaller case, in order.
    pub fn draws(&self) -> &[u64] {
        &self.smaller.draws
    }

    /// The faults that are left in the smaller case.
    pub fn faults(&self) -> &[Fault] {
        &self.smaller.faults
    }

    /// Turns of the smaller case that have to be in an order drawn; after those, everybody has one after the other.
    pub fn disorderly_turns(&self) -> u64 {
        self.smaller.edits.disorder.min(self.smaller.turns)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, message, smaller } = self;
        writeln!(f, "seed {seed} fails: {message}")?;
        writeln!(f, "it also fails with less:")?;
        writeln!(f, "  drawn: {:?}", smaller.draws)?;
        if smaller.faults.is_empty() {
            writeln!(f, "  no faults")?;
        }
        for fault in &smaller.faults {
            writeln!(f, "  planned: {fault}")?;
        }
        let (turns, disorderly) = (smaller.turns, self.disorderly_turns());
        writeln!(
            f,
            "  out of order: {disorderly} of {turns} turns, then everybody one after the other"
        )?;
        if smaller.message != *message {
            writeln!(f, "  it says: {}", smaller.message)?;
        }
        write!(f, "replay it with RINGTRACT_SEED={seed}")
    }
}

/// What happened in a case that failed.
#[derive(Debug, Clone)]
struct Story {
    edits: Edits,
    message: String,
    draws: Vec<u64>,
    least: Vec<u64>,
    faults: Vec<Fault>,
    planned: usize,
    turns: u64,
}

/// Tries one case; what happened, if it fails.
fn attempt(
    seed: u64,
    edits: Edits,
    property: &impl Fn(&mut Case) -> Result<(), BoxError>,
) -> Option<Story> {
    let mut case = Case::new(seed, edits.clone());
    let tried = clock::pretend(|| catch_unwind(AssertUnwindSafe(|| property(&mut case))));
    let message = match tried {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic_message(panic),
    };
    Some(Story {
        edits,
        message,
        draws: case.draws.iter().map(|draw| draw.value).collect(),
        least: case.draws.iter().map(|draw| draw.least).collect(),
        faults: case.faults().to_vec(),
        planned: case.planned(),
        turns: case.turns(),
    })
}

/// The most cases that are tried to make one smaller.
const MOST_ATTEMPTS: u32 = 2_000;

/// Orders tried with each change, the present one first.
const ORDERS: u32 = 4;

/// Makes a failing case smaller, as long as it fails.
fn shrink(seed: u64, story: Story, property: &impl Fn(&mut Case) -> Result<(), BoxError>) -> Story {
    let _hush = Hush::new();
    let mut shrinking = Shrinking { seed, story, attempts: 0, property };
    while shrinking.faults() | shrinking.draws() | shrinking.disorder() {}
    shrinking.story
}

struct Shrinking<'a, P> {
    seed: u64,
    story: Story,
    attempts: u32,
    property: &'a P,
}

impl<P: Fn(&mut Case) -> Result<(), BoxError>> Shrinking<'_, P> {
    /// Whether it fails with this change, too, in this order or in another, which is kept then.
    fn with(&mut self, change: impl Fn(&mut Edits)) -> bool {
        for _ in 0..ORDERS {
            if self.attempts == MOST_ATTEMPTS {
                return false;
            }
            let mut edits = self.story.edits.clone();
            if !self.attempts.is_multiple_of(ORDERS) {
                edits.order = u64::from(self.attempts);
            }
            self.attempts += 1;
            change(&mut edits);
            if let Some(story) = attempt(self.seed, edits, self.property) {
                self.attempts = self.attempts.next_multiple_of(ORDERS);
                self.story = story;
                return true;
            }
        }
        false
    }

    /// Leaves out what faults it can.
    fn faults(&mut self) -> bool {
        let mut smaller = false;
        for fault in 0..self.story.planned {
            if !self.story.edits.without.contains(&fault) {
                smaller |= self.with(|edits| edits.without.extend([fault]));
            }
        }
        smaller
    }

    /// Takes smaller numbers for those drawn.
    fn draws(&mut self) -> bool {
        let mut smaller = false;
        let mut at = 0;
        while let (Some(&value), Some(&least)) =
            (self.story.draws.get(at), self.story.least.get(at))
        {
            let to = |number| {
                move |edits: &mut Edits| {
                    edits.draws.resize(edits.draws.len().max(at + 1), None);
                    edits.draws[at] = Some(number);
                }
            };
            smaller |= value > least
                && (self.with(to(least))
                    || self.with(to(least + (value - least) / 2))
                    || self.with(to(value - 1)));
            at += 1;
        }
        smaller
    }

    /// Halves the distance between what is too little and what is enough.
    fn disorder(&mut self) -> bool {
        let before = self.story.edits.disorder.min(self.story.turns);
        let (mut too_few, mut enough) = (None, before);
        while enough > too_few.map_or(0, |few| few + 1) {
            let middle = too_few.map_or(enough / 2, |few| few + (enough - few) / 2);
            match self.with(|edits| edits.disorder = middle) {
                true => enough = middle,
                false => too_few = Some(middle),
            }
        }
        enough < before
    }
}

thread_local! {
    /// Whether panics on this thread are to be kept from the hook.
    static HUSHED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the panics of this thread out of the output while a case is made smaller: they say nothing new.
struct Hush;

impl Hush {
    fn new() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let loud = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if !HUSHED.get() {
                    loud(info);
                }
            }));
        });
        HUSHED.set(true);
        Self
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        HUSHED.set(false);
    }
}
