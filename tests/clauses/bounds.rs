//! The bounds of `broker::Settings`, each reached: the outcome has a name and is counted, and what is within the bound
//! goes on.

use ringmq::broker::QueuePolicy;
use ringmq::limits;

use crate::rig::*;

/// A session of "a" that is away, subscribed to "t" with QoS 1, and a publisher.
fn away(rig: &Rig) -> (Connect, Client) {
    let connect = Connect::v5("a").session(1_000);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 1)]);
    a.break_off();
    (connect, rig.connect_v5("p"))
}

/// `handshake_time_max_ms`: who says nothing is closed, without a word.
#[test]
fn handshake_time_max_ms() {
    let rig = Rig::with(|settings| settings.handshake_time_max_ms = 5_000);
    let mut silent = rig.open();
    rig.advance_ms(4_999);
    assert!(!silent.is_closed());
    // A byte now and then does not help.
    silent.send(&[0x10]);
    rig.advance_ms(1_001);
    silent.expect_closed();
    assert_eq!(rig.close_reason(""), Some(CloseReason::HandshakeTimeout));
    // Who has connected has no such deadline.
    let mut a = rig.connect_v5("a");
    rig.advance_ms(100_000);
    a.ping();
}

/// `connect_size_max`: the CONNECT is refused by its length.
#[test]
fn connect_size_max() {
    let rig = Rig::with(|settings| settings.connect_size_max = 200);
    let connect = |length: usize| Connect::v5("a").user_name(&"u".repeat(length));
    let fixed = connect(0).bytes().len() + 1;
    rig.connect(&connect(200 - fixed));
    expect_connect_breach(&rig, &connect(201 - fixed).bytes(), &[0x95]);
    expect_connect_breach(&rig, &[0x10, 0xFF, 0xFF, 0x7F], &[0x95]);
    // Later packets have the other bound.
    rig.connect_v5("b").publish("t", &"x".repeat(1_000));
}

/// `packet_size_max`: DISCONNECT 0x95, in 3.x the end.
#[test]
fn packet_size_max() {
    let rig = Rig::with(|settings| settings.packet_size_max = 100);
    expect_breach_by(&mut rig.connect_v5("a"), &publish("t", "x".repeat(100)).bytes(5), &[0x95]);
    expect_breach_by(&mut rig.connect_v3_1_1("b"), &publish("t", "x".repeat(100)).bytes(4), &[]);
}

/// `receive_maximum` is for 5.0: older clients cannot be told, and are bound by the number of packet identifiers alone.
#[test]
fn receive_maximum_is_not_for_older_clients() {
    let rig = Rig::with(|settings| settings.receive_maximum = 10);
    let mut a = rig.connect_v3_1_1("a");
    for packet_id in 1..=3_000 {
        a.send_publish(&publish("t", "x").qos2(packet_id));
        assert_eq!(a.next_pubrec().packet_id, packet_id);
    }
    for packet_id in 1..=3_000 {
        a.pubrel(packet_id);
        assert_eq!(a.next_pubcomp().packet_id, packet_id);
    }
}

/// `in_flight_max`: the rest waits.
#[test]
fn in_flight_max() {
    let rig = Rig::with(|settings| settings.in_flight_max = 3);
    let (connect, mut publisher) = away(&rig);
    for number in 0..7 {
        publisher.publish_qos1("t", &number.to_string());
    }
    let mut a = rig.connect(&connect);
    assert_eq!(a.drain().len(), 3);
    a.break_off();
    assert_eq!(rig.connect(&connect).take_all().len(), 7);
}

/// `PACKET_ID_SPAN_MAX`: a client that never acknowledges one message is sent so many others, and then no more.
#[test]
fn packet_id_span_max() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 1)]);
    let mut publisher = rig.connect_v5("p");
    publisher.publish_qos1("t", "held");
    let held = a.next_publish().packet_id;
    for number in 1..limits::PACKET_ID_SPAN_MAX {
        publisher.publish_qos1("t", "x");
        let publish = a.try_next().unwrap_or_else(|| panic!("message {number} of {}", limits::PACKET_ID_SPAN_MAX));
        let Packet::Publish(publish) = publish else { panic!("{publish:?}") };
        a.puback(publish.packet_id);
    }
    publisher.publish_qos1("t", "waits");
    a.expect_nothing();
    a.puback(held);
    a.take("waits");
}

