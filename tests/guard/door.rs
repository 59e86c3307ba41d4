//! Bounds by address and by user.

use std::io::{Read, Write};
use std::time::Instant;

use ringmq::access::Rate;
use ringmq::net::websocket::WebSocketConfig;
use ringmq::runtime::{GuardConfig, ListenerConfig};

use crate::client::Outcome::{Closed, ConnAck};
use crate::client::{Client, connect};
use crate::{SHARD_COUNTS, eventually, listener, refusals, start};

fn behind_proxy() -> ListenerConfig {
    ListenerConfig { proxy_protocol: Some(vec!["127.0.0.0/8".parse().unwrap()]), ..listener() }
}

#[test]
fn an_address_connects_no_faster_than_it_may() {
    for shards in SHARD_COUNTS {
        let connects = Some(Rate { per_second: 1, burst: 3 });
        let (server, address) = start(shards, listener(), GuardConfig { connects, ..GuardConfig::default() });
        let began = Instant::now();
        let outcomes: Vec<_> = (0..30).map(|number| Client::connect(address, &format!("client-{number}")).1).collect();
        let elapsed_s = began.elapsed().as_secs() as usize;
        let accepted = outcomes.iter().filter(|outcome| **outcome == ConnAck(0)).count();
        assert_eq!(outcomes[..3], [ConnAck(0); 3]);
        assert!(accepted <= 3 + elapsed_s + 1, "{accepted} in {elapsed_s} s");
        assert!(outcomes.iter().all(|outcome| matches!(outcome, ConnAck(0) | Closed)));
        assert_eq!(refusals(&server, "connect-rate"), 30 - accepted as u64);
    }
}

#[test]
fn an_address_has_no_more_connections_than_it_may() {
    for shards in SHARD_COUNTS {
        let guard = GuardConfig { connections_per_address_max: Some(2), ..GuardConfig::default() };
        let (server, address) = start(shards, listener(), guard);
        let first = Client::connect(address, "a");
        let second = Client::connect(address, "b");
        assert_eq!((first.1, second.1), (ConnAck(0), ConnAck(0)));
        assert_eq!(Client::connect(address, "c").1, Closed);
        assert_eq!(refusals(&server, "address-connections"), 1);
        drop(first);
        eventually("there is room again", || Client::connect(address, "d").1 == ConnAck(0));
    }
}

#[test]
fn a_connection_that_says_nothing_counts_and_is_released() {
    let guard = GuardConfig { connections_per_address_max: Some(1), ..GuardConfig::default() };
    let (server, address) = start(3, listener(), guard);
    let silent = Client::open(address);
    eventually("it is accepted", || server.counters().accepts == 1);
    assert_eq!(Client::connect(address, "a").1, Closed);
    drop(silent);
    eventually("it counts no more", || Client::connect(address, "b").1 == ConnAck(0));
}

#[test]
fn behind_a_proxy_the_clients_address_counts() {
    for shards in SHARD_COUNTS {
        let guard = GuardConfig { connections_per_address_max: Some(1), ..GuardConfig::default() };
        let (server, address) = start(shards, behind_proxy(), guard);
        let (_first, outcome) = Client::connect_from(address, "203.0.113.1", "a");
        assert_eq!(outcome, ConnAck(0));
        let (_second, outcome) = Client::connect_from(address, "203.0.113.2", "b");
        assert_eq!(outcome, ConnAck(0));
        assert_eq!(Client::connect_from(address, "203.0.113.1", "c").1, Closed);
        assert_eq!(refusals(&server, "address-connections"), 1);
    }
}

#[test]
fn behind_an_http_proxy_the_clients_address_counts() {
    for shards in SHARD_COUNTS {
        let websocket =
            WebSocketConfig { trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()], ..WebSocketConfig::default() };
        let listener = ListenerConfig { websocket: Some(websocket), ..listener() };
        let guard = GuardConfig { connections_per_address_max: Some(1), ..GuardConfig::default() };
        let (server, address) = start(shards, listener, guard);
        let connect_from = |source: &str, client_id: &str| {
            let mut stream = Client::open(address).stream;
            let request = format!(
                "GET /mqtt HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 Sec-WebSocket-Protocol: mqtt\r\nX-Forwarded-For: {source}\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).unwrap();
            let mut response = Vec::new();
            while !response.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                response.push(byte[0]);
            }
            assert!(response.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&response));
            let connect = connect(client_id, None);
            // One binary frame, masked with zeros (RFC 6455, section 5.2).
            stream.write_all(&[&[0x82, 0x80 | connect.len() as u8, 0, 0, 0, 0], connect.as_slice()].concat()).unwrap();
            let mut first = [0; 6];
            let is_let_in = stream.read_exact(&mut first).is_ok() && first[2] == 0x20;
            (stream, is_let_in)
        };
        let (_first, is_let_in) = connect_from("203.0.113.1", "a");
        assert!(is_let_in);
        let (_second, is_let_in) = connect_from("203.0.113.2", "b");
        assert!(is_let_in);
        assert!(!connect_from("203.0.113.1", "c").1);
        assert_eq!(refusals(&server, "address-connections"), 1);
    }
}

#[test]
fn a_flood_of_addresses_does_not_make_the_server_forget_who_is_connected() {
    let guard = GuardConfig {
        connects: Some(Rate { per_second: 1, burst: 100 }),
        connections_per_address_max: Some(1),
        addresses_max: 128,
        ..GuardConfig::default()
    };
    let (server, address) = start(2, behind_proxy(), guard);
    let (_regular, outcome) = Client::connect_from(address, "198.51.100.1", "regular");
    assert_eq!(outcome, ConnAck(0));
    for number in 0..2_000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        let (_, outcome) = Client::connect_from(address, &format!("203.0.{high}.{low}"), "flood");
        assert_eq!(outcome, ConnAck(0));
    }
    assert!(server.counters().addresses_forgotten > 1_000, "{:?}", server.counters());
    assert_eq!(Client::connect_from(address, "198.51.100.1", "again").1, Closed);
}

#[test]
fn a_user_has_no_more_connections_than_it_may() {
    for shards in SHARD_COUNTS {
        let guard = GuardConfig { connections_per_user_max: Some(2), ..GuardConfig::default() };
        let (server, address) = start(shards, listener(), guard);
        let (_first, outcome) = Client::connect_as(address, "a", "user");
        assert_eq!(outcome, ConnAck(0));
        let (second, outcome) = Client::connect_as(address, "b", "user");
        assert_eq!(outcome, ConnAck(0));
        assert_eq!(Client::connect_as(address, "c", "user").1, ConnAck(0x97));
        assert_eq!(Client::connect_as(address, "c", "other").1, ConnAck(0));
        assert_eq!(Client::connect(address, "d").1, ConnAck(0));
        // Who takes its own session over has not one more.
        let (_again, outcome) = Client::connect_as(address, "a", "user");
        assert_eq!(outcome, ConnAck(0));
        assert_eq!(Client::connect_as(address, "c", "user").1, ConnAck(0x97));
        assert_eq!(refusals(&server, "quota"), 2);
        drop(second);
        eventually("there is room again", || Client::connect_as(address, "e", "user").1 == ConnAck(0));
    }
}
