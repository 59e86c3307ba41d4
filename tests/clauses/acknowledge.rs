//! The delivery protocols of QoS 1 and QoS 2 (sections 3.4 to 3.7, 4.3 to 4.6), the server at either end.

use crate::rig::*;

/// A subscriber with a session, its CONNECT, and a publisher.
fn pair(rig: &Rig, qos: u8) -> (Client, Connect, Client) {
    let connect = Connect::v5("a").session(1_000);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", qos)]);
    (a, connect, rig.connect_v5("p"))
}

/// QoS 1 sender: "MUST send a PUBLISH packet containing this Packet Identifier with QoS 1 and DUP flag set to 0"
/// [MQTT-4.3.2-2].
#[test]
fn mqtt_4_3_2_2_qos_1_is_sent_without_dup() {
    let rig = Rig::new();
    let (mut a, _, mut publisher) = pair(&rig, 1);
    publisher.publish_qos1("t", "x");
    let publish = a.take("x");
    assert_eq!((publish.qos, publish.dup), (1, false));
}

/// QoS 1 sender: "MUST treat the PUBLISH packet as “unacknowledged” until it has received the corresponding PUBACK"
/// [MQTT-4.3.2-3].
#[test]
fn mqtt_4_3_2_3_qos_1_is_sent_again_until_puback() {
    let rig = Rig::new();
    let (mut a, connect, mut publisher) = pair(&rig, 1);
    publisher.publish_qos1("t", "x");
    for _ in 0..3 {
        a.next_publish();
        a.break_off();
        a = rig.connect(&connect);
    }
    a.take("x");
    a.break_off();
    rig.connect(&connect).expect_nothing();
}

/// QoS 1 receiver: "MUST respond with a PUBACK packet containing the Packet Identifier from the incoming PUBLISH"
/// [MQTT-4.3.2-4]; afterwards "MUST treat any incoming PUBLISH packet that contains the same Packet Identifier as
/// being a new Application Message, irrespective of the setting of its DUP flag" [MQTT-4.3.2-5].
#[test]
fn mqtt_4_3_2_5_qos_1_identifier_is_new_after_puback() {
    let rig = Rig::new();
    let (mut a, _, mut publisher) = pair(&rig, 0);
    publisher.send_publish(&publish("t", "one").qos1(5));
    publisher.send_publish(&publish("t", "two").qos1(5).dup());
    assert_eq!(publisher.next_puback().packet_id, 5);
    assert_eq!(publisher.next_puback().packet_id, 5);
    assert_eq!(a.take_all(), ["one", "two"]);
}

/// QoS 2 sender: "MUST send a PUBLISH packet containing this Packet Identifier with QoS 2 and DUP flag set to 0"
/// [MQTT-4.3.3-2].
#[test]
fn mqtt_4_3_3_2_qos_2_is_sent_without_dup() {
    let rig = Rig::new();
    let (mut a, _, mut publisher) = pair(&rig, 2);
    publisher.publish_qos2("t", "x");
    let publish = a.take("x");
    assert_eq!((publish.qos, publish.dup), (2, false));
}

/// QoS 2 sender: "MUST treat the PUBLISH packet as “unacknowledged” until it has received the corresponding PUBREC"
/// [MQTT-4.3.3-3].
#[test]
fn mqtt_4_3_3_3_qos_2_is_sent_again_until_pubrec() {
    let rig = Rig::new();
    let (mut a, connect, mut publisher) = pair(&rig, 2);
    publisher.publish_qos2("t", "x");
    let packet_id = a.next_publish().packet_id;
    a.break_off();
    let mut a = rig.connect(&connect);
    let again = a.take("x");
    assert_eq!((again.packet_id, again.dup), (packet_id, true));
}

/// QoS 2 sender: "MUST send a PUBREL packet when it receives a PUBREC packet from the receiver with a Reason Code
/// value less than 0x80. This PUBREL packet MUST contain the same Packet Identifier" [MQTT-4.3.3-4].
#[test]
fn mqtt_4_3_3_4_pubrec_is_answered_with_pubrel() {
    let rig = Rig::new();
    let (mut a, _, mut publisher) = pair(&rig, 2);
    for reason in [0, 0x10] {
        publisher.publish_qos2("t", "x");
        let packet_id = a.next_publish().packet_id;
        a.send(&ack(0x50, packet_id, reason));
        let pubrel = a.next_pubrel();
        assert_eq!((pubrel.packet_id, pubrel.reason), (packet_id, 0));
        a.pubcomp(packet_id);
    }
}

