//! Messages between clients of all transports.

use std::io::Write;
use std::time::Duration;

use crate::client::{Client, connect, publish, subscribe};
use crate::random::Random;
use crate::rig::{Proxy, Rig, TRANSPORTS, Transport, ways};
use crate::stream::Stream;
use crate::websocket::Framing;

fn pattern(length: usize, start: usize) -> Vec<u8> {
    (start..start + length).map(|position| (position * 31 % 251) as u8).collect()
}

/// Reads a PUBLISH of QoS 1, and acknowledges it.
fn read_and_acknowledge(client: &mut Client<Stream>, topic: &str, payload: &[u8]) {
    let packet = client.read_packet();
    assert_eq!(packet[0], 0x32);
    assert!(packet.ends_with(payload));
    let packet_id = &packet[packet.len() - payload.len() - 2..packet.len() - payload.len()];
    assert!(packet[..packet.len() - payload.len() - 2].ends_with(topic.as_bytes()));
    client.write(&[0x40, 2, packet_id[0], packet_id[1]]);
}

#[test]
fn messages_go_between_all_transports() {
    for shards in [1, 3] {
        let rig = Rig::new(shards);
        let mut subscribers: Vec<_> = ways()
            .enumerate()
            .map(|(number, way)| {
                let mut client = rig.connect(way, &format!("subscriber-{number}"));
                client.subscribe("all/+", 1);
                client
            })
            .collect();
        for (number, way) in ways().enumerate() {
            let mut publisher = rig.connect(way, &format!("publisher-{number}"));
            let payload = pattern(1 + number * 700, number);
            publisher.publish("all/zero", &payload, 0);
            publisher.publish("all/one", &payload, 7);
            assert_eq!(publisher.read_packet(), [0x40, 2, 0, 7], "{way:?}");
            for subscriber in &mut subscribers {
                let packet = subscriber.read_packet();
                assert_eq!(packet[0], 0x30);
                assert!(packet.ends_with(&payload));
                read_and_acknowledge(subscriber, "all/one", &payload);
            }
            publisher.write(&[0xC0, 0]);
            assert_eq!(publisher.read_packet(), [0xD0, 0], "{way:?}");
        }
        assert_eq!(rig.server.counters().handovers > 0, shards > 1);
        assert!(rig.server.counters().layer_failures.is_empty());
        drop(subscribers);
        rig.wait_until_empty();
    }
}

#[test]
fn large_messages_wait_for_a_slow_reader() {
    const LENGTH: usize = 1 << 20;
    // Several of them are more than the kernel keeps for a socket.
    const MESSAGES: u16 = 6;
    let rig = Rig::new(3);
    for (number, transport) in TRANSPORTS.into_iter().enumerate() {
        let way = (transport, Proxy::No);
        let mut subscriber = rig.connect(way, &format!("slow-{number}"));
        let topic = format!("large/{number}");
        subscriber.subscribe(&topic, 1);
        let mut publisher = rig.connect(way, &format!("large-{number}"));
        for packet_id in 1..=MESSAGES {
            publisher.publish(&topic, &pattern(LENGTH, packet_id.into()), packet_id);
            assert_eq!(publisher.read_packet(), [0x40, 2, 0, packet_id as u8], "{way:?}");
        }
        // The server has taken all, and this client nothing; now it has a message of its own on the way back.
        std::thread::sleep(Duration::from_millis(100));
        publisher.subscribe("back", 0);
        subscriber.publish("back", &pattern(LENGTH, 9), 0);
        assert!(publisher.read_packet().ends_with(&pattern(LENGTH, 9)));
        for packet_id in 1..=MESSAGES {
            read_and_acknowledge(&mut subscriber, &topic, &pattern(LENGTH, packet_id.into()));
        }
    }
}

