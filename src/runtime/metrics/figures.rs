//! What is known of one shard, or of all shards together, at one moment.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::latency::Latency;
use crate::storage::StoreCounters;

/// Counts by name, such as a reason.
pub type ByName = BTreeMap<&'static str, u64>;

/// What the server has measured. All counts are since its start, but for those that are called levels.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Of the server.
    pub version: &'static str,
    /// When it was made, in milliseconds since 1970; counts between two snapshots belong to the time between these.
    pub time_ms: u64,
    /// Time since the start, in milliseconds.
    pub uptime_ms: u64,
    /// All shards together.
    pub total: Figures,
    /// By shard.
    pub shards: Vec<Figures>,
    /// Times that the guard had no room for an address, and forgot another one or did not count this one.
    pub addresses_forgotten: u64,
    /// If there is a store.
    pub store: Option<StoreFigures>,
}

/// Of one shard, or of several.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub connections: Connections,
    pub handshakes: Handshakes,
    pub authentication: Authentication,
    /// By packet type; only types that have come.
    pub packets_received: BTreeMap<&'static str, PacketFigures>,
    /// By packet type; only types that were sent.
    pub packets_sent: BTreeMap<&'static str, PacketFigures>,
    /// Bytes of MQTT from clients, incomplete packets included.
    pub bytes_received: u64,
    /// Bytes of MQTT that the kernel has taken.
    pub bytes_sent: u64,
    pub publishes_received: Publishes,
    pub publishes_sent: Publishes,
    /// Messages not delivered, by reason.
    pub drops: ByName,
    pub sessions: Sessions,
    pub subscriptions: Subscriptions,
    pub retained: Messages,
    /// Level: what waits for clients, in memory and on disk.
    pub queued: Messages,
    /// Level: QoS 1 and 2 messages that were sent and not acknowledged to the end.
    pub in_flight: u64,
    /// Level: bytes of messages in queues and windows, of output and of packets under way.
    pub held_bytes: u64,
    pub mailbox: Mailbox,
    pub turns: Turns,
    /// Times that clients broke a rule of the protocol.
    pub violations: u64,
    /// Publishes, subscriptions, sessions refused because a configured bound was reached.
    pub bounds_reached: u64,
    /// Times that a client began to send more than it may.
    pub quota_episodes: u64,
    pub log_lines_suppressed: u64,
    pub latency: Latencies,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Connections {
    /// Level: open connections by transport (`tcp`, `tls`, `ws`, `wss`, `unix`).
    pub by_transport: ByName,
    /// Level: the same by state. `arriving`: what lies around MQTT, or the first packet, is not whole; `authenticating`; `open`;
    /// `closing`.
    pub by_state: ByName,
    /// Accepted, those over a limit included.
    pub accepted: u64,
    pub over_limit: u64,
    /// Closed at the door, and clients not let in, by reason.
    pub refused: ByName,
    /// Times that accepting paused because descriptors or memory had run out.
    pub accept_back_offs: u64,
    /// Times that accepting slowed down because the loop was late.
    pub accept_slow_downs: u64,
    /// Clients that left without a DISCONNECT because their time without a packet was over.
    pub keep_alive_timeouts: u64,
    /// Clients that were banned because they connected again and again.
    pub flapping_bans: u64,
    /// Connections that moved to their home shard.
    pub handovers: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Handshakes {
    /// TLS handshakes, WebSocket openings and PROXY protocol headers that were completed, by kind.
    pub completed: ByName,
    /// Connections that ended below MQTT, by reason.
    pub failed: ByName,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Authentication {
    /// CONNECTs that were answered with success.
    pub accepted: u64,
    /// CONNECTs that were answered with an error, whatever the reason.
    pub refused: u64,
    /// Those of them that were not let in, by reason.
    pub denied: ByName,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PacketFigures {
    pub packets: u64,
    /// Of whole packets, fixed header included.
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Publishes {
    pub qos0: u64,
    pub qos1: u64,
    pub qos2: u64,
    /// Of their payloads.
    pub payload_bytes: u64,
}

/// Levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sessions {
    pub connected: u64,
    pub away: u64,
    /// Since the start.
    pub expired: u64,
    /// Since the start: a client connected again over another connection.
    pub taken_over: u64,
}

/// Levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Subscriptions {
    /// All, members of shared subscriptions included.
    pub count: u64,
    /// Of these, members of shared subscriptions.
    pub shared: u64,
}

/// Levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Messages {
    pub messages: u64,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mailbox {
    /// Level: messages from other shards that wait.
    pub depth: u64,
    /// The most that ever waited.
    pub depth_max: u64,
    /// Times that reading from clients paused because another shard's mailbox was full.
    pub back_pressure_episodes: u64,
    /// The same because the store was behind.
    pub store_back_pressure_episodes: u64,
    /// Time that reading was paused, for either reason, in milliseconds.
    pub back_pressure_ms: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Turns {
    pub count: u64,
    /// System calls of the socket ring.
    pub ring_enters: u64,
    /// Receives that found no buffer and had to wait for one.
    pub receive_buffers_exhausted: u64,
}

/// What docs/metrics.md describes: from where to where, and of which part of all messages.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Latencies {
    pub received_to_routed: Latency,
    pub routed_to_queued: Latency,
    pub queued_to_written: Latency,
    pub written_to_acknowledged: Latency,
    pub loop_lag: Latency,
}

/// Of the storage thread.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StoreFigures {
    /// Groups of batches that were written, their bytes, and how often the files were synced.
    pub groups: u64,
    pub bytes: u64,
    pub syncs: u64,
    /// Commits and syncs that failed and are tried again.
    pub failures: u64,
    /// Level: bytes that wait to be written, about.
    pub pending_bytes: u64,
    /// Whether it takes new facts.
    pub accepting: bool,
    /// Time that a group took to be written and, if acknowledgements wait for it, synced.
    pub commit: Latency,
}

impl Snapshot {
    /// Puts together what each shard, the guard and the store have said.
    pub(super) fn new(
        time_ms: u64,
        uptime_ms: u64,
        shards: Vec<Figures>,
        addresses_forgotten: u64,
        store: Option<StoreFigures>,
    ) -> Self {
        let mut total = Figures::default();
        shards.iter().for_each(|shard| total.add(shard));
        Self { version: env!("CARGO_PKG_VERSION"), time_ms, uptime_ms, total, shards, addresses_forgotten, store }
    }
}

impl StoreFigures {
    pub(super) fn new(counters: &StoreCounters, commit: Latency) -> Self {
        let StoreCounters { groups, bytes, syncs, failures, pending_bytes, accepting, .. } = *counters;
        Self { groups, bytes, syncs, failures, pending_bytes, accepting, commit }
    }
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.connections.add(&other.connections);
        add_names(&mut self.handshakes.completed, &other.handshakes.completed);
        add_names(&mut self.handshakes.failed, &other.handshakes.failed);
        self.authentication.accepted += other.authentication.accepted;
        self.authentication.refused += other.authentication.refused;
        add_names(&mut self.authentication.denied, &other.authentication.denied);
        add_packets(&mut self.packets_received, &other.packets_received);
        add_packets(&mut self.packets_sent, &other.packets_sent);
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.publishes_received.add(other.publishes_received);
        self.publishes_sent.add(other.publishes_sent);
        add_names(&mut self.drops, &other.drops);
        self.sessions.connected += other.sessions.connected;
        self.sessions.away += other.sessions.away;
        self.sessions.expired += other.sessions.expired;
        self.sessions.taken_over += other.sessions.taken_over;
        self.subscriptions.count += other.subscriptions.count;
        self.subscriptions.shared += other.subscriptions.shared;
        self.retained.add(other.retained);
        self.queued.add(other.queued);
        self.in_flight += other.in_flight;
        self.held_bytes += other.held_bytes;
        self.mailbox.add(other.mailbox);
        self.turns.count += other.turns.count;
        self.turns.ring_enters += other.turns.ring_enters;
        self.turns.receive_buffers_exhausted += other.turns.receive_buffers_exhausted;
        self.violations += other.violations;
        self.bounds_reached += other.bounds_reached;
        self.quota_episodes += other.quota_episodes;
        self.log_lines_suppressed += other.log_lines_suppressed;
        self.latency.add(&other.latency);
    }
}

