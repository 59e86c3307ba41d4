//! Bytes of heap for each connection, subscription and retained message.

use std::collections::BTreeMap;

use ringmq::codec::{Qos, Version};
use ringmq::net::websocket::{Handshake, Progress, WebSocket, WebSocketConfig};
use ringmq_benches::broker::OneShard;
use ringmq_benches::clients::Clients;
use ringmq_benches::filters::{self, Kind};
use ringmq_benches::packets;
use ringmq_benches::websocket::{FRAME_PAYLOAD, REQUEST, messages};

use crate::allocator::bytes_in_use;

/// Large enough that what is there once does not show, and not a power of two, at which tables would be fullest.
const CONNECTIONS: u32 = 100_000;
const SUBSCRIPTIONS: u32 = 1_000_000;
const RETAINED: u32 = 100_000;

/// The values by name.
pub fn measure() -> BTreeMap<String, f64> {
    let (connection, connection_subscribed) = of_connections();
    let values = [
        ("connection", connection),
        ("connection_with_one_subscription", connection_subscribed),
        ("exact_subscription_in_index", of_subscription(Kind::Exact)),
        ("plus_subscription_in_index", of_subscription(Kind::Plus)),
        ("hash_subscription_in_index", of_subscription(Kind::Hash)),
        ("retained_beyond_topic_and_payload", of_retained()),
        ("websocket", of_websocket()),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Of a shard's idle connection with its session, client id and timer, without and with a subscription; what the
/// runtime, the ring and the kernel have for it comes on top.
fn of_connections() -> (f64, f64) {
    let mut clients = Clients::new(OneShard::new(CONNECTIONS as usize));
    let empty = bytes_in_use();
    for number in 0..CONNECTIONS {
        clients.connect(Version::V3_1_1, &format!("device-{number:06}"));
    }
    let connected = bytes_in_use();
    for number in 0..CONNECTIONS {
        clients.send(number, &packets::subscribe(Version::V3_1_1, &[&filters::topic(number)], Qos::AtMostOnce));
    }
    let subscribed = bytes_in_use();
    let shard = &clients.broker.shard;
    assert_eq!(shard.connection_count(), CONNECTIONS as usize);
    assert_eq!(shard.counters().subscriptions, u64::from(CONNECTIONS));
    (each(connected - empty, CONNECTIONS), each(subscribed - empty, CONNECTIONS))
}

/// In the topic index, with the text of the filter.
fn of_subscription(kind: Kind) -> f64 {
    let before = bytes_in_use();
    let index = kind.index(SUBSCRIPTIONS);
    let value = each(bytes_in_use() - before, SUBSCRIPTIONS);
    assert_eq!(index.subscription_count(), (SUBSCRIPTIONS + filters::ALARMED) as usize);
    value
}

/// What a retained message takes beside the bytes of its topic and its payload.
fn of_retained() -> f64 {
    let mut clients = Clients::new(OneShard::new(1));
    let publisher = clients.connect(Version::V3_1_1, "publisher");
    let before = bytes_in_use();
    let mut content = 0;
    for number in 0..RETAINED {
        let topic = filters::topic(number);
        clients.send(publisher, &packets::publish_retained(&topic, &packets::PAYLOAD));
        content += topic.len() + packets::PAYLOAD.len();
    }
    let value = each(bytes_in_use() - before - content, RETAINED);
    assert_eq!(clients.broker.shard.counters().retained_messages, u64::from(RETAINED));
    value
}

/// Of a WebSocket that has opened and received a message in parts; the connection below MQTT only.
fn of_websocket() -> f64 {
    let config = WebSocketConfig::default();
    let mut sockets: Vec<WebSocket> = Vec::with_capacity(CONNECTIONS as usize);
    let before = bytes_in_use() - CONNECTIONS as usize * size_of::<WebSocket>();
    let mut out = Vec::new();
    for _ in 0..CONNECTIONS {
        assert!(matches!(Handshake::default().receive(&config, REQUEST), Progress::Accepted(_)));
        let mut socket = WebSocket::default();
        let received: usize = messages(1).chunks_mut(5).map(|part| socket.receive(part, &mut out).plain.len()).sum();
        assert_eq!(received, FRAME_PAYLOAD);
        sockets.push(socket);
    }
    each(bytes_in_use() - before, CONNECTIONS)
}

fn each(bytes: usize, count: u32) -> f64 {
    bytes as f64 / f64::from(count)
}
