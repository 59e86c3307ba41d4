//! One shard's figures, put together in its turn.

use std::collections::BTreeMap;

use super::figures::{
    Authentication, ByName, Connections, Figures, Handshakes, Latencies, Mailbox, Messages, PacketFigures, Publishes,
    Sessions, Snapshot, StoreFigures, Subscriptions, Turns,
};
use crate::access::Denial;
use crate::broker::counters::{CONNECTION_STATES, PacketCounts, PublishCounts};
use crate::broker::{self, DropReason};
use crate::runtime::Counters;
use crate::runtime::clock::millis;
use crate::runtime::question::Ended;
use crate::runtime::server_handle::ServerHandle;
use crate::runtime::shard::ShardDriver;

impl ServerHandle {
    /// What has been measured until now, by shard and together. Takes each shard some 10 µs of one turn.
    ///
    /// # Errors
    /// The server has stopped.
    pub async fn metrics(&self) -> Result<Snapshot, Ended> {
        let shards = self.ask_all(ShardDriver::figures).await?;
        let uptime_ms = millis(self.common.clock.elapsed());
        let time_ms = self.common.clock.wall_at_zero_ms() + uptime_ms;
        let store = self.common.store.as_ref();
        let store = store.map(|store| StoreFigures::new(&store.counters(), store.commits(uptime_ms)));
        let addresses_forgotten = self.common.guard.forgotten();
        Ok(Snapshot::new(time_ms, uptime_ms, shards, addresses_forgotten, store))
    }
}

impl ShardDriver {
    fn figures(&mut self) -> Figures {
        let latency = self.latencies();
        let core = self.shard.counters();
        let runtime = self.counters().read();
        Figures {
            connections: self.connection_figures(&core, &runtime),
            handshakes: Handshakes { completed: runtime.arrivals.clone(), failed: runtime.layer_failures },
            authentication: Authentication {
                accepted: core.connects_accepted,
                refused: core.connects_refused,
                denied: Denial::ALL.iter().map(|denial| (denial.name(), core.denied(*denial))).collect(),
            },
            packets_received: packets(&core.packets_received),
            packets_sent: packets(&core.packets_sent),
            bytes_received: core.bytes_received,
            bytes_sent: core.bytes_sent,
            publishes_received: publishes(core.publishes_received),
            publishes_sent: publishes(core.publishes_sent),
            drops: DropReason::ALL.iter().map(|reason| (reason.name(), core.dropped(*reason))).collect(),
            sessions: Sessions {
                connected: core.connections_open(),
                away: core.sessions.saturating_sub(core.connections_open()),
                expired: core.sessions_expired,
                taken_over: core.sessions_taken_over,
            },
            subscriptions: Subscriptions { count: core.subscriptions, shared: core.shared_subscriptions },
            retained: Messages { messages: core.retained_messages, bytes: core.retained_bytes },
            queued: Messages { messages: core.queued_messages, bytes: core.queued_bytes },
            in_flight: core.in_flight,
            held_bytes: core.held_bytes,
            mailbox: Mailbox {
                depth: self.inbox.queued() as u64,
                depth_max: runtime.mailbox_high,
                back_pressure_episodes: runtime.back_pressure_episodes,
                store_back_pressure_episodes: runtime.store_back_pressure_episodes,
                back_pressure_ms: runtime.back_pressure_ms,
            },
            turns: Turns {
                count: runtime.turns,
                ring_enters: runtime.ring_enters,
                receive_buffers_exhausted: runtime.receive_buffers_exhausted,
            },
            violations: core.violations,
            bounds_reached: core.bounds_reached,
            quota_episodes: core.quota_episodes,
            log_lines_suppressed: runtime.log_lines_suppressed,
            latency,
        }
    }

    fn latencies(&mut self) -> Latencies {
        let now = millis(self.common.clock.elapsed());
        let sampling = &mut self.sampling;
        Latencies {
            received_to_routed: sampling.received_to_routed.read(now),
            routed_to_queued: sampling.routed_to_queued.read(now),
            queued_to_written: sampling.queued_to_written.read(now),
            written_to_acknowledged: self.shard.acknowledgement_times(now),
            loop_lag: sampling.loop_lag.read(now),
        }
    }

    fn connection_figures(&self, core: &broker::Counters, runtime: &Counters) -> Connections {
        let mut by_transport = ByName::from(["tcp", "tls", "ws", "wss", "unix"].map(|transport| (transport, 0)));
        for (listener, open) in self.links.by_listener() {
            let transport = self.listening(listener).map_or("tcp", |listening| listening.config.scheme());
            *by_transport.entry(transport).or_default() += open;
        }
        let mut by_state: ByName = CONNECTION_STATES.into_iter().zip(core.connections).collect();
        // The core does not know those yet that have something around MQTT, or whose home is not known.
        *by_state.entry(CONNECTION_STATES[0]).or_default() += self.links.handshake_count();
        Connections {
            by_transport,
            by_state,
            accepted: runtime.accepts,
            over_limit: runtime.over_limit,
            refused: runtime.refusals.clone(),
            accept_back_offs: runtime.accept_back_offs,
            accept_slow_downs: runtime.accept_slow_downs,
            keep_alive_timeouts: core.keep_alive_timeouts,
            flapping_bans: runtime.flapping_bans,
            handovers: runtime.handovers,
        }
    }
}

fn packets(counts: &PacketCounts) -> BTreeMap<&'static str, PacketFigures> {
    let figures = counts.iter().filter(|(_, count)| count.packets > 0);
    figures.map(|(name, count)| (name, PacketFigures { packets: count.packets, bytes: count.bytes })).collect()
}

fn publishes(counts: PublishCounts) -> Publishes {
    let [qos0, qos1, qos2] = counts.by_qos;
    Publishes { qos0, qos1, qos2, payload_bytes: counts.payload_bytes }
}
