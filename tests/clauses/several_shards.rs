//! The same rules when the clients live on different shards: mail is pumped by hand, and may be held up.

use ringmq::routing::Strategy;

use crate::rig::*;

/// A client on this shard.
fn connect_on(rig: &Rig, shard: usize) -> Client {
    rig.connect_v5(&rig.client_id_on(shard))
}

/// A CONNECT with a session, of a client on this shard.
fn session_on(rig: &Rig, shard: usize) -> Connect {
    Connect::v5(&rig.client_id_on(shard)).session(1_000)
}

/// A message reaches subscribers wherever they are, once each.
#[test]
fn publish_crosses_shards() {
    for shards in [2, 3] {
        let rig = Rig::with_shards(shards, |_| {});
        let mut subscribers: Vec<Client> = (0..shards).map(|shard| connect_on(&rig, shard)).collect();
        for subscriber in &mut subscribers {
            subscriber.subscribe(&[("t/+", 2), ("t/#", 1)]);
        }
        for shard in 0..shards {
            let mut publisher = rig.connect_v5(&format!("{}-publisher", rig.client_id_on(shard)));
            for qos in 0..3 {
                match qos {
                    0 => publisher.publish("t/x", "0"),
                    1 => assert_eq!(publisher.publish_qos1("t/x", "1"), 0),
                    _ => assert_eq!(publisher.publish_qos2("t/x", "2"), 0),
                }
                for subscriber in &mut subscribers {
                    assert_eq!(subscriber.take(&qos.to_string()).qos, qos);
                    subscriber.expect_nothing();
                }
            }
        }
    }
}

/// SUBACK waits for every shard: a message published anywhere after it arrives [MQTT-3.8.4-1].
#[test]
fn suback_waits_for_all_shards() {
    let rig = Rig::with_shards(3, |_| {});
    let mut a = connect_on(&rig, 0);
    rig.hold_mail();
    a.send(&subscribe(5, 1, &[], &[("t", 1)]));
    a.expect_nothing();
    // Other requests of the same client do not wait for it.
    a.ping();
    rig.release_mail();
    assert_eq!(a.next_suback().reasons, [1]);
    for shard in 1..3 {
        let mut publisher = connect_on(&rig, shard);
        assert_eq!(publisher.publish_qos1("t", "x"), 0);
        a.take("x");
    }
}

/// A filter that another client of the shard has already is known everywhere, but only once its own SUBACK is due.
#[test]
fn suback_of_a_known_filter() {
    let rig = Rig::with_shards(2, |_| {});
    let mut a = connect_on(&rig, 0);
    a.subscribe(&[("t", 0)]);
    let mut b = rig.connect_v5(&(1..).map(|number| format!("b{number}")).find(|id| on_shard(&rig, id, 0)).unwrap());
    rig.hold_mail();
    b.send(&subscribe(5, 1, &[], &[("t", 0)]));
    assert_eq!(b.next_suback().reasons, [0]);
    rig.release_mail();
    connect_on(&rig, 1).publish("t", "x");
    a.take("x");
    b.take("x");
}

fn on_shard(rig: &Rig, client_id: &str, shard: usize) -> bool {
    rig.home_of(client_id) == shard
}

/// The last subscriber of a shard takes its interest away; others keep theirs.
#[test]
fn unsubscribe_crosses_shards() {
    let rig = Rig::with_shards(2, |_| {});
    let mut a = connect_on(&rig, 0);
    let mut publisher = connect_on(&rig, 1);
    a.subscribe(&[("t", 1), ("t/+", 1)]);
    assert_eq!(publisher.publish_qos1("t", "x"), 0);
    a.take("x");
    assert_eq!(a.unsubscribe(&["t"]), [0]);
    assert_eq!(publisher.publish_qos1("t", "x"), 0x10);
    assert_eq!(publisher.publish_qos1("t/x", "y"), 0);
    a.take("y");
    a.expect_nothing();
    // The end of a session does the same.
    a.break_off();
    assert_eq!(publisher.publish_qos1("t/x", "y"), 0x10);
}

