//! Topic aliases (section 3.3.2.3.4), in both directions.

use crate::rig::*;

fn alias(topic: &str, payload: &str, alias: u16) -> PublishRequest {
    publish(topic, payload).property(TOPIC_ALIAS, alias)
}

/// A subscriber that allows aliases, with a QoS 0 subscription to everything.
fn subscriber(rig: &Rig, maximum: u16) -> Client {
    let mut client = rig.connect(&Connect::v5("subscriber").property(TOPIC_ALIAS_MAXIMUM, maximum));
    client.subscribe(&[("#", 0)]);
    client
}

/// "A receiver MUST NOT carry forward any Topic Alias mappings from one Network Connection to another" [MQTT-3.3.2-7].
#[test]
fn mqtt_3_3_2_7_aliases_end_with_the_connection() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100);
    let mut a = rig.connect(&connect);
    a.send_publish(&alias("t", "x", 1));
    a.break_off();
    let mut a = rig.connect(&connect);
    a.send_publish(&alias("", "x", 1));
    a.expect_closed_with(0x82);
}

/// The same for the server's own aliases: on a new connection the topic is spelled out again.
#[test]
fn own_aliases_end_with_the_connection() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100).property(TOPIC_ALIAS_MAXIMUM, 5u16);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 0)]);
    let mut publisher = rig.connect_v5("p");
    publisher.publish("t", "x");
    assert_eq!(a.take("x").topic, "t");
    a.break_off();
    let mut a = rig.connect(&connect);
    publisher.publish("t", "x");
    assert_eq!(a.take("x").topic, "t");
}

/// "A sender MUST NOT send a PUBLISH packet containing a Topic Alias which has the value 0" [MQTT-3.3.2-8]: 0x94.
#[test]
fn mqtt_3_3_2_8_alias_0_is_invalid() {
    expect_breach(&alias("t", "x", 0).bytes(5), &[0x94]);
}

/// "A Client MUST NOT send a PUBLISH packet with a Topic Alias greater than the Topic Alias Maximum value returned by
/// the Server" [MQTT-3.3.2-9].
#[test]
fn mqtt_3_3_2_9_alias_above_the_maximum_is_invalid() {
    expect_breach(&alias("t", "x", 33).bytes(5), &[0x94]);
    expect_breach(&alias("t", "x", 0xFFFF).bytes(5), &[0x94]);
}

/// "A Server MUST accept all Topic Alias values greater than 0 and less than or equal to the Topic Alias Maximum value
/// that it returned in the CONNACK packet" [MQTT-3.3.2-12].
#[test]
fn mqtt_3_3_2_12_all_aliases_up_to_the_maximum_are_accepted() {
    for maximum in [1, 32, 0xFFFF] {
        let rig = Rig::with(|settings| settings.topic_alias_max = maximum);
        let mut watcher = subscriber(&rig, 0);
        let mut a = rig.connect_v5("a");
        assert_eq!(a.connack.properties.two_bytes(TOPIC_ALIAS_MAXIMUM), Some(maximum));
        for number in [1, maximum.div_ceil(2), maximum] {
            let topic = format!("t/{number}");
            a.send_publish(&alias(&topic, "with", number));
            assert_eq!(watcher.take("with").topic, topic);
            a.send_publish(&alias("", "without", number));
            assert_eq!(watcher.take("without").topic, topic);
        }
    }
}

/// A sender may give an alias to another topic (section 3.3.2.3.4).
#[test]
fn alias_can_be_given_anew() {
    let rig = Rig::new();
    let mut watcher = subscriber(&rig, 0);
    let mut a = rig.connect_v5("a");
    for topic in ["one", "two"] {
        a.send_publish(&alias(topic, "x", 3));
        a.send_publish(&alias("", "x", 3));
        assert_eq!(watcher.take("x").topic, topic);
        assert_eq!(watcher.take("x").topic, topic);
    }
}

/// An alias that was never set stands for nothing: a Protocol Error (section 3.3.2.3.4).
#[test]
fn unknown_alias_is_a_protocol_error() {
    expect_breach(&alias("", "x", 1).bytes(5), &[0x82, 0x94]);
}

