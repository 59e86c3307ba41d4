//! CONNECT (section 3.1): what the packet may look like, and who may send it when.

use crate::rig::*;

/// "After a Network Connection is established … the first packet sent from the Client … MUST be a CONNECT packet"
/// [MQTT-3.1.0-1].
#[test]
fn mqtt_3_1_0_1_first_packet_is_connect() {
    for bytes in [
        frame(0xC0, &[]),
        publish("t", "x").bytes(4),
        subscribe(5, 1, &[], &[("t", 0)]),
        frame(0xE0, &[]),
        frame(0xF0, &[]),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        let rig = Rig::new();
        expect_connect_breach(&rig, &bytes, &[0x81, 0x82]);
        assert_eq!(rig.connection_count(), 0);
    }
}

/// "The Server MUST process a second CONNECT packet sent from a Client as a Protocol Error and close" [MQTT-3.1.0-2].
#[test]
fn mqtt_3_1_0_2_second_connect_is_a_protocol_error() {
    expect_breach(&Connect::v5("hostile").bytes(), &[0x82]);
    expect_breach(&Connect::v5("another").bytes(), &[0x82]);
    expect_breach_v3_1_1(&Connect::v3_1_1("hostile").bytes());
}

/// "If the Server does not want to accept the CONNECT … it MAY send a CONNACK packet with Reason Code of 0x84 …, and
/// then it MUST close" [MQTT-3.1.2-1].
#[test]
fn mqtt_3_1_2_1_wrong_protocol_name_is_refused() {
    for name in ["mqtt", "MQTTX", "", "MQIsdq", "\u{FEFF}MQTT"] {
        for level in [4, 5] {
            let mut connect = Connect::v5("a");
            connect.protocol_name = name.to_owned();
            connect.level = level;
            let mut client = Rig::new().attempt(&connect);
            let answer = client.take_bytes();
            let refusals = [&[][..], &[0x20, 2, 0, 1], &[0x20, 3, 0, 0x84, 0], &[0x20, 3, 0, 0x81, 0]];
            assert!(refusals.contains(&&answer[..]), "{answer:x?}");
            client.expect_closed();
        }
    }
}

/// "If the Protocol Version is not 5 and the Server does not want to accept the CONNECT packet, the Server MAY send a
/// CONNACK packet with Reason Code 0x84 … and then MUST close" [MQTT-3.1.2-2]; 3.1.1 wants return code 1.
#[test]
fn mqtt_3_1_2_2_unknown_protocol_version_is_refused() {
    for level in [0, 1, 2, 6, 127] {
        let mut connect = Connect::v5("a");
        connect.level = level;
        let mut client = Rig::new().attempt(&connect);
        // A server can only guess the form that such a client understands: that of 3.1.1 or that of 5.0.
        let answer = client.take_bytes();
        assert!([&[0x20, 2, 0, 1][..], &[0x20, 3, 0, 0x84, 0]].contains(&&answer[..]), "{answer:x?}");
        client.expect_closed();
    }
}

/// Protocol name and level of different versions do not go together (3.1: "MQIsdp" and 3; later: "MQTT" and 4 or 5).
#[test]
fn protocol_name_and_level_belong_together() {
    for (name, level) in [("MQIsdp", 4), ("MQIsdp", 5), ("MQTT", 3)] {
        let mut connect = Connect::v5("a");
        connect.protocol_name = name.to_owned();
        connect.level = level;
        let mut client = Rig::new().attempt(&connect);
        let answer = client.take_bytes();
        assert!(answer.get(3).is_none_or(|reason| *reason != 0), "{name} {level}: {answer:x?}");
        client.expect_closed();
    }
}

/// "The Server MUST validate that the reserved flag in the CONNECT packet is set to 0" [MQTT-3.1.2-3].
#[test]
fn mqtt_3_1_2_3_reserved_connect_flag_is_zero() {
    expect_connect_refused(&Connect::v5("a").raw_flags(|flags| flags | 1), &[0x81]);
    Rig::new().attempt(&Connect::v3_1_1("a").raw_flags(|flags| flags | 1)).expect_closed();
}

/// "If the Will Flag is set to 1, the … fields in the Payload … MUST be present" [MQTT-3.1.2-9].
#[test]
fn mqtt_3_1_2_9_will_flag_needs_the_will() {
    expect_connect_refused(&Connect::v5("a").raw_flags(|flags| flags | 0x04), &[0x81]);
}

