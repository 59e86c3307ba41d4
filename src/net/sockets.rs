//! The sockets of one ring, by slot.

use std::os::fd::OwnedFd;

use super::chunked::Chunked;

/// A socket of one ring. A slot is used again, with another generation, only when the kernel has
/// finished every operation on the former socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketId {
    pub slot: u32,
    /// 24 bits: it travels in an operation's user data.
    pub(super) generation: u32,
}

/// Whether and how a socket receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiving {
    No,
    /// It waits in the anteroom for something to read, and was told of so often.
    Watched(u8),
    Multishot,
    /// A single receive of a share, because buffers are short.
    Share,
    /// The multishot receive was told to end, and then it receives by shares, too.
    Capped,
    /// The receive was told to end, and has not yet.
    Pausing,
    /// The same, and another is to begin when it has.
    Resuming,
    /// The kernel had no buffer, or it had its share of them; to receive again when it is its turn.
    Starved,
}

/// One socket.
#[derive(Debug)]
pub(super) struct Socket<S> {
    pub fd: OwnedFd,
    generation: u32,
    pub receiving: Receiving,
    /// The driver has closed it; it lives until its operations have ended.
    pub closing: bool,
    /// The send that the kernel has.
    pub sending: Option<S>,
}

/// A slot that holds a socket or waits for one.
#[derive(Debug)]
enum Slot<S> {
    Free { generation: u32 },
    Used(Socket<S>),
}

#[derive(Debug)]
pub(super) struct Sockets<S> {
    slots: Chunked<Slot<S>>,
    free: Vec<u32>,
}

pub(super) const GENERATION_MASK: u32 = 0x00FF_FFFF;

impl<S> Sockets<S> {
    pub fn new() -> Self {
        Self { slots: Chunked::default(), free: Vec::new() }
    }

    pub fn insert(&mut self, fd: OwnedFd) -> SocketId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::Free { generation: 0 });
            (self.slots.len() - 1) as u32
        });
        let Some(place @ &mut Slot::Free { generation }) = self.slots.get_mut(slot as usize) else {
            unreachable!("a slot on the free list is free")
        };
        *place = Slot::Used(Socket { fd, generation, receiving: Receiving::No, closing: false, sending: None });
        SocketId { slot, generation }
    }

    /// The socket, unless it is gone.
    #[inline]
    pub fn get_mut(&mut self, id: SocketId) -> Option<&mut Socket<S>> {
        match self.slots.get_mut(id.slot as usize) {
            Some(Slot::Used(socket)) if socket.generation == id.generation => Some(socket),
            _ => None,
        }
    }

    pub fn remove(&mut self, id: SocketId) -> Option<Socket<S>> {
        self.get_mut(id)?;
        let generation = (id.generation + 1) & GENERATION_MASK;
        let place = std::mem::replace(self.slots.get_mut(id.slot as usize)?, Slot::Free { generation });
        self.free.push(id.slot);
        match place {
            Slot::Used(socket) => Some(socket),
            Slot::Free { .. } => None,
        }
    }

    /// The socket that has this slot now.
    #[inline]
    pub fn current(&self, slot: u32) -> Option<SocketId> {
        match self.slots.get(slot as usize) {
            Some(Slot::Used(socket)) => Some(SocketId { slot, generation: socket.generation }),
            _ => None,
        }
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Socket<S>> {
        self.slots.iter_mut().filter_map(|slot| match slot {
            Slot::Used(socket) => Some(socket),
            Slot::Free { .. } => None,
        })
    }

    /// Sockets that are open.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> OwnedFd {
        std::fs::File::open("/dev/null").expect("/dev/null opens").into()
    }

    #[test]
    fn a_slot_that_is_used_again_does_not_answer_to_its_former_id() {
        let mut sockets = Sockets::<()>::new();
        let first = sockets.insert(descriptor());
        assert!(sockets.remove(first).is_some());
        assert!(sockets.remove(first).is_none());
        let second = sockets.insert(descriptor());
        assert_eq!(first.slot, second.slot);
        assert_ne!(first, second);
        assert!(sockets.get_mut(first).is_none());
        assert!(sockets.get_mut(second).is_some());
        assert_eq!(sockets.current(second.slot), Some(second));
        assert_eq!(sockets.len(), 1);
    }

    #[test]
    fn a_socket_without_traffic_is_small() {
        assert!(size_of::<Slot<Box<u64>>>() <= 24, "{}", size_of::<Slot<Box<u64>>>());
    }
}
