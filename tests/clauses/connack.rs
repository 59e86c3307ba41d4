//! CONNACK (section 3.2): what it announces is what the server does.

use ringmq::codec::Qos;

use crate::rig::*;

/// "The Server MUST send a CONNACK with a 0x00 (Success) Reason Code before sending any Packet other than AUTH"
/// [MQTT-3.2.0-1].
#[test]
fn mqtt_3_2_0_1_connack_comes_first() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(1_000);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 1)]);
    a.break_off();
    rig.connect_v5("p").publish_qos1("t", "waiting");
    // The queued message follows the CONNACK at once.
    let mut a = rig.attempt(&connect);
    assert!(a.next_connack().session_present);
    a.take("waiting");
}

/// "The Server MUST NOT send more than one CONNACK in a Network Connection" [MQTT-3.2.0-2].
#[test]
fn mqtt_3_2_0_2_one_connack() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.send(&Connect::v5("a").bytes());
    assert!(!std::iter::from_fn(|| a.try_next()).any(|packet| matches!(packet, Packet::ConnAck(_))));
    assert!(a.is_closed());
}

/// "Byte 1 … Bits 7-1 are reserved and MUST be set to 0" [MQTT-3.2.2-1].
#[test]
fn mqtt_3_2_2_1_acknowledge_flags_are_reserved() {
    let rig = Rig::new();
    // The scanner checks the seven bits; both values of the eighth are seen.
    assert!(!rig.connect(&Connect::v5("a").session(10)).connack.session_present);
    assert!(rig.connect(&Connect::v5("a").session(10)).connack.session_present);
}

/// "If the Server accepts a connection with Clean Start set to 1, the Server MUST set Session Present to 0"
/// [MQTT-3.2.2-2].
#[test]
fn mqtt_3_2_2_2_clean_start_has_no_session_present() {
    let rig = Rig::new();
    rig.connect(&Connect::v5("a").session(100)).disconnect();
    assert!(!rig.connect_v5("a").connack.session_present);
}

/// "If the Server accepts a connection with Clean Start set to 0 and the Server has Session State for the ClientID, it
/// MUST set Session Present to 1, otherwise … to 0" [MQTT-3.2.2-3].
#[test]
fn mqtt_3_2_2_3_session_present_tells_the_truth() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100);
    assert!(!rig.connect(&connect).connack.session_present);
    assert!(rig.connect(&connect).connack.session_present);
    // A session without expiry is gone with its connection.
    rig.connect_v5("b").break_off();
    assert!(!rig.connect(&Connect::v5("b").keep_session()).connack.session_present);
}

/// "If a Server sends a CONNACK packet containing a non-zero Reason Code it MUST set Session Present to 0"
/// [MQTT-3.2.2-6].
#[test]
fn mqtt_3_2_2_6_refusal_has_no_session_present() {
    let rig = Rig::with(|settings| settings.retain_available = false);
    rig.connect(&Connect::v5("a").session(100)).break_off();
    let mut client = rig.attempt(&Connect::v5("a").session(100).will("w", b"x", 0, true));
    let connack = client.next_connack();
    assert_eq!((connack.reason, connack.session_present), (0x9A, false));
}

/// "If a Server sends a CONNACK packet containing a Reason code of 128 or greater it MUST then close" [MQTT-3.2.2-7],
/// with one of the codes of table 3-1 [MQTT-3.2.2-8].
#[test]
fn mqtt_3_2_2_7_refusal_closes() {
    let rig = Rig::with(|settings| settings.empty_client_id_allowed = false);
    rig.expect_refused(&Connect::v5(""), 0x85);
    assert_eq!(rig.connection_count(), 0);
}

