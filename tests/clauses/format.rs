//! Data representation (chapter 1) and packet format (chapter 2).

use crate::rig::*;

/// A surrogate, an overlong encoding and a truncated sequence.
const ILL_FORMED: [&[u8]; 3] = [b"a\xED\xA0\x80", b"a\xC0\xAF", b"a\xE2\x82"];

/// A PUBLISH whose topic has these bytes.
fn publish_to(topic: &[u8]) -> Vec<u8> {
    let mut body = binary(topic);
    body.push(0);
    frame(0x30, &body)
}

/// A PUBLISH to "t" with this encoded property block.
fn publish_with(properties: &[u8]) -> Vec<u8> {
    let mut body = text("t");
    body.extend(block(properties));
    frame(0x30, &body)
}

fn subscribe_to(filter: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 1, 0];
    body.extend(binary(filter));
    body.push(0);
    frame(0x82, &body)
}

fn unsubscribe_from(filter: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 1, 0];
    body.extend(binary(filter));
    frame(0xA2, &body)
}

/// "The character data in a UTF-8 Encoded String MUST be well-formed UTF-8 … MUST NOT include encodings of code points
/// between U+D800 and U+DFFF" [MQTT-1.5.4-1]; topic names [MQTT-3.3.2-1], filters [MQTT-3.8.3-1], [MQTT-3.10.3-1].
#[test]
fn mqtt_1_5_4_1_ill_formed_utf_8_is_malformed() {
    for bytes in ILL_FORMED {
        expect_breach(&publish_to(bytes), &[0x81, 0x90]);
        expect_breach(&subscribe_to(bytes), &[0x81]);
        expect_breach(&unsubscribe_from(bytes), &[0x81]);
    }
}

/// The same of the strings among the properties: Response Topic [MQTT-3.3.2-13] and Content Type [MQTT-3.3.2-19].
#[test]
fn mqtt_3_3_2_19_ill_formed_utf_8_in_properties_is_malformed() {
    for bytes in ILL_FORMED {
        for identifier in [CONTENT_TYPE, RESPONSE_TOPIC] {
            let mut property = vec![identifier];
            property.extend(binary(bytes));
            expect_breach(&publish_with(&property), &[0x81]);
        }
    }
}

/// The strings of a CONNECT: client id [MQTT-3.1.3-4], Will Topic [MQTT-3.1.3-11], User Name [MQTT-3.1.3-12].
#[test]
fn mqtt_3_1_3_4_strings_of_a_connect_are_utf_8() {
    for field in ["client-id", "will-topic", "user-name"] {
        let connect = Connect::v5("client-id").will("will-topic", b"x", 0, false).user_name("user-name");
        let mut bytes = connect.bytes();
        let at = bytes.windows(field.len()).position(|window| window == field.as_bytes()).unwrap();
        bytes[at] = 0xFF;
        expect_connect_breach(&Rig::new(), &bytes, &[0x81, 0x85, 0x90]);
    }
}

/// "A UTF-8 Encoded String MUST NOT include an encoding of the null character U+0000" [MQTT-1.5.4-2]; the same of
/// topics [MQTT-4.7.3-2].
#[test]
fn mqtt_1_5_4_2_null_character_is_malformed() {
    expect_breach(&publish_to(b"a\0b"), &[0x81, 0x90]);
    expect_breach(&subscribe_to(b"a\0b"), &[0x81]);
    expect_breach(&unsubscribe_from(b"a\0b"), &[0x81]);
    expect_breach(&publish_with(&property(USER_PROPERTY, ("a\0", "b"))), &[0x81]);
    expect_connect_refused(&Connect::v5("a\0b"), &[0x81, 0x85]);
}

/// "0xEF 0xBB 0xBF is always interpreted as U+FEFF … and MUST NOT be skipped over or stripped off" [MQTT-1.5.4-3].
#[test]
fn mqtt_1_5_4_3_byte_order_mark_is_a_character() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("\u{FEFF}t", 0)]);
    a.publish("t", "without");
    a.publish("\u{FEFF}t", "with");
    assert_eq!(a.take("with").topic, "\u{FEFF}t");
    a.expect_nothing();
}