/// "If the Will Flag is set to 0, then the Will QoS MUST be set to 0" [MQTT-3.1.2-11].
#[test]
fn mqtt_3_1_2_11_will_qos_needs_the_will_flag() {
    for qos in [0x08, 0x10] {
        expect_connect_refused(&Connect::v5("a").raw_flags(|flags| flags | qos), &[0x81]);
    }
}

/// "If the Will Flag is set to 1, the value of Will QoS can be 0, 1, or 2. A value of 3 is a Malformed Packet"
/// [MQTT-3.1.2-12].
#[test]
fn mqtt_3_1_2_12_will_qos_3_is_malformed() {
    let connect = Connect::v5("a").will("w", b"x", 0, false).raw_flags(|flags| flags | 0x18);
    expect_connect_refused(&connect, &[0x81]);
    for qos in 0..3 {
        Rig::new().connect(&Connect::v5("a").will("w", b"x", qos, false));
    }
}

/// "If the Will Flag is set to 0, then Will Retain MUST be set to 0" [MQTT-3.1.2-13].
#[test]
fn mqtt_3_1_2_13_will_retain_needs_the_will_flag() {
    expect_connect_refused(&Connect::v5("a").raw_flags(|flags| flags | 0x20), &[0x81]);
}

/// "If the User Name Flag is set to 0, a User Name MUST NOT be present in the Payload" [MQTT-3.1.2-16].
#[test]
fn mqtt_3_1_2_16_user_name_needs_its_flag() {
    expect_connect_refused(&Connect::v5("a").user_name("u").raw_flags(|flags| flags & !0x80), &[0x81]);
}

/// "If the User Name Flag is set to 1, a User Name MUST be present in the Payload" [MQTT-3.1.2-17].
#[test]
fn mqtt_3_1_2_17_user_name_flag_needs_the_user_name() {
    expect_connect_refused(&Connect::v5("a").raw_flags(|flags| flags | 0x80), &[0x81]);
    Rig::new().connect(&Connect::v5("a").user_name("u"));
}

/// "If the Password Flag is set to 0, a Password MUST NOT be present in the Payload" [MQTT-3.1.2-18].
#[test]
fn mqtt_3_1_2_18_password_needs_its_flag() {
    expect_connect_refused(&Connect::v5("a").user_name("u").password(b"p").raw_flags(|flags| flags & !0x40), &[0x81]);
}

/// "If the Password Flag is set to 1, a Password MUST be present in the Payload" [MQTT-3.1.2-19].
#[test]
fn mqtt_3_1_2_19_password_flag_needs_the_password() {
    expect_connect_refused(&Connect::v5("a").user_name("u").raw_flags(|flags| flags | 0x40), &[0x81]);
    Rig::new().connect(&Connect::v5("a").user_name("u").password(b"p"));
}

/// 5.0 allows a password without a user name (section 3.1.2.9), 3.1.1 does not [MQTT-3.1.2-22 of 3.1.1].
#[test]
fn password_without_user_name_is_for_5_0_only() {
    Rig::new().connect(&Connect::v5("a").password(b"p"));
    Rig::new().attempt(&Connect::v3_1_1("a").password(b"p")).expect_closed();
}

/// "These fields, if present, MUST appear in the order Client Identifier, Will Properties, Will Topic, Will Payload,
/// User Name, Password" [MQTT-3.1.3-1]: read in any other order, this will would not arrive.
#[test]
fn mqtt_3_1_3_1_payload_fields_are_read_in_order() {
    let rig = Rig::new();
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("will", 0)]);
    let connect = Connect::v5("id").will("will", b"payload", 0, false).user_name("user").password(b"password");
    rig.connect(&connect).break_off();
    assert_eq!(watcher.take("payload").topic, "will");
}

/// "The Client Identifier MUST be used by Clients and by Servers to identify state" [MQTT-3.1.3-2].
#[test]
fn mqtt_3_1_3_2_client_identifier_identifies_the_session() {
    let rig = Rig::new();
    rig.connect(&Connect::v5("a").session(100)).disconnect();
    assert!(!rig.connect(&Connect::v5("b").session(100)).connack.session_present);
    assert!(!rig.connect(&Connect::v5("A").session(100)).connack.session_present);
    assert!(rig.connect(&Connect::v5("a").session(100)).connack.session_present);
}

/// "The ClientID MUST be present and is the first field in the CONNECT packet Payload" [MQTT-3.1.3-3].
#[test]
fn mqtt_3_1_3_3_client_identifier_is_present() {
    let mut body = text("MQTT");
    body.extend([5, 2, 0, 0, 0]);
    expect_connect_breach(&Rig::new(), &frame(0x10, &body), &[0x81]);
}

