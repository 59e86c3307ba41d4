//! What MQTT 3.1.1 and 3.1 rule otherwise than 5.0; the numbers are those of 3.1.1.

use crate::rig::*;

/// "The Server MUST respond to the CONNECT Packet with a CONNACK return code 0x01 (unacceptable protocol level) and
/// then disconnect the Client if the Protocol Level is not supported" [MQTT-3.1.2-2].
#[test]
fn v3_1_1_mqtt_3_1_2_2_unknown_level_has_return_code_1() {
    let mut connect = Connect::v3_1_1("a");
    connect.level = 2;
    let mut client = Rig::new().attempt(&connect);
    let answer = client.take_bytes();
    assert!([&[0x20, 2, 0, 1][..], &[0x20, 3, 0, 0x84, 0]].contains(&&answer[..]), "{answer:x?}");
    client.expect_closed();
}

/// "If CleanSession is set to 0, the Server MUST resume communications with the Client based on state from the current
/// Session" [MQTT-3.1.2-4], "The Server MUST store further QoS 1 and QoS 2 messages that match any subscriptions"
/// [MQTT-3.1.2-5]: for ever, or for as long as the operator says.
#[test]
fn v3_1_1_mqtt_3_1_2_4_session_is_kept_without_clean_session() {
    let rig = Rig::new();
    for connect in [Connect::v3_1_1("a").keep_session(), Connect::v3_1("b").keep_session()] {
        let mut client = rig.connect(&connect);
        client.subscribe(&[("t", 2)]);
        client.disconnect();
        let mut publisher = rig.connect_v5("p");
        publisher.publish_qos1("t", "one");
        publisher.publish_qos2("t", "two");
        rig.advance_s(365 * 86_400);
        let mut client = rig.connect(&connect);
        assert_eq!(client.take_all(), ["one", "two"]);
    }
    let rig = Rig::with(|settings| settings.session_expiry_v3_s = 60);
    rig.connect(&Connect::v3_1_1("a").keep_session()).break_off();
    rig.advance_s(61);
    assert!(rig.session_expired("a"));
}

/// "If CleanSession is set to 1, the Client and Server MUST discard any previous Session and start a new one. This
/// Session lasts as long as the Network Connection" [MQTT-3.1.2-6].
#[test]
fn v3_1_1_mqtt_3_1_2_6_clean_session_ends_with_the_connection() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v3_1_1("a").keep_session());
    a.subscribe(&[("t", 1)]);
    a.break_off();
    let mut a = rig.connect_v3_1_1("a");
    a.subscribe(&[("u", 1)]);
    a.break_off();
    assert!(!rig.connect(&Connect::v3_1_1("a").keep_session()).connack.session_present);
    let mut publisher = rig.connect_v5("p");
    assert_eq!(publisher.publish_qos1("t", "x"), 0x10);
    assert_eq!(publisher.publish_qos1("u", "x"), 0x10);
}

/// "If the Server accepts a connection with CleanSession set to 1 … MUST set Session Present to 0" [MQTT-3.2.2-1],
/// with 0 as there is a stored session [MQTT-3.2.2-2], [MQTT-3.2.2-3].
#[test]
fn v3_1_1_mqtt_3_2_2_2_session_present() {
    let rig = Rig::new();
    let connect = Connect::v3_1_1("a").keep_session();
    assert!(!rig.connect(&connect).connack.session_present);
    assert!(rig.connect(&connect).connack.session_present);
    assert!(!rig.connect_v3_1_1("a").connack.session_present);
}

/// 3.1 has no Session Present: its CONNACK's first byte is reserved.
#[test]
fn v3_1_connack_has_no_session_present() {
    let rig = Rig::new();
    let connect = Connect::v3_1("a").keep_session();
    rig.connect(&connect).break_off();
    assert!(!rig.connect(&connect).connack.session_present);
}

/// "If the Client supplies a zero-byte ClientId, the Client MUST also set CleanSession to 1" [MQTT-3.1.3-7]; otherwise
/// return code 2 and the end [MQTT-3.1.3-8].
#[test]
fn v3_1_1_mqtt_3_1_3_8_empty_client_identifier_needs_clean_session() {
    let rig = Rig::new();
    rig.expect_refused(&Connect::v3_1_1("").keep_session(), 2);
    rig.connect_v3_1_1("").ping();
}

