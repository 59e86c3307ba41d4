//! Where sockets wait until their first bytes are there, without a receive in the ring.
//!
//! A ring makes completions in the order in which sockets became ready: when ten thousand clients come back at once, the first packets
//! of all of them come before the next message of a client that has stayed. So sockets that are watched wait in an epoll
//! instance, which the ring reports as one, and whoever drives it takes them out as it has time for them. Nothing of such a socket
//! is in the ring, so that it can still move to another one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use io_uring::{opcode, types};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::ring::{Operation, SocketRing, from_user_data, user_data};
use super::sockets::{Receiving, SocketId};

const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Sockets that the kernel tells of in one call.
const TOLD_AT_ONCE: usize = 16;

/// An epoll instance; see epoll(7).
pub(super) struct Anteroom {
    epoll: OwnedFd,
    /// What it has told last, in turn, and how many of these have been passed on.
    told: Vec<epoll::Event>,
    passed_on: usize,
}

impl Anteroom {
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, told: Vec::with_capacity(TOLD_AT_ONCE), passed_on: 0 })
    }

    fn enter(&self, socket: impl AsFd, data: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(data), epoll::EventFlags::IN)?)
    }

    fn leave(&self, socket: impl AsFd) {
        // It fails for a socket that is not in there, and is asked for those that are.
        let _ = epoll::delete(&self.epoll, socket);
    }

    fn next(&mut self) -> Option<u64> {
        if self.passed_on == self.told.len() {
            self.passed_on = 0;
            self.told.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut self.told), Some(&AT_ONCE)).ok()?;
        }
        let data = self.told.get(self.passed_on)?.data.u64();
        self.passed_on += 1;
        Some(data)
    }
}

impl SocketRing {
    /// Has [`next_readable`](Self::next_readable) tell when bytes of this socket are there, or its end, until [`receive`](Self::receive),
    /// [`pause`](Self::pause) or [`detach`](Self::detach). It fails where the user may watch no more (epoll_ctl(2): ENOSPC, ENOMEM).
    pub fn watch(&mut self, id: SocketId) -> io::Result<()> {
        let Some(socket) = self.sockets.get_mut(id) else { return Ok(()) };
        if !matches!(socket.receiving, Receiving::Watched(_)) {
            assert!(socket.receiving == Receiving::No, "one receive at a time on each socket");
            self.anteroom.enter(&socket.fd, user_data(Operation::Anteroom, id.slot, id.generation))?;
            socket.receiving = Receiving::Watched(0);
        }
        Ok(())
    }

    /// The next of the watched sockets that have something to [`read`](Self::read), in turn. After `None`
    /// [`Completion::Readable`](super::Completion::Readable) says when to ask again.
    pub fn next_readable(&mut self) -> Option<SocketId> {
        while let Some(data) = self.anteroom.next() {
            let (_, slot, generation) = from_user_data(data);
            let id = SocketId { slot, generation };
            // It may have left since the kernel told of it.
            if let Some(socket) = self.sockets.get_mut(id)
                && let Receiving::Watched(told) = &mut socket.receiving
            {
                *told = told.saturating_add(1);
                return Some(id);
            }
        }
        self.arm_anteroom();
        None
    }

    /// How often a socket was told of since it is watched; `None` if it is not.
    pub fn times_told(&mut self, id: SocketId) -> Option<u8> {
        match self.sockets.get_mut(id)?.receiving {
            Receiving::Watched(told) => Some(told),
            _ => None,
        }
    }

    /// Takes a socket out, if it is in there.
    pub(super) fn unwatch(&mut self, id: SocketId) {
        if let Some(socket) = self.sockets.get_mut(id)
            && matches!(socket.receiving, Receiving::Watched(_))
        {
            self.anteroom.leave(&socket.fd);
            socket.receiving = Receiving::No;
        }
    }

    pub(super) fn arm_anteroom(&mut self) {
        let entry = opcode::PollAdd::new(types::Fd(self.anteroom.epoll.as_raw_fd()), libc::POLLIN as u32).build();
        self.push(entry.user_data(user_data(Operation::Anteroom, 0, 0)));
    }
}
