//! Retained messages (sections 3.3.1.3 and 3.8.3.1).

use crate::rig::*;

const SEND_IF_NEW: u8 = 0x10;
const DO_NOT_SEND: u8 = 0x20;
const RETAIN_AS_PUBLISHED: u8 = 0x08;

/// What a new subscriber of this filter is sent, unordered.
fn kept(rig: &Rig, filter: &str) -> Vec<String> {
    let mut client = rig.connect_v5("a newcomer");
    client.subscribe(&[(filter, 2)]);
    let mut payloads = client.take_all();
    payloads.sort();
    client.disconnect();
    payloads
}

/// "If the RETAIN flag is set to 1 in a PUBLISH packet sent by a Client to a Server, the Server MUST replace any
/// existing retained message for this topic and store the Application Message" [MQTT-3.3.1-5].
#[test]
fn mqtt_3_3_1_5_retained_message_is_replaced() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    publisher.send_publish(&publish("t", "zero").retain());
    assert_eq!(kept(&rig, "t"), ["zero"]);
    publisher.retain("t", "one");
    assert_eq!(kept(&rig, "t"), ["one"]);
    publisher.send_publish(&publish("t", "two").qos2(1).retain());
    publisher.next_pubrec();
    publisher.pubrel(1);
    publisher.next_pubcomp();
    assert_eq!(kept(&rig, "t"), ["two"]);
    assert_eq!(kept(&rig, "T"), [""; 0]);
}

/// QoS and properties are kept with the message.
#[test]
fn retained_message_keeps_qos_and_properties() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    let request = publish("t", "x").qos1(1).retain().property(CONTENT_TYPE, "c").property(USER_PROPERTY, ("n", "v"));
    publisher.send_publish(&request);
    let mut a = rig.connect_v5("a");
    a.subscribe_codes(&subscription_identifier(5), &[("t", 2)]);
    let publish = a.take("x");
    assert_eq!((publish.qos, publish.retain, publish.dup), (1, true, false));
    assert_eq!(publish.properties.text(CONTENT_TYPE).unwrap(), "c");
    assert_eq!(publish.properties.user().len(), 1);
    assert_eq!(publish.properties.subscription_identifiers(), [5]);
    let mut b = rig.connect_v5("b");
    b.subscribe(&[("t", 0)]);
    assert_eq!(b.take("x").qos, 0);
}

/// "If the Payload contains zero bytes it is processed normally by the Server but any retained message with the same
/// topic name MUST be removed and any future subscribers for the topic will not receive a retained message"
/// [MQTT-3.3.1-6]; it "MUST NOT be stored as a retained message" [MQTT-3.3.1-7].
#[test]
fn mqtt_3_3_1_6_empty_payload_removes() {
    let rig = Rig::new();
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("t", 0), ("never", 0)]);
    let mut publisher = rig.connect_v5("p");
    publisher.retain("t", "x");
    watcher.take("x");
    publisher.retain("t", "");
    watcher.take("");
    assert_eq!(kept(&rig, "t"), [""; 0]);
    publisher.retain("never", "");
    watcher.take("");
    assert_eq!(kept(&rig, "#"), [""; 0]);
}

/// "If the RETAIN flag is 0 … the Server MUST NOT store the message as a retained message and MUST NOT remove or
/// replace any existing retained message" [MQTT-3.3.1-8].
#[test]
fn mqtt_3_3_1_8_other_messages_leave_it_alone() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos1("t", "not kept");
    assert_eq!(kept(&rig, "t"), [""; 0]);
    publisher.retain("t", "kept");
    publisher.publish_qos1("t", "not kept");
    publisher.publish_qos1("t", "");
    assert_eq!(kept(&rig, "t"), ["kept"]);
}

/// "If Retain Handling is set to 0 the Server MUST send the retained messages matching the Topic Filter of the
/// subscription" [MQTT-3.3.1-9].
#[test]
fn mqtt_3_3_1_9_retain_handling_0_sends() {
    let rig = Rig::new();
    rig.connect_v5("p").retain("t", "kept");
    let mut a = rig.connect_v5("a");
    for _ in 0..3 {
        a.subscribe(&[("t", 0)]);
        a.take("kept");
        a.expect_nothing();
    }
}

/// "If Retain Handling is set to 1 then if the subscription did not already exist, the Server MUST send all retained
/// messages matching the Topic Filter of the subscription to the Client, and if the subscription did exist the Server
/// MUST NOT" [MQTT-3.3.1-10].
#[test]
fn mqtt_3_3_1_10_retain_handling_1_sends_for_new_subscriptions() {
    let rig = Rig::new();
    rig.connect_v5("p").retain("t", "kept");
    let connect = Connect::v5("a").session(100);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", SEND_IF_NEW)]);
    a.take("kept");
    a.subscribe(&[("t", SEND_IF_NEW)]);
    a.expect_nothing();
    a.break_off();
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", SEND_IF_NEW)]);
    a.expect_nothing();
    a.unsubscribe(&["t"]);
    a.subscribe(&[("t", SEND_IF_NEW)]);
    a.take("kept");
}

