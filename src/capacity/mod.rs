//! What a load asks of a machine: memory, cores and network, by arithmetic from measured constants.
//!
//! [`estimate`] is a pure function; each of its lines carries its formula, so that nobody has to believe it.

pub mod constants;

use serde::Serialize;

use constants::*;

/// The load.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Load {
    /// Clients that are connected.
    pub connections: u64,
    /// PUBLISH packets that come in, a second, of all clients.
    pub messages_per_s: f64,
    /// Bytes of a payload.
    pub payload_bytes: u64,
    /// Clients that get each message.
    pub receivers: f64,
    /// QoS of publishing and subscribing, 0 to 2.
    pub qos: u8,
    /// Bytes of a topic name.
    pub topic_bytes: u64,
    /// Seconds between two pings of a client that says nothing else; 0 is none.
    pub keep_alive_s: u64,
    pub is_tls: bool,
}

/// One figure with where it comes from.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// What it is, a stable name in snake case with its unit last.
    pub name: &'static str,
    pub value: f64,
    pub formula: String,
}

/// An answer: parts and their sums.
#[derive(Debug, Clone, Serialize)]
pub struct Estimate {
    pub load: Load,
    pub memory: Vec<Line>,
    pub cores: Vec<Line>,
    pub network: Vec<Line>,
    /// Cores to give, each with a shard: the cores that are planned for, rounded up, at least one.
    pub shards: u64,
}

/// What `load` needs.
pub fn estimate(load: Load) -> Estimate {
    let cores = cores(&load);
    let planned = cores.iter().find(|line| line.name == "planned_cores").map_or(1.0, |line| line.value);
    Estimate { load, memory: memory(&load), network: network(&load), shards: (planned.ceil() as u64).max(1), cores }
}

/// Bytes of the process and of the kernel for so many idle connections, each with one subscription.
pub fn idle_bytes(connections: u64, is_tls: bool) -> u64 {
    let connections = connections as f64;
    let each = CONNECTION_BYTES + CONNECTION_KERNEL_BYTES + if is_tls { TLS_SESSION_BYTES } else { 0.0 };
    (PROCESS_BYTES + connections * each) as u64
}

fn line(name: &'static str, value: f64, formula: String) -> Line {
    Line { name, value, formula }
}

fn memory(load: &Load) -> Vec<Line> {
    let connections = load.connections as f64;
    let mut lines = vec![
        line("process_bytes", PROCESS_BYTES, "the process before the first connection".into()),
        line(
            "connections_bytes",
            connections * CONNECTION_BYTES,
            format!("connections x {CONNECTION_BYTES:.0} B, one subscription each"),
        ),
    ];
    if load.is_tls {
        let formula = format!("connections x {TLS_SESSION_BYTES:.0} B");
        lines.push(line("tls_bytes", connections * TLS_SESSION_BYTES, formula));
    }
    let formula = format!("connections x {CONNECTION_KERNEL_BYTES:.0} B of the kernel, one end");
    lines.push(line("kernel_bytes", connections * CONNECTION_KERNEL_BYTES, formula));
    let at_once = connections.min(load.messages_per_s.min(1.0) * load.receivers);
    let pages =
        (at_once * (SOCKET_PAGE_BYTES * (load.payload_bytes as f64 / SOCKET_PAGE_BYTES).ceil().max(1.0))).ceil();
    let receivers = if format!("{at_once:.0}") == "1" { "receiver" } else { "receivers" };
    let formula = format!("{at_once:.0} {receivers} of one message x whole pages of {SOCKET_PAGE_BYTES:.0} B");
    lines.push(line("on_their_way_bytes", pages, formula));
    let sum = lines.iter().map(|line| line.value).sum();
    lines.push(line("all_bytes", sum, "their sum; without queues of clients that are away or slow".into()));
    lines
}

fn cores(load: &Load) -> Vec<Line> {
    let qos = usize::from(load.qos.min(2));
    let payload_kib = load.payload_bytes as f64 / 1_024.0;
    let tls_us = if load.is_tls { TLS_RECORD_US } else { 0.0 };
    // Records of a message: one for each packet of its exchanges.
    let records = [1.0, 2.0, 4.0][qos];
    let more = (load.receivers - 1.0).max(0.0);
    let of_one = if load.receivers < 1.0 { load.receivers } else { 1.0 };
    let cost = |message_us: f64, delivery_us: f64| {
        let received_and_sent = message_us * (1.0 + of_one) / 2.0 + payload_kib * PAYLOAD_KIB_US;
        let sent_more = more * (delivery_us + payload_kib * PAYLOAD_KIB_US * PAYLOAD_SENDING_PART);
        (received_and_sent + sent_more + records * tls_us * (1.0 + load.receivers)) * load.messages_per_s / 1e6
    };
    let formula = |message_us: f64, delivery_us: f64| {
        let mut text = format!("rate x ({message_us} + (fanout - 1) x {delivery_us}");
        text += &format!(" + {PAYLOAD_KIB_US:.3} x KiB x (1 + (fanout - 1) x {PAYLOAD_SENDING_PART:.2})");
        if load.is_tls {
            text += &format!(" + {records} x {TLS_RECORD_US} x (1 + fanout)");
        }
        text + ") µs"
    };
    let alone = (MESSAGE_ALONE_US[qos], DELIVERY_ALONE_US);
    let batched = (MESSAGE_BATCHED_US[qos], DELIVERY_BATCHED_US);
    let pings_per_s = if load.keep_alive_s == 0 { 0.0 } else { load.connections as f64 / load.keep_alive_s as f64 };
    let pings = pings_per_s * PING_US / 1e6;
    let mut lines = vec![
        line("messages_cores", cost(alone.0, alone.1), formula(alone.0, alone.1) + ", each arriving by itself"),
        line("messages_batched_cores", cost(batched.0, batched.1), formula(batched.0, batched.1) + ", in streams"),
        line("pings_cores", pings, format!("connections / {} s x {PING_US} µs", load.keep_alive_s)),
    ];
    let planned = (cost(alone.0, alone.1) + pings) / UTILISATION;
    lines.push(line("planned_cores", planned, format!("(messages + pings) / {UTILISATION}")));
    let connect_us = CONNECT_US + if load.is_tls { HANDSHAKE_US } else { 0.0 };
    let reconnect = load.connections as f64 * connect_us / 1e6;
    let formula = format!("connections x {connect_us:.1} µs, when all connect anew");
    lines.push(line("reconnect_core_s", reconnect, formula));
    lines
}

