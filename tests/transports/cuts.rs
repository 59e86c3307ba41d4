//! Handshakes that end, stall or never were: at every byte, and with bytes that belong elsewhere.

use std::io::{self, Cursor, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use rustls::ClientConnection;

use crate::client::connect;
use crate::random::Random;
use crate::rig::{Proxy, Rig, TRANSPORTS, Transport, Way, client_connection, proxy_header, ways, wrap};
use crate::stream::Wire;
use crate::websocket::{REQUEST, frame, read_head};

/// Connections at a time: cutting at every byte makes some thousands of them.
const BATCH: usize = 64;

fn client_hello(rig: &Rig) -> Vec<u8> {
    let mut bytes = Vec::new();
    client_connection(&rig.tls).write_tls(&mut bytes).unwrap();
    bytes
}

/// All that a client can say before it has heard anything.
fn first_bytes(rig: &Rig, (transport, proxy): Way) -> Vec<u8> {
    let mut bytes = proxy_header(proxy);
    match transport {
        Transport::Tcp | Transport::Unix => bytes.extend(connect("cut")),
        Transport::Tls | Transport::SecureWebSocket => bytes.extend(client_hello(rig)),
        Transport::WebSocket => {
            bytes.extend_from_slice(REQUEST.as_bytes());
            bytes.extend(frame(true, 2, &connect("cut")));
        }
    }
    bytes
}

#[test]
fn bytes_that_end_anywhere_leave_nothing() {
    for shards in [1, 3] {
        let rig = Rig::new(shards);
        for way in ways() {
            let bytes = first_bytes(&rig, way);
            let mut open = Vec::new();
            for cut in 0..=bytes.len() {
                let mut wire = rig.wire(way);
                wire.write_all(&bytes[..cut]).unwrap();
                match cut % 3 {
                    // Gone at once, perhaps before the server has seen it.
                    0 => drop(wire),
                    1 => {
                        wire.shutdown(Shutdown::Write);
                        open.push(wire);
                    }
                    _ => open.push(wire),
                }
                if open.len() == BATCH {
                    open.clear();
                }
            }
            drop(open);
            rig.wait_until_empty();
        }
        let mut after = rig.connect((Transport::SecureWebSocket, Proxy::V2), "after");
        after.subscribe("still/works", 0);
    }
}

/// Carries what the client has to say as long as there is something `left` of its bytes, then an answer; false when that is all.
fn exchange(wire: &mut Wire, client: &mut ClientConnection, left: &mut usize) -> io::Result<bool> {
    while client.wants_write() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes)?;
        let size = bytes.len().min(*left);
        wire.write_all(&bytes[..size])?;
        *left -= size;
        if *left == 0 {
            return Ok(false);
        }
    }
    if client.is_handshaking() {
        let mut bytes = [0; 4_096];
        let size = wire.read(&mut bytes)?;
        if size == 0 {
            return Ok(false);
        }
        client.read_tls(&mut Cursor::new(&bytes[..size]))?;
        client.process_new_packets().map_err(io::Error::other)?;
    }
    Ok(client.is_handshaking() || client.wants_write())
}

#[test]
fn a_tls_handshake_that_ends_behind_its_first_flight_leaves_nothing() {
    let rig = Rig::new(3);
    let whole = client_hello(&rig).len();
    // Its second flight and CONNECT come together.
    for cut in whole..whole + 200 {
        for transport in [Transport::Tls, Transport::SecureWebSocket] {
            let mut wire = rig.wire((transport, Proxy::No));
            let mut client = client_connection(&rig.tls);
            let first = if transport == Transport::Tls { connect("cut") } else { REQUEST.as_bytes().to_vec() };
            client.writer().write_all(&first).unwrap();
            let mut left = cut;
            while exchange(&mut wire, &mut client, &mut left).unwrap() {}
        }
    }
    rig.wait_until_empty();
}

#[test]
fn handshakes_that_come_byte_by_byte_succeed() {
    let rig = Rig::new(3);
    for way in ways() {
        let mut wire = rig.wire(way);
        if matches!(way.0, Transport::Tls | Transport::SecureWebSocket) {
            // Its ClientHello would be of a session that goes on, so that only what is before it is cut.
            for byte in proxy_header(way.1) {
                wire.write_all(&[byte]).unwrap();
            }
            assert_eq!(wrap(wire, way.0, &rig.tls).introduce("slow"), 0, "{way:?}");
            continue;
        }
        for byte in first_bytes(&rig, way) {
            wire.write_all(&[byte]).unwrap();
        }
        if way.0 == Transport::WebSocket {
            assert!(read_head(&mut wire).unwrap().starts_with("HTTP/1.1 101 "), "{way:?}");
            wire.read_exact(&mut [0; 2]).unwrap();
        }
        let mut connack = [0; 4];
        wire.read_exact(&mut connack).unwrap();
        assert_eq!(connack, [0x20, 2, 0, 0], "{way:?}");
    }
}

