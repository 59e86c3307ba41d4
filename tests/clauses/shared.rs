//! Shared subscriptions (section 4.8.2).

use ringmq::routing::Strategy;

use crate::rig::*;

/// Members with a session each, subscribed to `$share/g/t`.
fn members(rig: &Rig, count: usize, qos: u8) -> Vec<Client> {
    (0..count)
        .map(|number| {
            let mut client = rig.connect(&member(number));
            client.subscribe(&[("$share/g/t", qos)]);
            client
        })
        .collect()
}

fn member(number: usize) -> Connect {
    Connect::v5(&format!("member{number}")).session(1_000)
}

/// The member that has something to read.
fn chosen(members: &mut [Client]) -> usize {
    let chosen: Vec<usize> = (0..members.len()).filter(|number| members[*number].unread() > 0).collect();
    assert_eq!(chosen.len(), 1, "one member, not {chosen:?}");
    chosen[0]
}

/// "A Shared Subscription’s Topic Filter MUST start with $share/ and MUST contain a ShareName that is at least one
/// character long" [MQTT-4.8.2-1]. "The ShareName MUST NOT contain the characters "/", "+" or "#", but MUST be
/// followed by a "/" character. This "/" character MUST be followed by a Topic Filter" [MQTT-4.8.2-2].
#[test]
fn mqtt_4_8_2_1_form_of_a_shared_subscription() {
    let mut a = Rig::new().connect_v5("a");
    for filter in
        ["$share/", "$share/g", "$share/g/", "$share//t", "$share/g+/t", "$share/#/t", "$share/+/t", "$share/g/a#"]
    {
        assert_eq!(a.subscribe_codes(&[], &[(filter, 0)]), [0x8F], "{filter}");
    }
    a.subscribe(&[("$share/g/t", 0), ("$share/g/+/#", 1), ("$share/$g/$x", 2), ("$share/g//", 0)]);
}

/// The messages go to the filter behind the name, not to topics that look like a shared subscription.
#[test]
fn shared_filter_is_what_follows_the_name() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("$share/g/+/x", 0)]);
    a.publish("t/x", "yes");
    a.take("yes");
    a.publish("$share/g/t/x", "no");
    a.publish("g/t/x", "no");
    a.expect_nothing();
}

/// Each message goes to one member; every group, and every plain subscriber, has its own copy (section 4.8.2).
#[test]
fn each_message_goes_to_one_member_of_each_group() {
    let rig = Rig::new();
    let mut group = members(&rig, 3, 0);
    let mut other = rig.connect_v5("other");
    other.subscribe(&[("$share/h/t", 0)]);
    let mut wider = rig.connect_v5("wider");
    wider.subscribe(&[("$share/g/+", 0)]);
    let mut plain = rig.connect_v5("plain");
    plain.subscribe(&[("t", 0)]);
    let mut publisher = rig.connect_v5("p");
    for number in 0..30 {
        publisher.publish("t", &number.to_string());
        let member = chosen(&mut group);
        group[member].take(&number.to_string());
        other.take(&number.to_string());
        wider.take(&number.to_string());
        plain.take(&number.to_string());
    }
}

/// A session with a plain and a shared subscription gets its own copy and the group's (section 4.8.2).
#[test]
fn plain_and_shared_subscription_of_one_session() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe_codes(&subscription_identifier(1), &[("t", 1)]);
    a.subscribe_codes(&subscription_identifier(2), &[("$share/g/t", 1)]);
    a.publish("t", "x");
    let mut identifiers: Vec<Vec<u32>> =
        a.drain().iter().map(|publish| publish.properties.subscription_identifiers()).collect();
    identifiers.sort();
    assert_eq!(identifiers, [[1], [2]]);
}

/// Every strategy chooses one member each time; those that spread leave nobody out, sticky stays.
#[test]
fn strategies() {
    use Strategy::*;
    for strategy in [LeastInFlight, RoundRobin, Random, Sticky, HashClientId, HashTopic] {
        let rig = Rig::with(|settings| settings.shared_strategy = strategy);
        let mut group = members(&rig, 3, 1);
        let mut publisher = rig.connect_v5("p");
        let mut counts = [0; 3];
        for _ in 0..60 {
            publisher.publish_qos1("t", "x");
            // Nothing is acknowledged, so that least in flight has something to go by.
            let received: Vec<usize> = group.iter_mut().map(|member| member.drain().len()).collect();
            assert_eq!(received.iter().sum::<usize>(), 1, "{strategy:?}");
            received.iter().zip(&mut counts).for_each(|(received, count)| *count += received);
        }
        match strategy {
            LeastInFlight | RoundRobin => assert_eq!(counts, [20; 3], "{strategy:?}"),
            Random => assert!(counts.iter().all(|count| *count > 5), "{counts:?}"),
            Sticky | HashClientId | HashTopic => {
                assert_eq!(counts.iter().filter(|count| **count > 0).count(), 1, "{strategy:?}: {counts:?}")
            }
        }
    }
}

/// "The Server MUST respect the granted QoS for the Client’s subscription" [MQTT-4.8.2-3].
#[test]
fn mqtt_4_8_2_3_granted_qos_is_respected() {
    for granted in 0..3 {
        let rig = Rig::new();
        let mut group = members(&rig, 1, granted);
        let mut publisher = rig.connect_v5("p");
        publisher.publish_qos2("t", "two");
        assert_eq!(group[0].take("two").qos, granted);
        publisher.publish("t", "zero");
        assert_eq!(group[0].take("zero").qos, 0);
    }
}