/// "If a Server does not support QoS 1 or QoS 2 PUBLISH packets it MUST send a Maximum QoS in the CONNACK"
/// [MQTT-3.2.2-9].
#[test]
fn mqtt_3_2_2_9_maximum_qos_is_announced() {
    for (maximum, announced) in [(Qos::AtMostOnce, Some(0)), (Qos::AtLeastOnce, Some(1)), (Qos::ExactlyOnce, None)] {
        let rig = Rig::with(|settings| settings.maximum_qos = maximum);
        assert_eq!(rig.connect_v5("a").connack.properties.byte(MAXIMUM_QOS), announced);
    }
}

/// "A Server that does not support QoS 1 or QoS 2 PUBLISH packets MUST still accept SUBSCRIBE packets containing a
/// Requested QoS of 0, 1 or 2" [MQTT-3.2.2-10].
#[test]
fn mqtt_3_2_2_10_subscriptions_above_maximum_qos_are_downgraded() {
    let rig = Rig::with(|settings| settings.maximum_qos = Qos::AtMostOnce);
    let mut a = rig.connect_v5("a");
    assert_eq!(a.subscribe_codes(&[], &[("a", 0), ("b", 1), ("c", 2)]), [0, 0, 0]);
    let rig = Rig::with(|settings| settings.maximum_qos = Qos::AtLeastOnce);
    let mut a = rig.connect_v5("a");
    assert_eq!(a.subscribe_codes(&[], &[("a", 0), ("b", 1), ("c", 2)]), [0, 1, 1]);
}

/// The client must not exceed Maximum QoS [MQTT-3.2.2-11]; "if the Server receives a PUBLISH packet with a QoS greater
/// than the Maximum QoS …" it is a DISCONNECT with 0x9B (section 3.3.1.2).
#[test]
fn mqtt_3_2_2_11_publish_above_maximum_qos_ends_the_connection() {
    let rig = Rig::with(|settings| settings.maximum_qos = Qos::AtLeastOnce);
    let mut a = rig.connect_v5("a");
    assert!(a.publish_qos1("t", "x") < 0x80);
    a.send_publish(&publish("t", "x").qos2(1));
    a.expect_closed_with(0x9B);
}

/// "If a Server receives a CONNECT packet containing a Will QoS that exceeds its capabilities, it MUST reject the
/// connection. It SHOULD use … 0x9B" [MQTT-3.2.2-12].
#[test]
fn mqtt_3_2_2_12_will_above_maximum_qos_is_refused() {
    let rig = Rig::with(|settings| settings.maximum_qos = Qos::AtMostOnce);
    rig.expect_refused(&Connect::v5("a").will("w", b"x", 1, false), 0x9B);
    rig.connect(&Connect::v5("a").will("w", b"x", 0, false));
}

/// "If a Server receives a CONNECT packet containing a Will Message with the Will Retain set to 1, and it does not
/// support retained messages, the Server MUST reject the connection request. It SHOULD send … 0x9A" [MQTT-3.2.2-13].
#[test]
fn mqtt_3_2_2_13_retained_will_without_retain_is_refused() {
    let rig = Rig::with(|settings| settings.retain_available = false);
    rig.expect_refused(&Connect::v5("a").will("w", b"x", 0, true), 0x9A);
    rig.connect(&Connect::v5("a").will("w", b"x", 0, false));
}

/// Retain Available is announced; a client that sends RETAIN nevertheless [MQTT-3.2.2-14] is disconnected with 0x9A
/// (section 3.2.2.3.5).
#[test]
fn mqtt_3_2_2_14_retain_that_is_not_available_ends_the_connection() {
    let rig = Rig::with(|settings| settings.retain_available = false);
    let mut a = rig.connect_v5("a");
    assert_eq!(a.connack.properties.byte(RETAIN_AVAILABLE), Some(0));
    a.send_publish(&publish("t", "x").retain());
    a.expect_closed_with(0x9A);
    assert_ne!(Rig::new().connect_v5("a").connack.properties.byte(RETAIN_AVAILABLE), Some(0));
}