/// Order from one publisher to one subscriber is kept across shards [MQTT-4.6.0-5].
#[test]
fn mqtt_4_6_0_5_order_is_kept_across_shards() {
    let rig = Rig::with_shards(2, |settings| settings.in_flight_max = 5);
    let connect = session_on(&rig, 0);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 1)]);
    let mut publisher = connect_on(&rig, 1);
    let mut sent = Vec::new();
    for number in 0..60 {
        match number {
            10 => rig.hold_mail(),
            20 => rig.release_mail(),
            30 => a.break_off(),
            40 => a = rig.connect(&connect),
            _ => {}
        }
        sent.push(number.to_string());
        publisher.publish_qos1("t", sent.last().unwrap());
    }
    assert_eq!(a.take_all(), sent);
}

/// Retained messages are kept on the shard of their topic, and come from all of them [MQTT-3.3.1-9].
#[test]
fn mqtt_3_3_1_9_retained_messages_come_from_all_shards() {
    for shards in [2, 3] {
        let rig = Rig::with_shards(shards, |_| {});
        let mut publisher = connect_on(&rig, 0);
        let mut topics: Vec<String> = (0..400).map(|number| format!("t/{}/{number}", number % 7)).collect();
        for topic in &topics {
            publisher.retain(topic, topic);
        }
        for shard in 0..shards {
            for qos in [0, 1] {
                let connect = Connect::v5(&rig.client_id_on(shard)).property(RECEIVE_MAXIMUM, 20u16);
                let mut a = rig.connect(&connect);
                a.subscribe(&[("t/#", qos)]);
                let mut received = a.take_all();
                received.sort();
                topics.sort();
                assert_eq!(received, topics, "{shards} shards, to shard {shard}, QoS {qos}");
            }
        }
        // Replacing and clearing reach the partition from anywhere.
        let mut other = connect_on(&rig, 1);
        for (number, topic) in topics.iter().enumerate() {
            other.retain(topic, if number % 2 == 0 { "" } else { "new" });
        }
        let mut late = rig.connect_v5("late");
        late.subscribe(&[("t/#", 0)]);
        let received = late.take_all();
        assert_eq!(received.len(), topics.len() / 2);
        assert!(received.iter().all(|payload| payload == "new"));
    }
}

/// A subscriber that races with a retained publish has the message: live, or retained, at least once, and never the
/// older one last.
#[test]
fn retained_publish_races_with_subscribe() {
    for held_back in 0..12 {
        let rig = Rig::with_shards(3, |_| {});
        let topics: Vec<String> = (0..6).map(|number| format!("t/{number}")).collect();
        let mut publisher = connect_on(&rig, 1);
        for topic in &topics {
            publisher.retain(topic, "old");
        }
        let mut a = connect_on(&rig, 0);
        rig.hold_mail();
        a.send(&subscribe(5, 1, &[], &[("t/+", 1)]));
        // Some steps of the exchange between the shards happen before the new messages, the others after.
        rig.step_mail(held_back);
        for topic in &topics {
            publisher.retain(topic, "new");
        }
        rig.release_mail();
        let mut last = std::collections::HashMap::new();
        while let Some(packet) = a.try_next() {
            if let Packet::Publish(publish) = packet {
                last.insert(publish.topic, publish.payload);
                a.puback(publish.packet_id);
            }
        }
        for topic in &topics {
            assert_eq!(last.get(topic).map(Vec::as_slice), Some(&b"new"[..]), "{topic} after {held_back} steps");
        }
    }
}

/// A group has its members on all shards; each message goes to one of them (section 4.8.2).
#[test]
fn shared_groups_span_shards() {
    for shards in [2, 3] {
        let rig = Rig::with_shards(shards, |_| {});
        let mut members: Vec<Client> = (0..shards).map(|shard| connect_on(&rig, shard)).collect();
        for member in &mut members {
            member.subscribe(&[("$share/g/t", 1)]);
        }
        let mut publisher = rig.connect_v5("publisher");
        let mut counts = vec![0; shards];
        for number in 0..90 {
            assert_eq!(publisher.publish_qos1("t", &number.to_string()), 0);
            let received: Vec<usize> = members.iter_mut().map(|member| member.take_all().len()).collect();
            assert_eq!(received.iter().sum::<usize>(), 1, "message {number}: {received:?}");
            counts.iter_mut().zip(received).for_each(|(count, received)| *count += received);
        }
        assert!(counts.iter().all(|count| *count > 0), "everybody has a share: {counts:?}");
        // Those who leave get nothing more, and nothing is lost.
        members[0].unsubscribe(&["$share/g/t"]);
        for _ in 0..30 {
            publisher.publish_qos1("t", "x");
        }
        members[0].expect_nothing();
        let rest: usize = members.iter_mut().map(|member| member.take_all().len()).sum();
        assert_eq!(rest, 30);
    }
}

