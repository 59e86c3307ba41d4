//! Handling errors (section 4.13): the right end for every breach, and never a panic.

use crate::rig::*;

/// "When a Server detects a Malformed Packet or Protocol Error, and a Reason Code is given in the specification, it
/// MUST close the Network Connection" [MQTT-4.13.1-1].
#[test]
fn mqtt_4_13_1_1_breaches_end_the_connection() {
    for bytes in [
        frame(0x00, &[]),
        frame(0x36, &[0, 1, b't', 0, 1, 0]),
        frame(0x80, &[0, 1, 0, 0, 1, b't', 0]),
        frame(0xC0, &[0]),
        publish("a/#", "x").bytes(5),
        Connect::v5("hostile").bytes(),
    ] {
        expect_breach(&bytes, &[0x81, 0x82, 0x90]);
        let level_4 = if bytes[0] >> 4 == 8 { frame(0x80, &[0, 1, 0, 1, b't', 0]) } else { bytes };
        expect_breach_v3_1_1(&level_4);
    }
}

/// "If a Reason Code of 0x80 or greater is specified, then the Network Connection MUST be closed whether or not the
/// CONNACK or DISCONNECT is sent" [MQTT-4.13.2-1]: also when the client reads nothing of what it is sent.
#[test]
fn mqtt_4_13_2_1_connection_is_closed_though_nobody_reads() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.stop_reading();
    a.send(&[0x00, 0x00]);
    rig.advance_ms(ringmq::limits::LINGER_MS + 1_000);
    assert!(a.is_closed());
    assert_eq!(rig.connection_count(), 0);
}

/// The breach is reported for the log with its rule.
#[test]
fn breach_is_reported() {
    let rig = Rig::new();
    rig.connect_v5("a").send(&publish("a/#", "x").bytes(5));
    assert!(matches!(rig.close_reason("a"), Some(CloseReason::Violation(_))));
}

/// A breach of one client is nobody else's business.
#[test]
fn other_connections_live_on() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    for connect in [Connect::v5("hostile"), Connect::v3_1_1("hostile")] {
        let mut hostile = rig.connect(&connect);
        hostile.send(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert!(hostile.is_closed());
    }
    a.publish("t", "x");
    a.take("x");
}

/// Every packet of one session with one bit turned over, or cut short: whatever comes of it, the server sends nothing
/// that the scanner minds, does not panic, and serves the next client.
#[test]
fn turned_bits_do_no_harm() {
    let good = [
        Connect::v5("a").session(9).will("w", b"x", 1, true).user_name("u").password(b"p").bytes(),
        subscribe(5, 1, &subscription_identifier(7), &[("t/+", 1), ("$share/g/t", 2)]),
        publish("t/x", "payload").qos2(2).property(TOPIC_ALIAS, 1u16).property(USER_PROPERTY, ("n", "v")).bytes(5),
        ack(0x62, 2, 0),
        unsubscribe(5, 3, &["t/+"]),
        disconnect(0, &property(SESSION_EXPIRY_INTERVAL, 1u32)),
    ];
    let stream: Vec<u8> = good.concat();
    let rig = Rig::new();
    for at in 0..stream.len() {
        for bit in 0..8 {
            let mut broken = stream.clone();
            broken[at] ^= 1 << bit;
            let mut client = rig.open();
            for portion in broken.chunks(40) {
                if !client.is_closed() {
                    client.send(portion);
                }
            }
            // The level may be what was turned over, and with it the form of the answer.
            if broken[..20] == stream[..20] {
                while client.try_next().is_some() {}
            }
            client.break_off();
        }
    }
    assert_eq!(rig.connection_count(), 0);
    rig.connect_v5("a").ping();
}
