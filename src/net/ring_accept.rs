//! Accepting, one connection with one entry.
//!
//! A multishot accept takes all that wait in the kernel's queue at once, some 5 µs each, and nothing else is done meanwhile. So there
//! are single accepts, [`ACCEPTS_ARMED`] for each listening socket: whoever takes connections says when the next one may come.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use io_uring::{cqueue, opcode, types};

use super::ring::{Completion, Operation, SocketRing, user_data};
use crate::limits::ACCEPTS_ARMED;

impl SocketRing {
    /// Listens until [`stop_accepting`](Self::stop_accepting). After each [`Completion::Accepted`] and [`Completion::AcceptEnded`]
    /// [`accept`](Self::accept) lets another connection come. Returns the listener's number.
    pub fn listen(&mut self, listener: OwnedFd) -> usize {
        self.listeners.push(Some(listener));
        let number = self.listeners.len() - 1;
        (0..ACCEPTS_ARMED).for_each(|_| self.accept(number));
        number
    }

    /// Accepts one more connection.
    pub fn accept(&mut self, listener: usize) {
        let Some(socket) = &self.listeners[listener] else { return };
        let descriptor = types::Fd(socket.as_raw_fd());
        let nobody = std::ptr::null_mut();
        let entry = opcode::Accept::new(descriptor, nobody, std::ptr::null_mut()).flags(libc::SOCK_CLOEXEC).build();
        self.push(entry.user_data(user_data(Operation::Accept, listener as u32, 0)));
    }

    /// Ends listening; nobody else may listen at the same socket. What is armed gives its [`Completion::AcceptEnded`]. Who connects
    /// from now on is refused by the kernel.
    pub fn stop_accepting(&mut self, listener: usize) {
        if let Some(socket) = self.listeners[listener].take() {
            // On a listening socket this ends the accepts that wait, as close(2) alone would not.
            let _ = socket2::SockRef::from(&socket).shutdown(std::net::Shutdown::Both);
        }
    }

    pub(super) fn translate_accept(&mut self, listener: usize, entry: &cqueue::Entry) -> Option<Completion> {
        if entry.result() >= 0 {
            return Some(Completion::Accepted { listener, socket: accepted(entry.result()) });
        }
        match -entry.result() {
            // The connection was gone before it was accepted, or a signal came.
            libc::ECONNABORTED | libc::EINTR | libc::EAGAIN | libc::EPROTO => {
                self.accept(listener);
                None
            }
            error => Some(Completion::AcceptEnded { listener, error: io::Error::from_raw_os_error(error) }),
        }
    }
}

fn accepted(descriptor: RawFd) -> OwnedFd {
    // SAFETY: a successful accept makes a new descriptor, and its completion is read only once.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}
