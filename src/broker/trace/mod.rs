//! Packets of one client, or publishes to some topics, as they pass: for somebody who watches.
//!
//! While nobody does, packets, outputs and publishes meet one pointer that is null. What is watched is
//! copied into a queue of the tracer until it is asked for. A queue that is full counts what it leaves out, and a tracer that nobody asks any
//! more ends.

mod masking;
mod packets;
mod publishes;

use std::collections::VecDeque;

use super::{ConnectionId, DropReason, Millis, Shard};
use crate::access::Address;
use crate::codec::Version;
use crate::limits::{TRACE_ABANDONED_MS, TRACED_BYTES_MAX, TRACED_PACKETS_MAX, TRACERS_MAX};
use crate::routing::{SessionKey, matches_filter};

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceSubject {
    /// All packets of the client of this id, whose home is this shard.
    Client(Box<str>),
    /// Publishes whose topic matches this filter: those that come in at this shard, and what it makes of them for its clients.
    Topic(Box<str>),
}

/// A tracer of this shard; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracerId(u64);

/// There are as many tracers as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{TRACERS_MAX} traces run already")]
pub struct TooManyTracers;

/// Seen from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    In,
    Out,
}

/// What became of a publish for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in the connection's output.
    Sent,
    /// It waits for the client.
    Queued,
    /// It waits behind retained messages.
    Held,
    Dropped(DropReason),
}

/// One packet that has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedPacket {
    /// When, in nanoseconds of the driver's clock, as exactly as the driver tells it.
    pub at_ns: u64,
    pub direction: Direction,
    /// Empty if no client has published it.
    pub client_id: Box<str>,
    /// `None` if the client is not connected, or none.
    pub connection: Option<ConnectionId>,
    /// Where that comes from.
    pub address: Option<Address>,
    /// Of the bytes.
    pub version: Version,
    /// The packet's beginning, at most [`TRACED_PACKET_SIZE_MAX`](crate::limits::TRACED_PACKET_SIZE_MAX) bytes. Passwords and authentication data
    /// are overwritten.
    pub bytes: Vec<u8>,
    /// Bytes of the whole packet.
    pub size: usize,
    /// Set for a publish to a client that was found by its topic, and for one from a client that was refused.
    pub fate: Option<Fate>,
    /// The bytes were made from the message for this trace: a publish that was found by its topic. Its packet identifier says nothing.
    pub is_made: bool,
}

/// What has passed since a tracer was asked last.
#[derive(Debug, Default)]
pub struct Traced {
    pub packets: VecDeque<TracedPacket>,
    /// Packets for which there was no room.
    pub left_out: u64,
}

/// All tracers of a shard.
#[derive(Debug, Default)]
pub(super) struct Tracing {
    tracers: Vec<Tracer>,
    /// Connections of clients that are watched, with their client ids.
    connections: Vec<(ConnectionId, Box<str>)>,
}

#[derive(Debug)]
struct Tracer {
    id: TracerId,
    subject: TraceSubject,
    traced: Traced,
    /// Of the packets that wait.
    bytes: usize,
    asked_at: Millis,
}

impl Shard {
    /// Begins to keep what passes of `subject`, for [`Shard::take_traced`].
    pub fn begin_trace(&mut self, subject: TraceSubject, now: Millis) -> Result<TracerId, TooManyTracers> {
        self.now = now;
        self.end_abandoned_traces();
        let tracing = self.tracing.get_or_insert_default();
        if tracing.tracers.len() >= TRACERS_MAX {
            return Err(TooManyTracers);
        }
        self.last_tracer += 1;
        let id = TracerId(self.last_tracer);
        let client_id = match &subject {
            TraceSubject::Client(client_id) => Some(client_id.clone()),
            TraceSubject::Topic(_) => None,
        };
        tracing.tracers.push(Tracer { id, subject, traced: Traced::default(), bytes: 0, asked_at: now });
        if let Some(client_id) = client_id
            && let Some(connection) = self.connection_of(&client_id)
        {
            self.watch(connection, &client_id);
        }
        Ok(id)
    }

    /// What has passed since the last call; `None` if the tracer has ended.
    pub fn take_traced(&mut self, id: TracerId, now: Millis) -> Option<Traced> {
        let tracing = self.tracing.as_mut()?;
        let tracer = tracing.tracers.iter_mut().find(|tracer| tracer.id == id)?;
        tracer.asked_at = now;
        tracer.bytes = 0;
        Some(std::mem::take(&mut tracer.traced))
    }

