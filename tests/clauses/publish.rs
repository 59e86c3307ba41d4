//! PUBLISH (section 3.3), from clients and to them.

use crate::rig::*;

/// A subscription option (section 3.8.3.1).
const RETAIN_AS_PUBLISHED: u8 = 0x08;

/// "The DUP flag MUST be set to 1 … when it attempts to re-deliver a PUBLISH packet" [MQTT-3.3.1-1].
#[test]
fn mqtt_3_3_1_1_dup_is_set_on_redelivery() {
    let rig = Rig::new();
    let connect = Connect::v5("a").session(100);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 2)]);
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos1("t", "one");
    publisher.publish_qos2("t", "two");
    let first: Vec<Publish> = a.drain();
    assert!(first.iter().all(|publish| !publish.dup));
    a.break_off();
    let mut a = rig.connect(&connect);
    let again = a.drain();
    assert!(again.iter().all(|publish| publish.dup));
    let identifiers = |publishes: &[Publish]| publishes.iter().map(|publish| publish.packet_id).collect::<Vec<_>>();
    assert_eq!(identifiers(&again), identifiers(&first));
}

/// "The DUP flag MUST be set to 0 for all QoS 0 messages" [MQTT-3.3.1-2], [MQTT-4.3.1-1]. The scanner holds it for
/// what the server sends; a client that breaks it sends a malformed packet.
#[test]
fn mqtt_3_3_1_2_dup_is_zero_for_qos_0() {
    expect_breach(&publish("t", "x").dup().bytes(5), &[0x81, 0x82]);
    expect_breach_v3_1_1(&publish("t", "x").dup().bytes(4));
}

/// "The value of the DUP flag from an incoming PUBLISH packet is not propagated when the PUBLISH packet is sent to
/// subscribers" [MQTT-3.3.1-3].
#[test]
fn mqtt_3_3_1_3_dup_is_not_propagated() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 2)]);
    let mut publisher = rig.connect_v5("p");
    publisher.send_publish(&publish("t", "one").qos1(1).dup());
    assert!(!a.take("one").dup);
    publisher.send_publish(&publish("t", "two").qos2(2).dup());
    assert!(!a.take("two").dup);
}

/// "A PUBLISH Packet MUST NOT have both QoS bits set to 1" [MQTT-3.3.1-4].
#[test]
fn mqtt_3_3_1_4_qos_3_is_malformed() {
    let mut bytes = publish("t", "x").qos2(1).bytes(5);
    bytes[0] |= 0x06;
    expect_breach(&bytes, &[0x81]);
    let mut bytes = publish("t", "x").qos2(1).bytes(4);
    bytes[0] |= 0x06;
    expect_breach_v3_1_1(&bytes);
}

/// "The Topic Name MUST be present as the first field in the PUBLISH packet Variable Header. It MUST be a UTF-8 Encoded
/// String" [MQTT-3.3.2-1].
#[test]
fn mqtt_3_3_2_1_topic_name_is_present() {
    expect_breach(&frame(0x30, &[]), &[0x81]);
    expect_breach(&frame(0x30, &[0]), &[0x81]);
    // Empty, and no alias that would stand for it.
    expect_breach(&publish("", "x").bytes(5), &[0x82]);
    expect_breach_v3_1_1(&publish("", "x").bytes(4));
}

/// "The Topic Name in the PUBLISH packet MUST NOT contain wildcard characters" [MQTT-3.3.2-2], [MQTT-4.7.0-1].
#[test]
fn mqtt_3_3_2_2_wildcards_in_a_topic_name_are_refused() {
    for topic in ["#", "+", "a/+/b", "a/#", "a+", "a#b"] {
        expect_breach(&publish(topic, "x").bytes(5), &[0x81, 0x82, 0x90]);
        expect_breach_v3_1_1(&publish(topic, "x").bytes(4));
    }
}