/// QoS 2 sender: "MUST treat the PUBREL packet as “unacknowledged” until it has received the corresponding PUBCOMP"
/// [MQTT-4.3.3-5]; "MUST NOT re-send the PUBLISH once it has sent the corresponding PUBREL packet" [MQTT-4.3.3-6].
#[test]
fn mqtt_4_3_3_5_pubrel_is_sent_again_until_pubcomp() {
    let rig = Rig::new();
    let (mut a, connect, mut publisher) = pair(&rig, 2);
    publisher.publish_qos2("t", "x");
    let packet_id = a.next_publish().packet_id;
    a.pubrec(packet_id);
    assert_eq!(a.next_pubrel().packet_id, packet_id);
    for _ in 0..2 {
        a.break_off();
        a = rig.connect(&connect);
        // The PUBREL comes, and no PUBLISH [MQTT-4.3.3-6].
        assert_eq!(a.next_pubrel().packet_id, packet_id);
        a.expect_nothing();
    }
    a.pubcomp(packet_id);
    a.break_off();
    rig.connect(&connect).expect_nothing();
}

/// QoS 2 sender: "MUST NOT apply Application Message expiry if a PUBLISH packet has been sent" [MQTT-4.3.3-7].
#[test]
fn mqtt_4_3_3_7_no_expiry_once_sent() {
    let rig = Rig::new();
    let (mut a, connect, mut publisher) = pair(&rig, 2);
    publisher.send_publish(&publish("t", "x").qos2(1).property(MESSAGE_EXPIRY_INTERVAL, 5u32));
    a.next_publish();
    a.break_off();
    rig.advance_s(20);
    let mut a = rig.connect(&connect);
    assert!(a.take("x").dup);
}

/// QoS 2 receiver: "MUST respond with a PUBREC containing the Packet Identifier from the incoming PUBLISH"
/// [MQTT-4.3.3-8], and "until it has received the corresponding PUBREL packet, MUST acknowledge any subsequent PUBLISH
/// packet with the same Packet Identifier by sending a PUBREC. It MUST NOT cause duplicate messages to be delivered"
/// [MQTT-4.3.3-10].
#[test]
fn mqtt_4_3_3_10_qos_2_is_delivered_once() {
    let rig = Rig::new();
    let (mut a, _, _) = pair(&rig, 0);
    let connect = Connect::v5("publisher").session(100);
    let mut publisher = rig.connect(&connect);
    publisher.send_publish(&publish("t", "x").qos2(5));
    assert_eq!(publisher.next_pubrec().packet_id, 5);
    publisher.send_publish(&publish("t", "x").qos2(5).dup());
    assert_eq!(publisher.next_pubrec().packet_id, 5);
    publisher.break_off();
    let mut publisher = rig.connect(&connect);
    publisher.send_publish(&publish("t", "x").qos2(5).dup());
    assert_eq!(publisher.next_pubrec().packet_id, 5);
    publisher.pubrel(5);
    assert_eq!(publisher.next_pubcomp().reason, 0);
    assert_eq!(a.take_all(), ["x"]);
}

/// QoS 2 receiver: after a PUBREC of 0x80 or more "the receiver MUST treat any subsequent PUBLISH packet that contains
/// that Packet Identifier as being a new Application Message" [MQTT-4.3.3-9].
#[test]
fn mqtt_4_3_3_9_refused_identifier_is_new() {
    let rig = Rig::with(|settings| settings.payload_format_checked = true);
    let (mut a, _, mut publisher) = pair(&rig, 0);
    publisher.send_publish(&publish("t", b"\xFF").qos2(5).property(PAYLOAD_FORMAT_INDICATOR, 1u8));
    assert_eq!(publisher.next_pubrec().reason, 0x99);
    publisher.send_publish(&publish("t", "good").qos2(5));
    assert_eq!(publisher.next_pubrec().reason, 0);
    a.take("good");
}

/// QoS 2 receiver: "MUST respond to a PUBREL packet by sending a PUBCOMP packet containing the same Packet Identifier"
/// [MQTT-4.3.3-11]; after that "MUST treat any subsequent PUBLISH packet that contains that Packet Identifier as being
/// a new Application Message" [MQTT-4.3.3-12].
#[test]
fn mqtt_4_3_3_12_identifier_is_new_after_pubcomp() {
    let rig = Rig::new();
    let (mut a, _, mut publisher) = pair(&rig, 0);
    for payload in ["one", "two"] {
        publisher.send_publish(&publish("t", payload).qos2(5).dup());
        assert_eq!(publisher.next_pubrec().packet_id, 5);
        publisher.pubrel(5);
        assert_eq!(publisher.next_pubcomp().packet_id, 5);
    }
    assert_eq!(a.take_all(), ["one", "two"]);
}

