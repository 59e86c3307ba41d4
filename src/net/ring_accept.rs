//! Accepting: one multishot accept for each listening socket, which can pause.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use io_uring::{cqueue, opcode, squeue, types};

use super::ring::{Completion, Operation, SocketRing, user_data};

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    /// `None` when it accepts no more.
    socket: Option<OwnedFd>,
    /// Whether connections are to be accepted now.
    is_wanted: bool,
    /// An accept is in the ring, or its last completion still comes.
    is_armed: bool,
}

impl SocketRing {
    /// Accepts from a listening socket until [`stop_accepting`](Self::stop_accepting). Returns the listener's number.
    pub fn listen(&mut self, listener: OwnedFd) -> usize {
        self.listeners.push(Listener { socket: Some(listener), is_wanted: false, is_armed: false });
        self.resume_accepting(self.listeners.len() - 1);
        self.listeners.len() - 1
    }

    /// Accepts again after [`Completion::AcceptEnded`] or [`pause_accepting`](Self::pause_accepting).
    pub fn resume_accepting(&mut self, listener: usize) {
        let place = &mut self.listeners[listener];
        place.is_wanted = true;
        // While a former accept is about to end, its last completion arms the next one.
        if !place.is_armed {
            self.arm_accept(listener);
        }
    }

    /// Accepts no more for a while: who connects waits in the kernel's queue. What the kernel has accepted already still comes.
    pub fn pause_accepting(&mut self, listener: usize) {
        let place = &mut self.listeners[listener];
        place.is_wanted = false;
        if place.is_armed {
            let entry = opcode::AsyncCancel::new(user_data(Operation::Accept, listener as u32, 0)).build();
            let quiet = user_data(Operation::Quiet, listener as u32, 0);
            self.push(entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(quiet));
        }
    }

    /// Ends listening; nobody else may listen at the same socket. Gives a last [`Completion::AcceptEnded`] if it accepts. Who connects
    /// from now on is refused by the kernel.
    pub fn stop_accepting(&mut self, listener: usize) {
        if let Some(socket) = self.listeners[listener].socket.take() {
            // On a listening socket this ends the accept that waits, as close(2) alone would not.
            let _ = socket2::SockRef::from(&socket).shutdown(std::net::Shutdown::Both);
        }
    }

    fn arm_accept(&mut self, listener: usize) {
        let place = &mut self.listeners[listener];
        let Some(socket) = place.socket.as_ref().filter(|_| place.is_wanted) else { return };
        place.is_armed = true;
        let descriptor = types::Fd(socket.as_raw_fd());
        let entry = opcode::AcceptMulti::new(descriptor).flags(libc::SOCK_CLOEXEC).build();
        self.push(entry.user_data(user_data(Operation::Accept, listener as u32, 0)));
    }

    pub(super) fn translate_accept(&mut self, listener: usize, entry: &cqueue::Entry) -> Option<Completion> {
        let is_last = !cqueue::more(entry.flags());
        if is_last {
            self.listeners[listener].is_armed = false;
        }
        if entry.result() >= 0 {
            if is_last {
                self.arm_accept(listener);
            }
            return Some(Completion::Accepted { listener, socket: accepted(entry.result()) });
        }
        match -entry.result() {
            // The connection was gone before it was accepted, a signal came, or accepting was paused.
            libc::ECONNABORTED | libc::EINTR | libc::EAGAIN | libc::EPROTO | libc::ECANCELED => {
                if is_last {
                    self.arm_accept(listener);
                }
                None
            }
            _ if !is_last => None,
            error => Some(Completion::AcceptEnded { listener, error: io::Error::from_raw_os_error(error) }),
        }
    }
}

fn accepted(descriptor: RawFd) -> OwnedFd {
    // SAFETY: a successful accept makes a new descriptor, and its completion is read only once.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}
