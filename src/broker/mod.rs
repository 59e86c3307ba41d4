//! One shard's whole state, driven from outside.
//!
//! `handle_*` in, `poll_*` out. After any number of `handle_*` calls the driver polls until each returns `None`, in this order:
//! [`Shard::poll_peer`], [`Shard::poll_transmit`], [`Shard::poll_close`], [`Shard::poll_event`]; then it may sleep until [`Shard::next_deadline`].
//! Nothing here reads a clock, draws a random number or touches a socket.

pub mod event;
pub mod message;
pub mod peer_message;
pub mod settings;
pub mod timer_wheel;

use crate::connection::Output;
use crate::routing::ShardIndex;

pub use event::{CloseReason, DropReason, Event};
pub use message::Message;
pub use peer_message::PeerMessage;
pub use settings::Settings;

/// Milliseconds of a clock that never goes back; its zero is the driver's choice.
pub type Millis = u64;

/// A connection of this shard; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    pub slot: u32,
    pub generation: u32,
}

/// The driver's own name for a transport; the broker gives it back with what concerns it.
pub type Transport = u32;

/// What the driver knows of a new connection.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub transport: Transport,
    pub address: std::net::SocketAddr,
    /// The machine's or the configuration's limit of connections is reached: answer the CONNECT with a refusal.
    pub over_limit: bool,
}

/// Bytes for one connection. There is at most one on its way for each connection, until `handle_sent`.
#[derive(Debug)]
pub struct Transmit {
    pub connection: ConnectionId,
    pub transport: Transport,
    pub output: Output,
}

/// One shard.
pub struct Shard {
    _own: ShardIndex,
}

#[allow(unused_variables)]
impl Shard {
    /// `seed` feeds all random choices of this shard. `settings` is the same on all shards.
    pub fn new(settings: std::rc::Rc<Settings>, own: ShardIndex, shards: usize, seed: u64, now: Millis) -> Self {
        Self { _own: own }
    }

    /// A connection was accepted for this shard; its CONNECT must come in time.
    pub fn handle_connected(&mut self, incoming: Incoming, now: Millis) -> ConnectionId {
        unimplemented!()
    }

    /// Bytes arrived. Takes all of them; keeps a copy of a packet that is not complete.
    pub fn handle_received(&mut self, connection: ConnectionId, bytes: &[u8], now: Millis) {
        unimplemented!()
    }

    /// The transport has taken the whole output of the last `Transmit`; the output comes back for its buffer.
    pub fn handle_sent(&mut self, connection: ConnectionId, output: Output, now: Millis) {
        unimplemented!()
    }

    /// The peer closed, or the transport failed. The connection's id is dead afterwards; a `Transmit` that was on its way is the driver's to drop.
    pub fn handle_closed(&mut self, connection: ConnectionId, now: Millis) {
        unimplemented!()
    }

    /// Another shard's message, in the order in which that shard sent it.
    pub fn handle_peer(&mut self, from: ShardIndex, message: PeerMessage, now: Millis) {
        unimplemented!()
    }

    /// `next_deadline` has come.
    pub fn handle_timeout(&mut self, now: Millis) {
        unimplemented!()
    }

    /// The server leaves: every client gets DISCONNECT 0x8B (5.0) or is closed; no new ones are taken.
    pub fn handle_shutdown(&mut self, now: Millis) {
        unimplemented!()
    }

    /// Messages for other shards. The driver must push them into the receivers' mailboxes in just this order, over all receivers.
    pub fn poll_peer(&mut self) -> Option<(ShardIndex, PeerMessage)> {
        unimplemented!()
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        unimplemented!()
    }

    /// A connection that the driver must close now: all its output was taken, or it had its time. Its id is dead.
    pub fn poll_close(&mut self) -> Option<(ConnectionId, Transport)> {
        unimplemented!()
    }

    /// Something worth a log line.
    pub fn poll_event(&mut self) -> Option<Event> {
        unimplemented!()
    }

    /// When to call `handle_timeout`, if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Millis> {
        unimplemented!()
    }

    /// There is work that needs no input (a long retained search): call `handle_timeout` soon, do not sleep.
    pub fn has_work(&self) -> bool {
        unimplemented!()
    }

    /// Connections of this shard that are open.
    pub fn connection_count(&self) -> usize {
        unimplemented!()
    }
}

/// Where the first bytes of a connection belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// The CONNECT is not complete; ask again with more.
    NeedMore,
    Shard(ShardIndex),
    /// Whoever holds them answers: they are malformed, or have no client id.
    Here,
}

/// Reads the client id out of a CONNECT and tells its home shard.
pub fn home_of(bytes: &[u8], settings: &Settings, shards: usize) -> Home {
    let _ = (bytes, settings, shards);
    unimplemented!()
}
