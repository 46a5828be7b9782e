//! What happens in a run, as a list of events: written by the run as it happens, and by the model as it should.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something that happens to a request, or to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A source made a request.
    Made { value: u64 },
    /// A worker of the pool with this number took it.
    Taken { pool: usize, value: u64 },
    /// It reached the end of the tract.
    Delivered { value: u64 },
    /// A clean-up ran: the one added at this place to the request that had this value there.
    Ended { place: Place, value: u64, success: bool },
}

/// Where a clean-up was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Source,
    Pool(usize),
}

/// A clean-up: where it was added, and the value that the request had there.
pub type Cleanup = (Place, u64);

/// A list of events that every worker of a run writes to.
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<Event>>>);

impl Journal {
    pub fn note(&self, event: Event) {
        self.lock().push(event);
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// The events so far, as they happened.
    pub fn events(&self) -> Vec<Event> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The values that were made, in order of value.
pub fn made(events: &[Event]) -> Vec<u64> {
    let mut made: Vec<u64> = events
        .iter()
        .filter_map(|event| if let Event::Made { value } = event { Some(*value) } else { None })
        .collect();
    made.sort_unstable();
    made
}
