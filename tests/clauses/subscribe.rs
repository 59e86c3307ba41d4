//! SUBSCRIBE and SUBACK (sections 3.8 and 3.9).

use crate::rig::*;

const NO_LOCAL: u8 = 0x04;
const RETAIN_AS_PUBLISHED: u8 = 0x08;
const DO_NOT_SEND: u8 = 0x20;

/// "Bits 3,2,1 and 0 of the Fixed Header of the SUBSCRIBE packet are reserved and MUST be set to 0,0,1 and 0"
/// [MQTT-3.8.1-1].
#[test]
fn mqtt_3_8_1_1_reserved_flags_of_subscribe() {
    for first_byte in [0x80, 0x81, 0x83, 0x8A] {
        let mut bytes = subscribe(5, 1, &[], &[("t", 0)]);
        bytes[0] = first_byte;
        expect_breach(&bytes, &[0x81]);
        let mut bytes = subscribe(4, 1, &[], &[("t", 0)]);
        bytes[0] = first_byte;
        expect_breach_v3_1_1(&bytes);
    }
}

/// "The Payload MUST contain at least one Topic Filter and Subscription Options pair" [MQTT-3.8.3-2].
#[test]
fn mqtt_3_8_3_2_subscribe_without_filter_is_a_protocol_error() {
    expect_breach(&subscribe(5, 1, &[], &[]), &[0x82]);
    expect_breach_v3_1_1(&subscribe(4, 1, &[], &[]));
}

/// "Bit 2 of the Subscription Options represents the No Local option. If the value is 1, Application Messages MUST NOT
/// be forwarded to a connection with a ClientID equal to the ClientID of the publishing connection" [MQTT-3.8.3-3].
#[test]
fn mqtt_3_8_3_3_no_local() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    let mut b = rig.connect_v5("b");
    a.subscribe(&[("t", NO_LOCAL), ("u", 0)]);
    b.subscribe(&[("t", 0)]);
    a.publish("t", "own");
    a.expect_nothing();
    b.take("own");
    b.publish("t", "other");
    a.take("other");
    b.take("other");
    a.publish("u", "own");
    a.take("own");
}

/// The client id counts, not the connection: what a session published before stays away from it when it returns
/// [MQTT-3.8.3-3].
#[test]
fn mqtt_3_8_3_3_no_local_is_by_client_identifier() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 1 | NO_LOCAL)]);
    a.publish_qos1("t", "own");
    a.break_off();
    let mut a = rig.connect(&connect);
    a.expect_nothing();
    a.publish_qos1("t", "own");
    a.expect_nothing();
}

/// Of overlapping subscriptions each counts for itself: one without No Local brings the message.
#[test]
fn no_local_is_the_subscriptions_own() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", NO_LOCAL), ("+", 0)]);
    a.publish("t", "own");
    a.take("own");
    a.expect_nothing();
}

/// "It is a Protocol Error to set the No Local bit to 1 on a Shared Subscription" [MQTT-3.8.3-4].
#[test]
fn mqtt_3_8_3_4_no_local_on_shared_subscription_is_a_protocol_error() {
    expect_breach(&subscribe(5, 1, &[], &[("$share/g/t", NO_LOCAL)]), &[0x82]);
}

/// "The Server MUST treat a SUBSCRIBE packet as malformed if any of Reserved bits in the Payload are non-zero"
/// [MQTT-3.8.3-5].
#[test]
fn mqtt_3_8_3_5_reserved_option_bits_are_malformed() {
    for options in [0x40, 0x80, 0xC0] {
        expect_breach(&subscribe(5, 1, &[], &[("t", options)]), &[0x81]);
    }
    for options in [0x04, 0x08, 0x10, 0x20, 0x40, 0x80] {
        expect_breach_v3_1_1(&subscribe(4, 1, &[], &[("t", options)]));
    }
}

/// QoS 3 and Retain Handling 3 are Protocol Errors (section 3.8.3.1).
#[test]
fn qos_3_and_retain_handling_3_are_protocol_errors() {
    expect_breach(&subscribe(5, 1, &[], &[("t", 3)]), &[0x81, 0x82]);
    expect_breach(&subscribe(5, 1, &[], &[("t", 0x30)]), &[0x81, 0x82]);
    expect_breach_v3_1_1(&subscribe(4, 1, &[], &[("t", 3)]));
}

