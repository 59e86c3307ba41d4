//! DISCONNECT (section 3.14), from clients and from the server.

use crate::rig::*;

/// "A Server MUST NOT send a DISCONNECT until after it has sent a CONNACK with Reason Code of less than 0x80"
/// [MQTT-3.14.0-1].
#[test]
fn mqtt_3_14_0_1_no_disconnect_before_connack() {
    let rig = Rig::with(|settings| settings.handshake_time_max_ms = 1_000);
    // Silent, half a CONNECT, and caught by the shutdown.
    let mut silent = rig.open();
    let mut half = rig.open();
    half.send(&Connect::v5("a").bytes()[..5]);
    rig.advance_ms(1_001);
    silent.expect_closed();
    half.expect_closed();
    let mut late = rig.open();
    rig.shut_down();
    late.expect_closed();
}

/// "The Client or Server MUST validate that reserved bits are set to 0. If they are not zero it sends a DISCONNECT
/// packet with a Reason code of 0x81" [MQTT-3.14.1-1].
#[test]
fn mqtt_3_14_1_1_reserved_flags_of_disconnect() {
    for flags in 1..16 {
        expect_breach(&frame(0xE0 | flags, &[]), &[0x81]);
        expect_breach_v3_1_1(&frame(0xE0 | flags, &[]));
    }
}

/// "The Client or Server sending the DISCONNECT packet MUST use one of the DISCONNECT Reason Code values"
/// [MQTT-3.14.2-1].
#[test]
fn mqtt_3_14_2_1_unknown_reason_codes_are_refused() {
    for reason in [0x01, 0x03, 0x10, 0x7F, 0xFF] {
        expect_breach(&disconnect(reason, &[]), &[0x81, 0x82]);
    }
}

/// All forms of a client's DISCONNECT: nothing, a reason code, a reason code and properties.
#[test]
fn every_form_of_disconnect_is_understood() {
    let user = property(USER_PROPERTY, ("n", "v"));
    let reason_string = property(REASON_STRING, "because");
    let both = [user.clone(), reason_string.clone()].concat();
    let forms = [
        frame(0xE0, &[]),
        frame(0xE0, &[0x00]),
        frame(0xE0, &[0x04]),
        frame(0xE0, &[0x80]),
        disconnect(0x00, &[]),
        disconnect(0x81, &user),
        disconnect(0x98, &reason_string),
        disconnect(0x00, &both),
    ];
    for form in forms {
        let rig = Rig::new();
        let mut a = rig.connect_v5("a");
        a.send(&form);
        a.expect_closed();
        assert!(
            matches!(rig.close_reason("a"), Some(CloseReason::ByClient(reason)) if reason as u8 == *form.get(2).unwrap_or(&0))
        );
    }
}

/// "The Session Expiry Interval MUST NOT be sent on a DISCONNECT by the Server" [MQTT-3.14.2-2]. The scanner checks
/// every DISCONNECT; here are some of different causes.
#[test]
fn mqtt_3_14_2_2_server_sends_no_session_expiry() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100).keep_alive(1);
    let mut taken_over = rig.connect(&connect);
    let mut silent = rig.connect(&connect);
    assert!(!taken_over.next_disconnect().properties.has(SESSION_EXPIRY_INTERVAL));
    rig.advance_s(3);
    assert!(!silent.next_disconnect().properties.has(SESSION_EXPIRY_INTERVAL));
}

/// "After sending a DISCONNECT packet the sender MUST NOT send any more MQTT Control Packets on that Network
/// Connection" [MQTT-3.14.4-1] and "MUST close the Network Connection" [MQTT-3.14.4-2].
#[test]
fn mqtt_3_14_4_1_nothing_after_disconnect() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("#", 1)]);
    // A breach in the middle of good packets: those after it are not processed.
    let mut bytes = publish("before", "x").qos1(1).bytes(5);
    bytes.extend([0x00, 0x00]);
    bytes.extend(publish("after", "x").qos1(2).bytes(5));
    bytes.extend(frame(0xC0, &[]));
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("#", 0)]);
    a.send(&bytes);
    let mut packets: Vec<Packet> = std::iter::from_fn(|| a.try_next()).collect();
    assert!(matches!(packets.pop(), Some(Packet::Disconnect(_))));
    assert!(!packets.iter().any(|packet| matches!(packet, Packet::Disconnect(_) | Packet::PingResp)));
    a.expect_closed();
    assert_eq!(watcher.take("x").topic, "before");
    watcher.expect_nothing();
}