/// "The encoded value MUST use the minimum number of bytes necessary" [MQTT-1.5.5-1]: packets on both sides of each
/// step of the Remaining Length.
#[test]
fn mqtt_1_5_5_1_remaining_length_is_minimal() {
    let rig = Rig::with(|settings| settings.packet_size_max = 3_000_000);
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    for remaining in [127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
        // Topic length, topic and property length take four bytes.
        let payload = vec![b'x'; remaining - 4];
        a.send_publish(&publish("t", &payload));
        assert_eq!(a.next_publish().payload, payload);
    }
}

/// A Variable Byte Integer has at most four bytes (section 1.5.5).
#[test]
fn remaining_length_of_five_bytes_is_malformed() {
    expect_breach(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], &[0x81, 0x95]);
    expect_breach_v3_1_1(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01]);
}

/// "Both strings MUST comply with the requirements for UTF-8 Encoded Strings" [MQTT-1.5.7-1].
#[test]
fn mqtt_1_5_7_1_both_strings_of_a_pair_are_utf_8() {
    for (name, value) in [(&b"n\xFF"[..], &b"v"[..]), (b"n", b"v\xFF")] {
        let mut pair = vec![USER_PROPERTY];
        pair.extend(binary(name));
        pair.extend(binary(value));
        expect_breach(&publish_with(&pair), &[0x81]);
    }
}

/// "Where a flag bit is marked as “Reserved” it … MUST be set to the value listed" [MQTT-2.1.3-1]; of PUBREL
/// [MQTT-3.6.1-1], SUBSCRIBE [MQTT-3.8.1-1], UNSUBSCRIBE [MQTT-3.10.1-1], DISCONNECT [MQTT-3.14.1-1] and AUTH
/// [MQTT-3.15.1-1].
#[test]
fn mqtt_2_1_3_1_reserved_flags_are_checked() {
    let mut packets = vec![ack(0x40, 1, 0), ack(0x50, 1, 0), ack(0x62, 1, 0), ack(0x70, 1, 0)];
    packets.push(subscribe(5, 1, &[], &[("t", 0)]));
    packets.push(unsubscribe(5, 1, &["t"]));
    packets.push(frame(0xC0, &[]));
    packets.push(frame(0xE0, &[]));
    packets.push(frame(0xF0, &[]));
    for packet in packets {
        for bit in [1, 2, 4, 8] {
            let mut broken = packet.clone();
            broken[0] ^= bit;
            expect_breach(&broken, &[0x81]);
        }
    }
    expect_breach_v3_1_1(&ack(0x60, 1, 0));
    expect_breach_v3_1_1(&frame(0xE1, &[]));
}

/// The same of the CONNECT's own fixed header.
#[test]
fn reserved_flags_of_connect_are_checked() {
    let mut bytes = Connect::v5("a").bytes();
    bytes[0] = 0x11;
    expect_connect_breach(&Rig::new(), &bytes, &[0x81]);
}

/// Packet type 0 is forbidden, 15 is forbidden before 5.0 (section 2.1.2).
#[test]
fn forbidden_packet_types_end_the_connection() {
    expect_breach(&[0x00, 0], &[0x81, 0x82]);
    expect_breach_v3_1_1(&[0x00, 0]);
    expect_breach_v3_1_1(&[0xF0, 0]);
}

/// CONNACK, SUBACK, UNSUBACK and PINGRESP go from server to client only (table 2-1).
#[test]
fn packets_that_only_servers_send_end_the_connection() {
    let packets = [frame(0x20, &[0, 0, 0]), frame(0x90, &[0, 1, 0, 0]), frame(0xB0, &[0, 1, 0, 0]), frame(0xD0, &[])];
    for packet in packets {
        expect_breach(&packet, &[0x81, 0x82]);
    }
    expect_breach_v3_1_1(&frame(0xD0, &[]));
}

/// "A PUBLISH packet MUST NOT contain a Packet Identifier if its QoS value is set to 0" [MQTT-2.2.1-2].
#[test]
fn mqtt_2_2_1_2_qos_0_has_no_packet_identifier() {
    let rig = Rig::new();
    for connect in [Connect::v5("a"), Connect::v3_1_1("b")] {
        let mut client = rig.connect(&connect);
        client.subscribe(&[("t", 2)]);
        client.publish("t", "payload");
        let publish = client.take("payload");
        let properties = usize::from(client.level == 5);
        assert_eq!(publish.size, 2 + 2 + "t".len() + properties + "payload".len());
        client.disconnect();
    }
}