/// QoS 2 receiver: "MUST continue the QoS 2 acknowledgement sequence even if it has applied Application Message
/// expiry" [MQTT-4.3.3-13].
#[test]
fn mqtt_4_3_3_13_acknowledgement_goes_on_after_expiry() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    publisher.send_publish(&publish("t", "x").qos2(5).property(MESSAGE_EXPIRY_INTERVAL, 1u32));
    assert_eq!(publisher.next_pubrec().packet_id, 5);
    rig.advance_s(10);
    publisher.pubrel(5);
    let pubcomp = publisher.next_pubcomp();
    assert_eq!((pubcomp.packet_id, pubcomp.reason), (5, 0));
}

/// A PUBREL for an identifier that is not known is answered with PUBCOMP 0x92 (section 3.7.2.1) [MQTT-3.7.2-1].
#[test]
fn mqtt_3_7_2_1_pubrel_of_an_unknown_identifier() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.pubrel(77);
    assert_eq!(a.next_pubcomp().reason, 0x92);
    let mut b = rig.connect_v3_1_1("b");
    b.pubrel(77);
    assert_eq!(b.next_pubcomp().packet_id, 77);
}

/// A PUBREC for an identifier that is not known is answered with PUBREL 0x92 (section 3.6.2.1) [MQTT-3.6.2-1].
#[test]
fn mqtt_3_6_2_1_pubrec_of_an_unknown_identifier() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.pubrec(77);
    assert_eq!(a.next_pubrel().reason, 0x92);
    a.ping();
}

/// PUBACK and PUBCOMP for identifiers that are not known do no harm.
#[test]
fn acknowledgements_of_unknown_identifiers_are_survived() {
    let rig = Rig::new();
    for connect in [Connect::v5("a"), Connect::v3_1_1("b")] {
        let mut client = rig.connect(&connect);
        client.puback(77);
        client.pubcomp(77);
        client.ping();
    }
}

/// Acknowledgements of the wrong kind do not end another flow's message.
#[test]
fn acknowledgement_of_the_wrong_qos_acknowledges_nothing() {
    let rig = Rig::new();
    let (mut a, connect, mut publisher) = pair(&rig, 2);
    publisher.publish_qos2("t", "x");
    let packet_id = a.next_publish().packet_id;
    a.send(&ack(0x40, packet_id, 0));
    a.break_off();
    assert!(rig.connect(&connect).take("x").dup);
}

/// Reason codes that do not belong in an acknowledgement are malformed or a Protocol Error [MQTT-3.4.2-1],
/// [MQTT-3.5.2-1].
#[test]
fn mqtt_3_5_2_1_unknown_reason_codes_are_refused() {
    for first_byte in [0x40, 0x50, 0x62, 0x70] {
        expect_breach(&ack(first_byte, 1, 0x03), &[0x81, 0x82]);
        expect_breach(&ack(first_byte, 1, 0xFF), &[0x81, 0x82]);
    }
}

/// "When a Client reconnects with Clean Start set to 0 and a session is present, both … MUST resend any unacknowledged
/// PUBLISH packets (where QoS > 0) and PUBREL packets using their original Packet Identifiers. This is the only
/// circumstance … Clients and Servers MUST NOT resend messages at any other time" [MQTT-4.4.0-1].
#[test]
fn mqtt_4_4_0_1_no_resend_but_on_reconnect() {
    let rig = Rig::new();
    let (mut a, connect, mut publisher) = pair(&rig, 2);
    publisher.publish_qos1("t", "one");
    publisher.publish_qos2("t", "two");
    let first = a.drain();
    a.pubrec(first[1].packet_id);
    a.next_pubrel();
    rig.advance_s(3_600);
    a.ping();
    a.break_off();
    let mut a = rig.connect(&connect);
    assert_eq!(a.next_publish().packet_id, first[0].packet_id);
    assert_eq!(a.next_pubrel().packet_id, first[1].packet_id);
    a.expect_nothing();
}

/// "If PUBACK or PUBREC is received containing a Reason Code of 0x80 or greater the corresponding PUBLISH packet is
/// treated as acknowledged, and MUST NOT be retransmitted" [MQTT-4.4.0-2].
#[test]
fn mqtt_4_4_0_2_refused_messages_are_not_sent_again() {
    let rig = Rig::new();
    let (mut a, connect, mut publisher) = pair(&rig, 2);
    publisher.publish_qos1("t", "one");
    publisher.publish_qos2("t", "two");
    let [one, two] = &a.drain()[..] else { panic!("two messages") };
    a.send(&ack(0x40, one.packet_id, 0x97));
    a.send(&ack(0x50, two.packet_id, 0x80));
    a.expect_nothing();
    assert!(rig.dropped("a", DropReason::RefusedByReceiver));
    a.break_off();
    rig.connect(&connect).expect_nothing();
}

