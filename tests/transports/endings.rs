//! How connections end: what the other side sees of it, layer by layer.

use std::net::Shutdown;
use std::time::Duration;

use crate::client::{Client, connect, packet, publish, push_string};
use crate::rig::{Proxy, Rig, TRANSPORTS, Transport, Way, ways};
use crate::stream::Stream;

/// Going away is no failure (RFC 6455, section 7.4.1).
const NORMAL: u16 = 1000;

fn is_websocket(transport: Transport) -> bool {
    matches!(transport, Transport::WebSocket | Transport::SecureWebSocket)
}

/// Connects with MQTT 5.0, a will at `will`, and a keep-alive of so many seconds.
fn connect_v5(rig: &Rig, way: Way, client_id: &str, keep_alive_s: u8) -> Client<Stream> {
    let mut body = b"\0\x04MQTT\x05\x06\0".to_vec();
    body.extend_from_slice(&[keep_alive_s, 0]);
    push_string(&mut body, client_id);
    body.push(0);
    push_string(&mut body, "will");
    push_string(&mut body, client_id);
    let mut client = rig.open(way);
    client.write(&packet(0x10, &body));
    let connack = client.read_packet();
    assert_eq!((connack[0], connack[3]), (0x20, 0), "{connack:?}");
    client
}

/// The last frame and record that come when all is as it should be.
#[track_caller]
fn assert_goodbye(client: &mut Client<Stream>, way: Way, rest: &[u8]) {
    let end = client.stream.end();
    assert_eq!(end.rest, rest, "{way:?}");
    assert_eq!(end.close_code, is_websocket(way.0).then_some(NORMAL), "{way:?}");
    assert!(end.is_clean, "{way:?}");
}

#[test]
fn disconnect_ends_every_layer() {
    for shards in [1, 3] {
        let rig = Rig::new(shards);
        for (number, way) in ways().enumerate() {
            for disconnect in [&[0xE0, 0][..], &[&publish("a", b"last words", 3)[..], &[0xE0, 0]].concat()] {
                let mut client = rig.connect(way, &format!("leaver-{number}"));
                client.write(disconnect);
                let acknowledgement = if disconnect.len() > 2 { &[0x40, 2, 0, 3][..] } else { &[] };
                assert_goodbye(&mut client, way, acknowledgement);
            }
        }
        rig.wait_until_empty();
        assert!(rig.server.counters().layer_failures.is_empty());
    }
}

#[test]
fn stop_says_goodbye_through_every_layer() {
    for shards in [1, 3] {
        let rig = Rig::new(shards);
        let mut clients: Vec<_> = ways()
            .enumerate()
            .map(|(number, way)| (way, connect_v5(&rig, way, &format!("stays-{number}"), 0)))
            .collect();
        // They are in a handshake, one has not even begun.
        let mut early: Vec<_> = ways().map(|way| (way, rig.open(way))).collect();
        for (_, client) in early.iter_mut().filter(|((transport, _), _)| *transport == Transport::Tls) {
            // A client of TLS shakes hands when it has something to say.
            client.write(&[0x10]);
        }
        let _silent: Vec<_> = ways().map(|way| rig.wire(way)).collect();
        rig.server.stop();
        for (way, client) in &mut clients {
            // Server shutting down.
            let disconnect = client.read_packet();
            assert_eq!((disconnect[0], disconnect[2]), (0xE0, 0x8B), "{way:?}");
            assert_goodbye(client, *way, &[]);
        }
        for (way, client) in &mut early {
            let end = client.stream.end();
            assert!(end.rest.is_empty(), "{way:?} {end:?}");
        }
    }
}

#[test]
fn who_leaves_without_disconnect_leaves_a_will() {
    let rig = Rig::new(3);
    let mut heir = rig.connect((Transport::Tcp, Proxy::No), "heir");
    heir.subscribe("will", 0);
    for (number, way) in ways().enumerate() {
        for how in ["reset", "half", "layer"] {
            let client_id = format!("testator-{number}-{how}");
            let mut client = connect_v5(&rig, way, &client_id, 0);
            match (how, &mut client.stream) {
                ("half", stream) => stream.wire().shutdown(Shutdown::Write),
                ("layer", Stream::Tls(tls)) => {
                    tls.conn.send_close_notify();
                    tls.conn.complete_io(&mut tls.sock).unwrap();
                }
                ("layer", Stream::WebSocket(websocket)) => {
                    websocket.write_frame(true, 8, &NORMAL.to_be_bytes()).unwrap();
                }
                ("layer", Stream::SecureWebSocket(websocket)) => {
                    websocket.write_frame(true, 8, &NORMAL.to_be_bytes()).unwrap();
                }
                _ => {}
            }
            if how == "layer" && way.0 != Transport::Tcp && way.0 != Transport::Unix {
                assert_goodbye(&mut client, way, &[]);
            }
            drop(client);
            assert!(heir.read_packet().ends_with(client_id.as_bytes()), "{way:?} {how}");
        }
    }
    drop(heir);
    rig.wait_until_empty();
}

#[test]
fn who_says_nothing_for_too_long_is_told_so() {
    let rig = Rig::new(3);
    let ways = TRANSPORTS.map(|transport| (transport, Proxy::No));
    let mut clients: Vec<_> = ways.iter().map(|way| (*way, connect_v5(&rig, *way, &format!("{way:?}"), 1))).collect();
    for (way, client) in &mut clients {
        let disconnect = client.read_packet();
        assert_eq!((disconnect[0], disconnect[2]), (0xE0, 0x8D), "{way:?}");
        assert_goodbye(client, *way, &[]);
    }
    rig.wait_until_empty();
}

#[test]
fn a_ping_of_mqtt_keeps_alive_and_one_of_the_websocket_does_not() {
    let rig = Rig::new(1);
    let mut client = connect_v5(&rig, (Transport::WebSocket, Proxy::No), "pings", 2);
    for _ in 0..12 {
        std::thread::sleep(Duration::from_millis(300));
        client.write(&[0xC0, 0]);
        assert_eq!(client.read_packet(), [0xD0, 0]);
    }
    let Stream::WebSocket(websocket) = &mut client.stream else { unreachable!("it was opened as a WebSocket") };
    for _ in 0..15 {
        std::thread::sleep(Duration::from_millis(300));
        if websocket.write_frame(true, 9, b"").is_err() {
            break;
        }
    }
    let disconnect = client.read_packet();
    assert_eq!((disconnect[0], disconnect[2]), (0xE0, 0x8D));
}

#[test]
fn a_violation_is_told_through_every_layer() {
    let rig = Rig::new(3);
    for (number, way) in ways().enumerate() {
        let mut client = connect_v5(&rig, way, &format!("breaker-{number}"), 0);
        // CONNECT comes only once ([MQTT-3.1.0-2]).
        client.write(&connect("again"));
        let disconnect = client.read_packet();
        assert_eq!((disconnect[0], disconnect[2]), (0xE0, 0x82), "{way:?}");
        assert_goodbye(&mut client, way, &[]);
    }
    rig.wait_until_empty();
}

#[test]
fn a_client_that_takes_over_ends_the_other_through_its_layers() {
    let rig = Rig::new(3);
    for way in ways() {
        let mut former = connect_v5(&rig, way, "same", 0);
        let _latter = connect_v5(&rig, (Transport::Tcp, Proxy::No), "same", 0);
        let disconnect = former.read_packet();
        assert_eq!((disconnect[0], disconnect[2]), (0xE0, 0x8E), "{way:?}");
        assert_goodbye(&mut former, way, &[]);
    }
}
