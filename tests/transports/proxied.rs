//! For whom a proxy connects: PROXY protocol headers, and X-Forwarded-For.

use std::io::{Read, Write};

use crate::client::Client;
use crate::log;
use crate::rig::{PROXIED, Proxy, Rig, Transport, ways};
use crate::stream::Wire;
use crate::websocket::{REQUEST, WebSocket};

#[test]
fn the_clients_address_is_the_one_in_the_header() {
    log::keep();
    for shards in [1, 3] {
        let rig = Rig::new(shards);
        for (number, way) in ways().enumerate() {
            let client_id = format!("from-{shards}-{number}-afar");
            let _client = rig.connect(way, &client_id);
            let address = match way {
                (_, Proxy::V1 | Proxy::V2) => PROXIED,
                (Transport::Unix, Proxy::No) => "local",
                (_, Proxy::No) => "127.0.0.1:",
            };
            log::wait_for(&["client connected", &client_id, &format!("address={address}")]);
        }
    }
}

#[test]
fn a_proxy_may_connect_for_itself() {
    log::keep();
    let rig = Rig::new(3);
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (client_id, header) in [("unknown-v1", &b"PROXY UNKNOWN\r\n"[..]), ("local-v2", local)] {
        let mut wire = rig.wire((Transport::Tcp, Proxy::V1));
        wire.write_all(header).unwrap();
        let mut client = Client { stream: wire };
        assert_eq!(client.introduce(client_id), 0);
        log::wait_for(&["client connected", client_id, "address=127.0.0.1:"]);
    }
}

#[test]
fn who_is_no_proxy_may_not_say_for_whom_it_connects() {
    for shards in [1, 3] {
        let rig = Rig::with(shards, |config| {
            for listener in &mut config.listeners {
                if let Some(networks) = &mut listener.proxy_protocol {
                    *networks = vec!["192.0.2.0/24".parse().unwrap(), "::1/128".parse().unwrap()];
                }
            }
        });
        for (number, transport) in
            [Transport::Tcp, Transport::Tls, Transport::WebSocket, Transport::SecureWebSocket].into_iter().enumerate()
        {
            let mut wire = rig.wire((transport, Proxy::V2));
            let _ = wire.write_all(&crate::rig::proxy_header(Proxy::V2));
            // A reset, if it was still on its way.
            assert!(wire.read(&mut [0; 1]).unwrap_or(0) == 0);
            rig.wait_for_failures("proxy-not-trusted", number as u64 + 1);
        }
        // Who may write to a unix socket is the file's affair.
        drop(rig.connect((Transport::Unix, Proxy::V2), "by-file"));
        rig.wait_until_empty();
    }
}

/// Connects with X-Forwarded-For.
fn connect_forwarded(rig: &Rig, proxy: Proxy, forwarded_for: &str, client_id: &str) -> Client<WebSocket<Wire>> {
    let mut wire = rig.wire((Transport::WebSocket, proxy));
    wire.write_all(&crate::rig::proxy_header(proxy)).unwrap();
    let field = format!("\r\nX-Forwarded-For: {forwarded_for}\r\n\r\n");
    let request = REQUEST.replace("\r\n\r\n", &field);
    let mut client = Client { stream: WebSocket::open(wire, &request, &[]).unwrap() };
    assert_eq!(client.introduce(client_id), 0);
    client
}

#[test]
fn a_trusted_proxy_says_in_http_for_whom_it_connects() {
    log::keep();
    let rig = Rig::with(3, |config| {
        for websocket in config.listeners.iter_mut().filter_map(|listener| listener.websocket.as_mut()) {
            websocket.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        }
    });
    for number in 0..6 {
        let client_id = format!("forwarded-{number}");
        let _client = connect_forwarded(&rig, Proxy::No, "203.0.113.5, 198.51.100.9, 10.1.2.3", &client_id);
        log::wait_for(&["client connected", &client_id, "address=198.51.100.9:0"]);
    }
    // The header of the PROXY protocol names somebody who is no proxy: that is who it is.
    let _client = connect_forwarded(&rig, Proxy::V1, "203.0.113.5", "not-forwarded");
    log::wait_for(&["client connected", "not-forwarded", &format!("address={PROXIED}")]);
}

#[test]
fn what_anybody_else_says_in_http_is_not_believed() {
    log::keep();
    let rig = Rig::new(3);
    let _client = connect_forwarded(&rig, Proxy::No, "203.0.113.5", "liar");
    log::wait_for(&["client connected", "liar", "address=127.0.0.1:"]);
}
