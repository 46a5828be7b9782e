//! Random topologies: pools with all that can befall a request, nested in groups.

use proptest::collection::vec;
use proptest::prelude::*;

/// A topology. What becomes of a value in it depends on the value alone, whichever way it takes.
#[derive(Debug, Clone)]
pub enum Tree {
    Pool(Pool),
    Serial(Vec<Tree>),
    /// Members that all do the same with pools, lanes and batches of their own.
    Parallel {
        members: usize,
        each: Box<Tree>,
    },
    FanOut(Vec<Tree>),
}

/// A stage of workers.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its place among all pools, in the order written; also its name.
    pub number: usize,
    pub workers: usize,
    pub capacity: usize,
    pub batch: usize,
    pub work: Work,
    pub mark: Mark,
    /// Makes pools with the same work do it differently.
    pub salt: u64,
}

/// What the workers of a pool do, to some values or to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Map,
    Discard,
    Fail,
    Panic,
    /// 0 to 5 values for one.
    Multiply,
    /// As many, and then a panic where the next was to come.
    Break,
}

/// Clean-ups that the workers of a pool add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    None,
    /// One `on_end`.
    Once,
    /// One `on_each_end`.
    Each,
}

/// What becomes of a value in a pool.
#[derive(Debug)]
pub enum Fate {
    Emit(u64),
    Several { values: Vec<u64>, breaks: bool },
    Discard,
    Fail,
    Panic,
}

impl Pool {
    pub fn fate(&self, value: u64) -> Fate {
        let drawn = mix(value ^ self.salt);
        let several = || (0..drawn / 4 % 6).map(|n| mix(drawn.wrapping_add(n))).collect();
        match (self.work, drawn % 4) {
            (Work::Discard, 0) => Fate::Discard,
            (Work::Fail, 0) => Fate::Fail,
            (Work::Panic, 0) => Fate::Panic,
            (Work::Multiply, _) => Fate::Several { values: several(), breaks: false },
            (Work::Break, 0) => Fate::Several { values: several(), breaks: true },
            _ => Fate::Emit(mix(drawn)),
        }
    }

    /// The same work with other workers, lanes and batches, for the further members of a parallel group.
    pub fn variant(&self, variant: usize) -> Self {
        Self {
            workers: 1 + (self.workers - 1 + variant) % 4,
            capacity: 1 + (self.capacity - 1 + 7 * variant) % 64,
            batch: 1 + (self.batch - 1 + variant) % 8,
            ..self.clone()
        }
    }
}

/// A bijection that scatters (the end of splitmix64), so that different values stay different.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Tree {
    /// What the pools add, in the order of their numbers.
    pub fn marks(&self) -> Vec<Mark> {
        match self {
            Self::Pool(pool) => vec![pool.mark],
            Self::Parallel { each, .. } => each.marks(),
            Self::Serial(members) | Self::FanOut(members) => {
                members.iter().flat_map(Self::marks).collect()
            }
        }
    }

    /// About how many values one request becomes, at the most.
    pub fn growth(&self) -> u64 {
        match self {
            Self::Pool(pool) => match pool.work {
                Work::Multiply => 3,
                Work::Break => 2,
                _ => 1,
            },
            Self::Parallel { each, .. } => each.growth(),
            Self::Serial(members) => members.iter().map(Self::growth).product(),
            Self::FanOut(members) => members.iter().map(Self::growth).sum(),
        }
    }

    /// Gives the pools their numbers, in the order written.
    pub fn numbered(mut self) -> Self {
        self.number(&mut 0);
        self
    }

    fn number(&mut self, next: &mut usize) {
        match self {
            Self::Pool(pool) => {
                pool.number = *next;
                *next += 1;
            }
            Self::Parallel { each, .. } => each.number(next),
            Self::Serial(members) | Self::FanOut(members) => {
                members.iter_mut().for_each(|member| member.number(next));
            }
        }
    }
}

/// The most that one request may grow to, so that no case gets out of hand.
pub const MOST_GROWTH: u64 = 40;

/// Trees of up to four groups within each other.
pub fn trees() -> impl Strategy<Value = Tree> {
    let nested = pools().prop_map(Tree::Pool).prop_recursive(4, 12, 3, |inner| {
        let each = inner.clone().prop_map(Box::new);
        prop_oneof![
            vec(inner.clone(), 1..=3).prop_map(Tree::Serial),
            (1..=3_usize, each).prop_map(|(members, each)| Tree::Parallel { members, each }),
            vec(inner, 1..=3).prop_map(Tree::FanOut),
        ]
    });
    nested
        .prop_filter("grows too much", |tree| tree.growth() <= MOST_GROWTH)
        .prop_map(Tree::numbered)
}

fn pools() -> impl Strategy<Value = Pool> {
    let work = prop_oneof![
        3 => Just(Work::Map),
        1 => Just(Work::Discard),
        1 => Just(Work::Fail),
        1 => Just(Work::Panic),
        1 => Just(Work::Multiply),
        1 => Just(Work::Break),
    ];
    let mark = prop_oneof![2 => Just(Mark::None), 1 => Just(Mark::Once), 1 => Just(Mark::Each)];
    let capacity = prop_oneof![Just(1), 1..=4_usize, 1..=64_usize];
    let batch = prop_oneof![Just(1), 1..=8_usize];
    (1..=4_usize, capacity, batch, work, mark, any::<u64>()).prop_map(
        |(workers, capacity, batch, work, mark, salt)| Pool {
            number: 0,
            workers,
            capacity,
            batch,
            work,
            mark,
            salt,
        },
    )
}
