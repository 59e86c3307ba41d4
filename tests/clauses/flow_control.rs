//! Receive Maximum (sections 3.3.4 and 4.9), Maximum Packet Size (section 3.1.2.11.4) and Request Problem Information.

use crate::rig::*;

/// "The Client MUST NOT send more than Receive Maximum QoS 1 and QoS 2 PUBLISH packets for which it has not received
/// PUBACK, PUBCOMP, or PUBREC with a Reason Code of 128 or greater" [MQTT-3.3.4-7]: one more is a DISCONNECT with 0x93
/// (section 3.3.4).
#[test]
fn mqtt_3_3_4_7_receive_maximum_of_the_server_is_held() {
    let rig = Rig::with(|settings| settings.receive_maximum = 3);
    let mut a = rig.connect_v5("a");
    for packet_id in 1..=3 {
        a.send_publish(&publish("t", "x").qos2(packet_id));
        a.next_pubrec();
    }
    // QoS 0 does not count.
    a.publish("t", "x");
    // One flow ends, another begins.
    a.pubrel(2);
    a.next_pubcomp();
    a.send_publish(&publish("t", "x").qos2(4));
    a.next_pubrec();
    a.send_publish(&publish("t", "x").qos2(5));
    a.expect_closed_with(0x93);
}

/// A refused QoS 2 message gives its quota back [MQTT-3.3.4-7].
#[test]
fn mqtt_3_3_4_7_refused_message_gives_quota_back() {
    let rig = Rig::with(|settings| {
        settings.receive_maximum = 1;
        settings.payload_format_checked = true;
    });
    let mut a = rig.connect_v5("a");
    for packet_id in 1..=5 {
        a.send_publish(&publish("t", b"\xFF").qos2(packet_id).property(PAYLOAD_FORMAT_INDICATOR, 1u8));
        assert_eq!(a.next_pubrec().reason, 0x99);
    }
    a.ping();
}

/// "The Server MUST NOT send more than Receive Maximum QoS 1 and QoS 2 PUBLISH packets for which it has not received
/// PUBACK, PUBCOMP, or PUBREC with a Reason Code of 128 or greater" [MQTT-3.3.4-9]; the send quota starts there
/// [MQTT-4.9.0-1], and at zero nothing of QoS 1 or 2 is sent [MQTT-4.9.0-2].
#[test]
fn mqtt_3_3_4_9_receive_maximum_of_the_client_is_respected() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").property(RECEIVE_MAXIMUM, 2u16));
    a.subscribe(&[("t", 2)]);
    let mut publisher = rig.connect_v5("p");
    for number in 0..6 {
        publisher.publish_qos2("t", &number.to_string());
    }
    let first = a.drain();
    assert_eq!(first.len(), 2);
    // PUBREC alone gives nothing back, PUBCOMP does.
    a.pubrec(first[0].packet_id);
    a.next_pubrel();
    a.expect_nothing();
    a.pubcomp(first[0].packet_id);
    assert_eq!(a.next_publish().payload, b"2");
    a.expect_nothing();
    // PUBREC with an error does too.
    a.send(&ack(0x50, first[1].packet_id, 0x80));
    assert_eq!(a.next_publish().payload, b"3");
    a.expect_nothing();
}

/// QoS 1 likewise [MQTT-4.9.0-2].
#[test]
fn mqtt_4_9_0_2_no_publish_without_quota() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").property(RECEIVE_MAXIMUM, 1u16));
    a.subscribe(&[("t", 1)]);
    let mut publisher = rig.connect_v5("p");
    for number in 0..4 {
        publisher.publish_qos1("t", &number.to_string());
    }
    for number in 0..4 {
        let publish = a.next_publish();
        a.expect_nothing();
        assert_eq!(publish.payload, number.to_string().as_bytes());
        // A second acknowledgement of the same message gives nothing more.
        a.puback(publish.packet_id);
    }
    a.expect_nothing();
}

/// The quota is not raised above the Receive Maximum by acknowledgements too many (section 4.9) [MQTT-4.9.0-1].
#[test]
fn mqtt_4_9_0_1_quota_does_not_grow() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").property(RECEIVE_MAXIMUM, 2u16));
    a.subscribe(&[("t", 1)]);
    for packet_id in 1..50 {
        a.puback(packet_id);
        a.pubcomp(packet_id);
    }
    let mut publisher = rig.connect_v5("p");
    for _ in 0..5 {
        publisher.publish_qos1("t", "x");
    }
    assert_eq!(a.drain().len(), 2);
}

