//! Topologies as plain data, which every system builds in its own way.

/// What lies between the source and the sink.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A stage of so many workers.
    Pool(usize),
    /// One after the other. An empty one is a lane from the source to the sink.
    Serial(Vec<Shape>),
    /// Each request to exactly one.
    Parallel(Vec<Shape>),
    /// Each request to every one.
    FanOut(Vec<Shape>),
}

impl Shape {
    pub fn chain(stages: usize) -> Self {
        Self::Serial(vec![Self::Pool(1); stages])
    }

    /// Workers in it.
    pub fn workers(&self) -> usize {
        match self {
            Self::Pool(size) => *size,
            Self::Serial(members) | Self::Parallel(members) | Self::FanOut(members) => {
                members.iter().map(Self::workers).sum()
            }
        }
    }

    /// What arrives of each request where the branches of a fan-out are merged: every copy.
    pub fn merged(&self) -> Arrivals {
        match self {
            Self::Pool(_) => Arrivals { copies: 1, least: 1, most: 1 },
            Self::Serial(members) => members.iter().fold(Arrivals::ONE, |way, member| {
                let next = member.merged();
                let stages = |way_stages, stages| way_stages * next.copies + stages * way.copies;
                Arrivals {
                    copies: way.copies * next.copies,
                    least: stages(way.least, next.least),
                    most: stages(way.most, next.most),
                }
            }),
            Self::FanOut(members) => Self::all(members, Self::merged),
            Self::Parallel(members) => Self::any(members, Self::merged),
        }
    }

    /// What arrives of each request where they are gathered: one, after all stages.
    pub fn gathered(&self) -> Arrivals {
        let arrivals = match self {
            Self::Pool(_) => Arrivals { copies: 1, least: 1, most: 1 },
            Self::Serial(members) | Self::FanOut(members) => Self::all(members, Self::gathered),
            Self::Parallel(members) => Self::any(members, Self::gathered),
        };
        Arrivals { copies: 1, ..arrivals }
    }

    fn all(members: &[Self], of: impl Fn(&Self) -> Arrivals) -> Arrivals {
        members.iter().map(of).fold(Arrivals { copies: 0, least: 0, most: 0 }, |sum, member| {
            Arrivals {
                copies: sum.copies + member.copies,
                least: sum.least + member.least,
                most: sum.most + member.most,
            }
        })
    }

    fn any(members: &[Self], of: impl Fn(&Self) -> Arrivals) -> Arrivals {
        let either = members.iter().map(of).reduce(|a, b| Arrivals {
            copies: a.copies,
            least: a.least.min(b.least),
            most: a.most.max(b.most),
        });
        either.unwrap_or(Arrivals::ONE)
    }
}

/// What must arrive of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrivals {
    pub copies: u64,
    /// Stages that its copies have passed together, at least and at most.
    pub least: u64,
    pub most: u64,
}

impl Arrivals {
    /// A request that passes nothing.
    pub const ONE: Self = Self { copies: 1, least: 0, most: 0 };
}

/// A shape as queues and the stages between them, for systems that have only queues.
#[derive(Debug)]
pub struct Network {
    /// Where the source puts: each request into every one of them.
    pub entries: Vec<usize>,
    /// In the order of the shape.
    pub nodes: Vec<Node>,
    /// Queues in all. The sink takes from queue [`Network::EXIT`].
    pub queues: usize,
}

/// A stage between queues.
#[derive(Debug)]
pub struct Node {
    pub input: usize,
    /// Each request goes into every one of them.
    pub outputs: Vec<usize>,
    pub workers: usize,
}

impl Network {
    pub const EXIT: usize = 0;

    pub fn of(shape: &Shape) -> Self {
        let mut network = Self { entries: Vec::new(), nodes: Vec::new(), queues: 1 };
        network.entries = network.enter(shape, &[Self::EXIT]);
        network.nodes.reverse();
        network
    }

    /// Workers that take from a queue; the sink is one.
    pub fn takers(&self, queue: usize) -> usize {
        let takers = self.nodes.iter().filter(|node| node.input == queue).map(|node| node.workers);
        takers.sum::<usize>() + usize::from(queue == Self::EXIT)
    }

    /// The queues that lead into a shape which puts into these.
    fn enter(&mut self, shape: &Shape, outputs: &[usize]) -> Vec<usize> {
        match shape {
            Shape::FanOut(members) => {
                // The nodes are collected from the end.
                let mut entries: Vec<usize> =
                    members.iter().rev().flat_map(|member| self.enter(member, outputs)).collect();
                entries.reverse();
                entries
            }
            Shape::Serial(members) => members
                .iter()
                .rev()
                .fold(outputs.to_vec(), |outputs, member| self.enter(member, &outputs)),
            Shape::Pool(_) | Shape::Parallel(_) => {
                let input = self.queues;
                self.queues += 1;
                self.attach(shape, input, outputs);
                vec![input]
            }
        }
    }

    /// Adds a shape that takes from this queue.
    fn attach(&mut self, shape: &Shape, input: usize, outputs: &[usize]) {
        match shape {
            Shape::Pool(workers) => {
                self.nodes.push(Node { input, outputs: outputs.to_vec(), workers: *workers });
            }
            // Members that share a queue compete for what is in it.
            Shape::Parallel(members) => {
                members.iter().rev().for_each(|member| self.attach(member, input, outputs));
            }
            Shape::Serial(members) => {
                let (first, rest) = members.split_first().expect("a chain has members");
                let outputs = rest
                    .iter()
                    .rev()
                    .fold(outputs.to_vec(), |outputs, member| self.enter(member, &outputs));
                self.attach(first, input, &outputs);
            }
            Shape::FanOut(_) => unreachable!("no topology here has a fan-out first in a parallel"),
        }
    }
}