/// "When the Server receives a SUBSCRIBE packet from a Client, the Server MUST respond with a SUBACK packet"
/// [MQTT-3.8.4-1].
#[test]
fn mqtt_3_8_4_1_subscribe_is_acknowledged() {
    let rig = Rig::new();
    for connect in [Connect::v5("a"), Connect::v3_1_1("b"), Connect::v3_1("c")] {
        let mut client = rig.connect(&connect);
        client.subscribe(&[("t", 1)]);
        client.expect_nothing();
    }
}

/// "If a Server receives a SUBSCRIBE packet containing a Topic Filter that is identical to a Non-shared Subscription’s
/// Topic Filter for the current Session, then it MUST replace that existing Subscription with a new Subscription"
/// [MQTT-3.8.4-3].
#[test]
fn mqtt_3_8_4_3_identical_subscription_is_replaced() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe_codes(&subscription_identifier(1), &[("t", 2)]);
    a.subscribe_codes(&subscription_identifier(2), &[("t", RETAIN_AS_PUBLISHED)]);
    let mut publisher = rig.connect_v5("p");
    publisher.send_publish(&publish("t", "x").qos1(1).retain());
    let publish = a.take("x");
    assert_eq!((publish.qos, publish.retain), (0, true));
    assert_eq!(publish.properties.subscription_identifiers(), [2]);
    a.expect_nothing();
    // Without an identifier the old one goes too.
    a.subscribe(&[("t", DO_NOT_SEND)]);
    publisher.publish("t", "y");
    assert!(a.take("y").properties.subscription_identifiers().is_empty());
    assert_eq!(a.unsubscribe(&["t"]), [0]);
    publisher.publish("t", "z");
    a.expect_nothing();
}

/// "If the Retain Handling option is 0, any existing retained messages matching the Topic Filter MUST be re-sent, but
/// Application Messages MUST NOT be lost due to replacing the Subscription" [MQTT-3.8.4-4].
#[test]
fn mqtt_3_8_4_4_replacing_loses_nothing() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    publisher.retain("t", "kept");
    let mut a = rig.connect(&Connect::v5("a").property(RECEIVE_MAXIMUM, 1u16));
    a.subscribe(&[("t", 1)]);
    let first = a.next_publish();
    assert_eq!(first.payload, b"kept");
    publisher.publish_qos1("t", "waits");
    a.subscribe(&[("t", 1)]);
    a.puback(first.packet_id);
    let mut received = a.take_all();
    received.sort();
    assert_eq!(received, ["kept", "waits"]);
}

/// "If a Server receives a SUBSCRIBE packet that contains multiple Topic Filters it MUST handle that packet as if it
/// had received a sequence of multiple SUBSCRIBE packets, except that it combines their responses into a single
/// SUBACK" [MQTT-3.8.4-5].
#[test]
fn mqtt_3_8_4_5_many_filters_one_suback() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0), ("u", 1), ("t", 2), ("+", 0)]);
    a.expect_nothing();
    // The later of two identical filters is in force.
    rig.connect_v5("p").publish_qos2("t", "x");
    assert_eq!(a.take("x").qos, 2);
}

/// "The SUBACK packet sent by the Server to the Client MUST contain a Reason Code for each Topic Filter/Subscription
/// Option pair" [MQTT-3.8.4-6], which "MUST either show the maximum QoS that was granted for that Subscription or
/// indicate that the subscription failed" [MQTT-3.8.4-7].
#[test]
fn mqtt_3_8_4_7_suback_has_a_code_for_each_filter() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    let filters = [("good/1", 1), ("bad/#/bad", 1), ("good/2", 2), ("bad+", 0), ("good/0", 0)];
    assert_eq!(a.subscribe_codes(&[], &filters), [1, 0x8F, 2, 0x8F, 0]);
    a.publish("good/2", "x");
    a.take("x");
}

