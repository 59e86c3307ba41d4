//! A ring's completions as a glommio future, for the time when a shard is quiet and sleeps in its executor.
#![allow(unsafe_code)]

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use glommio::io::BufferedFile;
use rustix::event::{EventfdFlags, eventfd};

/// Becomes ready when the ring it is registered with has a completion, or work that leads to one, and with
/// [`WakeHandle::wake_executor`](super::WakeHandle::wake_executor).
pub struct QuietNotice {
    event: OwnedFd,
    state: State,
}

enum State {
    /// No read was started in this executor yet.
    Closed,
    Idle(BufferedFile),
    /// A read waits. It is kept over several sleeps, because only its completion ends it.
    Reading(Pin<Box<dyn Future<Output = BufferedFile>>>),
}

impl QuietNotice {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { event: eventfd(0, EventfdFlags::CLOEXEC)?, state: State::Closed })
    }

    pub(super) fn event_descriptor(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    /// Whoever writes it makes this ready.
    pub(super) fn try_clone_event(&self) -> io::Result<OwnedFd> {
        self.event.try_clone()
    }

    /// Must be polled inside a glommio executor, always the same. An old notice may make it ready once for nothing.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let file = match std::mem::replace(&mut self.state, State::Closed) {
            State::Reading(read) => {
                self.state = State::Reading(read);
                return self.poll_read(context);
            }
            State::Idle(file) => file,
            State::Closed => match self.event.try_clone() {
                // SAFETY: the descriptor was just duplicated and is given to the file alone.
                Ok(event) => unsafe { BufferedFile::from_raw_fd(event.into_raw_fd()) },
                Err(_) => return Poll::Ready(()),
            },
        };
        self.state = State::Reading(Box::pin(async move {
            let _ = file.read_at(0, size_of::<u64>()).await;
            file
        }));
        self.poll_read(context)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let State::Reading(read) = &mut self.state else { return Poll::Ready(()) };
        read.as_mut().poll(context).map(|file| self.state = State::Idle(file))
    }
}
