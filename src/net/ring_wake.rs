//! How a ring that waits is woken: from another ring with MSG_RING, from any thread with an eventfd.
//!
//! A thread that sleeps in its executor waits for the ring's notice, itself an eventfd that the ring writes. For other
//! threads to reach it by way of the ring would be an eventfd written in the middle of writing another one, which the
//! kernel puts off, and from the second time on forgets (seen with Linux 6.18). So they write the notice themselves.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use io_uring::IoUring;
use rustix::event::{EventfdFlags, eventfd};

use super::ring_notice::QuietNotice;

/// Wakes one ring, from any thread. It keeps the ring's descriptor valid for others as long as it lives.
#[derive(Debug)]
pub struct WakeHandle {
    ring: OwnedFd,
    event: OwnedFd,
    notice: OwnedFd,
}

impl WakeHandle {
    pub(super) fn new(ring: &IoUring, notice: &QuietNotice) -> io::Result<Self> {
        // SAFETY: the ring is borrowed, so its descriptor is open for the whole call; only the duplicate is kept.
        let ring = unsafe { BorrowedFd::borrow_raw(ring.as_raw_fd()) }.try_clone_to_owned()?;
        Ok(Self { ring, event: eventfd(0, EventfdFlags::CLOEXEC)?, notice: notice.try_clone_event()? })
    }

    /// Another handle for the same ring.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { ring: self.ring.try_clone()?, event: self.event.try_clone()?, notice: self.notice.try_clone()? })
    }

    /// Wakes its thread wherever it sleeps.
    pub fn wake(&self) {
        self.wake_ring();
        self.wake_executor();
    }

    /// Makes the ring's wait end with [`Completion::Woken`](super::Completion::Woken).
    pub fn wake_ring(&self) {
        write(&self.event);
    }

    /// Makes the [`QuietNotice`] ready.
    pub fn wake_executor(&self) {
        write(&self.notice);
    }

    pub(super) fn ring_descriptor(&self) -> RawFd {
        self.ring.as_raw_fd()
    }

    pub(super) fn event_descriptor(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}

fn write(event: &OwnedFd) {
    // It can fail only when 2^64 - 2 wake-ups are pending, and then one is.
    let _ = rustix::io::write(event, &1u64.to_ne_bytes());
}