/// Strategies by key come to the same member from every shard; those that spread leave nobody out.
#[test]
fn strategies_span_shards() {
    use Strategy::*;
    for strategy in [LeastInFlight, RoundRobin, Random, Sticky, HashClientId, HashTopic] {
        let rig = Rig::with_shards(2, |settings| settings.shared_strategy = strategy);
        let mut members: Vec<Client> = (0..2).map(|shard| connect_on(&rig, shard)).collect();
        for member in &mut members {
            member.subscribe(&[("$share/g/t", 1)]);
        }
        let mut publishers: Vec<Client> =
            (0..2).map(|shard| rig.connect_v5(&format!("{}-{shard}", rig.client_id_on(shard)))).collect();
        let mut counts = [0; 2];
        for number in 0..60 {
            let by_client = strategy == HashClientId;
            publishers[if by_client { 0 } else { number % 2 }].publish_qos1("t", "x");
            members.iter_mut().zip(&mut counts).for_each(|(member, count)| *count += member.take_all().len());
        }
        assert_eq!(counts.iter().sum::<usize>(), 60, "{strategy:?}");
        let spreads = matches!(strategy, LeastInFlight | RoundRobin | Random);
        assert_eq!(counts.iter().all(|count| *count > 0), spreads, "{strategy:?}: {counts:?}");
    }
}

/// A message on its way to a member that has just left finds another.
#[test]
fn shared_message_finds_another_member() {
    let rig = Rig::with_shards(2, |_| {});
    let mut near = connect_on(&rig, 0);
    let mut far = connect_on(&rig, 1);
    far.subscribe(&[("$share/g/t", 1)]);
    let mut publisher = rig.connect_v5(&format!("{}-p", rig.client_id_on(0)));
    rig.hold_mail();
    for _ in 0..5 {
        publisher.publish_qos1("t", "x");
    }
    far.send(&unsubscribe(5, 9, &["$share/g/t"]));
    near.send(&subscribe(5, 9, &[], &[("$share/g/t", 1)]));
    rig.release_mail();
    let count = |client: &mut Client| {
        std::iter::from_fn(|| client.try_next()).filter(|packet| matches!(packet, Packet::Publish(_))).count() as u64
    };
    let delivered = count(&mut near) + count(&mut far);
    assert_eq!(delivered + rig.dropped_count(DropReason::NoMember), 5, "delivered {delivered}, the others have a name");
}

/// What a member on one shard did not acknowledge is sent to a member on another (section 4.8.2), also what it was
/// still to be sent.
#[test]
fn unacknowledged_shared_messages_cross_shards() {
    let rig = Rig::with_shards(2, |_| {});
    let connect = session_on(&rig, 0).property(RECEIVE_MAXIMUM, 2u16);
    let mut near = rig.connect(&connect);
    near.subscribe(&[("$share/g/t", 1)]);
    let mut publisher = connect_on(&rig, 1);
    for number in 0..5 {
        publisher.publish_qos1("t", &number.to_string());
    }
    assert_eq!(near.drain().len(), 2);
    let mut far = rig.connect_v5(&format!("{}-far", rig.client_id_on(1)));
    far.subscribe(&[("$share/g/t", 1)]);
    far.expect_nothing();
    near.break_off();
    let mut received = far.take_all();
    received.sort();
    assert_eq!(received, ["0", "1", "2", "3", "4"]);
    rig.connect(&connect).expect_nothing();
}