/// 3.1 knows no empty client identifiers: return code 2.
#[test]
fn v3_1_empty_client_identifier_is_refused() {
    Rig::new().expect_refused(&Connect::v3_1(""), 2);
}

/// A server may accept more than 23 characters in 3.1.1 [MQTT-3.1.3-5]; in 3.1 longer ones are widespread and accepted
/// too.
#[test]
fn v3_long_client_identifiers_are_accepted() {
    let rig = Rig::new();
    rig.connect_v3_1_1(&"x".repeat(64)).ping();
    rig.connect(&Connect::v3_1(&"y".repeat(64))).ping();
}

/// "If the ClientId represents a Client already connected to the Server then the Server MUST disconnect the existing
/// Client" [MQTT-3.1.4-2].
#[test]
fn v3_1_1_mqtt_3_1_4_2_existing_client_is_disconnected() {
    let rig = Rig::new();
    let mut old = rig.connect_v3_1_1("a");
    rig.connect_v3_1_1("a").ping();
    old.expect_closed();
}

/// "If the User Name Flag is set to 0, the Password Flag MUST be set to 0" [MQTT-3.1.2-22].
#[test]
fn v3_1_1_mqtt_3_1_2_22_password_needs_user_name() {
    let rig = Rig::new();
    for connect in [Connect::v3_1_1("a"), Connect::v3_1("b")] {
        let mut client = rig.attempt(&connect.clone().password(b"p"));
        assert!(client.take_bytes().get(3).is_none_or(|code| *code != 0));
        client.expect_closed();
        rig.connect(&connect.clone().user_name("u")).disconnect();
        rig.connect(&connect.user_name("u").password(b"p")).disconnect();
    }
}

/// Connect Flags that contradict each other end the connection without a CONNACK, as in 5.0 [MQTT-3.1.2-3],
/// [MQTT-3.1.2-13], [MQTT-3.1.2-14], [MQTT-3.1.2-15].
#[test]
fn v3_1_1_mqtt_3_1_2_3_broken_connect_flags_end_the_connection() {
    for bits in [0x01, 0x08, 0x10, 0x18, 0x20, 0x04] {
        let mut client = Rig::new().attempt(&Connect::v3_1_1("a").raw_flags(|flags| flags | bits));
        client.expect_closed();
    }
    let connect = Connect::v3_1_1("a").will("w", b"x", 0, false).raw_flags(|flags| flags | 0x18);
    Rig::new().attempt(&connect).expect_closed();
}

/// "On receipt of DISCONNECT the Server MUST discard any Will Message" [MQTT-3.14.4-3], and "SHOULD close".
#[test]
fn v3_1_1_mqtt_3_14_4_3_disconnect_discards_the_will() {
    let rig = Rig::new();
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("w", 0)]);
    rig.connect(&Connect::v3_1_1("a").keep_session().will("w", b"x", 0, false)).disconnect();
    rig.connect(&Connect::v3_1("b").will("w", b"x", 0, false)).disconnect();
    watcher.expect_nothing();
}

/// DISCONNECT has no body before 5.0 (section 3.14).
#[test]
fn v3_1_1_disconnect_with_a_body_is_malformed() {
    let rig = Rig::new();
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("w", 0)]);
    let mut a = rig.connect(&Connect::v3_1_1("a").will("w", b"will", 0, false));
    a.send(&frame(0xE0, &[0]));
    a.expect_closed();
    watcher.take("will");
}

/// "The SUBACK Packet … 0x80 - Failure" [MQTT-3.9.3-2]: what fails fails by itself, the others are granted.
#[test]
fn v3_1_1_mqtt_3_9_3_2_failure_is_0x80() {
    let rig = Rig::new();
    let mut a = rig.connect_v3_1_1("a");
    assert_eq!(a.subscribe_codes(&[], &[("t", 1), ("a/#/b", 1), ("u", 2)]), [1, 0x80, 2]);
    a.publish("t", "x");
    a.take("x");
}

/// 3.1 has no failure code; it gets 3.1.1's, because a granted QoS would be a lie.
#[test]
fn v3_1_suback_of_an_invalid_filter() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v3_1("a"));
    assert_eq!(a.subscribe_codes(&[], &[("t", 1), ("a/#/b", 1)]), [1, 0x80]);
}