/// "The order of Reason Codes in the SUBACK packet MUST match the order of Topic Filters in the SUBSCRIBE packet"
/// [MQTT-3.9.3-1].
#[test]
fn mqtt_3_9_3_1_codes_are_in_order() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    let names: Vec<String> = (0..300).map(|number| format!("t/{number}")).collect();
    let filters: Vec<(&str, u8)> =
        names.iter().enumerate().map(|(at, name)| (&name[..], (at * at % 3) as u8)).collect();
    a.subscribe(&filters);
}

/// "The Server sending a SUBACK packet MUST use one of the Subscribe Reason Codes for each Topic Filter received"
/// [MQTT-3.9.3-2]: invalid filters have 0x8F.
#[test]
fn mqtt_3_9_3_2_invalid_filters_have_their_code() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    for filter in ["#a", "a#", "a/#/b", "a+/b", "+a", "a/b+", "$share/g", "$share//t", "$share/g+/t", "$share/g/", ""] {
        assert_eq!(a.subscribe_codes(&[], &[(filter, 0)]), [0x8F], "{filter}");
    }
}

/// What is not available is refused by name: 0x9E, 0xA2 (section 3.9.3) [MQTT-3.9.3-2].
#[test]
fn mqtt_3_9_3_2_unavailable_subscriptions_have_their_codes() {
    let rig = Rig::with(|settings| settings.shared_subscription_available = false);
    assert_eq!(rig.connect_v5("a").subscribe_codes(&[], &[("$share/g/t", 0), ("t", 1)]), [0x9E, 1]);
    assert_eq!(rig.connect_v3_1_1("b").subscribe_codes(&[], &[("$share/g/t", 0), ("t", 1)]), [0x80, 1]);
    let rig = Rig::with(|settings| settings.wildcard_subscription_available = false);
    assert_eq!(rig.connect_v5("a").subscribe_codes(&[], &[("a/#", 0), ("+", 1), ("t", 1)]), [0xA2, 0xA2, 1]);
}

/// A Subscription Identifier where none is available is a Protocol Error with 0xA1 (section 3.2.2.3.12).
#[test]
fn unavailable_subscription_identifier_is_a_protocol_error() {
    let rig = Rig::with(|settings| settings.subscription_identifiers_available = false);
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    expect_breach_by(&mut a, &subscribe(5, 1, &subscription_identifier(1), &[("t", 0)]), &[0xA1]);
}

/// "The Subscription Identifier can have the value of 1 to 268,435,455. It is a Protocol Error if … it has a value of
/// 0" (section 3.8.2.1.2).
#[test]
fn subscription_identifier_0_is_a_protocol_error() {
    expect_breach(&subscribe(5, 1, &subscription_identifier(0), &[("t", 0)]), &[0x82, 0x81]);
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    for identifier in [1, 127, 128, 268_435_455] {
        a.subscribe_codes(&subscription_identifier(identifier), &[("t", 0)]);
        a.publish("t", "x");
        assert_eq!(a.take("x").properties.subscription_identifiers(), [identifier]);
    }
}

/// The identifier is part of the session (section 4.1): it is there after a reconnect.
#[test]
fn subscription_options_outlive_the_connection() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100);
    let mut a = rig.connect(&connect);
    a.subscribe_codes(&subscription_identifier(9), &[("t", 1 | NO_LOCAL | RETAIN_AS_PUBLISHED)]);
    a.break_off();
    let mut a = rig.connect(&connect);
    a.publish("t", "own");
    a.expect_nothing();
    rig.connect_v5("p").retain("t", "x");
    let publish = a.take("x");
    assert_eq!((publish.qos, publish.retain), (1, true));
    assert_eq!(publish.properties.subscription_identifiers(), [9]);
}

/// "The Server might start sending PUBLISH packets matching the Subscription before it sends the SUBACK" (section
/// 3.8.4): this one does not, and retained messages follow at once.
#[test]
fn retained_messages_follow_the_suback() {
    let rig = Rig::new();
    rig.connect_v5("p").retain("t", "kept");
    let mut a = rig.connect_v5("a");
    a.send(&subscribe(5, 1, &[], &[("t", 1)]));
    assert_eq!(a.next_suback().reasons, [1]);
    a.take("kept");
}
