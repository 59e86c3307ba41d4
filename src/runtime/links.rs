//! Which connection each socket carries, and what lies between the two.

use crate::access::{Address, ListenerId};
use crate::broker::ConnectionId;
use crate::net::Chunked;

use super::guard::Guest;
use super::wrapped::Wrapped;

/// Who has come, as far as the shell finds it out.
#[derive(Debug)]
pub struct Arrival {
    pub address: Address,
    pub listener: ListenerId,
    /// The name in its certificate, which was found valid.
    pub certificate: Option<Box<str>>,
    pub over_limit: bool,
    /// `None` until the guard was asked, which must know the client's own address.
    pub guest: Option<Guest>,
}

/// A socket before its home is known.
#[derive(Debug)]
pub struct Handshake {
    pub arrival: Arrival,
    /// What has come of the PROXY protocol header that is due.
    pub proxy_header: Option<Vec<u8>>,
    pub wrapped: Option<Box<Wrapped>>,
    /// What was read so far of MQTT.
    pub bytes: Vec<u8>,
    /// CONNECT is there; only what must be sent before is still on its way.
    pub ready: bool,
}

/// What a socket's slot stands for.
#[derive(Debug, Default)]
pub enum Link {
    #[default]
    Free,
    /// Its CONNECT is not whole yet.
    Handshake(Box<Handshake>),
    /// MQTT without anything around it.
    Plain(ConnectionId, ListenerId),
    /// TLS, WebSocket or both are around it.
    Wrapped(Box<Wrapped>),
}

impl Link {
    pub fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Plain(connection, _) => Some(*connection),
            Self::Wrapped(wrapped) => wrapped.connection,
            Self::Free | Self::Handshake(_) => None,
        }
    }

    pub fn listener(&self) -> Option<ListenerId> {
        match self {
            Self::Free => None,
            Self::Handshake(handshake) => Some(handshake.arrival.listener),
            Self::Plain(_, listener) => Some(*listener),
            Self::Wrapped(wrapped) => Some(wrapped.listener),
        }
    }
}

/// The links of a shard, by the ring's slots. The slot is the core's `Transport`.
#[derive(Debug, Default)]
pub struct Links {
    links: Chunked<Link>,
    used: usize,
    handshakes: u64,
    /// Links that are not free, by listener.
    by_listener: Vec<u64>,
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
        self.get(slot).connection() == Some(connection)
    }

    /// Gives a slot its link; returns what was there.
    pub fn set(&mut self, slot: u32, link: Link) -> Link {
        let slot = slot as usize;
        while slot >= self.links.len() {
            self.links.push(Link::Free);
        }
        if let Some(listener) = link.listener() {
            self.used += 1;
            self.handshakes += u64::from(matches!(link, Link::Handshake(_)));
            let place = usize::from(listener.0);
            if self.by_listener.len() <= place {
                self.by_listener.resize(place + 1, 0);
            }
            self.by_listener[place] += 1;
        }
        let before = self.links.get_mut(slot).map_or(Link::Free, |place| std::mem::replace(place, link));
        if let Some(listener) = before.listener() {
            self.used -= 1;
            self.handshakes -= u64::from(matches!(before, Link::Handshake(_)));
            self.by_listener[usize::from(listener.0)] -= 1;
        }
        before
    }

    /// How many are not free, by listener.
    pub fn by_listener(&self) -> impl Iterator<Item = (ListenerId, u64)> {
        (0..).map(ListenerId).zip(self.by_listener.iter().copied())
    }

    /// How many are of sockets whose CONNECT is not whole.
    pub fn handshake_count(&self) -> u64 {
        self.handshakes
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
        links.set(3, Link::Plain(connection, ListenerId(0)));
        assert!(links.carries(3, connection));
        assert!(!links.carries(2, connection) && !links.carries(9, connection));
        assert_eq!(links.used(), 1);
        links.set(3, Link::Free);
        assert_eq!(links.used(), 0);
    }
}