#[test]
fn a_tls_handshake_that_comes_byte_by_byte_succeeds() {
    let rig = Rig::new(3);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let tls = std::sync::Arc::new(crate::rig::client_tls_of(&rig.authority, None, &[version]));
        let mut wire = rig.wire((Transport::Tls, Proxy::No));
        let mut client = client_connection(&tls);
        client.writer().write_all(&connect("slow")).unwrap();
        let mut came = [0; 4];
        let mut size = 0;
        while size < came.len() {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            for byte in bytes {
                wire.write_all(&[byte]).unwrap();
            }
            let mut bytes = [0; 4_096];
            let read = wire.read(&mut bytes).unwrap();
            assert!(read > 0, "{version:?}");
            let mut bytes = &bytes[..read];
            while !bytes.is_empty() {
                client.read_tls(&mut bytes).unwrap();
                client.process_new_packets().unwrap();
            }
            match client.reader().read(&mut came[size..]) {
                Ok(read) => size += read,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert_eq!(came, [0x20, 2, 0, 0]);
    }
}

/// Whether the server ends the connection, whatever it says before.
fn ends(mut wire: Wire) -> bool {
    let mut bytes = Vec::new();
    match wire.read_to_end(&mut bytes) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn bytes_of_another_protocol_are_told_apart() {
    let rig = Rig::new(3);
    let hello = client_hello(&rig);
    let mqtt = connect("stranger");
    let request = REQUEST.as_bytes();
    let cases: [(Transport, Proxy, &[u8], Option<&str>); 11] = [
        (Transport::Tls, Proxy::No, &mqtt, Some("not-tls")),
        (Transport::SecureWebSocket, Proxy::No, &mqtt, Some("not-tls")),
        (Transport::Tls, Proxy::No, request, Some("not-tls")),
        (Transport::SecureWebSocket, Proxy::No, request, Some("not-tls")),
        (Transport::WebSocket, Proxy::No, &mqtt, Some("websocket-refused")),
        (Transport::WebSocket, Proxy::No, &hello, Some("websocket-refused")),
        (Transport::Tcp, Proxy::V1, &mqtt, Some("proxy-header")),
        (Transport::Tls, Proxy::V1, &hello, Some("proxy-header")),
        (Transport::WebSocket, Proxy::V1, request, Some("proxy-header")),
        // MQTT's own affair: the core counts these.
        (Transport::Tcp, Proxy::No, &hello, None),
        (Transport::Tcp, Proxy::No, request, None),
    ];
    for (transport, proxy, bytes, reason) in cases {
        let before = reason.map_or(0, |reason| rig.failures(reason));
        let mut wire = rig.wire((transport, proxy));
        wire.write_all(bytes).unwrap();
        assert!(ends(wire), "{transport:?} {proxy:?}");
        if let Some(reason) = reason {
            rig.wait_for_failures(reason, before + 1);
        }
    }
    let known = rig.server.counters().layer_failures;
    assert_eq!(known.values().sum::<u64>(), 9, "{known:?}");
    rig.wait_until_empty();
}

#[test]
fn a_refused_websocket_is_told_why() {
    let rig = Rig::new(3);
    for (from, to, status) in [
        ("GET /mqtt", "GET /other", "HTTP/1.1 404 "),
        ("GET /mqtt", "POST /mqtt", "HTTP/1.1 405 "),
        ("Version: 13", "Version: 8", "HTTP/1.1 426 "),
        ("Protocol: mqtt", "Protocol: chat", "HTTP/1.1 400 "),
    ] {
        for proxy in [Proxy::No, Proxy::V1, Proxy::V2] {
            let mut wire = rig.wire((Transport::WebSocket, proxy));
            wire.write_all(&proxy_header(proxy)).unwrap();
            wire.write_all(REQUEST.replace(from, to).as_bytes()).unwrap();
            let head = read_head(&mut wire).unwrap();
            assert!(head.starts_with(status), "{head}");
            assert!(ends(wire));
        }
    }
    rig.wait_for_failures("websocket-refused", 12);
    rig.wait_until_empty();
}

#[test]
fn garbage_is_refused_everywhere() {
    let seed = Random::seed();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let rig = Rig::new(3);
    for round in 0..40 {
        for way in ways() {
            let start = if random.below(2) == 0 { proxy_header(way.1) } else { Vec::new() };
            let valid = first_bytes(&rig, way);
            let mut bytes: Vec<u8> = match round % 2 {
                0 => (0..1 + random.below(6_000)).map(|_| random.below(256) as u8).collect(),
                _ => valid,
            };
            for _ in 0..3 {
                let position = random.below(bytes.len());
                bytes[position] ^= 1 << random.below(8);
            }
            let mut wire = rig.wire(way);
            // The server may end it before all is written.
            let _ = wire.write_all(&[start, bytes].concat());
            wire.shutdown(Shutdown::Write);
            assert!(ends(wire), "{way:?}; seed {seed}");
        }
    }
    rig.wait_until_empty();
    let mut after = rig.connect((Transport::Tls, Proxy::V1), "after");
    after.subscribe("still/works", 0);
}

#[test]
fn a_handshake_has_its_time() {
    for shards in [1, 3] {
        let rig = Rig::with(shards, |config| config.settings.handshake_time_max_ms = 800);
        let silent: Vec<_> = ways().map(|way| rig.wire(way)).collect();
        let drips: Vec<_> = ways().map(|way| (rig.wire(way), first_bytes(&rig, way))).collect();
        // They have shaken hands, and do not connect.
        let waiting: Vec<_> = TRANSPORTS
            .map(|transport| {
                let mut client = rig.open((transport, Proxy::No));
                if transport != Transport::WebSocket && transport != Transport::SecureWebSocket {
                    client.write(&connect("waiting")[..5]);
                }
                client
            })
            .into();
        std::thread::scope(|scope| {
            for (mut wire, bytes) in drips {
                scope.spawn(move || {
                    // Slow loris: what is refused is refused before the whole can have come.
                    for byte in &bytes[..bytes.len() - 1] {
                        std::thread::sleep(Duration::from_millis(100));
                        if wire.write_all(&[*byte]).is_err() {
                            return;
                        }
                    }
                    panic!("it could go on for {} bytes", bytes.len());
                });
            }
        });
        for wire in silent {
            assert!(ends(wire));
        }
        for mut client in waiting {
            assert!(client.stream.end().rest.is_empty());
        }
        rig.wait_until_empty();
    }
}