/// `queued_messages_max` with each policy.
#[test]
fn queued_messages_max() {
    let cases = [
        (QueuePolicy::DropNewest, ["0", "1", "2"], DropReason::QueueFullNewest),
        (QueuePolicy::DropOldest, ["2", "3", "4"], DropReason::QueueFullOldest),
        (QueuePolicy::Disconnect, ["0", "1", "2"], DropReason::QueueFullNewest),
    ];
    for (policy, kept, reason) in cases {
        let rig = Rig::with(|settings| {
            settings.queued_messages_max = 3;
            settings.queue_policy = policy;
        });
        let (connect, mut publisher) = away(&rig);
        for number in 0..5 {
            publisher.publish_qos1("t", &number.to_string());
        }
        assert_eq!(rig.dropped_count(reason), 2, "{policy:?}");
        assert!(rig.dropped("a", reason), "{policy:?}");
        assert_eq!(rig.connect(&connect).take_all(), kept, "{policy:?}");
    }
}

/// `queue_policy` disconnect: a client that is there and does not keep up is told 0x97, and its session keeps its
/// queue.
#[test]
fn queue_policy_disconnect() {
    let rig = Rig::with(|settings| {
        settings.queued_messages_max = 3;
        settings.queue_policy = QueuePolicy::Disconnect;
    });
    let connect = Connect::v5("a").session(1_000).property(RECEIVE_MAXIMUM, 1u16);
    let mut a = rig.connect(&connect);
    a.subscribe(&[("t", 1)]);
    let mut publisher = rig.connect_v5("p");
    for number in 0..5 {
        publisher.publish_qos1("t", &number.to_string());
    }
    a.next_publish();
    a.expect_closed_with(0x97);
    assert!(rig.bound_reached("limits.queued_messages_max"));
    assert_eq!(rig.connect(&connect).take_all(), ["0", "1", "2", "3"]);
}

/// `queued_bytes_max`: few large messages fill a queue as well.
#[test]
fn queued_bytes_max() {
    let rig = Rig::with(|settings| settings.queued_bytes_max = 10_000);
    let (connect, mut publisher) = away(&rig);
    for _ in 0..10 {
        publisher.publish_qos1("t", &"x".repeat(3_000));
    }
    assert!(rig.dropped("a", DropReason::QueueFullNewest));
    let kept = rig.connect(&connect).take_all().len();
    assert!((1..=3).contains(&kept), "{kept}");
}

/// `queued_bytes_max` counts what the client does not read, too: QoS 0 messages to a reader that stands still.
#[test]
fn queued_bytes_max_of_a_standing_reader() {
    let rig = Rig::with(|settings| settings.queued_bytes_max = 1_000_000);
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    a.stop_reading();
    let mut publisher = rig.connect_v5("p");
    for _ in 0..400 {
        publisher.publish("t", &"x".repeat(10_000));
    }
    assert!(rig.dropped("a", DropReason::QueueFullNewest));
    a.read_again();
    let received = a.take_all().len() as u64;
    assert!(received < 200, "{received}");
    assert_eq!(received + rig.dropped_count(DropReason::QueueFullNewest), 400, "nothing is lost without a name");
}

/// A client that sends requests and reads no answers is ended before its answers fill the memory.
#[test]
fn queued_bytes_max_of_unread_answers() {
    let rig = Rig::with(|settings| settings.queued_bytes_max = 1_000);
    let mut a = rig.connect_v5("a");
    a.stop_reading();
    let pings = frame(0xC0, &[]).repeat(100);
    for _ in 0..20 {
        if rig.close_reason("a").is_none() {
            a.send(&pings);
        }
    }
    assert!(rig.bound_reached("limits.queued_bytes_max"));
    assert!(matches!(rig.close_reason("a"), Some(CloseReason::ByServer(_))));
}