#[test]
fn two_hundred_clients_at_a_time_find_their_homes() {
    const CLIENTS: usize = 200;
    const THREADS: usize = 8;
    let rig = Rig::new(3);
    let ways: Vec<_> = ways().collect();
    let clients: Vec<Client<Stream>> = std::thread::scope(|scope| {
        let dial = |thread: usize| {
            let (rig, ways) = (&rig, &ways);
            move || -> Vec<_> {
                let numbers = (0..CLIENTS).filter(|number| number % THREADS == thread);
                let one = |number| {
                    let mut client = rig.connect(ways[number % ways.len()], &format!("client-{number}"));
                    client.subscribe(&format!("to/{number}"), 0);
                    client
                };
                numbers.map(|number| (number, one(number))).collect()
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(dial(thread))).collect();
        let mut clients: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        clients.sort_by_key(|(number, _)| *number);
        clients.into_iter().map(|(_, client)| client).collect()
    });
    assert_eq!(rig.server.connections(), CLIENTS);
    assert_eq!(rig.server.connections_by_listener().iter().sum::<usize>(), CLIENTS);
    assert!(rig.server.counters().handovers > CLIENTS as u64 / 2, "the test did not reach what it is for");
    let mut clients = clients;
    for number in 0..CLIENTS {
        let to = (number * 7 + 3) % CLIENTS;
        let payload = number.to_string();
        clients[number].publish(&format!("to/{to}"), payload.as_bytes(), 0);
        assert!(clients[to].read_packet().ends_with(payload.as_bytes()), "{number} to {to}");
    }
    drop(clients);
    rig.wait_until_empty();
}

#[test]
fn what_comes_directly_behind_connect_is_not_lost() {
    for shards in [1, 3] {
        let rig = Rig::new(shards);
        for (number, way) in ways().enumerate() {
            for length in [10, 3_000, 70_000] {
                let mut client = rig.open(way);
                let payload = pattern(length, number);
                let mut packets = connect(&format!("pipelined-{number}"));
                packets.extend(subscribe("own", 0));
                packets.extend(publish("own", &payload, 0));
                packets.extend(publish("own", &payload, 9));
                client.write(&packets);
                assert_eq!(client.read_connack(), 0, "{way:?}");
                // SUBACK waits for the other shards, the rest does not wait for it.
                let answers: Vec<_> = (0..4).map(|_| client.read_packet()).collect();
                assert!(answers.contains(&vec![0x90, 3, 0, 1, 0]), "{way:?}");
                assert!(answers.contains(&vec![0x40, 2, 0, 9]), "{way:?}");
                let came = answers.iter().filter(|packet| packet[0] == 0x30 && packet.ends_with(&payload));
                assert_eq!(came.count(), 2, "{way:?}");
            }
        }
    }
}

#[test]
fn everything_in_one_segment_is_understood() {
    // PROXY header, the WebSocket's request and CONNECT in its frame, without waiting for any answer.
    let rig = Rig::new(3);
    for proxy in [Proxy::No, Proxy::V1, Proxy::V2] {
        for transport in [Transport::Tcp, Transport::WebSocket, Transport::Unix] {
            for number in 0..6 {
                let mut bytes = crate::rig::proxy_header(proxy);
                let packets = [connect(&format!("hasty-{number}")), subscribe("hasty", 0)].concat();
                if transport == Transport::WebSocket {
                    bytes.extend_from_slice(crate::websocket::REQUEST.as_bytes());
                    bytes.extend(crate::websocket::frame(true, 2, &packets));
                } else {
                    bytes.extend(packets);
                }
                let mut wire = rig.wire((transport, proxy));
                wire.write_all(&bytes).unwrap();
                let mut answer = Vec::new();
                // The two answers are 4 and 5 bytes, in one frame or two.
                let expected = [0x90, 3, 0, 1, 0];
                while !answer.ends_with(&expected) {
                    let mut byte = [0];
                    std::io::Read::read_exact(&mut wire, &mut byte).unwrap();
                    answer.push(byte[0]);
                }
                assert!(answer.windows(4).any(|part| part == [0x20, 2, 0, 0]), "{transport:?} {proxy:?}");
                assert_eq!(answer.starts_with(b"HTTP/1.1 101 "), transport == Transport::WebSocket);
            }
        }
    }
}

#[test]
fn frames_need_not_be_packets() {
    let seed = Random::seed();
    println!("seed {seed}");
    let rig = Rig::new(3);
    for (number, transport) in [Transport::WebSocket, Transport::SecureWebSocket].into_iter().enumerate() {
        let mut client = rig.open((transport, Proxy::No));
        let framing = Framing::Cut(Random::new(seed + number as u64));
        match &mut client.stream {
            Stream::WebSocket(websocket) => websocket.framing = framing,
            Stream::SecureWebSocket(websocket) => websocket.framing = framing,
            Stream::Plain(_) | Stream::Tls(_) => unreachable!("it was opened as a WebSocket"),
        }
        assert_eq!(client.introduce(&format!("cut-{number}")), 0);
        client.subscribe("cut", 0);
        for round in 0..40 {
            let payload = pattern(round * 1_500, round);
            let packets = [publish("cut", &payload, 0), publish("cut", b"short", 0)].concat();
            client.write(&packets);
            assert!(client.read_packet().ends_with(&payload), "seed {seed}");
            assert!(client.read_packet().ends_with(b"short"), "seed {seed}");
        }
        let pongs = match &client.stream {
            Stream::WebSocket(websocket) => websocket.pongs,
            Stream::SecureWebSocket(websocket) => websocket.pongs,
            Stream::Plain(_) | Stream::Tls(_) => 0,
        };
        assert!(pongs > 0, "the test did not reach what it is for; seed {seed}");
    }
}