/// "The Topic Name in a PUBLISH packet sent by a Server to a subscribing Client MUST match the Subscription’s Topic
/// Filter" [MQTT-3.3.2-3].
#[test]
fn mqtt_3_3_2_3_topic_name_matches_the_filter() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("a/+", 0)]);
    for topic in ["a", "a/b", "a/b/c", "b/b", "a/"] {
        a.publish(topic, topic);
    }
    assert_eq!(a.take("a/b").topic, "a/b");
    assert_eq!(a.take("a/").topic, "a/");
    a.expect_nothing();
}

/// "A Server MUST send the Payload Format Indicator unaltered to all subscribers" [MQTT-3.3.2-4].
#[test]
fn mqtt_3_3_2_4_payload_format_indicator_is_forwarded() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    for indicator in [0u8, 1] {
        a.send_publish(&publish("t", "x").property(PAYLOAD_FORMAT_INDICATOR, indicator));
        assert_eq!(a.take("x").properties.byte(PAYLOAD_FORMAT_INDICATOR), Some(indicator));
    }
    a.publish("t", "x");
    assert!(!a.take("x").properties.has(PAYLOAD_FORMAT_INDICATOR));
}

/// The indicator is 0 or 1 (section 3.3.2.3.2).
#[test]
fn payload_format_indicator_2_is_an_error() {
    expect_breach(&publish("t", "x").property(PAYLOAD_FORMAT_INDICATOR, 2u8).bytes(5), &[0x81, 0x82]);
}

/// "The receiver MAY validate that the Payload is of the format indicated, and if it is not send a PUBACK, PUBREC, or
/// DISCONNECT with Reason Code of 0x99" (section 3.3.2.3.2).
#[test]
fn payload_format_is_checked_when_configured() {
    let bad = |packet: PublishRequest| packet.property(PAYLOAD_FORMAT_INDICATOR, 1u8);
    let rig = Rig::with(|settings| settings.payload_format_checked = true);
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("t", 0)]);
    let mut a = rig.connect_v5("a");
    a.send_publish(&bad(publish("t", b"\xFF").qos1(1)));
    assert_eq!(a.next_puback().reason, 0x99);
    a.send_publish(&bad(publish("t", b"\xFF").qos2(2)));
    assert_eq!(a.next_pubrec().reason, 0x99);
    a.send_publish(&bad(publish("t", "grün").qos1(3)));
    assert_eq!(a.next_puback().reason, 0);
    watcher.take("grün");
    a.send_publish(&bad(publish("t", b"\xFF")));
    a.expect_closed_with(0x99);
    watcher.expect_nothing();

    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    a.send_publish(&bad(publish("t", b"\xFF")));
    assert_eq!(a.next_publish().payload, b"\xFF");
}

/// "The Response Topic MUST NOT contain wildcard characters" [MQTT-3.3.2-14].
#[test]
fn mqtt_3_3_2_14_wildcards_in_a_response_topic_are_refused() {
    for topic in ["a/+", "#"] {
        expect_breach(&publish("t", "x").property(RESPONSE_TOPIC, topic).bytes(5), &[0x81, 0x82, 0x90]);
    }
}

/// "The Server MUST send the Response Topic unaltered to all subscribers" [MQTT-3.3.2-15].
#[test]
fn mqtt_3_3_2_15_response_topic_is_forwarded() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    a.send_publish(&publish("t", "x").property(RESPONSE_TOPIC, "answers//to/é"));
    assert_eq!(a.take("x").properties.text(RESPONSE_TOPIC).unwrap(), "answers//to/é");
}

/// "The Server MUST send the Correlation Data unaltered to all subscribers" [MQTT-3.3.2-16].
#[test]
fn mqtt_3_3_2_16_correlation_data_is_forwarded() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    for data in [&b""[..], b"\0\xFF\x80", &[7; 300]] {
        a.send_publish(&publish("t", "x").property(CORRELATION_DATA, data));
        assert_eq!(a.take("x").properties.get(CORRELATION_DATA), Some(data.into()));
    }
}

