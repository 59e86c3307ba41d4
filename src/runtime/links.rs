//! Which connection each socket carries.

use std::net::SocketAddr;

use crate::broker::ConnectionId;
use crate::net::Chunked;

/// A socket before its home is known.
#[derive(Debug)]
pub struct Handshake {
    pub address: SocketAddr,
    pub over_limit: bool,
    /// What was read so far.
    pub bytes: Vec<u8>,
}

/// What a socket's slot stands for.
#[derive(Debug, Default)]
pub enum Link {
    #[default]
    Free,
    /// Its CONNECT is not whole yet.
    Handshake(Box<Handshake>),
    Connected(ConnectionId),
}

/// The links of a shard, by the ring's slots. The slot is the core's `Transport`.
#[derive(Debug, Default)]
pub struct Links {
    links: Chunked<Link>,
    used: usize,
}

impl Links {
    #[inline]
    pub fn get(&self, slot: u32) -> &Link {
        self.links.get(slot as usize).unwrap_or(&Link::Free)
    }

    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Link> {
        self.links.get_mut(slot as usize)
    }

    /// Whether the slot carries just this connection.
    #[inline]
    pub fn carries(&self, slot: u32, connection: ConnectionId) -> bool {
        matches!(self.get(slot), Link::Connected(there) if *there == connection)
    }

    /// Gives a slot its link; returns what was there.
    pub fn set(&mut self, slot: u32, link: Link) -> Link {
        let slot = slot as usize;
        while slot >= self.links.len() {
            self.links.push(Link::Free);
        }
        self.used += usize::from(!matches!(link, Link::Free));
        let before = self.links.get_mut(slot).map_or(Link::Free, |place| std::mem::replace(place, link));
        self.used -= usize::from(!matches!(before, Link::Free));
        before
    }

    /// Slots of sockets whose CONNECT is not whole.
    pub fn handshakes(&self) -> Vec<u32> {
        let slots = self.links.iter().enumerate();
        slots.filter(|(_, link)| matches!(link, Link::Handshake(_))).map(|(slot, _)| slot as u32).collect()
    }

    /// Slots that are not free.
    pub fn used(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_small_and_counted() {
        assert!(size_of::<Link>() <= 16, "{}", size_of::<Link>());
        let mut links = Links::default();
        let connection = ConnectionId { slot: 1, generation: 2 };
        links.set(3, Link::Connected(connection));
        assert!(links.carries(3, connection));
        assert!(!links.carries(2, connection) && !links.carries(9, connection));
        assert_eq!(links.used(), 1);
        links.set(3, Link::Free);
        assert_eq!(links.used(), 0);
    }
}
