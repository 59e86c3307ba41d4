//! What one shard counts. Plain numbers; who wants the sum over shards adds them up.

use super::{DropReason, Shard};
use crate::access::Denial;
use crate::codec::Qos;
use crate::connection::Phase;
use crate::session::Flow;

/// Counters since the shard's start, but for those that are said to be levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Whole packets that came, whatever became of them.
    pub packets_received: PacketCounts,
    /// Packets that were written for connections.
    pub packets_sent: PacketCounts,
    /// Incomplete packets included.
    pub bytes_received: u64,
    /// Bytes that the transport has taken.
    pub bytes_sent: u64,
    pub publishes_received: PublishCounts,
    /// Repetitions included.
    pub publishes_sent: PublishCounts,
    pub connects_accepted: u64,
    pub connects_refused: u64,
    /// Those of them that were not let in, by [`Denial`].
    pub denied: [u64; Denial::ALL.len()],
    /// Connections ended because the client broke the protocol.
    pub violations: u64,
    pub keep_alive_timeouts: u64,
    pub handshake_timeouts: u64,
    pub sessions_taken_over: u64,
    pub sessions_expired: u64,
    /// Publishes, subscriptions, sessions refused because a configured bound was reached.
    pub bounds_reached: u64,
    /// Times that a client began to send more than it may.
    pub quota_episodes: u64,
    /// Events that did not fit in the queue to the log.
    pub events_suppressed: u64,
    /// Retained copies not sent because the same publish was delivered live.
    pub retained_superseded: u64,
    /// Messages not delivered, by [`DropReason`].
    pub dropped: [u64; DropReason::ALL.len()],
    /// Level: connections by [`Phase`], in the order of [`CONNECTION_STATES`].
    pub connections: [u64; CONNECTION_STATES.len()],
    /// Level: sessions, connected or not.
    pub sessions: u64,
    /// Level: subscriptions, members of shared subscriptions included.
    pub subscriptions: u64,
    /// Level: members of shared subscriptions.
    pub shared_subscriptions: u64,
    /// Level: retained messages kept here.
    pub retained_messages: u64,
    /// Level: their bytes.
    pub retained_bytes: u64,
    /// Level: messages in queues, those on disk included.
    pub queued_messages: u64,
    /// Level: their bytes, each counted in each queue that it is in.
    pub queued_bytes: u64,
    /// Level: messages in the windows of sessions, sent and not acknowledged to the end or waiting for the store.
    pub in_flight: u64,
    /// Level: bytes of messages in queues and windows, of output and of packets under way.
    pub held_bytes: u64,
}

impl Counters {
    /// Messages not delivered for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// A session's queue has got a message of so many bytes.
    #[inline]
    pub(super) fn enter_queue(&mut self, size: usize) {
        self.queued_messages += 1;
        self.queued_bytes += size as u64;
    }

    /// A session's queue has a message less.
    #[inline]
    pub(super) fn leave_queue(&mut self, size: usize) {
        self.queued_messages -= 1;
        self.queued_bytes -= size as u64;
    }

    /// What waits for a session, and what it has in its window, begins to count.
    pub(super) fn enter_flow(&mut self, flow: Option<&Flow>) {
        let Some(flow) = flow else { return };
        self.queued_messages += flow.waiting() as u64;
        self.queued_bytes += flow.waiting_bytes() as u64;
        self.in_flight += flow.in_flight.len() as u64;
    }

    /// It counts no more, or is about to be counted anew.
    pub(super) fn leave_flow(&mut self, flow: Option<&Flow>) {
        let Some(flow) = flow else { return };
        self.queued_messages -= flow.waiting() as u64;
        self.queued_bytes -= flow.waiting_bytes() as u64;
        self.in_flight -= flow.in_flight.len() as u64;
    }

    /// Level: connections with a session.
    pub fn connections_open(&self) -> u64 {
        self.connections[2]
    }

    /// Clients not let in for this reason.
    pub fn denied(&self, denial: Denial) -> u64 {
        self.denied[denial as usize]
    }
}

/// Names of the phases of a connection.
pub const CONNECTION_STATES: [&str; 4] = ["arriving", "authenticating", "open", "closing"];

/// The place of a phase in [`CONNECTION_STATES`].
pub(super) fn state(phase: Phase) -> usize {
    match phase {
        Phase::Handshake => 0,
        Phase::Authenticating => 1,
        Phase::Open(_) => 2,
        Phase::Closing => 3,
    }
}

/// Packets by their type, the upper half of the first byte (section 2.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounts([PacketCount; 16]);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCount {
    pub packets: u64,
    /// Fixed headers included.
    pub bytes: u64,
}

/// By the numbers of the packet types.
const PACKET_TYPES: [&str; 16] = [
    "reserved",
    "connect",
    "connack",
    "publish",
    "puback",
    "pubrec",
    "pubrel",
    "pubcomp",
    "subscribe",
    "suback",
    "unsubscribe",
    "unsuback",
    "pingreq",
    "pingresp",
    "disconnect",
    "auth",
];

impl PacketCounts {
    #[inline]
    pub(super) fn count(&mut self, first_byte: u8, size: usize) {
        let count = &mut self.0[usize::from(first_byte >> 4)];
        count.packets += 1;
        count.bytes += size as u64;
    }

    /// All types with the names of their packets in lower case.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, PacketCount)> {
        PACKET_TYPES.into_iter().zip(self.0)
    }

    /// Packets of all types.
    pub fn packets(&self) -> u64 {
        self.0.iter().map(|count| count.packets).sum()
    }
}

/// PUBLISH packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishCounts {
    pub by_qos: [u64; 3],
    /// Of their payloads.
    pub payload_bytes: u64,
}

impl PublishCounts {
    #[inline]
    pub(super) fn count(&mut self, qos: Qos, payload: &[u8]) {
        self.by_qos[qos as usize] += 1;
        self.payload_bytes += payload.len() as u64;
    }

    /// Of any QoS.
    pub fn total(&self) -> u64 {
        self.by_qos.iter().sum()
    }
}

impl Shard {
    /// The levels that are counted along, found by looking at every connection and session: for tests, which compare.
    pub fn recounted(&self) -> Counters {
        let mut recounted = Counters { connections: [0; CONNECTION_STATES.len()], ..self.counters() };
        (recounted.queued_messages, recounted.queued_bytes, recounted.in_flight) = (0, 0, 0);
        self.sessions.iter().for_each(|(_, session)| recounted.enter_flow(session.flow.as_deref()));
        self.connections.iter().for_each(|(_, connection)| recounted.connections[state(connection.phase)] += 1);
        recounted
    }
}
