//! Which topics there are, what they say, and which of them have changed.
//!
//! Names and meanings are those of mosquitto(8). What mosquitto calls a message where it counts all kinds is a packet.

use hashbrown::HashMap;

use super::load::{Load, SPANS};
use crate::latency::Latency;
use crate::runtime::metrics::{Figures, Snapshot};

/// What was published last.
#[derive(Debug, Default)]
pub struct Tree {
    published: HashMap<String, String>,
    /// Sessions at the same time, the most that were seen.
    clients_max: u64,
    heap_max: u64,
    loads: Loads,
    /// Time of the last look, in milliseconds since the start.
    looked_at_ms: Option<u64>,
}

#[derive(Debug, Default)]
struct Loads {
    packets_received: Load,
    packets_sent: Load,
    publishes_received: Load,
    publishes_sent: Load,
    publishes_dropped: Load,
    bytes_received: Load,
    bytes_sent: Load,
    sockets: Load,
    connections: Load,
}

/// Topics with their payloads.
type Topics = Vec<(String, String)>;

impl Tree {
    /// Takes in what is known now; returns the topics whose value is another than at the last call.
    pub fn update(&mut self, snapshot: &Snapshot) -> Topics {
        let mut topics = Topics::new();
        self.mosquitto(&mut topics, snapshot);
        own(&mut topics, snapshot);
        self.looked_at_ms = Some(snapshot.uptime_ms);
        topics.retain(|(topic, payload)| self.published.get(topic) != Some(payload));
        self.published.extend(topics.iter().cloned());
        topics
    }

    fn mosquitto(&mut self, topics: &mut Topics, snapshot: &Snapshot) {
        let mut say = |topic: &str, value: String| topics.push((format!("$SYS/broker/{topic}"), value));
        let total = &snapshot.total;
        let (connected, away) = (total.sessions.connected, total.sessions.away);
        self.clients_max = self.clients_max.max(connected + away);
        say("version", format!("RingMQ version {}", snapshot.version));
        say("uptime", format!("{} seconds", snapshot.uptime_ms / 1_000));
        let packets_received: u64 = total.packets_received.values().map(|it| it.packets).sum();
        let packets_sent: u64 = total.packets_sent.values().map(|it| it.packets).sum();
        let dropped: u64 = total.drops.values().sum();
        let stored = total.retained.messages + total.queued.messages + total.in_flight;
        let numbers = [
            ("clients/total", connected + away),
            ("clients/maximum", self.clients_max),
            ("clients/connected", connected),
            ("clients/active", connected),
            ("clients/disconnected", away),
            ("clients/inactive", away),
            ("clients/expired", total.sessions.expired),
            ("messages/received", packets_received),
            ("messages/sent", packets_sent),
            ("messages/inflight", total.in_flight),
            ("messages/stored", stored),
            ("store/messages/count", stored),
            ("store/messages/bytes", total.retained.bytes + total.queued.bytes),
            ("publish/messages/received", total.publishes_received.count()),
            ("publish/messages/sent", total.publishes_sent.count()),
            ("publish/messages/dropped", dropped),
            ("publish/bytes/received", total.publishes_received.payload_bytes),
            ("publish/bytes/sent", total.publishes_sent.payload_bytes),
            ("bytes/received", total.bytes_received),
            ("bytes/sent", total.bytes_sent),
            ("subscriptions/count", total.subscriptions.count),
            ("shared_subscriptions/count", total.subscriptions.shared),
            ("retained messages/count", total.retained.messages),
        ];
        for (topic, number) in numbers {
            say(topic, number.to_string());
        }
        if let Some(heap) = anonymous_memory() {
            self.heap_max = self.heap_max.max(heap);
            say("heap/current", heap.to_string());
            say("heap/maximum", self.heap_max.to_string());
        }
        let seconds = self.looked_at_ms.map_or(0.0, |before| (snapshot.uptime_ms - before) as f64 / 1e3);
        let connects = total.packets_received.get("connect").map_or(0, |it| it.packets);
        let loads = &mut self.loads;
        for (name, load, count) in [
            ("messages/received", &mut loads.packets_received, packets_received),
            ("messages/sent", &mut loads.packets_sent, packets_sent),
            ("publish/received", &mut loads.publishes_received, total.publishes_received.count()),
            ("publish/sent", &mut loads.publishes_sent, total.publishes_sent.count()),
            ("publish/dropped", &mut loads.publishes_dropped, dropped),
            ("bytes/received", &mut loads.bytes_received, total.bytes_received),
            ("bytes/sent", &mut loads.bytes_sent, total.bytes_sent),
            ("sockets", &mut loads.sockets, total.connections.accepted),
            ("connections", &mut loads.connections, connects),
        ] {
            for ((span, _), average) in SPANS.into_iter().zip(load.update(count, seconds)) {
                say(&format!("load/{name}/{span}"), format!("{average:.2}"));
            }
        }
    }
}

