//! Will messages (sections 3.1.2.5 to 3.1.2.7, 3.1.3.2 to 3.1.3.4).

use crate::rig::*;

fn watcher(rig: &Rig) -> Client {
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("w", 2)]);
    watcher
}

fn with_will(client_id: &str) -> Connect {
    Connect::v5(client_id).will("w", b"will", 0, false)
}

/// "If the Will Flag is set to 1 this indicates that a Will Message MUST be stored on the Server and associated with
/// the Session" [MQTT-3.1.2-7]; "The Will Message MUST be published after the Network Connection is subsequently
/// closed" [MQTT-3.1.2-8].
#[test]
fn mqtt_3_1_2_8_will_is_published() {
    let rig = Rig::new();
    let mut watcher = watcher(&rig);
    for connect in [with_will("a"), Connect::v3_1_1("b").will("w", b"will", 0, false)] {
        let mut client = rig.connect(&connect);
        watcher.expect_nothing();
        client.break_off();
        let publish = watcher.take("will");
        assert_eq!((publish.topic.as_str(), publish.qos, publish.retain), ("w", 0, false));
        watcher.expect_nothing();
    }
}

/// The other ends of a connection that publish it: a breach of the protocol, the keep-alive, a take-over (section
/// 3.1.2.5) [MQTT-3.1.2-8].
#[test]
fn mqtt_3_1_2_8_will_is_published_for_every_failure() {
    let rig = Rig::new();
    let mut watcher = watcher(&rig);
    rig.connect(&with_will("a")).send(&[0x00, 0x00]);
    watcher.take("will");
    rig.connect(&with_will("b").keep_alive(1));
    rig.advance_s(2);
    watcher.take("will");
    rig.connect(&with_will("c"));
    rig.connect_v5("c");
    watcher.take("will");
    watcher.expect_nothing();
}

/// A will without delay is published when its session is taken over, even if the session goes on (section 3.1.3.2.2).
#[test]
fn will_without_delay_is_published_at_take_over() {
    let rig = Rig::new();
    let mut watcher = watcher(&rig);
    let mut old = rig.connect(&with_will("a").session(100));
    let new = rig.connect(&Connect::v5("a").session(100));
    old.expect_closed_with(0x8E);
    assert!(new.connack.session_present);
    watcher.take("will");
}

/// "The Will Message MUST be removed from the stored Session State in the Server once it has been published or the
/// Server has received a DISCONNECT packet with a Reason Code of 0x00" [MQTT-3.1.2-10].
#[test]
fn mqtt_3_1_2_10_will_is_published_once() {
    let rig = Rig::new();
    let mut watcher = watcher(&rig);
    let connect = with_will("a").session(10);
    rig.connect(&connect).break_off();
    watcher.take("will");
    rig.connect(&Connect::v5("a").session(10)).break_off();
    rig.advance_s(100);
    watcher.expect_nothing();
    rig.connect(&connect).disconnect();
    rig.connect(&Connect::v5("a").session(10)).break_off();
    rig.advance_s(100);
    watcher.expect_nothing();
}

/// "If the Will Flag is set to 1 and Will Retain is set to 0, the Server MUST publish the Will Message as a
/// non-retained message" [MQTT-3.1.2-14].
#[test]
fn mqtt_3_1_2_14_will_is_not_retained() {
    let rig = Rig::new();
    rig.connect(&with_will("a")).break_off();
    watcher(&rig).expect_nothing();
}

/// "If the Will Flag is set to 1 and Will Retain is set to 1, the Server MUST publish the Will Message as a retained
/// message" [MQTT-3.1.2-15].
#[test]
fn mqtt_3_1_2_15_will_is_retained() {
    let rig = Rig::new();
    let mut live = watcher(&rig);
    rig.connect(&Connect::v5("a").will("w", b"kept", 1, true)).break_off();
    let publish = live.take("kept");
    assert_eq!((publish.qos, publish.retain), (1, false));
    let mut late = rig.connect_v5("late");
    late.subscribe(&[("w", 1)]);
    assert!(late.take("kept").retain);
    // An empty one clears the topic.
    rig.connect(&Connect::v5("a").will("w", b"", 0, true)).break_off();
    late.take("");
    let mut later = rig.connect_v5("later");
    later.subscribe(&[("w", 1)]);
    later.expect_nothing();
}

/// The will has the QoS it asked for.
#[test]
fn will_has_its_qos() {
    let rig = Rig::new();
    let mut watcher = watcher(&rig);
    for qos in 0..3 {
        rig.connect(&Connect::v5("a").will("w", b"will", qos, false)).break_off();
        assert_eq!(watcher.take("will").qos, qos);
    }
}

/// The Server delays publishing the will until the Will Delay Interval has passed (section 3.1.3.2.2) [MQTT-3.1.2-8].
#[test]
fn mqtt_3_1_2_8_will_is_delayed() {
    let rig = Rig::new();
    let mut watcher = watcher(&rig);
    rig.connect(&with_will("a").session(100).will_property(WILL_DELAY_INTERVAL, 10u32)).break_off();
    rig.advance_ms(9_999);
    watcher.expect_nothing();
    rig.advance_ms(1_001);
    watcher.take("will");
    rig.advance_s(1_000);
    watcher.expect_nothing();
}