/// "The Server MUST allow ClientID’s which are between 1 and 23 UTF-8 encoded bytes in length, and that contain only …
/// [0-9a-zA-Z]" [MQTT-3.1.3-5]. Longer and other ones are allowed too.
#[test]
fn mqtt_3_1_3_5_client_identifiers_are_accepted() {
    let rig = Rig::new();
    for client_id in [
        "0",
        "0123456789abcdefghijklm",
        "nopqrstuvwxyzABCDEFGHIJ",
        "KLMNOPQRSTUVWXYZ",
        "grüße/+#$ ",
        &"x".repeat(1_000),
    ] {
        rig.connect_v5(client_id).ping();
        if client_id.len() <= 23 {
            rig.connect(&Connect::v3_1(client_id)).ping();
        }
        rig.connect_v3_1_1(client_id).ping();
    }
}

/// "A Server MAY allow a Client to supply a ClientID that has a length of zero bytes, however if it does so the Server
/// MUST treat this as a special case and assign a unique ClientID" [MQTT-3.1.3-6].
#[test]
fn mqtt_3_1_3_6_empty_client_identifiers_are_told_apart() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("");
    let mut b = rig.connect_v5("");
    let mut c = rig.connect_v3_1_1("");
    a.ping();
    b.ping();
    c.ping();
}

/// "It MUST then process the CONNECT packet as if the Client had provided that unique ClientID, and MUST return the
/// Assigned Client Identifier in the CONNACK" [MQTT-3.1.3-7]; it is unique [MQTT-3.2.2-16].
#[test]
fn mqtt_3_1_3_7_empty_client_identifier_is_assigned() {
    let rig = Rig::new();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let client = rig.connect(&Connect::v5("").session(100));
        let assigned =
            client.connack.properties.text(ASSIGNED_CLIENT_IDENTIFIER).expect("an assigned client identifier");
        assert!(!assigned.is_empty());
        assert!(seen.insert(assigned));
    }
    let assigned = seen.iter().next().unwrap();
    assert!(rig.connect(&Connect::v5(assigned).session(100)).connack.session_present);
}

/// A client that names itself is not given a name (section 3.2.2.3.7).
#[test]
fn client_identifier_is_assigned_to_the_nameless_only() {
    assert!(!Rig::new().connect_v5("a").connack.properties.has(ASSIGNED_CLIENT_IDENTIFIER));
}

/// "If the Server rejects the ClientID it MAY respond to the CONNECT packet with a CONNACK using Reason Code 0x85 …,
/// and then it MUST close" [MQTT-3.1.3-8]; return code 2 before 5.0.
#[test]
fn mqtt_3_1_3_8_refused_client_identifier() {
    let rig = Rig::with(|settings| settings.empty_client_id_allowed = false);
    rig.expect_refused(&Connect::v5(""), 0x85);
    rig.expect_refused(&Connect::v3_1_1(""), 2);
    rig.connect_v5("a");
}

/// "The Server MUST validate that the CONNECT packet matches the format … and close the Network Connection if it does
/// not" [MQTT-3.1.4-1].
#[test]
fn mqtt_3_1_4_1_malformed_connects_are_refused() {
    let whole = Connect::v5("a").will("w", b"x", 1, true).user_name("u").password(b"p").bytes();
    // Every proper prefix of the body, under a Remaining Length that makes it a packet.
    for length in 0..whole.len() - 2 {
        expect_connect_breach(&Rig::new(), &frame(0x10, &whole[2..2 + length]), &[0x81, 0x82, 0x84]);
    }
    let mut longer = whole[2..].to_vec();
    longer.push(0);
    expect_connect_breach(&Rig::new(), &frame(0x10, &longer), &[0x81]);
}

/// "The Server MAY check that the contents … meet any further restrictions … If any of these checks fail, it MUST close
/// the Network Connection" [MQTT-3.1.4-2].
#[test]
fn mqtt_3_1_4_2_restrictions_of_the_server_end_the_connection() {
    let rig = Rig::new();
    let mut client = rig.open_over_limit();
    client.connect(&Connect::v5("a"));
    let reason = client.next_connack().reason;
    assert!([0x88, 0x89, 0x97, 0x9F].contains(&reason), "{reason:#x}");
    client.expect_closed();
    let mut client = rig.open_over_limit();
    client.connect(&Connect::v3_1_1("a"));
    assert_eq!(client.next_connack().reason, 3);
    client.expect_closed();
}