/// PUBLISH that the server does not want is acknowledged all the same in 3.1.1: there is no way to say no (section
/// 3.3.5) [MQTT-3.3.5-2].
#[test]
fn v3_1_1_mqtt_3_3_5_2_unwanted_publish_is_acknowledged() {
    let rig = Rig::new();
    let mut a = rig.connect_v3_1_1("a");
    // No subscriber, which 5.0 would say.
    assert_eq!(a.publish_qos1("t", "x"), 0);
    assert_eq!(a.publish_qos2("t", "x"), 0);
}

/// Maximum QoS and Retain Available cannot be announced before 5.0: who goes beyond them is disconnected.
#[test]
fn v3_what_is_not_available_ends_the_connection() {
    let rig = Rig::with(|settings| {
        settings.retain_available = false;
        settings.maximum_qos = ringmq::codec::Qos::AtLeastOnce;
    });
    expect_breach_by(&mut rig.connect_v3_1_1("a"), &publish("t", "x").retain().bytes(4), &[]);
    expect_breach_by(&mut rig.connect_v3_1_1("a"), &publish("t", "x").qos2(1).bytes(4), &[]);
    let mut a = rig.connect_v3_1_1("a");
    assert_eq!(a.subscribe_codes(&[], &[("t", 2)]), [1]);
}

/// Unacknowledged messages are sent again on reconnect only, in order and with DUP [MQTT-4.4.0-1]; 3.1 as well.
#[test]
fn v3_1_1_mqtt_4_4_0_1_messages_are_sent_again() {
    let rig = Rig::new();
    for connect in [Connect::v3_1_1("a").keep_session(), Connect::v3_1("b").keep_session()] {
        let mut client = rig.connect(&connect);
        client.subscribe(&[("t", 2)]);
        let mut publisher = rig.connect_v5("p");
        publisher.publish_qos1("t", "one");
        publisher.publish_qos2("t", "two");
        publisher.publish_qos2("t", "three");
        let first = client.drain();
        client.pubrec(first[1].packet_id);
        client.next_pubrel();
        client.break_off();
        let mut client = rig.connect(&connect);
        let one = client.next_publish();
        assert!(one.dup && one.packet_id == first[0].packet_id);
        assert_eq!(client.next_pubrel().packet_id, first[1].packet_id);
        let three = client.next_publish();
        assert!(three.dup && three.packet_id == first[2].packet_id);
        client.expect_nothing();
    }
}

/// Versions meet in one broker: whoever publishes, whoever subscribes, the message is the same.
#[test]
fn versions_exchange_messages() {
    let rig = Rig::new();
    let kinds: [fn(&str) -> Connect; 3] = [Connect::v5, Connect::v3_1_1, Connect::v3_1];
    let mut subscribers = Vec::new();
    for (number, kind) in kinds.iter().enumerate() {
        let mut client = rig.connect(&kind(&format!("s{number}")));
        client.subscribe(&[("t", 2)]);
        subscribers.push(client);
    }
    for (number, kind) in kinds.iter().enumerate() {
        let mut publisher = rig.connect(&kind(&format!("p{number}")));
        publisher.publish("t", "zero");
        publisher.publish_qos1("t", "one");
        publisher.publish_qos2("t", "two");
        for subscriber in &mut subscribers {
            for (qos, payload) in ["zero", "one", "two"].iter().enumerate() {
                assert_eq!(usize::from(subscriber.take(payload).qos), qos);
            }
        }
    }
}

/// mosquitto's bridges set the high bit of the protocol level: they are let in, and get RETAIN as published and none of
/// their own messages.
#[test]
fn bridge_bit_of_the_protocol_level() {
    let rig = Rig::new();
    let mut connect = Connect::v3_1_1("bridge");
    connect.level = 0x84;
    let mut bridge = rig.open();
    bridge.send(&connect.bytes());
    bridge.level = 4;
    assert_eq!(bridge.next_connack().reason, 0);
    bridge.subscribe(&[("t", 1)]);
    bridge.publish("t", "own");
    bridge.expect_nothing();
    rig.connect_v5("p").retain("t", "other");
    assert!(bridge.take("other").retain);
}
