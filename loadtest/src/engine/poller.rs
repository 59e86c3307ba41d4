//! Readiness of many sockets, by epoll(7), level-triggered.

use rustix::event::{Timespec, epoll};
use std::io;
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// An epoll instance and the room for what it tells.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    ready: Vec<Readiness>,
}

/// A socket has something to read or room to write. Errors and hang-ups are told as readable: reading finds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    pub key: usize,
    pub readable: bool,
    pub writable: bool,
}

/// Events taken at a time: many, because each call costs about as much as the work on one small message.
const EVENTS_MAX: usize = 512;

impl Poller {
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, ready: Vec::with_capacity(EVENTS_MAX) })
    }

    /// Watches a socket for reading, and for room to write if `writable`.
    pub fn add(&self, socket: &TcpStream, key: usize, writable: bool) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(key as u64), interest(writable))?)
    }

    /// Changes whether room to write is waited for.
    pub fn modify(&self, socket: &TcpStream, key: usize, writable: bool) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(key as u64), interest(writable))?)
    }

    pub fn remove(&self, socket: &TcpStream) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, socket)?)
    }

    /// Waits until a socket is ready or `timeout` has passed. The result is the caller's to give back by
    /// [`Poller::recycle`], which saves an allocation for each wait.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<Vec<Readiness>> {
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        let mut buffer = [const { MaybeUninit::<epoll::Event>::uninit() }; EVENTS_MAX];
        let events = match epoll::wait(&self.epoll, &mut buffer, Some(&timeout)) {
            Ok((events, _)) => events,
            Err(rustix::io::Errno::INTR) => &mut [],
            Err(error) => return Err(error.into()),
        };
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        ready.extend(events.iter().map(readiness));
        Ok(ready)
    }

    /// Takes the room of a handled result back.
    pub fn recycle(&mut self, ready: Vec<Readiness>) {
        self.ready = ready;
    }
}

fn readiness(event: &epoll::Event) -> Readiness {
    // The kernel's structure is packed: its fields are copied before they are used.
    let epoll::Event { flags, data, .. } = *event;
    let readable = epoll::EventFlags::IN | epoll::EventFlags::ERR | epoll::EventFlags::HUP;
    Readiness {
        key: data.u64() as usize,
        readable: flags.intersects(readable),
        writable: flags.contains(epoll::EventFlags::OUT),
    }
}

fn interest(writable: bool) -> epoll::EventFlags {
    if writable { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN }
}
