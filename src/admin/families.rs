//! The families of `/metrics`, with their names and what they mean.

use std::collections::BTreeMap;

use super::exposition::{Family, Page};
use crate::runtime::Snapshot;
use crate::runtime::metrics::{ByName, Figures, PacketFigures, StoreFigures};

/// Writes all of them.
pub fn write(page: &mut Page, snapshot: &Snapshot) {
    page.gauge("ringmq_build_info", "Version of the server; always 1.").sample(&[("version", snapshot.version)], 1);
    page.gauge("ringmq_uptime_seconds", "Time since the start.").sample(&[], snapshot.uptime_ms as f64 / 1e3);
    let shards: Vec<_> =
        snapshot.shards.iter().enumerate().map(|(index, figures)| (index.to_string(), figures)).collect();
    let mut shards = Shards { page, shards: &shards };
    connections(&mut shards);
    traffic(&mut shards);
    messages(&mut shards);
    turns(&mut shards);
    let help = "Times that the guard had no room for an address, and forgot another one or did not count this one.";
    page.counter("ringmq_guard_addresses_forgotten", help).sample(&[], snapshot.addresses_forgotten);
    if let Some(figures) = &snapshot.store {
        store(page, figures);
    }
}

fn connections(shards: &mut Shards<'_>) {
    shards.gauges("ringmq_connections", "Open connections.", "transport", |it| &it.connections.by_transport);
    let help = "Open connections by how far they have come.";
    shards.gauges("ringmq_connection_states", help, "state", |it| &it.connections.by_state);
    let help = "Connections accepted, those over a limit included.";
    shards.counter("ringmq_connections_accepted", help, |it| it.connections.accepted);
    shards.counter("ringmq_connections_over_limit", "Connections over a limit.", |it| it.connections.over_limit);
    let help = "Connections closed at the door, and clients not let in.";
    shards.counters("ringmq_connections_refused", help, "reason", |it| &it.connections.refused);
    let help = "Times that accepting paused because descriptors or memory had run out.";
    shards.counter("ringmq_accept_back_offs", help, |it| it.connections.accept_back_offs);
    let help = "Times that accepting slowed down because the loop was late.";
    shards.counter("ringmq_accept_slow_downs", help, |it| it.connections.accept_slow_downs);
    let help = "Clients that were silent for longer than their Keep Alive allows.";
    shards.counter("ringmq_keep_alive_timeouts", help, |it| it.connections.keep_alive_timeouts);
    let help = "Clients banned because they connected again and again.";
    shards.counter("ringmq_flapping_bans", help, |it| it.connections.flapping_bans);
    let help = "Connections that moved to their home shard.";
    shards.counter("ringmq_handovers", help, |it| it.connections.handovers);
    let help = "Connections whose TLS, WebSocket and PROXY handshakes, if any, were completed.";
    shards.counters("ringmq_handshakes_completed", help, "transport", |it| &it.handshakes.completed);
    let help = "Connections that ended below MQTT.";
    shards.counters("ringmq_handshakes_failed", help, "reason", |it| &it.handshakes.failed);
    let help = "CONNECT packets answered with success.";
    shards.counter("ringmq_connects_accepted", help, |it| it.authentication.accepted);
    let help = "CONNECT packets answered with an error.";
    shards.counter("ringmq_connects_refused", help, |it| it.authentication.refused);
    shards.counters("ringmq_authentication_denied", "Clients not let in.", "reason", |it| &it.authentication.denied);
    shards.counter("ringmq_violations", "Times that clients broke a rule of MQTT.", |it| it.violations);
}

fn traffic(shards: &mut Shards<'_>) {
    shards.packets("ringmq_packets_received", "MQTT packets received.", |it| &it.packets_received, |it| it.packets);
    let help = "Bytes of whole MQTT packets received.";
    shards.packets("ringmq_packets_received_bytes", help, |it| &it.packets_received, |it| it.bytes);
    shards.packets("ringmq_packets_sent", "MQTT packets sent.", |it| &it.packets_sent, |it| it.packets);
    let help = "Bytes of MQTT packets sent.";
    shards.packets("ringmq_packets_sent_bytes", help, |it| &it.packets_sent, |it| it.bytes);
    let help = "Bytes of MQTT received, incomplete packets included.";
    shards.counter("ringmq_received_bytes", help, |it| it.bytes_received);
    shards.counter("ringmq_sent_bytes", "Bytes of MQTT that the kernel has taken.", |it| it.bytes_sent);
    shards.by_qos("ringmq_publishes_received", "PUBLISH packets received.", |it| {
        let publishes = it.publishes_received;
        [publishes.qos0, publishes.qos1, publishes.qos2]
    });
    shards.by_qos("ringmq_publishes_sent", "PUBLISH packets sent, repetitions included.", |it| {
        let publishes = it.publishes_sent;
        [publishes.qos0, publishes.qos1, publishes.qos2]
    });
    let help = "Bytes of payloads received.";
    shards.counter("ringmq_payload_received_bytes", help, |it| it.publishes_received.payload_bytes);
    let help = "Bytes of payloads sent.";
    shards.counter("ringmq_payload_sent_bytes", help, |it| it.publishes_sent.payload_bytes);
}

