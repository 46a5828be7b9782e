//! Bringing in the memory of lanes before the first request does: the slots of a ring are written once, with nothing, by
//! the thread that will put into them, since memory comes to be where it is first touched.

use super::outlet::Outlet;
use super::track::TrackTx;
use crate::sync::ring::Producer;

impl<T> Outlet<T> {
    /// Touches every slot of every lane that it puts into. Only before the first put.
    pub(crate) fn prefault(&mut self) {
        match self {
            Self::Final | Self::End(_) => {}
            Self::Lane(lane) => match &mut lane.ring {
                TrackTx::Whole { requests, .. } => touch(requests),
                TrackTx::Split { values, letters, .. } => {
                    touch(values);
                    touch(letters);
                }
            },
            Self::Route(route) => route.exits.iter_mut().for_each(|exit| exit.outlet.prefault()),
            Self::Broadcast(broadcast) => broadcast.branches.iter_mut().for_each(Self::prefault),
        }
    }
}

/// Writes to every free slot, and publishes none.
#[cfg(not(loom))]
fn touch<T>(ring: &mut Producer<T>) {
    let free = ring.slots();
    let Ok(mut chunk) = ring.write_chunk_uninit(free) else { return };
    let (slots, rest) = chunk.as_mut_slices();
    for slot in slots.iter_mut().chain(rest) {
        *slot = std::mem::MaybeUninit::zeroed();
    }
    // Nothing reads what was written, but it is to be written all the same.
    std::hint::black_box(chunk.as_mut_slices());
}

#[cfg(loom)]
fn touch<T>(_ring: &mut Producer<T>) {}