/// An alias is set by a message of any QoS, and a message that was refused for its payload still counts as received.
#[test]
fn alias_is_set_by_any_qos() {
    let rig = Rig::new();
    let mut watcher = subscriber(&rig, 0);
    let mut a = rig.connect_v5("a");
    a.send_publish(&publish("one", "x").qos1(1).property(TOPIC_ALIAS, 1u16));
    a.next_puback();
    a.send_publish(&publish("two", "x").qos2(2).property(TOPIC_ALIAS, 2u16));
    a.next_pubrec();
    a.pubrel(2);
    a.next_pubcomp();
    watcher.take_all();
    a.send_publish(&alias("", "one", 1));
    a.send_publish(&alias("", "two", 2));
    assert_eq!(watcher.take("one").topic, "one");
    assert_eq!(watcher.take("two").topic, "two");
}

/// A retained message by alias is kept under its topic.
#[test]
fn retained_message_by_alias() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.send_publish(&alias("t", "old", 1).retain());
    a.send_publish(&alias("", "new", 1).retain());
    let mut b = rig.connect_v5("b");
    b.subscribe(&[("#", 0)]);
    let kept = b.take("new");
    assert_eq!((kept.topic.as_str(), kept.retain), ("t", true));
    b.expect_nothing();
}

/// Publisher's aliases are not the subscriber's: a message by alias reaches a client that allows none.
#[test]
fn aliases_are_not_forwarded() {
    let rig = Rig::new();
    let mut watcher = subscriber(&rig, 0);
    let mut a = rig.connect_v5("a");
    a.send_publish(&alias("t", "x", 9));
    let publish = watcher.take("x");
    assert!(!publish.properties.has(TOPIC_ALIAS));
    assert_eq!(publish.topic, "t");
}

/// "The Server MUST NOT send a Topic Alias in a PUBLISH packet to the Client greater than Topic Alias Maximum"
/// [MQTT-3.1.2-26], [MQTT-3.3.2-11]; and each alias stands for the topic that came with it last.
#[test]
fn mqtt_3_1_2_26_own_aliases_respect_the_clients_maximum() {
    let rig = Rig::new();
    let mut a = subscriber(&rig, 3);
    let mut publisher = rig.connect_v5("p");
    let mut known = std::collections::HashMap::new();
    for number in 0..40 {
        let topic = format!("t/{}", number * number % 7);
        publisher.publish(&topic, &topic);
        let publish = a.next_publish();
        if let Some(alias) = publish.properties.two_bytes(TOPIC_ALIAS) {
            assert!((1..=3).contains(&alias), "alias {alias}");
            if publish.topic.is_empty() {
                assert_eq!(known[&alias], topic);
            } else {
                known.insert(alias, topic.clone());
            }
        }
        assert!(publish.topic.is_empty() || publish.topic == topic);
        assert_eq!(publish.payload, topic.as_bytes());
    }
    // Aliases are worth having: this server uses those it is given.
    assert!(!known.is_empty());
}

/// "If Topic Alias Maximum is absent or zero, the Server MUST NOT send any Topic Aliases to the Client"
/// [MQTT-3.1.2-27].
#[test]
fn mqtt_3_1_2_27_no_own_aliases_without_maximum() {
    let rig = Rig::new();
    let mut zero = subscriber(&rig, 0);
    let mut absent = rig.connect_v5("absent");
    absent.subscribe(&[("#", 0)]);
    for _ in 0..5 {
        zero.publish("t", "x");
        for client in [&mut zero, &mut absent] {
            assert!(!client.take("x").properties.has(TOPIC_ALIAS));
        }
    }
}

/// A message that is dropped on the way out (larger than the client's Maximum Packet Size) sets no alias there.
#[test]
fn dropped_message_sets_no_alias() {
    let rig = Rig::new();
    let connect = Connect::v5("a").property(TOPIC_ALIAS_MAXIMUM, 5u16).property(MAXIMUM_PACKET_SIZE, 100u32);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 0)]);
    let mut publisher = rig.connect_v5("p");
    publisher.publish("t", &"x".repeat(200));
    publisher.publish("t", "small");
    assert_eq!(a.take("small").topic, "t");
}