/// `shard_bytes_max`: all queues together.
#[test]
fn shard_bytes_max() {
    let rig = Rig::with(|settings| settings.shard_bytes_max = 30_000);
    for number in 0..10 {
        let mut client = rig.connect(&Connect::v5(&format!("c{number}")).session(1_000));
        client.subscribe(&[(&format!("t/{number}"), 1)]);
        client.break_off();
    }
    let mut publisher = rig.connect_v5("p");
    for number in 0..10 {
        publisher.publish_qos1(&format!("t/{number}"), &"x".repeat(5_000));
    }
    let dropped = rig.dropped_count(DropReason::ShardFull);
    assert!((4..=6).contains(&dropped), "{dropped}");
    // Room comes back with what is delivered.
    for number in 0..10 {
        rig.connect(&Connect::v5(&format!("c{number}")).session(1_000)).take_all();
    }
    publisher.publish_qos1("t/9", &"x".repeat(5_000));
    assert_eq!(rig.dropped_count(DropReason::ShardFull), dropped);
}

/// `topic_levels_max` and `topic_length_max`, of names and of filters.
#[test]
fn topic_levels_max_and_topic_length_max() {
    let rig = Rig::with(|settings| {
        settings.topic_levels_max = 4;
        settings.topic_length_max = 20;
    });
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("#", 0)]);
    for topic in ["1/2/3/4", "x2345678901234567890"] {
        a.publish(topic, "x");
        assert_eq!(a.take("x").topic, topic);
        a.subscribe(&[(topic, 0)]);
    }
    for topic in ["1/2/3/4/5", "x23456789012345678901"] {
        assert_eq!(a.subscribe_codes(&[], &[(topic, 0)]), [0x8F]);
        expect_breach_by(&mut rig.connect_v5("b"), &publish(topic, "x").bytes(5), &[0x90]);
        expect_breach_by(&mut rig.connect_v3_1_1("b"), &publish(topic, "x").bytes(4), &[]);
        let refused = Connect::v5("b").will(topic, b"x", 0, false);
        expect_connect_breach(&rig, &refused.bytes(), &[0x90]);
    }
}

/// `subscriptions_max`: SUBACK 0x97; those that are there can be replaced, and room comes back.
#[test]
fn subscriptions_max() {
    let rig = Rig::with(|settings| settings.subscriptions_max = 2);
    let mut a = rig.connect_v5("a");
    assert_eq!(a.subscribe_codes(&[], &[("a", 0), ("$share/g/b", 1), ("c", 0), ("a", 1)]), [0, 1, 0x97, 1]);
    assert!(rig.bound_reached("limits.subscriptions_max"));
    a.publish("c", "x");
    a.expect_nothing();
    a.unsubscribe(&["a"]);
    a.subscribe(&[("c", 0)]);
    let mut b = rig.connect_v3_1_1("b");
    assert_eq!(b.subscribe_codes(&[], &[("a", 0), ("b", 0), ("c", 0)]), [0, 0, 0x80]);
}

/// `retained_messages_max`: a further one is delivered but not kept; replacing and clearing go on.
#[test]
fn retained_messages_max() {
    let rig = Rig::with(|settings| settings.retained_messages_max = 2);
    let mut live = rig.connect_v5("live");
    live.subscribe(&[("#", 0)]);
    let mut publisher = rig.connect_v5("p");
    for topic in ["a", "b", "c"] {
        publisher.retain(topic, topic);
        live.take(topic);
    }
    assert_eq!(rig.dropped_count(DropReason::RetainedFull), 1);
    publisher.retain("a", "new");
    publisher.retain("b", "");
    publisher.retain("c", "late");
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("#", 0)]);
    let mut kept = a.take_all();
    kept.sort();
    assert_eq!(kept, ["late", "new"]);
}