/// "The Server MUST send all User Properties unaltered in a PUBLISH packet when forwarding the Application Message"
/// [MQTT-3.3.2-17].
#[test]
fn mqtt_3_3_2_17_user_properties_are_forwarded() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    a.send_publish(&publish("t", "x").property(USER_PROPERTY, ("", "é")).property(USER_PROPERTY, ("name", "")));
    assert_eq!(a.take("x").properties.user(), [("".into(), "é".into()), ("name".into(), "".into())]);
}

/// "The Server MUST maintain the order of User Properties when forwarding the Application Message" [MQTT-3.3.2-18]:
/// also when other properties stand between them, and the same name comes again.
#[test]
fn mqtt_3_3_2_18_user_properties_keep_their_order() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    let request = publish("t", "x")
        .property(USER_PROPERTY, ("b", "1"))
        .property(MESSAGE_EXPIRY_INTERVAL, 100u32)
        .property(USER_PROPERTY, ("a", "2"))
        .property(CONTENT_TYPE, "c")
        .property(USER_PROPERTY, ("b", "0"))
        .property(TOPIC_ALIAS, 1u16)
        .property(USER_PROPERTY, ("b", "1"));
    a.send_publish(&request);
    let pairs = [("b", "1"), ("a", "2"), ("b", "0"), ("b", "1")];
    assert_eq!(a.take("x").properties.user(), pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

/// "A Server MUST send the Content Type unaltered to all subscribers" [MQTT-3.3.2-20].
#[test]
fn mqtt_3_3_2_20_content_type_is_forwarded() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    a.send_publish(&publish("t", "x").property(CONTENT_TYPE, "text/plain; charset=utf-8"));
    assert_eq!(a.take("x").properties.text(CONTENT_TYPE).unwrap(), "text/plain; charset=utf-8");
}

/// Properties reach every kind of subscriber: 5.0 gets them, 3.1.1 the bare message, large payloads too.
#[test]
fn properties_are_for_5_0_only() {
    let rig = Rig::new();
    let mut new = rig.connect_v5("new");
    let mut old = rig.connect_v3_1_1("old");
    new.subscribe(&[("t", 1)]);
    old.subscribe(&[("t", 1)]);
    let mut publisher = rig.connect_v5("p");
    for length in [1, 5_000, 100_000] {
        let payload = vec![b'x'; length];
        let request = publish("t", &payload).qos1(9).property(CONTENT_TYPE, "c").property(USER_PROPERTY, ("n", "v"));
        publisher.send_publish(&request);
        assert_eq!(publisher.next_puback().reason, 0);
        let publish = new.next_publish();
        assert_eq!(publish.payload, payload);
        assert_eq!(publish.properties.text(CONTENT_TYPE).unwrap(), "c");
        assert_eq!(publish.properties.user().len(), 1);
        new.puback(publish.packet_id);
        let publish = old.next_publish();
        assert_eq!(publish.payload, payload);
        old.puback(publish.packet_id);
    }
}

/// A subscriber to "t", and what its messages must look like.
struct Form {
    client: Client,
    qos: u8,
    retain: bool,
    identifiers: Vec<u32>,
    uses_aliases: bool,
    is_small: bool,
}

impl Form {
    /// Of a client that has connected and subscribes with these options.
    fn new(mut client: Client, options: u8) -> Self {
        client.subscribe(&[("t", options)]);
        let (qos, retain) = (options & 3, options & RETAIN_AS_PUBLISHED != 0);
        Self { client, qos, retain, identifiers: Vec::new(), uses_aliases: false, is_small: false }
    }

