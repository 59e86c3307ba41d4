//! Sessions (sections 3.1.2.4, 3.1.2.11.2 and 4.1): what is kept, for how long, and what ends it.

use crate::rig::*;

/// "If a CONNECT packet is received with Clean Start is set to 1, the Client and Server MUST discard any existing
/// Session and start a new Session" [MQTT-3.1.2-4], [MQTT-3.1.4-4].
#[test]
fn mqtt_3_1_2_4_clean_start_discards_the_session() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").session(100));
    a.subscribe(&[("t", 1)]);
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos1("t", "in flight");
    a.break_off();
    publisher.publish_qos1("t", "queued");
    let clean = Connect::v5("a").property(SESSION_EXPIRY_INTERVAL, 100u32);
    let mut a = rig.connect(&clean);
    assert!(!a.connack.session_present);
    publisher.publish_qos1("t", "new");
    a.expect_nothing();
}

/// The same for the receiving side of QoS 2: an identifier of the old session is new [MQTT-3.1.2-4].
#[test]
fn mqtt_3_1_2_4_clean_start_discards_received_identifiers() {
    let rig = Rig::new();
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("t", 0)]);
    let mut a = rig.connect(&Connect::v5("a").session(100));
    a.send_publish(&publish("t", "old").qos2(1));
    a.next_pubrec();
    a.break_off();
    let mut a = rig.connect_v5("a");
    a.send_publish(&publish("t", "new").qos2(1));
    assert_eq!(a.next_pubrec().reason, 0);
    assert_eq!(watcher.take_all(), ["old", "new"]);
}

/// "If a CONNECT packet is received with Clean Start set to 0 and there is a Session associated with the Client
/// Identifier, the Server MUST resume communications with the Client based on state from the existing Session"
/// [MQTT-3.1.2-5].
#[test]
fn mqtt_3_1_2_5_session_is_resumed() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 1)]);
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos1("t", "in flight");
    a.break_off();
    publisher.publish_qos1("t", "queued");
    let mut a = rig.connect(&connect);
    assert!(a.connack.session_present);
    assert!(a.take("in flight").dup);
    assert!(!a.take("queued").dup);
    publisher.publish_qos1("t", "live");
    a.take("live");
}

/// "If a CONNECT packet is received with Clean Start set to 0 and there is no Session associated with the Client
/// Identifier, the Server MUST create a new Session" [MQTT-3.1.2-6].
#[test]
fn mqtt_3_1_2_6_session_is_created() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").keep_session());
    assert!(!a.connack.session_present);
    a.subscribe(&[("t", 1)]);
    rig.connect_v5("p").publish_qos1("t", "x");
    a.take("x");
}

/// "The Client and Server MUST store the Session State after the Network Connection is closed if the Session Expiry
/// Interval is greater than 0" [MQTT-3.1.2-23]; subscriptions, and messages that arrive while it is away.
#[test]
fn mqtt_3_1_2_23_session_is_stored() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 2)]);
    a.disconnect();
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos1("t", "one");
    publisher.publish_qos2("t", "two");
    publisher.publish("t", "zero");
    let mut a = rig.connect(&connect);
    assert_eq!(a.take_all(), ["one", "two"]);
    assert!(rig.dropped("a", DropReason::ReceiverAway));
}

/// QoS 0 messages are kept too where the operator wants it (section 4.1 leaves it open).
#[test]
fn qos_0_is_queued_when_configured() {
    let rig = Rig::with(|settings| settings.queue_qos0 = true);
    let connect = Connect::v5("a").session(100);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 1)]);
    a.break_off();
    let mut publisher = rig.connect_v5("p");
    publisher.publish("t", "zero");
    publisher.publish_qos1("t", "one");
    assert_eq!(rig.connect(&connect).take_all(), ["zero", "one"]);
}