fn messages(shards: &mut Shards<'_>) {
    shards.counters("ringmq_messages_dropped", "Messages not delivered.", "reason", |it| &it.drops);
    let mut family = shards.page.gauge("ringmq_sessions", "Sessions, with a connection or without.");
    for (shard, it) in shards.shards {
        family.sample(&[("shard", shard), ("state", "connected")], it.sessions.connected);
        family.sample(&[("shard", shard), ("state", "away")], it.sessions.away);
    }
    shards.counter("ringmq_sessions_expired", "Sessions that have expired.", |it| it.sessions.expired);
    let help = "Sessions taken over by another connection of their client.";
    shards.counter("ringmq_sessions_taken_over", help, |it| it.sessions.taken_over);
    let help = "Subscriptions, members of shared subscriptions included.";
    shards.gauge("ringmq_subscriptions", help, |it| it.subscriptions.count);
    let help = "Members of shared subscriptions.";
    shards.gauge("ringmq_shared_subscriptions", help, |it| it.subscriptions.shared);
    shards.gauge("ringmq_retained_messages", "Retained messages.", |it| it.retained.messages);
    shards.gauge("ringmq_retained_bytes", "Bytes of retained messages.", |it| it.retained.bytes);
    let help = "Messages that wait for clients, in memory and on disk.";
    shards.gauge("ringmq_queued_messages", help, |it| it.queued.messages);
    let help = "Bytes of messages that wait, each counted for each client.";
    shards.gauge("ringmq_queued_bytes", help, |it| it.queued.bytes);
    let help = "QoS 1 and 2 messages sent and not acknowledged to the end.";
    shards.gauge("ringmq_in_flight_messages", help, |it| it.in_flight);
    let help = "Bytes of messages in queues and windows, of output and of incomplete packets.";
    shards.gauge("ringmq_held_bytes", help, |it| it.held_bytes);
    let help = "Publishes, subscriptions and sessions refused because a configured bound was reached.";
    shards.counter("ringmq_bounds_reached", help, |it| it.bounds_reached);
    let help = "Times that a client began to send more than it may.";
    shards.counter("ringmq_quota_episodes", help, |it| it.quota_episodes);
    shards.counter("ringmq_log_lines_suppressed", "Lines left out of the log.", |it| it.log_lines_suppressed);
}

fn turns(shards: &mut Shards<'_>) {
    shards.gauge("ringmq_mailbox_depth", "Messages of other shards that wait.", |it| it.mailbox.depth);
    let help = "The most messages of other shards that ever waited.";
    shards.gauge("ringmq_mailbox_depth_max", help, |it| it.mailbox.depth_max);
    let help = "Times that reading from clients paused.";
    let mut family = shards.page.counter("ringmq_back_pressure_episodes", help);
    for (shard, it) in shards.shards {
        family.sample(&[("shard", shard), ("cause", "mailbox")], it.mailbox.back_pressure_episodes);
        family.sample(&[("shard", shard), ("cause", "store")], it.mailbox.store_back_pressure_episodes);
    }
    let help = "Time that reading from clients was paused.";
    let mut family = shards.page.counter("ringmq_back_pressure_seconds", help);
    for (shard, it) in shards.shards {
        family.sample(&[("shard", shard)], it.mailbox.back_pressure_ms as f64 / 1e3);
    }
    shards.counter("ringmq_turns", "Turns of the shard.", |it| it.turns.count);
    shards.counter("ringmq_ring_enters", "System calls of the socket ring.", |it| it.turns.ring_enters);
    let help = "Receives that had to wait for a buffer.";
    shards.counter("ringmq_receive_buffers_exhausted", help, |it| it.turns.receive_buffers_exhausted);
    let mut family =
        shards.page.histogram("ringmq_stage_seconds", "Time that a stage of a turn took, one turn in seven.");
    for (shard, it) in shards.shards {
        let latency = &it.latency;
        for (stage, times) in [
            ("received_to_routed", &latency.received_to_routed),
            ("routed_to_queued", &latency.routed_to_queued),
            ("queued_to_written", &latency.queued_to_written),
        ] {
            family.times(&[("shard", shard), ("stage", stage)], times);
        }
    }
    let help = "Time from a PUBLISH of QoS 1 or 2 being written to PUBACK or PUBCOMP, of some messages.";
    let mut family = shards.page.histogram("ringmq_acknowledgement_seconds", help);
    for (shard, it) in shards.shards {
        family.times(&[("shard", shard)], &it.latency.written_to_acknowledged);
    }
    let help = "Time that work may have waited before a turn began with it.";
    let mut family = shards.page.histogram("ringmq_loop_lag_seconds", help);
    for (shard, it) in shards.shards {
        family.times(&[("shard", shard)], &it.latency.loop_lag);
    }
}