/// Members that are away come last, on whatever shard they are.
#[test]
fn connected_members_of_other_shards_come_first() {
    let rig = Rig::with_shards(2, |_| {});
    let connect = session_on(&rig, 0);
    let mut away = rig.connect(&connect);
    away.subscribe(&[("$share/g/t", 1)]);
    let mut here = connect_on(&rig, 1);
    here.subscribe(&[("$share/g/t", 1)]);
    away.break_off();
    let mut publisher = rig.connect_v5("publisher");
    for _ in 0..10 {
        publisher.publish_qos1("t", "x");
    }
    assert_eq!(here.take_all().len(), 10);
    rig.connect(&connect).expect_nothing();
}

/// A will crosses shards as any message does [MQTT-3.1.2-8], and is retained [MQTT-3.1.2-15].
#[test]
fn mqtt_3_1_2_8_will_crosses_shards() {
    let rig = Rig::with_shards(2, |_| {});
    let mut watcher = connect_on(&rig, 0);
    watcher.subscribe(&[("w/#", 1)]);
    let connect = session_on(&rig, 1);
    for number in 0..8 {
        let topic = format!("w/{number}");
        let will = connect.clone().will(&topic, b"will", 1, true).will_property(WILL_DELAY_INTERVAL, 5u32);
        rig.connect(&will).break_off();
        watcher.expect_nothing();
        rig.advance_s(6);
        assert_eq!(watcher.take("will").topic, topic);
    }
    let mut late = rig.connect_v5("late");
    late.subscribe(&[("w/+", 0)]);
    assert_eq!(late.take_all().len(), 8);
}

/// Take-over and resumption are local to the home shard: the same client id always comes to the same one.
#[test]
fn take_over_among_shards() {
    let rig = Rig::with_shards(3, |_| {});
    for shard in 0..3 {
        let connect = session_on(&rig, shard);
        let mut old = rig.connect(&connect);
        old.subscribe(&[("t", 1)]);
        let mut new = rig.connect(&connect);
        old.expect_closed_with(0x8E);
        assert!(new.connack.session_present);
        rig.connect_v5("publisher").publish_qos1("t", "x");
        new.take("x");
        new.send(&disconnect(0, &property(SESSION_EXPIRY_INTERVAL, 0u32)));
    }
}

/// An assigned client id has its home where it was assigned: its session is found again [MQTT-3.1.3-7].
#[test]
fn mqtt_3_1_3_7_assigned_identifier_comes_home() {
    let rig = Rig::with_shards(3, |_| {});
    for _ in 0..20 {
        let client = rig.connect(&Connect::v5("").session(100));
        let assigned = client.connack.properties.text(ASSIGNED_CLIENT_IDENTIFIER).unwrap();
        assert!(rig.connect(&Connect::v5(&assigned).session(100)).connack.session_present);
    }
}

/// Messages, properties and subscription identifiers are the same from far as from near.
#[test]
fn properties_cross_shards() {
    let rig = Rig::with_shards(2, |_| {});
    let mut far = connect_on(&rig, 0);
    far.subscribe_codes(&subscription_identifier(7), &[("t", 2)]);
    let mut publisher = connect_on(&rig, 1);
    for length in [10, 50_000] {
        let request = publish("t", vec![b'x'; length])
            .property(USER_PROPERTY, ("n", "v"))
            .property(MESSAGE_EXPIRY_INTERVAL, 60u32)
            .property(CORRELATION_DATA, &b"\0"[..]);
        publisher.send_publish(&request);
        let publish = far.next_publish();
        assert_eq!(publish.payload.len(), length);
        assert_eq!(publish.properties.user().len(), 1);
        assert_eq!(publish.properties.four_bytes(MESSAGE_EXPIRY_INTERVAL), Some(60));
        assert_eq!(publish.properties.get(CORRELATION_DATA), Some(b"\0"[..].into()));
        assert_eq!(publish.properties.subscription_identifiers(), [7]);
    }
}

/// No Local is by client id, on one shard or on many [MQTT-3.8.3-3].
#[test]
fn mqtt_3_8_3_3_no_local_among_shards() {
    let rig = Rig::with_shards(2, |_| {});
    let mut a = connect_on(&rig, 0);
    let mut b = connect_on(&rig, 1);
    a.subscribe(&[("t", 0x04)]);
    b.subscribe(&[("t", 0x04)]);
    a.publish("t", "of a");
    b.publish("t", "of b");
    assert_eq!(a.take_all(), ["of b"]);
    assert_eq!(b.take_all(), ["of a"]);
}