    /// Ends a tracer; what it has is forgotten.
    pub fn end_trace(&mut self, id: TracerId) {
        self.retain_tracers(|tracer| tracer.id != id);
    }

    fn connection_of(&self, client_id: &str) -> Option<ConnectionId> {
        let key = self.find_session(client_id, super::home::hash(&self.settings, client_id))?;
        self.session(key)?.connection
    }

    /// From now on the packets of this connection are looked at.
    fn watch(&mut self, id: ConnectionId, client_id: &str) {
        if !self.is_traced(id)
            && let Some(tracing) = &mut self.tracing
        {
            tracing.connections.push((id, client_id.into()));
        }
    }

    /// Whether somebody watches the packets of this connection. While nobody watches anything it is one look at a pointer.
    #[inline]
    pub(super) fn is_traced(&self, id: ConnectionId) -> bool {
        self.tracing.as_ref().is_some_and(|tracing| tracing.client_id(id).is_some())
    }

    /// A connection has gone that may be traced.
    #[cold]
    pub(super) fn forget_traced(&mut self, id: ConnectionId) {
        if let Some(tracing) = &mut self.tracing {
            tracing.connections.retain(|(traced, _)| *traced != id);
        }
    }

    /// Those who asked for these have gone.
    fn end_abandoned_traces(&mut self) {
        let now = self.now;
        self.retain_tracers(|tracer| tracer.asked_at + TRACE_ABANDONED_MS > now);
    }

    fn retain_tracers(&mut self, is_kept: impl FnMut(&Tracer) -> bool) {
        let Some(tracing) = &mut self.tracing else { return };
        let Tracing { tracers, connections, .. } = &mut **tracing;
        let before = tracers.len();
        tracers.retain(is_kept);
        if tracers.len() == before {
            return;
        }
        connections.retain(|(_, client_id)| tracers.iter().any(|tracer| tracer.watches_client(client_id)));
        if tracers.is_empty() {
            self.tracing = None;
        }
    }

    fn traced_at_ns(&self) -> u64 {
        self.followed.now_ns().max(self.now * 1_000_000)
    }

    fn traced_address(&self, connection: Option<ConnectionId>) -> Option<Address> {
        Some(self.connection(connection?)?.address())
    }

    fn client_id_of_session(&self, key: Option<SessionKey>) -> Box<str> {
        key.and_then(|key| self.session(key)).map(|session| session.client_id.clone()).unwrap_or_default()
    }
}

impl Tracing {
    /// Keeps a packet for each tracer that `is_concerned`.
    fn keep(&mut self, packet: TracedPacket, is_concerned: impl Fn(&Tracer) -> bool) {
        for tracer in self.tracers.iter_mut().filter(|tracer| is_concerned(tracer)) {
            let is_full = tracer.traced.packets.len() >= TRACED_PACKETS_MAX
                || tracer.bytes + packet.bytes.len() > TRACED_BYTES_MAX;
            if is_full {
                tracer.traced.left_out += 1;
            } else {
                tracer.bytes += packet.bytes.len();
                tracer.traced.packets.push_back(packet.clone());
            }
        }
    }

    /// What became of the packet that has just come over this connection.
    fn tell_fate(&mut self, id: ConnectionId, at_ns: u64, fate: Fate) {
        // Where something was left out, that packet may be: the last one there is not it.
        for traced in self.tracers.iter_mut().map(|tracer| &mut tracer.traced).filter(|traced| traced.left_out == 0) {
            let last = traced.packets.back_mut();
            if let Some(last) = last.filter(|it| {
                it.connection == Some(id) && it.direction == Direction::In && it.at_ns == at_ns && !it.is_made
            }) {
                last.fate = Some(fate);
            }
        }
    }

    fn client_id(&self, id: ConnectionId) -> Option<&str> {
        self.connections.iter().find(|(traced, _)| *traced == id).map(|(_, client_id)| &**client_id)
    }
}

impl Tracer {
    fn watches_client(&self, client_id: &str) -> bool {
        matches!(&self.subject, TraceSubject::Client(watched) if **watched == *client_id)
    }

    fn watches_topic(&self, topic: &str) -> bool {
        matches!(&self.subject, TraceSubject::Topic(filter) if matches_filter(filter, topic))
    }
}