/// "If the ClientID represents a Client already connected to the Server, the Server sends a DISCONNECT packet to the
/// existing Client with Reason Code of 0x8E … and MUST close the Network Connection of the existing Client"
/// [MQTT-3.1.4-3].
#[test]
fn mqtt_3_1_4_3_session_is_taken_over() {
    let rig = Rig::new();
    let mut old = rig.connect_v5("a");
    let mut new = rig.connect_v5("a");
    old.expect_closed_with(0x8E);
    new.ping();
    let mut newest = rig.connect_v3_1_1("a");
    new.expect_closed_with(0x8E);
    rig.connect_v5("a").ping();
    newest.expect_closed_with(0x8E);
    assert_eq!(rig.connection_count(), 1);
}

/// "The Server MUST acknowledge the CONNECT packet with a CONNACK packet containing a 0x00 (Success) Reason Code"
/// [MQTT-3.1.4-5].
#[test]
fn mqtt_3_1_4_5_connect_is_acknowledged() {
    let rig = Rig::new();
    for connect in [Connect::v5("a"), Connect::v3_1_1("b"), Connect::v3_1("c")] {
        assert_eq!(rig.attempt(&connect).next_connack().reason, 0);
    }
}

/// Packets after the CONNECT may come before its CONNACK went out (section 3.1.4): they are processed in order.
#[test]
fn packets_right_behind_connect_are_processed() {
    let rig = Rig::new();
    let mut client = rig.open();
    let mut bytes = Connect::v5("a").bytes();
    bytes.extend(subscribe(5, 1, &[], &[("t", 0)]));
    bytes.extend(publish("t", "x").bytes(5));
    client.send(&bytes);
    assert_eq!(client.next_connack().reason, 0);
    assert_eq!(client.next_suback().reasons, [0]);
    client.take("x");
}

/// "If the Server rejects the CONNECT, it MUST NOT process any data sent by the Client after the CONNECT packet except
/// AUTH packets" [MQTT-3.1.4-6].
#[test]
fn mqtt_3_1_4_6_data_after_a_rejected_connect_is_not_processed() {
    let rig = Rig::with(|settings| settings.empty_client_id_allowed = false);
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("#", 0)]);
    let mut client = rig.open();
    let mut bytes = Connect::v5("").bytes();
    bytes.extend(publish("t", "x").retain().bytes(5));
    bytes.extend(frame(0xC0, &[]));
    client.send(&bytes);
    assert_eq!(client.next_connack().reason, 0x85);
    client.expect_closed();
    watcher.expect_nothing();
}

/// A property of CONNECT has a value that its section forbids: a Protocol Error.
#[test]
fn forbidden_values_of_connect_properties_are_protocol_errors() {
    for connect in [
        Connect::v5("a").property(RECEIVE_MAXIMUM, 0u16),
        Connect::v5("a").property(MAXIMUM_PACKET_SIZE, 0u32),
        Connect::v5("a").property(REQUEST_RESPONSE_INFORMATION, 2u8),
        Connect::v5("a").property(REQUEST_PROBLEM_INFORMATION, 2u8),
        Connect::v5("a").property(AUTHENTICATION_DATA, &b"data without a method"[..]),
        Connect::v5("a").will("w", b"x", 0, false).will_property(PAYLOAD_FORMAT_INDICATOR, 2u8),
    ] {
        expect_connect_refused(&connect, &[0x81, 0x82]);
    }
}

/// A will's properties are those of section 3.1.3.2; a property of CONNECT among them is malformed.
#[test]
fn will_properties_are_their_own() {
    let will = Connect::v5("a").will("w", b"x", 0, false);
    expect_connect_refused(&will.clone().will_property(RECEIVE_MAXIMUM, 9u16), &[0x81, 0x82]);
    expect_connect_refused(&will.will_property(TOPIC_ALIAS, 1u16), &[0x81, 0x82]);
    expect_connect_refused(&Connect::v5("a").property(WILL_DELAY_INTERVAL, 1u32), &[0x81, 0x82]);
}

/// The topic of a will is a topic name (section 3.1.3.3): no wildcards, not empty.
#[test]
fn will_topic_is_a_topic_name() {
    for topic in ["a/+", "#", ""] {
        expect_connect_refused(&Connect::v5("a").will(topic, b"x", 0, false), &[0x81, 0x90]);
        let mut client = Rig::new().attempt(&Connect::v3_1_1("a").will(topic, b"x", 0, false));
        if let Some(packet) = client.try_next() {
            let Packet::ConnAck(connack) = packet else { panic!("{packet:?}") };
            assert_ne!(connack.reason, 0);
        }
        client.expect_closed();
    }
}