/// "… it MUST assign it a non-zero Packet Identifier" [MQTT-2.2.1-3]: the client's duty; a server that accepts 0 could
/// not answer.
#[test]
fn mqtt_2_2_1_3_packet_identifier_0_is_refused() {
    for bytes in [
        publish("t", "x").qos1(0).bytes(5),
        publish("t", "x").qos2(0).bytes(5),
        subscribe(5, 0, &[], &[("t", 0)]),
        unsubscribe(5, 0, &["t"]),
    ] {
        expect_breach(&bytes, &[0x81, 0x82]);
    }
    expect_breach_v3_1_1(&publish("t", "x").qos1(0).bytes(4));
}

/// "Each time a Server sends a new PUBLISH (with QoS > 0) … it MUST assign it a non zero Packet Identifier that is
/// currently unused" [MQTT-2.2.1-4], [MQTT-4.3.2-1], [MQTT-4.3.3-1].
#[test]
fn mqtt_2_2_1_4_packet_identifiers_in_use_are_not_assigned_again() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    let mut publisher = rig.connect_v5("p");
    a.subscribe(&[("t", 2)]);
    // One message is always unacknowledged while the others go on, and the identifiers go round more than once.
    let mut held = 0;
    for round in 0..80_000u32 {
        publisher.send_publish(&publish("t", "x").qos1((round % 1_000) as u16 + 1));
        publisher.next_puback();
        let packet_id = a.next_publish().packet_id;
        assert_ne!(packet_id, held, "round {round}");
        if round % 8_000 > 0 {
            a.puback(packet_id);
            continue;
        }
        if held > 0 {
            a.puback(held);
        }
        held = packet_id;
    }
}

/// All identifiers on their way at once differ [MQTT-4.3.3-1].
#[test]
fn mqtt_4_3_3_1_packet_identifiers_on_their_way_differ() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 2)]);
    for number in 1..=500 {
        let request = publish("t", "x");
        a.send_publish(&if number % 2 == 0 { request.qos1(number) } else { request.qos2(number) });
    }
    let mut seen = std::collections::HashSet::new();
    while let Some(packet) = a.try_next() {
        if let Packet::Publish(publish) = packet {
            assert!(seen.insert(publish.packet_id), "{} twice", publish.packet_id);
        }
    }
    assert!(seen.len() >= 250, "{}", seen.len());
}

/// "A PUBACK, PUBREC, PUBREL or PUBCOMP packet MUST contain the same Packet Identifier as the PUBLISH packet"
/// [MQTT-2.2.1-5].
#[test]
fn mqtt_2_2_1_5_acknowledgements_carry_the_packet_identifier() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    for packet_id in [1, 256, 0xFFFF] {
        a.send_publish(&publish("t", "x").qos1(packet_id));
        assert_eq!(a.next_puback().packet_id, packet_id);
        a.send_publish(&publish("t", "x").qos2(packet_id));
        assert_eq!(a.next_pubrec().packet_id, packet_id);
        a.pubrel(packet_id);
        assert_eq!(a.next_pubcomp().packet_id, packet_id);
    }
}

/// "A SUBACK and UNSUBACK MUST contain the Packet Identifier that was used in the corresponding SUBSCRIBE and
/// UNSUBSCRIBE packet" [MQTT-2.2.1-6], [MQTT-3.8.4-2].
#[test]
fn mqtt_2_2_1_6_suback_and_unsuback_carry_the_packet_identifier() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    for packet_id in [1, 256, 0xFFFF] {
        a.send(&subscribe(5, packet_id, &[], &[("t", 0)]));
        assert_eq!(a.next_suback().packet_id, packet_id);
        a.send(&unsubscribe(5, packet_id, &["t"]));
        let Packet::UnsubAck(unsuback) = a.next() else { panic!("expected UNSUBACK") };
        assert_eq!(unsuback.packet_id, packet_id);
    }
}

/// "If there are no properties, this MUST be indicated by including a Property Length of zero" [MQTT-2.2.2-1].
#[test]
fn mqtt_2_2_2_1_no_properties_is_length_zero() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    a.publish("t", "payload");
    // The scanner reads the Property Length; had it been left out, the payload's first byte would have been taken for it.
    assert_eq!(a.take("payload").properties, Properties::default());
    a.unsubscribe(&["t"]);
    // And a packet that leaves it out is malformed.
    expect_breach(&frame(0x82, &[0, 1]), &[0x81]);
}

