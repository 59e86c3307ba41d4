//! The `$SYS` topics, as a client sees them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::client::{Client, PATIENCE};
use crate::{snapshot_when, start};

const INTERVAL: Duration = Duration::from_secs(1);

#[test]
fn figures_have_the_names_and_the_meaning_of_mosquitto() {
    let (server, address) = start(2, INTERVAL);
    let mut worker = Client::connect(address, "worker");
    worker.subscribe("a", 0);
    for _ in 0..5 {
        worker.publish("a", b"four", 0);
        worker.next_publish();
    }
    snapshot_when(&server, "the traffic", |it| it.total.publishes_sent.count() >= 5);
    let mut watcher = Client::connect(address, "watcher");
    watcher.subscribe("$SYS/#", 0);
    let mut seen = BTreeMap::new();
    let number = |seen: &BTreeMap<String, String>, topic: &str| -> Option<u64> {
        seen.get(&format!("$SYS/broker/{topic}")).and_then(|value| value.parse().ok())
    };
    let expected = [
        ("clients/connected", 2),
        ("clients/total", 2),
        ("clients/maximum", 2),
        ("clients/disconnected", 0),
        ("publish/messages/received", 5),
        ("publish/bytes/received", 20),
        ("subscriptions/count", 2),
    ];
    let topics = [
        "version",
        "uptime",
        "messages/received",
        "load/messages/received/1min",
        "load/sockets/15min",
        "retained messages/count",
        "heap/current",
        "ringmq/dropped/receiver_away",
        "ringmq/latency/loop_lag/p99_us",
        "ringmq/shards/1/loop_lag_p99_us",
    ];
    let began = Instant::now();
    let is_missing = |seen: &BTreeMap<String, String>, topic: &str| !seen.contains_key(&format!("$SYS/broker/{topic}"));
    while expected.iter().any(|(topic, value)| number(&seen, topic) != Some(*value))
        || topics.iter().any(|topic| is_missing(&seen, topic))
    {
        assert!(began.elapsed() < PATIENCE, "{expected:?} and {topics:?} are not all in {seen:#?}");
        let (topic, payload) = watcher.next_publish();
        seen.insert(topic, String::from_utf8(payload).unwrap());
    }
    let version = &seen["$SYS/broker/version"];
    assert!(version.starts_with("RingMQ version "), "{version}");
    assert!(seen["$SYS/broker/uptime"].ends_with(" seconds"));
    assert!(number(&seen, "messages/received") >= Some(9), "2 CONNECT, 2 SUBSCRIBE, 5 PUBLISH");
}

#[test]
fn nobody_but_the_server_publishes_there_and_wildcards_at_the_root_do_not_match() {
    let (_server, address) = start(2, INTERVAL);
    let mut client = Client::connect(address, "client");
    client.subscribe("#", 0);
    client.subscribe("+/broker/uptime", 0);
    assert_eq!(client.publish("$SYS/broker/version", b"forged", 1), 0x87);
    client.publish("$SYS/broker/version", b"forged", 0);
    let mut other = Client::connect(address, "other");
    other.subscribe("$SYS/broker/version", 0);
    let (_, version) = other.next_publish();
    assert_ne!(version, b"forged");
    // The server has published at least once while the first client was there, or will have: it gets none of it.
    assert_eq!(client.ping().first, 0xD0);
    client.publish("plain", b"x", 0);
    assert_eq!(client.next_publish().0, "plain");
}

#[test]
fn an_interval_of_zero_is_silence() {
    let (_server, address) = start(1, Duration::ZERO);
    let mut client = Client::connect(address, "client");
    client.subscribe("$SYS/#", 0);
    assert_eq!(client.ping().first, 0xD0);
}