/// Maximum Packet Size is announced; a larger packet [MQTT-3.2.2-15] is a DISCONNECT with 0x95 (section 3.2.2.3.6).
#[test]
fn mqtt_3_2_2_15_packet_above_maximum_packet_size_ends_the_connection() {
    let rig = Rig::with(|settings| settings.packet_size_max = 1_000);
    let mut a = rig.connect_v5("a");
    assert_eq!(a.connack.properties.four_bytes(MAXIMUM_PACKET_SIZE), Some(1_000));
    // Fixed header 3, topic 3, property length 1.
    a.send_publish(&publish("t", vec![b'x'; 1_000 - 7]));
    a.ping();
    a.send_publish(&publish("t", vec![b'x'; 1_001 - 7]));
    a.expect_closed_with(0x95);
}

/// The refusal does not wait for the packet: its length is enough.
#[test]
fn too_large_a_packet_is_refused_by_its_header() {
    let rig = Rig::with(|settings| settings.packet_size_max = 1_000);
    let mut a = rig.connect_v5("a");
    a.send(&[0x30, 0xFF, 0xFF, 0x7F]);
    a.expect_closed_with(0x95);
}

/// Topic Alias Maximum is announced; a greater alias [MQTT-3.2.2-17] ends the connection with 0x94 (section 3.3.2.3.4).
#[test]
fn mqtt_3_2_2_17_topic_alias_maximum_is_announced() {
    let rig = Rig::with(|settings| settings.topic_alias_max = 5);
    let mut a = rig.connect_v5("a");
    assert_eq!(a.connack.properties.two_bytes(TOPIC_ALIAS_MAXIMUM), Some(5));
    a.send_publish(&publish("t", "x").property(TOPIC_ALIAS, 5u16));
    a.ping();
    a.send_publish(&publish("t", "x").property(TOPIC_ALIAS, 6u16));
    a.expect_closed_with(0x94);
}

/// Without a Topic Alias Maximum no alias is accepted [MQTT-3.2.2-18].
#[test]
fn mqtt_3_2_2_18_no_topic_alias_without_maximum() {
    let rig = Rig::with(|settings| settings.topic_alias_max = 0);
    let mut a = rig.connect_v5("a");
    assert_eq!(a.connack.properties.two_bytes(TOPIC_ALIAS_MAXIMUM).unwrap_or(0), 0);
    a.send_publish(&publish("t", "x").property(TOPIC_ALIAS, 1u16));
    a.expect_closed_with(0x94);
}

/// "The Server MUST NOT send this property (Reason String) if it would increase the size of the CONNACK packet beyond
/// the Maximum Packet Size" [MQTT-3.2.2-19]; likewise User Property [MQTT-3.2.2-20].
#[test]
fn mqtt_3_2_2_19_refusal_fits_maximum_packet_size() {
    let rig = Rig::with(|settings| settings.retain_available = false);
    for size in [8u32, 20, 40] {
        let connect = Connect::v5("a").will("w", b"x", 0, true).property(MAXIMUM_PACKET_SIZE, size);
        let mut client = rig.attempt(&connect);
        if let Some(Packet::ConnAck(connack)) = client.try_next() {
            let text = connack.properties.text(REASON_STRING).map_or(0, |text| 3 + text.len());
            assert!(5 + text <= size as usize, "{connack:?}");
            assert!(connack.properties.user().is_empty());
        }
        client.expect_closed();
    }
}

/// "If the Server sends a Server Keep Alive on the CONNACK packet, the Client MUST use this value" [MQTT-3.2.2-21]: and
/// the server holds it to that.
#[test]
fn mqtt_3_2_2_21_server_keep_alive_is_in_force() {
    let rig = Rig::with(|settings| settings.keep_alive_max_s = 10);
    for (wished, announced) in [(100, Some(10)), (0, Some(10)), (10, None), (5, None)] {
        let mut a = rig.connect(&Connect::v5("a").keep_alive(wished));
        assert_eq!(a.connack.properties.two_bytes(SERVER_KEEP_ALIVE), announced, "keep alive {wished}");
        let allowed = u64::from(announced.unwrap_or(wished)) * 1_500;
        rig.advance_ms(allowed - 1);
        assert!(!a.is_closed());
        rig.advance_ms(1_500);
        a.expect_closed_with(0x8D);
    }
}