/// "A Control Packet which contains an Identifier which is not valid for its packet type … is a Malformed Packet"
/// (section 2.2.2.2).
#[test]
fn property_of_another_packet_is_malformed() {
    expect_breach(&publish_with(&property(SESSION_EXPIRY_INTERVAL, 1u32)), &[0x81, 0x82]);
    expect_breach(&publish_with(&[0x7F, 0]), &[0x81, 0x82]);
    expect_breach(&subscribe(5, 1, &property(CONTENT_TYPE, "x"), &[("t", 0)]), &[0x81, 0x82]);
    expect_breach(&disconnect(0, &property(TOPIC_ALIAS, 1u16)), &[0x81, 0x82]);
}

/// A property that may come once comes twice: a Protocol Error (sections 3.1.2.11, 3.3.2.3 …).
#[test]
fn repeated_property_is_a_protocol_error() {
    for property in [
        property(CONTENT_TYPE, "x"),
        property(RESPONSE_TOPIC, "x"),
        property(CORRELATION_DATA, &b"x"[..]),
        property(MESSAGE_EXPIRY_INTERVAL, 9u32),
        property(PAYLOAD_FORMAT_INDICATOR, 1u8),
        property(TOPIC_ALIAS, 1u16),
    ] {
        expect_breach(&publish_with(&property.repeat(2)), &[0x82]);
    }
    expect_breach(&subscribe(5, 1, &subscription_identifier(1).repeat(2), &[("t", 0)]), &[0x82]);
    for twice in [(RECEIVE_MAXIMUM, Value::TwoBytes(9)), (SESSION_EXPIRY_INTERVAL, Value::FourBytes(9))] {
        let connect = Connect::v5("a").property(twice.0, twice.1.clone()).property(twice.0, twice.1);
        expect_connect_refused(&connect, &[0x81, 0x82]);
    }
}

/// A packet that ends before its fields do, or goes on after them, is malformed (section 1.2, Malformed Packet).
#[test]
fn truncated_and_overlong_packets_are_malformed() {
    for body in [&[][..], &[0], &[0, 5, b'a']] {
        expect_breach(&frame(0x30, body), &[0x81]);
        expect_breach(&frame(0x82, body), &[0x81]);
    }
    for first_byte in [0x40, 0x50, 0x62, 0x70] {
        expect_breach(&frame(first_byte, &[0]), &[0x81]);
        // The properties claim two bytes that are not there.
        expect_breach(&frame(first_byte, &[0, 1, 0, 2]), &[0x81]);
        expect_breach(&frame(first_byte, &[0, 1, 0, 0, 0xAA]), &[0x81]);
        expect_breach_v3_1_1(&frame(first_byte, &[0, 1, 0]));
    }
    expect_breach(&publish_with(&[]).into_iter().take(2).chain([0xFF, 0xFF, 0, 0]).collect::<Vec<_>>(), &[0x81]);
}

/// The same bytes in any portions make the same packets: the transport is a stream [MQTT-4.2.0-1].
#[test]
fn mqtt_4_2_0_1_packets_arrive_in_any_portions() {
    let connect = Connect::v5("a").bytes();
    let mut stream = subscribe(5, 7, &[], &[("t", 1)]);
    stream.extend(publish("t", "one").bytes(5));
    stream.extend(publish("t", "two").qos1(9).bytes(5));
    stream.extend(frame(0xC0, &[]));
    for portion in [1, 2, 3, 7, stream.len()] {
        let rig = Rig::new();
        let mut a = rig.open();
        connect.chunks(portion).for_each(|bytes| a.send(bytes));
        assert_eq!(a.next_connack().reason, 0);
        stream.chunks(portion).for_each(|bytes| a.send(bytes));
        assert_eq!(a.next_suback().packet_id, 7);
        assert_eq!(a.next_publish().payload, b"one");
        let mut rest = [a.next(), a.next(), a.next()];
        rest.sort_by_key(|packet| match packet {
            Packet::Publish(publish) => (0, publish.payload.len()),
            Packet::PubAck(puback) => (1, usize::from(puback.packet_id)),
            _ => (2, 0),
        });
        assert!(matches!(&rest[0], Packet::Publish(publish) if publish.payload == b"two"));
        assert!(matches!(&rest[1], Packet::PubAck(puback) if puback.packet_id == 9));
        assert_eq!(rest[2], Packet::PingResp);
        a.expect_nothing();
    }
}