/// The quota begins anew with each connection, at that connection's Receive Maximum [MQTT-4.9.0-1].
#[test]
fn mqtt_4_9_0_1_quota_is_the_connections() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100);
    let mut a = rig.connect(&connect.clone().property(RECEIVE_MAXIMUM, 5u16));
    a.subscribe(&[("t", 1)]);
    let mut publisher = rig.connect_v5("p");
    for number in 0..8 {
        publisher.publish_qos1("t", &number.to_string());
    }
    assert_eq!(a.drain().len(), 5);
    a.break_off();
    let mut a = rig.connect(&connect.property(RECEIVE_MAXIMUM, 2u16));
    assert_eq!(a.drain().len(), 2);
    a.break_off();
    let mut a = rig.connect(&Connect::v5("a").session(100));
    let payloads: Vec<Vec<u8>> = a.drain().into_iter().map(|publish| publish.payload).collect();
    assert_eq!(payloads, (0..8).map(|number| number.to_string().into_bytes()).collect::<Vec<_>>());
}

/// "The Server MUST NOT delay the sending of any packets other than PUBLISH packets due to having sent Receive Maximum
/// PUBLISH packets without receiving acknowledgements" [MQTT-3.3.4-10], "… MUST continue to process and respond to all
/// other MQTT Control Packets even if the quota is zero" [MQTT-4.9.0-3]. QoS 0 has no quota.
#[test]
fn mqtt_3_3_4_10_other_packets_do_not_wait() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").property(RECEIVE_MAXIMUM, 1u16));
    a.subscribe(&[("t", 1), ("zero", 0)]);
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos1("t", "one");
    publisher.publish_qos1("t", "two");
    assert_eq!(a.drain().len(), 1);
    a.ping();
    a.subscribe(&[("u", 1)]);
    a.unsubscribe(&["u"]);
    a.publish_qos1("v", "x");
    a.publish_qos2("v", "x");
    a.publish("zero", "x");
    a.take("x");
}

/// The server's own bound holds where the client names none.
#[test]
fn messages_in_flight_are_bounded() {
    let rig = Rig::with(|settings| settings.in_flight_max = 4);
    let mut publisher = rig.connect_v5("p");
    for connect in [Connect::v5("a"), Connect::v3_1_1("b")] {
        let mut client = rig.connect(&connect);
        client.subscribe(&[("t", 1)]);
        for _ in 0..10 {
            publisher.publish_qos1("t", "x");
        }
        assert_eq!(client.drain().len(), 4);
        client.disconnect();
    }
}

/// "The Server MUST NOT send packets exceeding Maximum Packet Size to the Client" [MQTT-3.1.2-24]; a PUBLISH that is
/// too large it "MUST discard … without sending it and then behave as if it had completed sending that Application
/// Message" [MQTT-3.1.2-25].
#[test]
fn mqtt_3_1_2_25_too_large_a_message_is_discarded() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100).property(MAXIMUM_PACKET_SIZE, 50u32).property(RECEIVE_MAXIMUM, 1u16);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 2)]);
    let mut publisher = rig.connect_v5("p");
    for length in [43, 44, 45, 1_000, 10_000] {
        for qos in 0..3 {
            let payload = "x".repeat(length);
            match qos {
                0 => publisher.publish("t", &payload),
                1 => assert_eq!(publisher.publish_qos1("t", &payload), 0),
                _ => assert_eq!(publisher.publish_qos2("t", &payload), 0),
            }
            // Header 2, topic 3, packet identifier 2 for QoS 1 and 2, property length 1.
            let size = length + if qos == 0 { 6 } else { 8 };
            if size <= 50 {
                assert_eq!(a.take(&payload).size, size);
            } else {
                a.expect_nothing();
            }
        }
    }
    assert!(rig.dropped("a", DropReason::TooLargeForReceiver));
    publisher.publish_qos1("t", "small");
    a.take("small");
}

/// The size that counts is that of the packet as sent: subscription identifiers and properties included
/// [MQTT-3.1.2-24].
#[test]
fn mqtt_3_1_2_24_size_includes_properties() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").property(MAXIMUM_PACKET_SIZE, 50u32));
    a.subscribe_codes(&subscription_identifier(268_435_455), &[("t", 0)]);
    let mut publisher = rig.connect_v5("p");
    for length in 0..60 {
        publisher.send_publish(&publish("t", vec![b'x'; length]).property(CONTENT_TYPE, "c"));
    }
    let received = a.drain();
    // Header 2, topic 3, property length 1, identifier 5, content type 4.
    assert_eq!(received.len(), 50 - 15 + 1);
    assert!(received.iter().all(|publish| publish.size <= 50));
}

