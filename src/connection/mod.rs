//! What dies with the network connection: handshake, keep-alive, topic aliases, flow control, output.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod aliases;
pub mod identity;
pub mod meter;
pub mod output;
pub mod partial;

use std::net::{IpAddr, SocketAddr};

use crate::access::{Address, ListenerId};
use crate::broker::timer_wheel::TimerId;
use crate::broker::{Incoming, Millis, Transport};
use crate::codec::Version;
use crate::routing::SessionKey;

pub use aliases::{Alias, AliasesIn, AliasesOut};
pub use identity::{Authentication, Identity, Kept};
pub use output::Output;
pub use partial::Partial;

/// One network connection.
pub struct Connection {
    /// Tells this connection from earlier ones in the same slot.
    pub generation: u32,
    pub transport: Transport,
    /// The peer's address, without the scope of a link-local one: a `SocketAddr` takes 32 bytes, these 19. `None` is a socket
    /// of this machine.
    ip: Option<IpAddr>,
    port: u16,
    pub listener: ListenerId,
    pub phase: Phase,
    pub version: Version,
    /// Another broker's bridge: it wants messages as they were published, and none of its own back.
    pub bridge: bool,
    /// What arrives is not handled: the connection is closing, or its bytes are kept for later.
    pub is_halted: bool,
    /// What the client sends is counted, in [`Identity::meter`].
    pub is_metered: bool,
    /// A `Transmit` is on its way.
    pub sending: bool,
    /// Listed among those that have something to send.
    pub ready: bool,
    /// The client wants reason strings and user properties on every packet (section 3.1.2.11.7).
    pub problem_information: bool,
    /// The client's Receive Maximum, or the configured bound if that is lower.
    pub send_window: u16,
    /// The client's Maximum Packet Size.
    pub packet_size_max: u32,
    /// Keep-alive; after one and a half times of it in silence the connection ends. 0 is no limit.
    pub keep_alive_s: u16,
    /// When CONNECT was accepted, in seconds of the driver's clock.
    pub connected_at_s: u32,
    /// When the last whole packet arrived.
    pub last_packet_at: Millis,
    pub timer: Option<TimerId>,
    pub partial: Partial,
    pub output: Output,
    /// Acknowledgements that wait until what they acknowledge is durable.
    pub answers: u32,
    /// Bytes of the `Transmit` on its way: the high-water mark of outputs and one packet more, at most.
    pub sending_len: u32,
    pub aliases_in: Option<Box<AliasesIn>>,
    pub aliases_out: Option<Box<AliasesOut>>,
    /// What most anonymous clients have not.
    pub identity: Option<Box<Identity>>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// CONNECT has not come.
    Handshake,
    /// CONNECT has come; an AUTH exchange is under way, or somebody is asked who the client is.
    Authenticating,
    /// CONNACK with success was sent.
    Open(SessionKey),
    /// Nothing is read any more; the last bytes go out.
    Closing,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(generation: u32, incoming: Incoming, now: Millis) -> Self {
        let Incoming { transport, address, listener, certificate, over_limit } = incoming;
        let (ip, port) = match address {
            Address::Ip(address) => (Some(address.ip()), address.port()),
            Address::Local => (None, 0),
        };
        let is_plain = certificate.is_none() && !over_limit;
        let identity = (!is_plain).then(|| Box::new(Identity { certificate, over_limit, ..Identity::default() }));
        Self {
            generation,
            transport,
            ip,
            port,
            listener,
            phase: Phase::Handshake,
            version: Version::V3_1_1,
            bridge: false,
            is_halted: false,
            is_metered: false,
            sending: false,
            ready: false,
            problem_information: true,
            send_window: u16::MAX,
            packet_size_max: u32::MAX,
            keep_alive_s: 0,
            connected_at_s: 0,
            last_packet_at: now,
            timer: None,
            partial: Partial::default(),
            output: Output::default(),
            answers: 0,
            sending_len: 0,
            aliases_in: None,
            aliases_out: None,
            identity,
        }
    }

    /// The peer's address.
    pub fn address(&self) -> Address {
        self.ip.map_or(Address::Local, |ip| Address::Ip(SocketAddr::new(ip, self.port)))
    }

    /// Bytes that the kernel has not taken.
    #[inline]
    pub fn unsent(&self) -> usize {
        self.output.len() + self.sending_len as usize
    }

    /// When the client has been silent for too long, if nothing comes until then; `None` if it may be silent for ever, or is
    /// not listened to.
    pub fn silence_ends_at(&self) -> Option<Millis> {
        (self.keep_alive_s != 0 && self.resume_at().is_none())
            .then(|| self.last_packet_at + u64::from(self.keep_alive_s) * 1_500)
    }

    /// When the client must leave, if it must.
    pub fn valid_until(&self) -> Option<Millis> {
        self.identity.as_ref()?.valid_until
    }

    /// When a client is read again that has sent more than it may.
    pub fn resume_at(&self) -> Option<Millis> {
        self.identity.as_ref()?.meter.as_ref()?.resume_at
    }

    pub fn authentication(&self) -> Option<&Authentication> {
        self.identity.as_ref()?.authentication.as_ref()
    }

    pub fn authentication_mut(&mut self) -> Option<&mut Authentication> {
        self.identity.as_mut()?.authentication.as_mut()
    }

    /// The session, once CONNACK was sent and until the connection closes.
    #[inline]
    pub fn session(&self) -> Option<SessionKey> {
        match self.phase {
            Phase::Open(session) => Some(session),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Option<Connection>>() <= 160, "{}", size_of::<Option<Connection>>());
    }
}