/// "If Retain Handling is set to 2, the Server MUST NOT send the retained messages at the time of the subscribe"
/// [MQTT-3.3.1-11].
#[test]
fn mqtt_3_3_1_11_retain_handling_2_sends_nothing() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    publisher.retain("t", "kept");
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", DO_NOT_SEND)]);
    a.expect_nothing();
    publisher.retain("t", "live");
    a.take("live");
}

/// "If the value of Retain As Published subscription option is set to 0, the Server MUST set the RETAIN flag to 0 when
/// forwarding an Application Message regardless of how the RETAIN flag was set" [MQTT-3.3.1-12].
#[test]
fn mqtt_3_3_1_12_retain_flag_is_cleared() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    for connect in [Connect::v5("a"), Connect::v3_1_1("b"), Connect::v3_1("c")] {
        let mut client = rig.connect(&connect);
        client.subscribe(&[("t", 1)]);
        publisher.retain("t", "live");
        assert!(!client.take("live").retain);
        publisher.retain("t", "");
        assert!(!client.take("").retain);
        publisher.publish("t", "plain");
        assert!(!client.take("plain").retain);
    }
}

/// "If the value of Retain As Published subscription option is set to 1, the Server MUST set the RETAIN flag equal to
/// the RETAIN flag in the received PUBLISH packet" [MQTT-3.3.1-13].
#[test]
fn mqtt_3_3_1_13_retain_flag_is_as_published() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", RETAIN_AS_PUBLISHED)]);
    publisher.retain("t", "live");
    assert!(a.take("live").retain);
    publisher.publish("t", "plain");
    assert!(!a.take("plain").retain);
}

/// Messages sent because of a subscription have the RETAIN flag (section 3.3.1.3), whatever the options.
#[test]
fn retained_messages_have_the_flag() {
    let rig = Rig::new();
    rig.connect_v5("p").retain("t", "kept");
    for options in [0, RETAIN_AS_PUBLISHED, SEND_IF_NEW] {
        let mut a = rig.connect_v5("a");
        a.subscribe(&[("t", options)]);
        assert!(a.take("kept").retain);
    }
    let mut b = rig.connect_v3_1_1("b");
    b.subscribe(&[("t", 0)]);
    assert!(b.take("kept").retain);
}

/// All that match are sent, once each, and nothing else.
#[test]
fn every_matching_retained_message_is_sent() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    for topic in ["a", "a/b", "a/b/c", "a/d", "a//c", "b", "/a"] {
        publisher.retain(topic, topic);
    }
    assert_eq!(kept(&rig, "a/#"), ["a", "a//c", "a/b", "a/b/c", "a/d"]);
    assert_eq!(kept(&rig, "a/+"), ["a/b", "a/d"]);
    assert_eq!(kept(&rig, "+/+/c"), ["a//c", "a/b/c"]);
    assert_eq!(kept(&rig, "+"), ["a", "b"]);
    assert_eq!(kept(&rig, "/#"), ["/a"]);
    assert_eq!(kept(&rig, "#").len(), 7);
    assert_eq!(kept(&rig, "a/b/c/d"), [""; 0]);
}

/// More than one turn's worth, under a small Receive Maximum: none is missing, none comes twice.
#[test]
fn many_retained_messages_are_sent_in_portions() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    for number in 0..3_000 {
        publisher.retain(&format!("t/{}/{number}", number % 10), &number.to_string());
    }
    for qos in [0, 1] {
        let mut a = rig.connect(&Connect::v5("a").property(RECEIVE_MAXIMUM, 10u16));
        a.subscribe(&[("t/#", qos)]);
        let mut numbers: Vec<u32> = a.take_all().iter().map(|payload| payload.parse().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..3_000).collect::<Vec<_>>(), "QoS {qos}");
    }
}

/// A client that goes away in the middle gets the rest when it comes back.
#[test]
fn retained_messages_go_on_after_a_reconnect() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    for number in 0..300 {
        publisher.retain(&format!("t/{number}"), &number.to_string());
    }
    let connect = Connect::v5("a").session(100).property(RECEIVE_MAXIMUM, 10u16);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t/+", 1)]);
    let mut received = Vec::new();
    for _ in 0..50 {
        let publish = a.next_publish();
        a.puback(publish.packet_id);
        received.push(String::from_utf8(publish.payload).unwrap());
    }
    a.break_off();
    received.extend(rig.connect(&connect).take_all());
    let mut numbers: Vec<u32> = received.iter().map(|payload| payload.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
}

/// A message that is replaced while its predecessor is on its way comes last: a subscriber never ends with the older
/// one.
#[test]
fn live_and_retained_messages_keep_their_order() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    for number in 0..300 {
        publisher.retain(&format!("t/{number}"), "old");
    }
    let mut a = rig.connect(&Connect::v5("a").property(RECEIVE_MAXIMUM, 5u16));
    a.subscribe(&[("t/#", 1)]);
    for number in 0..300 {
        publisher.retain(&format!("t/{number}"), "new");
    }
    let mut last = std::collections::HashMap::new();
    while let Some(Packet::Publish(publish)) = a.try_next() {
        last.insert(publish.topic, publish.payload);
        a.puback(publish.packet_id);
    }
    assert_eq!(last.len(), 300);
    assert!(last.values().all(|payload| payload == b"new"));
}