/// The subscription identifier of a shared subscription is sent, and replaced with the subscription.
#[test]
fn shared_subscription_identifier_is_sent() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    for identifier in [3, 4] {
        a.subscribe_codes(&subscription_identifier(identifier), &[("$share/g/t", 1)]);
        a.publish("t", "x");
        assert_eq!(a.take("x").properties.subscription_identifiers(), [identifier]);
        a.expect_nothing();
    }
}

/// "If the Server is in the process of sending a QoS 2 message to its chosen subscribing Client and the connection to
/// the Client breaks before delivery is complete, the Server MUST complete the delivery of the message to that Client
/// when it reconnects" [MQTT-4.8.2-4].
#[test]
fn mqtt_4_8_2_4_qos_2_is_completed_to_the_same_member() {
    let rig = Rig::new();
    let mut group = members(&rig, 2, 2);
    rig.connect_v5("p").publish_qos2("t", "x");
    let number = chosen(&mut group);
    let packet_id = group[number].next_publish().packet_id;
    group[number].break_off();
    group[1 - number].expect_nothing();
    let mut again = rig.connect(&member(number));
    let publish = again.take("x");
    assert_eq!((publish.packet_id, publish.dup), (packet_id, true));
    group[1 - number].expect_nothing();
}

/// "If the Client’s Session terminates before the Client reconnects, the Server MUST NOT send the Application Message
/// to any other subscribed Client" [MQTT-4.8.2-5]: said of QoS 2.
#[test]
fn mqtt_4_8_2_5_qos_2_ends_with_the_session() {
    let rig = Rig::new();
    let mut group = members(&rig, 2, 2);
    rig.connect_v5("p").publish_qos2("t", "x");
    let number = chosen(&mut group);
    group[number].next_publish();
    group[number].break_off();
    rig.advance_s(2_000);
    assert!(rig.session_expired(&format!("member{number}")));
    group[1 - number].expect_nothing();
}

/// QoS 1 that was not acknowledged goes to another member when its own goes away for good (section 4.8.2 allows it).
#[test]
fn qos_1_is_sent_to_another_member() {
    let rig = Rig::new();
    let mut group = members(&rig, 2, 1);
    rig.connect_v5("p").publish_qos1("t", "x");
    let number = chosen(&mut group);
    group[number].next_publish();
    group[number].break_off();
    rig.advance_s(2_000);
    group[1 - number].take("x");
}

/// While nobody else is connected, a message stays with the member that was sent it.
#[test]
fn message_stays_while_nobody_else_is_connected() {
    let rig = Rig::new();
    let mut group = members(&rig, 2, 1);
    group[1].break_off();
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos1("t", "sent");
    assert_eq!(group[0].next_publish().payload, b"sent");
    group[0].break_off();
    let mut again = rig.connect(&member(0));
    assert!(again.take("sent").dup);
}

/// "If a Client responds with a PUBACK or PUBREC containing a Reason Code of 0x80 or greater to a PUBLISH packet from
/// the Server, the Server MUST discard the Application Message and not attempt to send it to any other Subscriber"
/// [MQTT-4.8.2-6].
#[test]
fn mqtt_4_8_2_6_refused_message_is_discarded() {
    for (qos, first_byte) in [(1, 0x40), (2, 0x50)] {
        let rig = Rig::new();
        let mut group = members(&rig, 2, qos);
        rig.connect_v5("p").publish_qos2("t", "x");
        let number = chosen(&mut group);
        let packet_id = group[number].next_publish().packet_id;
        group[number].send(&ack(first_byte, packet_id, 0x83));
        group[number].break_off();
        rig.advance_s(2_000);
        group[1 - number].expect_nothing();
    }
}

/// Members that are away get messages only when nobody else is there; then one of them keeps them.
#[test]
fn connected_members_come_first() {
    let rig = Rig::new();
    let mut group = members(&rig, 2, 1);
    let mut publisher = rig.connect_v5("p");
    group[0].break_off();
    for _ in 0..10 {
        publisher.publish_qos1("t", "x");
        group[1].take("x");
    }
    group[1].break_off();
    publisher.publish_qos1("t", "kept");
    let received: Vec<Vec<String>> = (0..2).map(|number| rig.connect(&member(number)).take_all()).collect();
    assert_eq!(received.concat(), ["kept"]);
}

/// A member that unsubscribes gets nothing more, and the name of the group counts (section 4.8.2).
#[test]
fn leaving_a_group() {
    let rig = Rig::new();
    let mut group = members(&rig, 2, 0);
    assert_eq!(group[0].unsubscribe(&["$share/h/t", "t", "$share/g/t"]), [0x11, 0x11, 0]);
    let mut publisher = rig.connect_v5("p");
    for _ in 0..10 {
        publisher.publish("t", "x");
        group[1].take("x");
    }
    group[0].expect_nothing();
    group[1].unsubscribe(&["$share/g/t"]);
    assert_eq!(publisher.publish_qos1("t", "x"), 0x10);
}

/// Retained messages are not sent to a shared subscription when it is made (section 4.8.2).
#[test]
fn retained_messages_are_not_sent_to_shared_subscriptions() {
    let rig = Rig::new();
    rig.connect_v5("p").retain("t", "kept");
    let mut group = members(&rig, 1, 1);
    group[0].expect_nothing();
}

/// Shared subscriptions are for older clients too, with the same syntax.
#[test]
fn shared_subscriptions_of_older_clients() {
    let rig = Rig::new();
    let mut a = rig.connect_v3_1_1("a");
    let mut b = rig.connect(&Connect::v3_1("b"));
    a.subscribe(&[("$share/g/t", 1)]);
    b.subscribe(&[("$share/g/t", 1)]);
    let mut publisher = rig.connect_v3_1_1("p");
    let mut received = 0;
    for _ in 0..10 {
        publisher.publish_qos1("t", "x");
        received += a.take_all().len() + b.take_all().len();
    }
    assert_eq!(received, 10);
}
