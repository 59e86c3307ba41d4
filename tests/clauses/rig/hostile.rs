//! One breach of the rules on a fresh connection, and how it must end.

use super::request::Connect;
use super::shards::Rig;
use super::{Client, Packet};

/// A connected 5.0 client sends these bytes: DISCONNECT with one of these reasons, and the end.
pub fn expect_breach(bytes: &[u8], reasons: &[u8]) {
    let rig = Rig::new();
    expect_breach_by(&mut rig.connect_v5("hostile"), bytes, reasons);
}

/// The same for a client that exists; before 5.0 the connection ends without a word.
pub fn expect_breach_by(client: &mut Client, bytes: &[u8], reasons: &[u8]) {
    client.send(bytes);
    if client.level == 5 {
        let reason = client.next_disconnect().reason;
        assert!(reasons.contains(&reason), "DISCONNECT {reason:#x}, expected one of {reasons:x?}, after {bytes:x?}");
    }
    client.expect_closed();
}

/// A connected 3.1.1 client sends these bytes: the connection ends and nothing is said.
pub fn expect_breach_v3_1_1(bytes: &[u8]) {
    let rig = Rig::new();
    expect_breach_by(&mut rig.connect_v3_1_1("hostile"), bytes, &[]);
}

/// A 5.0 CONNECT that is not accepted: the connection ends, and if the server says why, it is by a CONNACK with one of
/// these reasons, never by a DISCONNECT ([MQTT-3.14.0-1]).
pub fn expect_connect_breach(rig: &Rig, bytes: &[u8], reasons: &[u8]) {
    let mut client = rig.open();
    client.send(bytes);
    if let Some(packet) = client.try_next() {
        let Packet::ConnAck(connack) = packet else { panic!("expected CONNACK, got {packet:?}") };
        assert!(reasons.contains(&connack.reason), "CONNACK {:#x}, expected one of {reasons:x?}", connack.reason);
    }
    client.expect_closed();
}

/// The same for a CONNECT in the making.
pub fn expect_connect_refused(connect: &Connect, reasons: &[u8]) {
    expect_connect_breach(&Rig::new(), &connect.bytes(), reasons);
}