/// "If the Server does not send the Server Keep Alive, the Server MUST use the Keep Alive value set by the Client"
/// [MQTT-3.2.2-22].
#[test]
fn mqtt_3_2_2_22_client_keep_alive_is_in_force() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").keep_alive(7));
    assert!(!a.connack.properties.has(SERVER_KEEP_ALIVE));
    rig.advance_ms(10_499);
    assert!(!a.is_closed());
    rig.advance_ms(1_000);
    a.expect_closed_with(0x8D);
}

/// Receive Maximum is announced unless it is the default, 65,535 (section 3.2.2.3.3).
#[test]
fn receive_maximum_is_announced() {
    let rig = Rig::with(|settings| settings.receive_maximum = 3);
    assert_eq!(rig.connect_v5("a").connack.properties.two_bytes(RECEIVE_MAXIMUM), Some(3));
    let rig = Rig::with(|settings| settings.receive_maximum = 0xFFFF);
    assert_eq!(rig.connect_v5("a").connack.properties.two_bytes(RECEIVE_MAXIMUM).unwrap_or(0xFFFF), 0xFFFF);
}

/// What is not available is announced with 0 (sections 3.2.2.3.11 to 3.2.2.3.13), what is available never.
#[test]
fn unavailable_subscriptions_are_announced() {
    let all = [WILDCARD_SUBSCRIPTION_AVAILABLE, SUBSCRIPTION_IDENTIFIER_AVAILABLE, SHARED_SUBSCRIPTION_AVAILABLE];
    for missing in all {
        let rig = Rig::with(|settings| {
            settings.wildcard_subscription_available = missing != WILDCARD_SUBSCRIPTION_AVAILABLE;
            settings.subscription_identifiers_available = missing != SUBSCRIPTION_IDENTIFIER_AVAILABLE;
            settings.shared_subscription_available = missing != SHARED_SUBSCRIPTION_AVAILABLE;
        });
        let connack = rig.connect_v5("a").connack;
        for property in all {
            assert_eq!(connack.properties.byte(property).unwrap_or(1), u8::from(property != missing), "{property:#x}");
        }
    }
}

/// "If the Session Expiry Interval is absent the value in the CONNECT Packet is used"; a server that uses another says
/// so (section 3.2.2.3.2).
#[test]
fn session_expiry_that_differs_is_announced() {
    let rig = Rig::with(|settings| settings.session_expiry_max_s = 60);
    let a = rig.connect(&Connect::v5("a").session(1_000));
    assert_eq!(a.connack.properties.four_bytes(SESSION_EXPIRY_INTERVAL), Some(60));
    let b = rig.connect(&Connect::v5("b").session(30));
    assert_eq!(b.connack.properties.four_bytes(SESSION_EXPIRY_INTERVAL).unwrap_or(30), 30);
}

/// "A value of 0 indicates that the Server MUST NOT return Response Information" [MQTT-3.1.2-28]; asked for, it comes.
#[test]
fn mqtt_3_1_2_28_response_information_only_on_request() {
    let rig = Rig::with(|settings| settings.response_information = Some("answers/".to_owned()));
    let asked = Connect::v5("a").property(REQUEST_RESPONSE_INFORMATION, 1u8);
    let information = rig.connect(&asked).connack.properties.text(RESPONSE_INFORMATION).expect("what was asked for");
    assert!(information.starts_with("answers/") && information.ends_with('a'), "{information}");
    for connect in [Connect::v5("b"), Connect::v5("c").property(REQUEST_RESPONSE_INFORMATION, 0u8)] {
        assert!(!rig.connect(&connect).connack.properties.has(RESPONSE_INFORMATION));
    }
}