    fn check(&mut self, payload: &str, expiry_s: Option<u32>) {
        if self.is_small && payload.len() > 3 {
            return self.client.expect_nothing();
        }
        let is_5 = self.client.level == 5;
        let received = self.client.take(payload);
        assert_eq!((received.qos, received.retain, received.dup), (self.qos, self.retain, false));
        assert_eq!(received.properties.subscription_identifiers(), self.identifiers);
        assert_eq!(received.properties.four_bytes(MESSAGE_EXPIRY_INTERVAL), expiry_s.filter(|_| is_5));
        assert_eq!(received.properties.text(CONTENT_TYPE).is_some(), is_5);
        assert!(received.topic == "t" || (self.uses_aliases && received.properties.has(TOPIC_ALIAS)));
    }
}

/// Many subscribers of one message, each with its own form of it: version, QoS, RETAIN, identifiers, aliases, sizes.
#[test]
fn every_subscriber_gets_its_own_form() {
    let rig = Rig::new();
    let mut forms = Vec::new();
    for qos in 0..3 {
        let name = |kind: &str| format!("{kind} {qos}");
        forms.push(Form::new(rig.connect_v5(&name("plain")), qos));
        forms.push(Form::new(rig.connect_v3_1_1(&name("3.1.1")), qos));
        forms.push(Form::new(rig.connect(&Connect::v3_1(&name("3.1"))), qos));
        forms.push(Form::new(rig.connect_v5(&name("as published")), qos | RETAIN_AS_PUBLISHED));
        let aliases = Connect::v5(&name("aliases")).property(TOPIC_ALIAS_MAXIMUM, 9u16);
        forms.push(Form { uses_aliases: true, ..Form::new(rig.connect(&aliases), qos) });
        let small = Connect::v5(&name("small")).property(MAXIMUM_PACKET_SIZE, 30u32);
        forms.push(Form { is_small: true, ..Form::new(rig.connect(&small), qos) });
        let mut identified = Form::new(rig.connect_v5(&name("identified")), qos);
        identified.client.subscribe_codes(&subscription_identifier(7), &[("t", qos)]);
        identified.identifiers.push(7);
        forms.push(identified);
    }
    let mut publisher = rig.connect_v5("p");
    for (length, expiry_s) in [(3, None), (3, Some(60)), (40, None), (5_000, None), (5_000, Some(60)), (3, None)] {
        let payload = "x".repeat(length);
        let mut request = publish("t", &payload).qos2(1).retain().property(CONTENT_TYPE, "c");
        if let Some(expiry_s) = expiry_s {
            request = request.property(MESSAGE_EXPIRY_INTERVAL, expiry_s);
        }
        publisher.send_publish(&request);
        publisher.next_pubrec();
        publisher.pubrel(1);
        publisher.next_pubcomp();
        forms.iter_mut().for_each(|form| form.check(&payload, expiry_s));
    }
}

/// "The receiver of a PUBLISH Packet MUST respond with the packet as determined by the QoS" [MQTT-3.3.4-1].
#[test]
fn mqtt_3_3_4_1_answer_is_that_of_the_qos() {
    let rig = Rig::new();
    for connect in [Connect::v5("a"), Connect::v3_1_1("b"), Connect::v3_1("c")] {
        let mut client = rig.connect(&connect);
        client.publish("t", "x");
        client.expect_nothing();
        assert!(client.publish_qos1("t", "x") < 0x80);
        assert!(client.publish_qos2("t", "x") < 0x80);
        client.expect_nothing();
    }
}

/// "When Clients make subscriptions with Topic Filters that include wildcards, it is possible for a Client’s
/// subscriptions to overlap … the Server MUST deliver the message to the Client respecting the maximum QoS of all the
/// matching subscriptions" [MQTT-3.3.4-2].
#[test]
fn mqtt_3_3_4_2_overlapping_subscriptions_have_their_maximum_qos() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t/+", 0), ("t/#", 2), ("t/x", 1)]);
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos2("t/x", "two");
    let copies = a.drain();
    assert_eq!(copies.iter().map(|publish| publish.qos).max(), Some(2));
    publisher.publish_qos1("t/x", "one");
    assert_eq!(a.drain().iter().map(|publish| publish.qos).max(), Some(1));
}

