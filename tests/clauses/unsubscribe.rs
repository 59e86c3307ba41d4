//! UNSUBSCRIBE and UNSUBACK (sections 3.10 and 3.11).

use crate::rig::*;

/// "Bits 3,2,1 and 0 of the Fixed Header of the UNSUBSCRIBE packet are reserved and MUST be set to 0,0,1 and 0"
/// [MQTT-3.10.1-1].
#[test]
fn mqtt_3_10_1_1_reserved_flags_of_unsubscribe() {
    for first_byte in [0xA0, 0xA1, 0xA3, 0xAA] {
        let mut bytes = unsubscribe(5, 1, &["t"]);
        bytes[0] = first_byte;
        expect_breach(&bytes, &[0x81]);
        let mut bytes = unsubscribe(4, 1, &["t"]);
        bytes[0] = first_byte;
        expect_breach_v3_1_1(&bytes);
    }
}

/// "The Payload of an UNSUBSCRIBE packet MUST contain at least one Topic Filter" [MQTT-3.10.3-2].
#[test]
fn mqtt_3_10_3_2_unsubscribe_without_filter_is_a_protocol_error() {
    expect_breach(&unsubscribe(5, 1, &[]), &[0x82]);
    expect_breach_v3_1_1(&unsubscribe(4, 1, &[]));
}

/// "The Topic Filters … MUST be compared character-by-character with the current set of Topic Filters held by the
/// Server for the Client. If any filter matches exactly then its owning Subscription MUST be deleted" [MQTT-3.10.4-1].
#[test]
fn mqtt_3_10_4_1_only_the_identical_filter_is_deleted() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    let mut other = rig.connect_v5("other");
    a.subscribe(&[("t/x", 0)]);
    other.subscribe(&[("t/x", 0)]);
    assert_eq!(a.unsubscribe(&["t/+", "t/#", "T/x", "t/x/", "/t/x", "#"]), [0x11; 6]);
    a.publish("t/x", "still");
    a.take("still");
    other.take("still");
    assert_eq!(a.unsubscribe(&["t/x"]), [0]);
    a.publish("t/x", "gone");
    a.expect_nothing();
    other.take("gone");
}

/// "When a Server receives UNSUBSCRIBE: It MUST stop adding any new messages which match the Topic Filters, for
/// delivery to the Client" [MQTT-3.10.4-2].
#[test]
fn mqtt_3_10_4_2_no_new_messages_after_unsubscribe() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 1), ("t/+", 1)]);
    a.unsubscribe(&["t"]);
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos1("t", "no");
    publisher.publish_qos1("t/x", "yes");
    assert_eq!(a.take_all(), ["yes"]);
}

/// "It MUST complete the delivery of any QoS 1 or QoS 2 messages which match the Topic Filters and it has started to
/// send to the Client" [MQTT-3.10.4-3].
#[test]
fn mqtt_3_10_4_3_delivery_is_completed() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 2)]);
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos1("t", "one");
    publisher.publish_qos2("t", "two");
    let [_, two] = &a.drain()[..] else { panic!("two messages") };
    a.unsubscribe(&["t"]);
    a.pubrec(two.packet_id);
    assert_eq!(a.next_pubrel().packet_id, two.packet_id);
    a.break_off();
    let mut a = rig.connect(&connect);
    a.take("one");
    assert_eq!(a.next_pubrel().packet_id, two.packet_id);
}

/// "The Server MUST respond to an UNSUBSCRIBE request by sending an UNSUBACK packet" [MQTT-3.10.4-4], "even where no
/// Topic Subscriptions are deleted" [MQTT-3.10.4-5].
#[test]
fn mqtt_3_10_4_5_unsubscribe_is_always_acknowledged() {
    let rig = Rig::new();
    for connect in [Connect::v5("a"), Connect::v3_1_1("b"), Connect::v3_1("c")] {
        let mut client = rig.connect(&connect);
        let codes = client.unsubscribe(&["never"]);
        assert_eq!(codes, if client.level == 5 { &[0x11][..] } else { &[] });
        client.subscribe(&[("t", 0)]);
        let codes = client.unsubscribe(&["t"]);
        assert_eq!(codes, if client.level == 5 { &[0][..] } else { &[] });
        client.publish("t", "x");
        client.expect_nothing();
    }
}

/// "If a Server receives an UNSUBSCRIBE packet that contains multiple Topic Filters, it MUST process that packet as if
/// it had received a sequence of multiple UNSUBSCRIBE packets, except that it sends just one UNSUBACK response"
/// [MQTT-3.10.4-6]; the codes are in the order of the filters [MQTT-3.11.3-1] and among those of table 3-9
/// [MQTT-3.11.3-2].
#[test]
fn mqtt_3_10_4_6_many_filters_one_unsuback() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0), ("u", 0), ("$share/g/v", 0)]);
    assert_eq!(a.unsubscribe(&["t", "x", "u", "t", "v", "$share/g/v"]), [0, 0x11, 0, 0x11, 0x11, 0]);
    a.expect_nothing();
}

/// An invalid filter cannot have been subscribed to; the code says so, and the connection lives [MQTT-3.11.3-2].
#[test]
fn mqtt_3_11_3_2_invalid_filter_in_unsubscribe() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    for code in a.unsubscribe(&["a/#/b", "a+"]) {
        assert!([0x11, 0x8F].contains(&code), "{code:#x}");
    }
    a.ping();
}

/// A subscription that ended takes its retained replay with it: nothing of it comes after the UNSUBACK.
#[test]
fn nothing_retained_after_unsuback() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    for number in 0..500 {
        publisher.retain(&format!("t/{number}"), "kept");
    }
    let mut a = rig.connect(&Connect::v5("a").property(RECEIVE_MAXIMUM, 1u16));
    a.subscribe(&[("t/+", 1)]);
    let first = a.next_publish();
    a.unsubscribe(&["t/+"]);
    a.puback(first.packet_id);
    let rest = a.take_all();
    // Those that were queued before may come; a replay that goes on for ever may not.
    assert!(rest.len() < 499, "{}", rest.len());
}
