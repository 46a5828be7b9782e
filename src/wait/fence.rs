//! A fence of two unequal halves: light for those who ring often, heavy for those who are about to park.
//!
//! On Linux the heavy half is `membarrier` (private expedited), which makes every running thread of the process pass a
//! full fence, so that the light half need only keep the compiler from reordering. Elsewhere, in models and under Miri, and where
//! the kernel refuses, both are `fence(SeqCst)`. Which it is, is settled once per process.
//!
//! The kernel runs one such call of a process at a time, so a thread that finds another at it does not queue: it is told
//! to look again and try later. Asking is rare in any case, since a thread spins and yields before it parks.

#[cfg(all(target_os = "linux", not(any(loom, miri))))]
mod asymmetric {
    use std::sync::{Mutex, OnceLock, TryLockError};

    use rustix::thread::{MembarrierCommand, MembarrierQuery, membarrier, membarrier_query};

    pub(super) fn is_offered() -> bool {
        static OFFERED: OnceLock<bool> = OnceLock::new();
        *OFFERED.get_or_init(|| {
            membarrier_query().contains(MembarrierQuery::PRIVATE_EXPEDITED)
                && membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
        })
    }

    /// False if another thread is at it.
    pub(super) fn heavy() -> bool {
        static BUSY: Mutex<()> = Mutex::new(());
        match BUSY.try_lock() {
            Err(TryLockError::WouldBlock) => false,
            Ok(_) | Err(TryLockError::Poisoned(_)) => {
                membarrier(MembarrierCommand::PrivateExpedited).is_ok()
            }
        }
    }
}

#[cfg(not(all(target_os = "linux", not(any(loom, miri)))))]
mod asymmetric {
    pub(super) fn is_offered() -> bool {
        false
    }

    pub(super) fn heavy() -> bool {
        false
    }
}

use crate::sync::{Ordering, fence};

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fence {
    asymmetric: bool,
}

impl Fence {
    /// The best there is.
    pub(crate) fn best() -> Self {
        Self { asymmetric: asymmetric::is_offered() }
    }

    /// Between a change and the look at who waits for it.
    #[inline(always)]
    pub(crate) fn light(self) {
        if self.asymmetric {
            std::sync::atomic::compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// Between saying that one waits and the last look. False if it could not be had now.
    pub(crate) fn heavy(self) -> bool {
        if self.asymmetric {
            return asymmetric::heavy();
        }
        fence(Ordering::SeqCst);
        true
    }
}
