//! What dies with the network connection: handshake, keep-alive, topic aliases, flow control, output.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod aliases;
pub mod output;
pub mod partial;

use std::net::{IpAddr, SocketAddr};

use crate::access::AuthenticationExchange;
use crate::broker::timer_wheel::TimerId;
use crate::broker::{Millis, Transport};
use crate::codec::Version;
use crate::routing::SessionKey;

pub use aliases::{Alias, AliasesIn, AliasesOut};
pub use output::Output;
pub use partial::Partial;

/// One network connection.
pub struct Connection {
    /// Tells this connection from earlier ones in the same slot.
    pub generation: u32,
    pub transport: Transport,
    /// The peer's address, without the scope of a link-local one: a `SocketAddr` takes 32 bytes, these 19.
    ip: IpAddr,
    port: u16,
    pub phase: Phase,
    pub version: Version,
    /// Another broker's bridge: it wants messages as they were published, and none of its own back.
    pub bridge: bool,
    /// The limit of connections was reached when this one was accepted.
    pub over_limit: bool,
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
    /// Silence after which the connection ends: one and a half times the keep-alive; 0 is no limit.
    pub silence_max_ms: u32,
    /// When the last whole packet arrived.
    pub last_packet_at: Millis,
    pub timer: Option<TimerId>,
    pub partial: Partial,
    pub output: Output,
    /// Acknowledgements that wait until what they acknowledge is durable.
    pub answers: u32,
    /// Bytes of the `Transmit` on its way.
    pub sending_len: usize,
    pub aliases_in: Option<Box<AliasesIn>>,
    pub aliases_out: Option<Box<AliasesOut>>,
    pub authentication: Option<Box<Authentication>>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// CONNECT has not come.
    Handshake,
    /// CONNECT has come, and an AUTH exchange is under way.
    Authenticating,
    /// CONNACK with success was sent.
    Open(SessionKey),
    /// Nothing is read any more; the last bytes go out.
    Closing,
}

/// The enhanced authentication of a connection (section 4.12).
pub struct Authentication {
    pub method: Box<str>,
    /// Present while an exchange is under way.
    pub exchange: Option<Box<dyn AuthenticationExchange>>,
    /// The CONNECT packet, kept whole until the exchange has ended.
    pub connect: Vec<u8>,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(generation: u32, transport: Transport, address: SocketAddr, over_limit: bool, now: Millis) -> Self {
        Self {
            generation,
            transport,
            ip: address.ip(),
            port: address.port(),
            phase: Phase::Handshake,
            version: Version::V3_1_1,
            bridge: false,
            over_limit,
            sending: false,
            ready: false,
            problem_information: true,
            send_window: u16::MAX,
            packet_size_max: u32::MAX,
            silence_max_ms: 0,
            last_packet_at: now,
            timer: None,
            partial: Partial::default(),
            output: Output::default(),
            answers: 0,
            sending_len: 0,
            aliases_in: None,
            aliases_out: None,
            authentication: None,
        }
    }

    /// The peer's address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    /// Bytes that the kernel has not taken.
    #[inline]
    pub fn unsent(&self) -> usize {
        self.output.len() + self.sending_len
    }

    /// When the client has been silent for too long, if nothing comes until then.
    pub fn silence_ends_at(&self) -> Millis {
        self.last_packet_at + u64::from(self.silence_max_ms)
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