/// `retained_bytes_max`.
#[test]
fn retained_bytes_max() {
    let rig = Rig::with(|settings| settings.retained_bytes_max = 10_000);
    let mut publisher = rig.connect_v5("p");
    for number in 0..5 {
        publisher.retain(&format!("t/{number}"), &"x".repeat(4_000));
    }
    assert_eq!(rig.dropped_count(DropReason::RetainedFull), 3);
    publisher.retain("t/0", "");
    publisher.retain("t/4", &"x".repeat(4_000));
    assert_eq!(rig.dropped_count(DropReason::RetainedFull), 3);
}

/// `RETAINED_STEPS`: a search that passes thousands of other topics goes on over several turns, and finds what there
/// is.
#[test]
fn retained_steps() {
    for shards in [1, 2] {
        let rig = Rig::with_shards(shards, |_| {});
        let mut publisher = rig.connect_v5("p");
        for number in 0..3 * limits::RETAINED_STEPS {
            publisher.send_publish(&publish(&format!("t/{number}/x"), "other").retain());
        }
        for number in [0, 1_000, 999_999] {
            publisher.retain(&format!("t/{number}/y"), "wanted");
        }
        let mut a = rig.connect_v5("a");
        a.subscribe(&[("+/+/y", 1)]);
        assert_eq!(a.take_all(), ["wanted"; 3]);
        let mut b = rig.connect_v5("b");
        b.subscribe(&[("t/+/z", 1)]);
        b.expect_nothing();
    }
}

/// `sessions_max`: CONNACK 0x97, before 5.0 return code 3; who has a session gets it.
#[test]
fn sessions_max() {
    let rig = Rig::with(|settings| settings.sessions_max = 2);
    rig.connect(&Connect::v5("a").session(1_000)).break_off();
    let mut b = rig.connect_v5("b");
    rig.expect_refused(&Connect::v5("c"), 0x97);
    rig.expect_refused(&Connect::v3_1_1("c"), 3);
    assert!(rig.bound_reached("limits.sessions_max"));
    assert!(rig.connect(&Connect::v5("a").session(1_000)).connack.session_present);
    b.disconnect();
    rig.connect_v5("c").ping();
}

/// `session_expiry_max_s` holds for DISCONNECT and for 3.x as well.
#[test]
fn session_expiry_max_s() {
    let rig = Rig::with(|settings| settings.session_expiry_max_s = 60);
    let mut a = rig.connect(&Connect::v5("a").session(30));
    a.send(&disconnect(0, &property(SESSION_EXPIRY_INTERVAL, 1_000u32)));
    rig.connect(&Connect::v3_1_1("b").keep_session()).break_off();
    rig.connect(&Connect::v5("c").session(0xFFFF_FFFF)).break_off();
    rig.advance_s(59);
    assert!(!["a", "b", "c"].iter().any(|client_id| rig.session_expired(client_id)));
    rig.advance_s(2);
    assert!(["a", "b", "c"].iter().all(|client_id| rig.session_expired(client_id)));
}

/// `topic_alias_out_max`: the server uses no more aliases than the operator allows, whatever the client offers.
#[test]
fn topic_alias_out_max() {
    let rig = Rig::with(|settings| settings.topic_alias_out_max = 2);
    let mut a = rig.connect(&Connect::v5("a").property(TOPIC_ALIAS_MAXIMUM, 100u16));
    a.subscribe(&[("#", 0)]);
    for number in 0..50 {
        a.publish(&format!("t/{number}"), "x");
        assert!(a.take("x").properties.two_bytes(TOPIC_ALIAS).unwrap_or(0) <= 2);
    }
}

/// `EVENTS_MAX`: a driver that does not take events loses events, nothing else.
#[test]
fn events_are_bounded() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    let mut bytes = Vec::new();
    for packet_id in 1..2_000 {
        bytes.extend(subscribe(5, packet_id, &[], &[("a/#/b", 0)]));
    }
    a.send(&bytes);
    for _ in 1..2_000 {
        assert_eq!(a.next_suback().reasons, [0x8F]);
    }
}