/// "If the Client specified a Subscription Identifier for any of the overlapping subscriptions the Server MUST send
/// those Subscription Identifiers in the message" [MQTT-3.3.4-3]. "If the Server sends a single copy of the message it
/// MUST include in the PUBLISH packet the Subscription Identifiers for all matching subscriptions" [MQTT-3.3.4-4].
#[test]
fn mqtt_3_3_4_4_single_copy_has_all_subscription_identifiers() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    assert_eq!(a.subscribe_codes(&subscription_identifier(1), &[("t/#", 0)]), [0]);
    assert_eq!(a.subscribe_codes(&subscription_identifier(268_435_455), &[("t/+", 0)]), [0]);
    a.subscribe(&[("+/x", 0)]);
    a.publish("t/x", "x");
    assert_eq!(a.take("x").properties.subscription_identifiers(), [1, 268_435_455]);
    // One copy: this server merges overlapping subscriptions.
    a.expect_nothing();
    a.publish("t/y/z", "y");
    assert_eq!(a.take("y").properties.subscription_identifiers(), [1]);
    a.publish("u/x", "z");
    assert!(a.take("z").properties.subscription_identifiers().is_empty());
}

/// The same identifier for several subscriptions is sent for each or once; both say what matched [MQTT-3.3.4-3].
#[test]
fn mqtt_3_3_4_3_shared_identifier_is_sent() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe_codes(&subscription_identifier(7), &[("t/#", 0), ("t/+", 0)]);
    a.publish("t/x", "x");
    let mut identifiers = a.take("x").properties.subscription_identifiers();
    identifiers.dedup();
    assert_eq!(identifiers, [7]);
}

/// "A PUBLISH packet sent from a Client to a Server MUST NOT contain a Subscription Identifier" [MQTT-3.3.4-6].
#[test]
fn mqtt_3_3_4_6_subscription_identifier_from_a_client_is_refused() {
    let request = publish("t", "x").property(SUBSCRIPTION_IDENTIFIER, Value::Variable(1));
    expect_breach(&request.bytes(5), &[0x82, 0x81]);
}

/// The reason code 0x10, No matching subscribers, is for PUBACK and PUBREC (sections 3.4.2.1, 3.5.2.1): the server
/// uses it when it knows, so a message with a subscriber never gets it [MQTT-3.4.2-1].
#[test]
fn mqtt_3_4_2_1_no_matching_subscribers() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    assert_eq!(a.publish_qos1("t", "x"), 0x10);
    assert_eq!(a.publish_qos2("t", "x"), 0x10);
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("t", 0)]);
    assert_eq!(a.publish_qos1("t", "x"), 0);
    assert_eq!(a.publish_qos2("t", "x"), 0);
}

/// "The QoS of Payload Messages sent in response to a Subscription MUST be the minimum of the QoS of the originally
/// published message and the Maximum QoS granted by the Server" [MQTT-3.8.4-8].
#[test]
fn mqtt_3_8_4_8_qos_is_the_minimum() {
    let rig = Rig::new();
    let mut publisher = rig.connect_v5("p");
    for granted in 0..3 {
        let mut a = rig.connect_v5(&format!("a{granted}"));
        a.subscribe(&[("t", granted)]);
        publisher.publish("t", "0");
        publisher.publish_qos1("t", "1");
        publisher.publish_qos2("t", "2");
        for published in 0..3 {
            assert_eq!(a.take(&published.to_string()).qos, published.min(granted));
        }
    }
}

/// The payload may be empty, and is never altered (section 3.3.3).
#[test]
fn payload_is_forwarded_unaltered() {
    let rig = Rig::with(|settings| settings.packet_size_max = 300_000);
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    let all: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    for length in [0, 1, 255, 4_095, 4_096, 4_097, 65_536, 200_000] {
        a.send_publish(&publish("t", &all[..length]));
        assert_eq!(a.next_publish().payload, &all[..length]);
    }
}
