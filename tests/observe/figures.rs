//! The snapshot.

use std::time::Duration;

use ringmq::runtime::metrics::{Figures, PacketFigures};

use crate::client::Client;
use crate::{snapshot, snapshot_when, start};

#[test]
fn traffic_is_counted_by_type_direction_and_qos() {
    for shards in [1, 2] {
        let (server, address) = start(shards, Duration::ZERO);
        let mut receiver = Client::connect(address, "receiver");
        receiver.subscribe("a/+", 1);
        let mut sender = Client::connect(address, "sender");
        for (payload, qos) in [(&b"one"[..], 1), (b"three", 1), (b"", 0), (b"4444", 0), (b"5", 1)] {
            sender.publish("a/b", payload, qos);
            assert_eq!(receiver.next_publish(), ("a/b".to_owned(), payload.to_vec()));
        }
        let puback = |it: &Figures| it.packets_received.get("puback").map_or(0, |it| it.packets);
        let snapshot =
            snapshot_when(&server, "the last PUBACK", |it| puback(&it.total) == 3 && it.total.in_flight == 0);
        let total = &snapshot.total;
        let publishes = [total.publishes_received, total.publishes_sent];
        for publishes in publishes {
            assert_eq!((publishes.qos0, publishes.qos1, publishes.qos2, publishes.payload_bytes), (2, 3, 0, 13));
        }
        let packets = |it: &PacketFigures| it.packets;
        let received: Vec<_> = total.packets_received.iter().map(|(name, it)| (*name, packets(it))).collect();
        assert_eq!(received, [("connect", 2), ("puback", 3), ("publish", 5), ("subscribe", 1)]);
        let sent: Vec<_> = total.packets_sent.iter().map(|(name, it)| (*name, packets(it))).collect();
        assert_eq!(sent, [("connack", 2), ("puback", 3), ("publish", 5), ("suback", 1)]);
        let bytes = |it: &std::collections::BTreeMap<_, PacketFigures>| it.values().map(|it| it.bytes).sum::<u64>();
        assert_eq!(bytes(&total.packets_received), sender.bytes_sent + receiver.bytes_sent);
        assert_eq!(bytes(&total.packets_sent), sender.bytes_received + receiver.bytes_received);
        assert_eq!(total.bytes_received, sender.bytes_sent + receiver.bytes_sent);
        assert_eq!(total.bytes_sent, sender.bytes_received + receiver.bytes_received);
        assert_eq!(total.subscriptions.count, 1);
        assert_eq!((total.authentication.accepted, total.connections.accepted), (2, 2));
        assert_eq!(total.handshakes.completed.get("tcp"), Some(&2));
        assert!(total.latency.written_to_acknowledged.all.count() >= 1, "the first message is followed");
        assert!(total.latency.loop_lag.all.count() > 0);
        let of_shards: u64 = snapshot.shards.iter().map(|it| it.publishes_received.count()).sum();
        assert_eq!((snapshot.shards.len(), of_shards), (shards, 5));
    }
}

#[test]
fn connections_are_told_by_transport_and_state() {
    let (server, address) = start(2, Duration::ZERO);
    let open = |snapshot: &ringmq::runtime::Snapshot| {
        let connections = &snapshot.total.connections;
        let state = |name| connections.by_state[name];
        (connections.by_transport["tcp"], state("arriving"), state("open"), snapshot.total.sessions.connected)
    };
    assert_eq!(open(&snapshot(&server)), (0, 0, 0, 0));
    let silent = std::net::TcpStream::connect(address).unwrap();
    snapshot_when(&server, "a connection without a word", |it| open(it) == (1, 1, 0, 0));
    let client = Client::connect(address, "client");
    snapshot_when(&server, "a client", |it| open(it) == (2, 1, 1, 1));
    drop((silent, client));
    snapshot_when(&server, "the end of both", |it| open(it) == (0, 0, 0, 0));
}

#[test]
fn what_waits_is_told() {
    let (server, address) = start(1, Duration::ZERO);
    let mut receiver = Client::connect(address, "receiver");
    receiver.subscribe("a", 1);
    let mut sender = Client::connect(address, "sender");
    assert_eq!(sender.publish("a", b"x", 1), 0);
    let snapshot = snapshot_when(&server, "a message in flight", |it| it.total.in_flight == 1);
    assert!(snapshot.total.held_bytes > 0);
    receiver.next_publish();
    snapshot_when(&server, "its acknowledgement", |it| it.total.in_flight == 0 && it.total.held_bytes == 0);
}
