//! How a ring that waits is woken: from another ring with MSG_RING, from any thread with an eventfd.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use io_uring::IoUring;
use rustix::event::{EventfdFlags, eventfd};

/// Wakes one ring, from any thread. It keeps the ring's descriptor valid for others as long as it lives.
#[derive(Debug)]
pub struct WakeHandle {
    ring: OwnedFd,
    event: OwnedFd,
}

impl WakeHandle {
    pub(super) fn new(ring: &IoUring) -> io::Result<Self> {
        // SAFETY: the ring is borrowed, so its descriptor is open for the whole call; only the duplicate is kept.
        let ring = unsafe { BorrowedFd::borrow_raw(ring.as_raw_fd()) }.try_clone_to_owned()?;
        Ok(Self { ring, event: eventfd(0, EventfdFlags::CLOEXEC)? })
    }

    /// Another handle for the same ring.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { ring: self.ring.try_clone()?, event: self.event.try_clone()? })
    }

    /// Makes the ring's wait end with [`Completion::Woken`](super::Completion::Woken).
    pub fn wake(&self) {
        // It can fail only when 2^64 - 2 wake-ups are pending, and then one is.
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
    }

    pub(super) fn ring_descriptor(&self) -> RawFd {
        self.ring.as_raw_fd()
    }

    pub(super) fn event_descriptor(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}