/// "… or the Session ends, whichever happens first" (section 3.1.3.2.2) [MQTT-3.1.2-8].
#[test]
fn mqtt_3_1_2_8_end_of_session_ends_the_delay() {
    let rig = Rig::new();
    let mut watcher = watcher(&rig);
    rig.connect(&with_will("a").session(5).will_property(WILL_DELAY_INTERVAL, 10u32)).break_off();
    rig.advance_s(4);
    watcher.expect_nothing();
    rig.advance_s(2);
    watcher.take("will");
    // Without an expiry the session ends at once, and so does the delay.
    rig.connect(&with_will("b").will_property(WILL_DELAY_INTERVAL, 10u32)).break_off();
    watcher.take("will");
    // A clean start ends the old session, and so its delay.
    rig.connect(&with_will("c").session(100).will_property(WILL_DELAY_INTERVAL, 10u32)).break_off();
    rig.connect_v5("c");
    watcher.take("will");
    watcher.expect_nothing();
}

/// "If a new Network Connection to this Session is made before the Will Delay Interval has passed, the Server MUST NOT
/// send the Will Message" [MQTT-3.1.3-9].
#[test]
fn mqtt_3_1_3_9_reconnect_cancels_the_will() {
    let rig = Rig::new();
    let mut watcher = watcher(&rig);
    let connect = with_will("a").session(100).will_property(WILL_DELAY_INTERVAL, 10u32);
    rig.connect(&connect).break_off();
    rig.advance_s(9);
    let mut a = rig.connect(&Connect::v5("a").session(100));
    rig.advance_s(1_000);
    a.ping();
    watcher.expect_nothing();
    // A take-over is such a connection too.
    rig.connect(&connect);
    rig.connect(&Connect::v5("a").session(100));
    rig.advance_s(1_000);
    watcher.expect_nothing();
}

/// "The Server MUST maintain the order of User Properties when publishing the Will Message" [MQTT-3.1.3-10]; the other
/// properties of the will arrive as well.
#[test]
fn mqtt_3_1_3_10_will_properties_are_published() {
    let rig = Rig::new();
    let mut watcher = watcher(&rig);
    let connect = with_will("a")
        .session(100)
        .will_property(USER_PROPERTY, ("b", "1"))
        .will_property(PAYLOAD_FORMAT_INDICATOR, 1u8)
        .will_property(WILL_DELAY_INTERVAL, 1u32)
        .will_property(USER_PROPERTY, ("a", "2"))
        .will_property(CONTENT_TYPE, "type")
        .will_property(RESPONSE_TOPIC, "answer")
        .will_property(CORRELATION_DATA, &b"\0\xFF"[..])
        .will_property(USER_PROPERTY, ("b", "0"));
    rig.connect(&connect).break_off();
    rig.advance_s(2);
    let properties = watcher.take("will").properties;
    let user = [("b", "1"), ("a", "2"), ("b", "0")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(properties.user(), user);
    assert_eq!(properties.byte(PAYLOAD_FORMAT_INDICATOR), Some(1));
    assert_eq!(properties.text(CONTENT_TYPE).unwrap(), "type");
    assert_eq!(properties.text(RESPONSE_TOPIC).unwrap(), "answer");
    assert_eq!(properties.get(CORRELATION_DATA), Some(b"\0\xFF"[..].into()));
}

/// The Message Expiry Interval of a will counts from its publication (section 3.1.3.2.4), not from the CONNECT.
#[test]
fn will_expires_after_its_publication() {
    let rig = Rig::new();
    let connect = Connect::v5("late").session(1_000);
    let mut late = rig.connect(&connect);
    late.subscribe(&[("w", 1)]);
    late.break_off();
    let will = Connect::v5("a").will("w", b"will", 1, false).will_property(MESSAGE_EXPIRY_INTERVAL, 10u32);
    let mut a = rig.connect(&will);
    rig.advance_s(100);
    a.break_off();
    rig.advance_s(4);
    let mut late = rig.connect(&connect);
    assert_eq!(late.take("will").properties.four_bytes(MESSAGE_EXPIRY_INTERVAL), Some(6));
    late.break_off();
    rig.connect(&will).break_off();
    rig.advance_s(11);
    rig.connect(&connect).expect_nothing();
}

/// The will is the last connection's: a new CONNECT brings its own or none.
#[test]
fn will_is_replaced_by_the_next_connect() {
    let rig = Rig::new();
    let mut watcher = watcher(&rig);
    let delayed = |payload: &[u8]| {
        let connect = Connect::v5("a").will("w", payload, 0, false).session(100);
        connect.will_property(WILL_DELAY_INTERVAL, 10u32)
    };
    rig.connect(&delayed(b"old")).break_off();
    rig.connect(&delayed(b"new")).break_off();
    rig.advance_s(11);
    watcher.take("new");
    watcher.expect_nothing();
}

/// A will is delivered to its own session, when that subscribed to it and lives on.
#[test]
fn will_reaches_its_own_session() {
    let rig = Rig::new();
    let connect = Connect::v5("a").will("w", b"mine", 1, false).session(100);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("w", 1)]);
    a.break_off();
    rig.connect(&connect).take("mine");
}