/// "When a Server takes ownership of an incoming Application Message it MUST add it to the Session State for those
/// Clients that have matching Subscriptions" [MQTT-4.5.0-1].
#[test]
fn mqtt_4_5_0_1_message_goes_to_all_sessions() {
    let rig = Rig::new();
    let names = ["a", "b", "c"];
    for name in names {
        rig.connect(&Connect::v5(name).session(100)).subscribe(&[("t", 1)]);
    }
    rig.connect(&Connect::v5("b").session(100)).break_off();
    rig.connect_v5("p").publish_qos1("t", "x");
    for name in names {
        rig.connect(&Connect::v5(name).session(100)).take("x");
    }
}

/// "When a Client re-sends any PUBLISH packets, it MUST re-send them in the order in which the original PUBLISH packets
/// were sent" [MQTT-4.6.0-1]: the server as sender likewise (section 4.6).
#[test]
fn mqtt_4_6_0_1_messages_are_sent_again_in_order() {
    let rig = Rig::new();
    let (mut a, connect, mut publisher) = pair(&rig, 2);
    let payloads: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    for (number, payload) in payloads.iter().enumerate() {
        if number % 3 == 0 {
            publisher.publish_qos2("t", payload)
        } else {
            publisher.publish_qos1("t", payload)
        };
    }
    let first = a.drain();
    assert_eq!(first.len(), 50);
    // Some in the middle are acknowledged, out of order.
    for number in [31, 7, 13] {
        a.puback(first[number].packet_id);
    }
    a.break_off();
    let again: Vec<String> =
        rig.connect(&connect).drain().into_iter().map(|publish| String::from_utf8(publish.payload).unwrap()).collect();
    let expected: Vec<String> =
        (0..50).filter(|number| ![31, 7, 13].contains(number)).map(|number| number.to_string()).collect();
    assert_eq!(again, expected);
}

/// The receiver "MUST send PUBACK packets in the order in which the corresponding PUBLISH packets were received"
/// [MQTT-4.6.0-2], likewise PUBREC [MQTT-4.6.0-3].
#[test]
fn mqtt_4_6_0_2_acknowledgements_keep_the_order() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    let identifiers = [9, 3, 500, 4, 1];
    let bytes: Vec<u8> = identifiers.iter().flat_map(|id| publish("t", "x").qos1(*id).bytes(5)).collect();
    publisher.send(&bytes);
    assert_eq!(identifiers.map(|_| publisher.next_puback().packet_id), identifiers);
    let bytes: Vec<u8> = identifiers.iter().flat_map(|id| publish("t", "x").qos2(*id).bytes(5)).collect();
    publisher.send(&bytes);
    assert_eq!(identifiers.map(|_| publisher.next_pubrec().packet_id), identifiers);
}

/// The sender "MUST send PUBREL packets in the order in which the corresponding PUBREC packets were received"
/// [MQTT-4.6.0-4].
#[test]
fn mqtt_4_6_0_4_pubrels_keep_the_order() {
    let rig = Rig::new();
    let (mut a, _, mut publisher) = pair(&rig, 2);
    for _ in 0..5 {
        publisher.publish_qos2("t", "x");
    }
    let mut identifiers: Vec<u16> = a.drain().iter().map(|publish| publish.packet_id).collect();
    identifiers.swap(0, 3);
    identifiers.swap(1, 4);
    a.send(&identifiers.iter().flat_map(|id| ack(0x50, *id, 0)).collect::<Vec<_>>());
    let answered: Vec<u16> = identifiers.iter().map(|_| a.next_pubrel().packet_id).collect();
    assert_eq!(answered, identifiers);
}

/// "… the Server MUST send PUBLISH packets to consumers (for the same Topic and QoS) in the order that they were
/// received from any given Client" [MQTT-4.6.0-5]; every topic is ordered [MQTT-4.6.0-6].
#[test]
fn mqtt_4_6_0_5_messages_keep_the_order() {
    let rig = Rig::with(|settings| settings.in_flight_max = 7);
    let (mut a, connect, mut publisher) = pair(&rig, 2);
    let mut sent = Vec::new();
    for number in 0..90 {
        // The subscriber is away for a while in the middle: its queue keeps the order too.
        match number {
            30 => a.break_off(),
            60 => a = rig.connect(&connect),
            _ => {}
        }
        let payload = number.to_string();
        publisher.publish_qos1("t", &payload);
        sent.push(payload);
    }
    assert_eq!(a.take_all(), sent);
}

/// The same for QoS 0, and when a slow reader makes its messages wait [MQTT-4.6.0-6].
#[test]
fn mqtt_4_6_0_6_a_slow_reader_keeps_the_order() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 2)]);
    a.stop_reading();
    let mut publisher = rig.connect_v5("p");
    let padding = "x".repeat(1_000);
    for number in 0..900 {
        publisher.publish("t", &format!("{number} {padding}"));
    }
    a.read_again();
    let received = a.take_all();
    let numbers: Vec<usize> =
        received.iter().map(|payload| payload.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (0..900).collect::<Vec<_>>());
}