/// What mosquitto does not have.
fn own(topics: &mut Topics, snapshot: &Snapshot) {
    let mut say = |topic: String, value: u64| topics.push((format!("$SYS/broker/ringmq/{topic}"), value.to_string()));
    let total = &snapshot.total;
    for (reason, count) in &total.drops {
        say(format!("dropped/{reason}"), *count);
    }
    say("queued/messages".into(), total.queued.messages);
    say("queued/bytes".into(), total.queued.bytes);
    let latency = &total.latency;
    let mut stages = vec![
        ("received_to_routed", &latency.received_to_routed),
        ("routed_to_queued", &latency.routed_to_queued),
        ("queued_to_written", &latency.queued_to_written),
        ("written_to_acknowledged", &latency.written_to_acknowledged),
        ("loop_lag", &latency.loop_lag),
    ];
    stages.extend(snapshot.store.as_ref().map(|store| ("commit", &store.commit)));
    for (stage, latency) in stages {
        for (name, value) in quantiles(latency) {
            say(format!("latency/{stage}/{name}"), value);
        }
    }
    for (shard, figures) in snapshot.shards.iter().enumerate() {
        for (name, value) in of_shard(figures) {
            say(format!("shards/{shard}/{name}"), value);
        }
    }
}

/// Recent ones, in microseconds.
fn quantiles(latency: &Latency) -> [(&'static str, u64); 6] {
    let times = &latency.recent;
    let at = |quantile| times.quantile_ns(quantile) / 1_000;
    [
        ("p50_us", at(0.5)),
        ("p90_us", at(0.9)),
        ("p99_us", at(0.99)),
        ("p999_us", at(0.999)),
        ("p9999_us", at(0.9999)),
        ("max_us", times.max_ns() / 1_000),
    ]
}

fn of_shard(figures: &Figures) -> [(&'static str, u64); 9] {
    [
        ("connections", figures.connections.by_transport.values().sum()),
        ("clients", figures.sessions.connected),
        ("publishes_received", figures.publishes_received.count()),
        ("publishes_sent", figures.publishes_sent.count()),
        ("queued_messages", figures.queued.messages),
        ("in_flight", figures.in_flight),
        ("mailbox_depth", figures.mailbox.depth),
        ("held_bytes", figures.held_bytes),
        ("loop_lag_p99_us", figures.latency.loop_lag.recent.quantile_ns(0.99) / 1_000),
    ]
}

/// Memory of this process that is neither a file's nor shared, in bytes: what the allocator holds, and stacks. proc_pid_status(5).
fn anonymous_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_changed_is_told() {
        let mut tree = Tree::default();
        let mut snapshot = Snapshot {
            version: "1",
            time_ms: 0,
            uptime_ms: 1_000,
            total: Figures::default(),
            shards: vec![Figures::default()],
            addresses_forgotten: 0,
            store: None,
        };
        let first = tree.update(&snapshot);
        assert!(first.iter().any(|it| *it == ("$SYS/broker/clients/connected".into(), "0".into())), "{first:?}");
        snapshot.uptime_ms = 11_000;
        snapshot.total.sessions.connected = 3;
        let mut changed: Vec<_> = tree.update(&snapshot).into_iter().map(|(topic, _)| topic).collect();
        changed.retain(|topic| !topic.contains("/heap/"));
        changed.sort();
        let expected = ["clients/active", "clients/connected", "clients/maximum", "clients/total", "uptime"]
            .map(|topic| format!("$SYS/broker/{topic}"));
        assert_eq!(changed, expected);
    }

    #[test]
    fn the_memory_of_this_process_is_found() {
        assert!(anonymous_memory().is_some_and(|bytes| bytes > 100_000));
    }
}
