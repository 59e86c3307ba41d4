//! Message Expiry Interval (section 3.3.2.3.3).

use crate::rig::*;

fn expiring(payload: &str, seconds: u32) -> PublishRequest {
    publish("t", payload).qos1(1).property(MESSAGE_EXPIRY_INTERVAL, seconds)
}

/// "If the Message Expiry Interval has passed and the Server has not managed to start onward delivery to a matching
/// subscriber, then it MUST delete the copy of the message for that subscriber" [MQTT-3.3.2-5].
#[test]
fn mqtt_3_3_2_5_expired_messages_are_not_delivered() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(1_000);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 1)]);
    a.break_off();
    let mut publisher = rig.connect_v5("p");
    publisher.send_publish(&expiring("gone", 10));
    publisher.send_publish(&expiring("there", 11));
    publisher.send_publish(&publish("t", "for ever").qos1(2));
    rig.advance_s(10);
    let mut a = rig.connect(&connect);
    assert_eq!(a.take_all(), ["there", "for ever"]);
    assert!(rig.dropped("a", DropReason::Expired));
}

/// Messages that wait for the Receive Maximum expire too [MQTT-3.3.2-5].
#[test]
fn mqtt_3_3_2_5_messages_that_wait_for_quota_expire() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").property(RECEIVE_MAXIMUM, 1u16));
    a.subscribe(&[("t", 1)]);
    let mut publisher = rig.connect_v5("p");
    publisher.send_publish(&expiring("sent", 5));
    publisher.send_publish(&expiring("waits", 5));
    rig.advance_s(6);
    assert_eq!(a.take_all(), ["sent"]);
}

/// "The PUBLISH packet sent to a Client by the Server MUST contain a Message Expiry Interval set to the received value
/// minus the time that the message has been waiting in the Server" [MQTT-3.3.2-6].
#[test]
fn mqtt_3_3_2_6_remaining_interval_is_sent() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(1_000);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 1)]);
    let mut publisher = rig.connect_v5("p");
    publisher.send_publish(&expiring("now", 100));
    assert_eq!(a.take("now").properties.four_bytes(MESSAGE_EXPIRY_INTERVAL), Some(100));
    a.break_off();
    publisher.send_publish(&expiring("later", 100));
    rig.advance_s(40);
    let mut a = rig.connect(&connect);
    assert_eq!(a.take("later").properties.four_bytes(MESSAGE_EXPIRY_INTERVAL), Some(60));
    publisher.send_publish(&publish("t", "without").qos1(2));
    assert!(!a.take("without").properties.has(MESSAGE_EXPIRY_INTERVAL));
}

/// The same of retained messages, which wait in the server too; once expired they are gone [MQTT-3.3.2-6].
#[test]
fn mqtt_3_3_2_6_retained_messages_expire() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    publisher.send_publish(&expiring("kept", 100).retain());
    rig.advance_s(99);
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 1)]);
    assert_eq!(a.take("kept").properties.four_bytes(MESSAGE_EXPIRY_INTERVAL), Some(1));
    rig.advance_s(1);
    let mut b = rig.connect_v5("b");
    b.subscribe(&[("t", 1)]);
    b.expect_nothing();
}

/// An interval that the operator bounds is bounded, and a message without one gets it.
#[test]
fn message_expiry_maximum_is_in_force() {
    let rig = Rig::with(|settings| settings.message_expiry_max_s = Some(50));
    let connect = Connect::v5("a").session(1_000);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 1)]);
    a.break_off();
    let mut publisher = rig.connect_v5("p");
    publisher.send_publish(&expiring("long", 1_000));
    publisher.send_publish(&publish("t", "none").qos1(2));
    rig.advance_s(49);
    let mut b = rig.connect(&connect);
    b.next_publish();
    b.next_publish();
    b.break_off();
    let mut c = rig.connect(&Connect::v5("c").session(1_000));
    c.subscribe(&[("t", 1)]);
    c.break_off();
    publisher.send_publish(&expiring("long", 1_000));
    publisher.send_publish(&publish("t", "none").qos1(2));
    rig.advance_s(50);
    rig.connect(&Connect::v5("c").session(1_000)).expect_nothing();
}