/// "The Client and Server MUST NOT discard the Session State while the Network Connection is open" [MQTT-4.1.0-1].
#[test]
fn mqtt_4_1_0_1_open_connection_keeps_its_session() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(10);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 1)]);
    rig.advance_s(1_000);
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos1("t", "x");
    a.take("x");
    // A session that was to expire does not, once its client is back.
    a.break_off();
    rig.advance_s(9);
    let mut a = rig.connect(&connect);
    assert!(a.connack.session_present);
    rig.advance_s(1_000);
    publisher.publish_qos1("t", "y");
    a.take("y");
}

/// "The Server MUST discard the Session State when the Network Connection is closed and the Session Expiry Interval has
/// passed" [MQTT-4.1.0-2].
#[test]
fn mqtt_4_1_0_2_session_expires() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(10);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 1)]);
    a.break_off();
    rig.advance_ms(9_999);
    let mut a = rig.connect(&connect);
    assert!(a.connack.session_present);
    a.break_off();
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos1("t", "x");
    rig.advance_ms(10_001);
    assert!(rig.session_expired("a"));
    assert_eq!(publisher.publish_qos1("t", "x"), 0x10, "the subscription went with its session");
    let mut a = rig.connect(&connect);
    assert!(!a.connack.session_present);
    a.expect_nothing();
}

/// An interval of 0, or none, ends the session with its connection (section 3.1.2.11.2).
#[test]
fn session_without_expiry_ends_with_the_connection() {
    let rig = Rig::new();
    for connect in [Connect::v5("a").session(0), Connect::v5("b").keep_session()] {
        let mut client = rig.connect(&connect);
        client.subscribe(&[("t", 1)]);
        client.break_off();
        assert_eq!(rig.connect_v5("p").publish_qos1("t", "x"), 0x10);
        assert!(!rig.connect(&connect).connack.session_present);
    }
}

/// 0xFFFFFFFF means that the session does not expire (section 3.1.2.11.2).
#[test]
fn largest_session_expiry_is_never() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(0xFFFF_FFFF);
    rig.connect(&connect).break_off();
    rig.advance_s(10 * 365 * 86_400);
    assert!(rig.connect(&connect).connack.session_present);
}

/// The expiry is that of the last connection.
#[test]
fn session_expiry_is_set_anew_by_each_connect() {
    let rig = Rig::new();
    rig.connect(&Connect::v5("a").session(1_000)).break_off();
    rig.connect(&Connect::v5("a").session(5)).break_off();
    rig.advance_s(6);
    assert!(!rig.connect(&Connect::v5("a").session(5)).connack.session_present);
}

/// Take-over keeps the session, or ends it, as the new CONNECT says; and what was in flight is sent again
/// [MQTT-3.1.4-3].
#[test]
fn mqtt_3_1_4_3_take_over_resumes_the_session() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100);
    let mut old = rig.connect(&connect);
    old.subscribe(&[("t", 1)]);
    rig.connect_v5("p").publish_qos1("t", "x");
    old.next_publish();
    let mut new = rig.connect(&connect);
    old.expect_closed_with(0x8E);
    assert!(new.connack.session_present);
    assert!(new.take("x").dup);
    let clean = rig.connect_v5("a");
    new.expect_closed_with(0x8E);
    assert!(!clean.connack.session_present);
    assert_eq!(rig.connect_v5("p").publish_qos1("t", "x"), 0x10);
}

/// The receiving side of QoS 2 is session state: identifiers that wait for their PUBREL outlive the connection
/// (section 4.1).
#[test]
fn received_qos_2_identifiers_are_kept() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100);
    let mut a = rig.connect(&connect);
    a.send_publish(&publish("t", "x").qos2(7));
    a.next_pubrec();
    a.break_off();
    let mut a = rig.connect(&connect);
    a.pubrel(7);
    assert_eq!(a.next_pubcomp().reason, 0);
    a.pubrel(7);
    assert_eq!(a.next_pubcomp().reason, 0x92);
}

/// Retained messages are no part of a session and outlive it (section 4.1).
#[test]
fn retained_messages_outlive_the_session() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    publisher.retain("t", "kept");
    publisher.disconnect();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 1)]);
    a.take("kept");
}