/// The receiver of a DISCONNECT processes nothing after it, and closes (section 3.14.4) [MQTT-3.14.4-2].
#[test]
fn mqtt_3_14_4_2_nothing_is_processed_after_disconnect() {
    let rig = Rig::new();
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("#", 0)]);
    for connect in [Connect::v5("a"), Connect::v3_1_1("b")] {
        let mut client = rig.connect(&connect);
        let mut bytes = frame(0xE0, &[]);
        bytes.extend(publish("t", "x").bytes(connect.level));
        bytes.extend(frame(0xC0, &[]));
        client.send(&bytes);
        client.expect_closed();
        watcher.expect_nothing();
    }
}

/// "On receipt of DISCONNECT with a Reason Code of 0x00 (Success) the Server MUST discard any Will Message associated
/// with the current Connection without publishing it" [MQTT-3.14.4-3].
#[test]
fn mqtt_3_14_4_3_normal_disconnect_discards_the_will() {
    let rig = Rig::new();
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("w", 0)]);
    let will = |connect: Connect| connect.will("w", b"will", 0, false);
    rig.connect(&will(Connect::v5("a"))).disconnect();
    rig.connect(&will(Connect::v3_1_1("b"))).disconnect();
    rig.connect(&will(Connect::v5("c").session(10)).will_property(WILL_DELAY_INTERVAL, 1u32)).disconnect();
    rig.advance_s(100);
    watcher.expect_nothing();
}

/// DISCONNECT 0x04 and errors publish the will (section 3.14.2.1).
#[test]
fn other_disconnects_publish_the_will() {
    for reason in [0x04, 0x80, 0x93, 0x99] {
        let rig = Rig::new();
        let mut watcher = rig.connect_v5("watcher");
        watcher.subscribe(&[("w", 0)]);
        rig.connect(&Connect::v5("a").will("w", b"will", 0, false)).send(&disconnect(reason, &[]));
        watcher.take("will");
    }
}

/// The session's expiry can be changed with DISCONNECT (section 3.14.2.2.2): shorter, longer, and to nothing.
#[test]
fn disconnect_overrides_the_session_expiry() {
    for (at_first, at_last, lives_s, dies_s) in [(100, 10u32, 9, 11), (10, 100, 99, 101), (100, 0, 0, 1)] {
        let rig = Rig::new();
        let connect = Connect::v5("a").session(at_first);
        let mut a = rig.connect(&connect);
        a.send(&disconnect(0, &property(SESSION_EXPIRY_INTERVAL, at_last)));
        a.expect_closed();
        if lives_s > 0 {
            rig.advance_s(lives_s);
            let mut a = rig.connect(&connect);
            assert!(a.connack.session_present);
            a.send(&disconnect(0, &property(SESSION_EXPIRY_INTERVAL, at_last)));
        }
        rig.advance_s(dies_s);
        assert!(!rig.connect(&connect).connack.session_present);
    }
}

/// "If the Session Expiry Interval in the CONNECT packet was zero, then it is a Protocol Error to set a non-zero
/// Session Expiry Interval in the DISCONNECT packet … Reason Code 0x82" (section 3.14.2.2.2).
#[test]
fn session_expiry_cannot_grow_from_zero() {
    expect_breach(&disconnect(0, &property(SESSION_EXPIRY_INTERVAL, 1u32)), &[0x82]);
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.send(&disconnect(0, &property(SESSION_EXPIRY_INTERVAL, 0u32)));
    a.expect_closed();
}

/// A shutdown says 0x8B to 5.0 clients and closes the others.
#[test]
fn shutdown_says_so() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    let mut b = rig.connect_v3_1_1("b");
    rig.shut_down();
    a.expect_closed_with(0x8B);
    b.expect_closed();
    assert_eq!(rig.connection_count(), 0);
}