impl Connections {
    fn add(&mut self, other: &Self) {
        add_names(&mut self.by_transport, &other.by_transport);
        add_names(&mut self.by_state, &other.by_state);
        add_names(&mut self.refused, &other.refused);
        self.accepted += other.accepted;
        self.over_limit += other.over_limit;
        self.accept_back_offs += other.accept_back_offs;
        self.accept_slow_downs += other.accept_slow_downs;
        self.keep_alive_timeouts += other.keep_alive_timeouts;
        self.flapping_bans += other.flapping_bans;
        self.handovers += other.handovers;
    }
}

impl Publishes {
    /// Of any QoS.
    pub fn count(&self) -> u64 {
        self.qos0 + self.qos1 + self.qos2
    }

    fn add(&mut self, other: Self) {
        self.qos0 += other.qos0;
        self.qos1 += other.qos1;
        self.qos2 += other.qos2;
        self.payload_bytes += other.payload_bytes;
    }
}

impl Messages {
    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

impl Mailbox {
    fn add(&mut self, other: Self) {
        self.depth += other.depth;
        self.depth_max = self.depth_max.max(other.depth_max);
        self.back_pressure_episodes += other.back_pressure_episodes;
        self.store_back_pressure_episodes += other.store_back_pressure_episodes;
        self.back_pressure_ms += other.back_pressure_ms;
    }
}

impl Latencies {
    fn add(&mut self, other: &Self) {
        self.received_to_routed.add(&other.received_to_routed);
        self.routed_to_queued.add(&other.routed_to_queued);
        self.queued_to_written.add(&other.queued_to_written);
        self.written_to_acknowledged.add(&other.written_to_acknowledged);
        self.loop_lag.add(&other.loop_lag);
    }
}

fn add_names(sum: &mut ByName, other: &ByName) {
    for (name, count) in other {
        *sum.entry(name).or_default() += count;
    }
}

fn add_packets(sum: &mut BTreeMap<&'static str, PacketFigures>, other: &BTreeMap<&'static str, PacketFigures>) {
    for (name, figures) in other {
        let sum = sum.entry(name).or_default();
        sum.packets += figures.packets;
        sum.bytes += figures.bytes;
    }
}