fn store(page: &mut Page, figures: &StoreFigures) {
    page.counter("ringmq_store_groups", "Groups written to the store.").sample(&[], figures.groups);
    page.counter("ringmq_store_written_bytes", "Bytes written to the store.").sample(&[], figures.bytes);
    page.counter("ringmq_store_syncs", "Times that the store was synced.").sample(&[], figures.syncs);
    let help = "Commits and syncs that failed and are tried again.";
    page.counter("ringmq_store_failures", help).sample(&[], figures.failures);
    page.gauge("ringmq_store_pending_bytes", "Bytes that wait to be written, about.")
        .sample(&[], figures.pending_bytes);
    let help = "Whether the store takes new facts.";
    page.gauge("ringmq_store_accepting", help).sample(&[], u8::from(figures.accepting));
    let help = "Time that a group took to be written, and to be synced if acknowledgements wait for it.";
    page.histogram("ringmq_store_commit_seconds", help).times(&[], &figures.commit);
}

/// All shards' figures on their way into a page.
struct Shards<'a> {
    page: &'a mut Page,
    shards: &'a [(String, &'a Figures)],
}

impl Shards<'_> {
    fn counter(&mut self, name: &'static str, help: &str, read: impl Fn(&Figures) -> u64) {
        let mut family = self.page.counter(name, help);
        self.shards.iter().for_each(|(shard, it)| family.sample(&[("shard", shard)], read(it)));
    }

    fn gauge(&mut self, name: &'static str, help: &str, read: impl Fn(&Figures) -> u64) {
        let mut family = self.page.gauge(name, help);
        self.shards.iter().for_each(|(shard, it)| family.sample(&[("shard", shard)], read(it)));
    }

    fn counters(&mut self, name: &'static str, help: &str, label: &'static str, read: fn(&Figures) -> &ByName) {
        by_name(self.page.counter(name, help), self.shards, label, read);
    }

    fn gauges(&mut self, name: &'static str, help: &str, label: &'static str, read: fn(&Figures) -> &ByName) {
        by_name(self.page.gauge(name, help), self.shards, label, read);
    }

    fn packets(
        &mut self,
        name: &'static str,
        help: &str,
        read: fn(&Figures) -> &BTreeMap<&'static str, PacketFigures>,
        value: fn(&PacketFigures) -> u64,
    ) {
        let mut family = self.page.counter(name, help);
        for (shard, it) in self.shards {
            for (packet_type, figures) in read(it) {
                family.sample(&[("shard", shard), ("type", packet_type)], value(figures));
            }
        }
    }

    fn by_qos(&mut self, name: &'static str, help: &str, read: fn(&Figures) -> [u64; 3]) {
        let mut family = self.page.counter(name, help);
        for (shard, it) in self.shards {
            for (qos, count) in ["0", "1", "2"].into_iter().zip(read(it)) {
                family.sample(&[("shard", shard), ("qos", qos)], count);
            }
        }
    }
}

fn by_name(mut family: Family<'_>, shards: &[(String, &Figures)], label: &'static str, read: fn(&Figures) -> &ByName) {
    for (shard, it) in shards {
        for (name, count) in read(it) {
            family.sample(&[("shard", shard), (label, name)], count);
        }
    }
}