/// Packets that are no PUBLISH fit as well: a Reason String is left out where it would not fit ([MQTT-3.4.2-2],
/// [MQTT-3.5.2-2], [MQTT-3.6.2-2], [MQTT-3.7.2-2], [MQTT-3.9.2-1], [MQTT-3.11.2-1]), and so is a User Property
/// ([MQTT-3.4.2-3], [MQTT-3.5.2-3], [MQTT-3.6.2-3], [MQTT-3.7.2-3], [MQTT-3.9.2-2], [MQTT-3.11.2-2]).
#[test]
fn mqtt_3_4_2_2_reason_strings_fit_the_maximum_packet_size() {
    let rig = Rig::with(|settings| settings.payload_format_checked = true);
    let mut a = rig.connect(&Connect::v5("a").property(MAXIMUM_PACKET_SIZE, 16u32));
    let bad = |packet: PublishRequest| packet.property(PAYLOAD_FORMAT_INDICATOR, 1u8);
    a.send_publish(&bad(publish("t", b"\xFF").qos1(1)));
    a.send_publish(&bad(publish("t", b"\xFF").qos2(2)));
    a.pubrel(3);
    a.pubrec(4);
    a.send(&subscribe(5, 5, &[], &[("a/#/b", 0)]));
    a.send(&unsubscribe(5, 6, &["a/#/b"]));
    for _ in 0..6 {
        let before = a.unread();
        a.next();
        assert!(before - a.unread() <= 16);
    }
    a.expect_nothing();
}

/// A client that leaves no room for its CONNACK is refused before it takes over anything [MQTT-3.1.2-24].
#[test]
fn mqtt_3_1_2_24_connack_that_does_not_fit() {
    let rig = Rig::new();
    let mut earlier = rig.connect_v5("a");
    for size in 1..100u32 {
        let mut client = rig.attempt(&Connect::v5("a").property(MAXIMUM_PACKET_SIZE, size));
        assert!(client.unread() <= size as usize, "{size}");
        match client.try_next() {
            Some(Packet::ConnAck(connack)) if connack.reason == 0 => {
                earlier.expect_closed_with(0x8E);
                earlier = client;
            }
            Some(Packet::ConnAck(connack)) => {
                assert_eq!(connack.reason, 0x95, "{size}");
                client.expect_closed();
                earlier.ping();
            }
            Some(other) => panic!("{other:?}"),
            None => client.expect_closed(),
        }
    }
    earlier.ping();
}

/// An answer that does not fit ends the connection with 0x95: the client would wait for it [MQTT-3.1.2-24].
#[test]
fn mqtt_3_1_2_24_answer_that_does_not_fit() {
    let rig = Rig::new();
    let names: Vec<String> = (0..100).map(|number| format!("t/{number}")).collect();
    let filters: Vec<(&str, u8)> = names.iter().map(|name| (&name[..], 0)).collect();
    let connect = Connect::v5("a").property(MAXIMUM_PACKET_SIZE, 60u32);
    let mut a = rig.connect(&connect);
    a.subscribe(&filters[..50]);
    a.send(&subscribe(5, 1, &[], &filters));
    a.expect_closed_with(0x95);
    let mut a = rig.connect(&connect);
    a.send(&unsubscribe(5, 1, &names.iter().map(String::as_str).collect::<Vec<_>>()));
    a.expect_closed_with(0x95);
}

/// The same of the DISCONNECT that ends a connection ([MQTT-3.14.2-3], [MQTT-3.14.2-4]).
#[test]
fn mqtt_3_14_2_3_disconnect_fits_the_maximum_packet_size() {
    let rig = Rig::new();
    for size in [20u32, 30, 60] {
        let mut a = rig.connect(&Connect::v5("a").property(MAXIMUM_PACKET_SIZE, size));
        a.send(&[0x00, 0x00]);
        assert!(a.unread() <= size as usize);
        a.next_disconnect();
        a.expect_closed();
    }
}

/// "If the value of Request Problem Information is 0, the Server … MUST NOT send a Reason String or User Properties on
/// any packet other than PUBLISH, CONNACK, or DISCONNECT" [MQTT-3.1.2-29].
#[test]
fn mqtt_3_1_2_29_no_problem_information_unless_wanted() {
    let rig = Rig::with(|settings| settings.payload_format_checked = true);
    let mut a = rig.connect(&Connect::v5("a").property(REQUEST_PROBLEM_INFORMATION, 0u8));
    let bad = |packet: PublishRequest| packet.property(PAYLOAD_FORMAT_INDICATOR, 1u8);
    a.send_publish(&bad(publish("t", b"\xFF").qos1(1)));
    assert_eq!(a.next_puback().properties, Properties::default());
    a.send_publish(&bad(publish("t", b"\xFF").qos2(2)));
    assert_eq!(a.next_pubrec().properties, Properties::default());
    a.pubrel(3);
    assert_eq!(a.next_pubcomp().properties, Properties::default());
    a.pubrec(4);
    assert_eq!(a.next_pubrel().properties, Properties::default());
    a.send(&subscribe(5, 5, &[], &[("a/#/b", 0)]));
    assert_eq!(a.next_suback().properties, Properties::default());
    a.send(&unsubscribe(5, 6, &["a/#/b"]));
    let Packet::UnsubAck(unsuback) = a.next() else { panic!("expected UNSUBACK") };
    assert_eq!(unsuback.properties, Properties::default());
    // A PUBLISH keeps what its publisher wrote.
    a.subscribe(&[("t", 0)]);
    a.send_publish(&publish("t", "x").property(USER_PROPERTY, ("n", "v")));
    assert_eq!(a.take("x").properties.user().len(), 1);
}