fn network(load: &Load) -> Vec<Line> {
    let packet_id = if load.qos == 0 { 0.0 } else { 2.0 };
    let body = 2.0 + load.topic_bytes as f64 + packet_id + load.payload_bytes as f64;
    // Fixed header: type, and the length in groups of 7 bits.
    let remaining_length = [128.0, 16_384.0, 2_097_152.0].iter().filter(|bound| body >= **bound).count() as f64 + 1.0;
    let packet = 1.0 + remaining_length + body + if load.is_tls { TLS_RECORD_BYTES } else { 0.0 };
    let segments = (packet / SEGMENT_BYTES).ceil().max(1.0);
    let publish = packet + segments * FRAME_BYTES;
    // PUBACK, or PUBREC, PUBREL, PUBCOMP: a frame each, of which those in the other direction are one or two.
    let answer = 4.0 + FRAME_BYTES + if load.is_tls { TLS_RECORD_BYTES } else { 0.0 };
    let (against, along) = [(0.0, 0.0), (1.0, 0.0), (2.0, 1.0)][usize::from(load.qos.min(2))];
    let deliveries_per_s = load.messages_per_s * load.receivers;
    let bits =
        |publishes: f64, deliveries: f64| (publishes * load.messages_per_s + deliveries * deliveries_per_s) * 8.0;
    let formula = |rate: &str, other: &str| {
        format!("({rate} x ({publish:.0} + {along} x {answer:.0}) + {other} x {against} x {answer:.0}) B x 8")
    };
    vec![
        line("received_bits_per_s", bits(publish + along * answer, against * answer), formula("rate", "deliveries")),
        line("sent_bits_per_s", bits(against * answer, publish + along * answer), formula("deliveries", "rate")),
        line("deliveries_per_s", deliveries_per_s, "rate x fanout".into()),
        line(
            "packets_per_s",
            (load.messages_per_s + deliveries_per_s) * (segments + against + along),
            "(rate + deliveries) x frames of each; TCP's own acknowledgements beside them".into(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> Load {
        Load {
            connections: 1_000_000,
            messages_per_s: 10_000.0,
            payload_bytes: 64,
            receivers: 1.0,
            qos: 0,
            topic_bytes: 32,
            keep_alive_s: 60,
            is_tls: false,
        }
    }

    fn value(lines: &[Line], name: &str) -> f64 {
        lines.iter().find(|line| line.name == name).unwrap_or_else(|| panic!("no {name}")).value
    }

    #[test]
    fn a_million_connections_are_what_was_recorded() {
        let memory = estimate(load()).memory;
        let process = value(&memory, "process_bytes") + value(&memory, "connections_bytes");
        // 0.547 GiB were measured.
        assert!((process / f64::from(1 << 30) - 0.547).abs() < 0.005, "{process}");
    }

    #[test]
    fn sums_are_the_sums_of_their_parts() {
        let memory = estimate(Load { is_tls: true, ..load() }).memory;
        let (sum, parts) = memory.split_last().expect("lines");
        assert_eq!(sum.value, parts.iter().map(|line| line.value).sum::<f64>());
    }

    #[test]
    fn more_load_never_needs_less() {
        let least = estimate(load());
        for more in [
            Load { connections: 2_000_000, ..load() },
            Load { messages_per_s: 20_000.0, ..load() },
            Load { payload_bytes: 4_096, ..load() },
            Load { receivers: 10.0, ..load() },
            Load { qos: 1, ..load() },
            Load { qos: 2, ..load() },
            Load { is_tls: true, ..load() },
        ] {
            let estimate = estimate(more);
            for (lines, least) in [
                (&estimate.memory, &least.memory),
                (&estimate.cores, &least.cores),
                (&estimate.network, &least.network),
            ] {
                for line in least.iter() {
                    assert!(value(lines, line.name) >= line.value, "{} of {more:?}", line.name);
                }
            }
        }
    }

    #[test]
    fn a_publish_on_the_wire_is_counted_by_hand() {
        // Fixed header 2, topic 2 + 32, payload 64, and a frame around it: 190 bytes.
        let network = estimate(load()).network;
        assert_eq!(value(&network, "received_bits_per_s"), 190.0 * 8.0 * 10_000.0);
        assert_eq!(value(&network, "sent_bits_per_s"), 190.0 * 8.0 * 10_000.0);
    }

    #[test]
    fn nothing_is_a_load_too() {
        let nothing =
            Load { connections: 0, messages_per_s: 0.0, payload_bytes: 0, receivers: 0.0, keep_alive_s: 0, ..load() };
        let estimate = estimate(nothing);
        assert_eq!(estimate.shards, 1);
        for line in estimate.memory.iter().chain(&estimate.cores).chain(&estimate.network) {
            assert!(line.value.is_finite() && line.value >= 0.0, "{line:?}");
        }
    }
}
