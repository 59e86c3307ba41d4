//! More connections than a listener takes.

use std::io::Read;

use crate::client::Client;
use crate::rig::{Proxy, Rig, TRANSPORTS, Transport, wait_until};

#[test]
fn a_listener_takes_as_many_as_it_may() {
    for shards in [1, 3] {
        let rig = Rig::with(shards, |config| {
            for listener in &mut config.listeners {
                listener.connections_max = Some(3);
            }
        });
        for proxy in [Proxy::No, Proxy::V1] {
            for transport in TRANSPORTS {
                let way = (transport, proxy);
                let before = rig.server.counters().over_limit;
                let inside: Vec<_> = (0..3).map(|number| rig.connect(way, &format!("inside-{number}"))).collect();
                if proxy == Proxy::No && matches!(transport, Transport::Tcp | Transport::Unix) {
                    let mut refused = rig.open(way);
                    // Server unavailable.
                    assert_eq!(refused.introduce("one too many"), 3, "{way:?}");
                } else {
                    // A handshake is too much for a refusal.
                    let mut wire = rig.wire(way);
                    assert_eq!(wire.read(&mut [0; 1]).unwrap_or(0), 0, "{way:?}");
                }
                assert_eq!(rig.server.counters().over_limit, before + 1, "{way:?}");
                // Others are not concerned.
                let other = if transport == Transport::Tcp { Transport::Tls } else { Transport::Tcp };
                drop(rig.connect((other, proxy), "elsewhere"));
                drop(inside);
                wait_until("they are gone", || rig.server.connections() == 0);
                rig.connect(way, "again").subscribe("again", 0);
                rig.wait_until_empty();
            }
        }
    }
}

#[test]
fn all_listeners_together_take_as_many_as_the_server_may() {
    let rig = Rig::with(3, |config| config.connections_max = Some(2));
    let _inside: Vec<Client<_>> = [(Transport::Tls, Proxy::No), (Transport::Unix, Proxy::V2)]
        .iter()
        .enumerate()
        .map(|(number, way)| rig.connect(*way, &format!("inside-{number}")))
        .collect();
    let mut wire = rig.wire((Transport::SecureWebSocket, Proxy::No));
    assert_eq!(wire.read(&mut [0; 1]).unwrap_or(0), 0);
    assert_eq!(rig.open((Transport::Tcp, Proxy::No)).introduce("one too many"), 3);
    wait_until("those who were refused are not counted", || rig.server.connections() == 2);
}
