//! What was acknowledged is durable: no acknowledgement leaves before the store has what it acknowledges, and after a crash all of
//! it is there. QoS 2 is exactly once over a crash (section 4.3.3).

use ringmq::broker::{DropReason, STORE_ACCEPTING_TOPIC};

use crate::rig::*;

const SHARD_COUNTS: [usize; 3] = [1, 2, 3];
const QUOTA_EXCEEDED: u8 = 0x97;

/// A CONNECT with a session, of a client on this shard.
fn session_on(rig: &Rig, shard: usize) -> Connect {
    Connect::v5(&rig.client_id_on(shard)).session(1_000)
}

/// The same under another client id.
fn publisher_on(rig: &Rig, shard: usize) -> Connect {
    let mut ids = (0..).map(|number| format!("publisher{number}"));
    Connect::v5(&ids.find(|id| rig.home_of(id) == shard).expect("endless names")).session(1_000)
}

fn last_of(shards: usize) -> usize {
    shards - 1
}

/// CONNACK, SUBACK, UNSUBACK and PUBACK wait for the store, and nothing overtakes CONNACK.
#[test]
fn acknowledgements_wait_until_the_store_has_it() {
    for shards in SHARD_COUNTS {
        let rig = Rig::durable(shards, |_| {});
        rig.hold_store();
        let mut subscriber = rig.attempt(&session_on(&rig, last_of(shards)));
        subscriber.send(&subscribe(5, 1, &[], &[("t", 1)]));
        subscriber.expect_nothing();
        rig.release_store();
        assert_eq!(subscriber.next_connack().reason, 0);
        assert_eq!(subscriber.next_suback().reasons, [1]);

        let mut publisher = rig.connect_v5("publisher");
        rig.hold_store();
        publisher.send_publish(&publish("t", "x").qos1(9));
        publisher.expect_nothing();
        // The subscriber need not wait: at worst it gets the message again.
        let packet_id = subscriber.take("x").packet_id;
        publisher.ping();
        rig.release_store();
        assert_eq!(publisher.next_puback().packet_id, 9);
        subscriber.puback(packet_id);

        rig.hold_store();
        subscriber.send(&unsubscribe(5, 2, &["t"]));
        subscriber.expect_nothing();
        rig.release_store();
        assert!(matches!(subscriber.next(), Packet::UnsubAck(SubAck { packet_id: 2, .. })));
    }
}

/// A publish that reaches nobody whose session is kept does not wait, and writes nothing.
#[test]
fn clean_sessions_never_touch_the_store() {
    for shards in SHARD_COUNTS {
        let rig = Rig::durable(shards, |_| {});
        let mut subscriber = rig.connect_v5(&rig.client_id_on(last_of(shards)));
        subscriber.subscribe(&[("t", 2), ("$share/g/t", 2)]);
        let mut publisher = rig.connect(&publisher_on(&rig, 0));
        let before = rig.disk().counts();
        rig.hold_store();
        publisher.publish("t", "0");
        assert_eq!(publisher.publish_qos1("t", "1"), 0);
        assert_eq!(publisher.publish_qos2("t", "2"), 0);
        rig.release_store();
        assert_eq!(rig.disk().counts(), before);
    }
}

/// PUBACKs leave in the order of their PUBLISHes, whether they had to wait or not ([MQTT-4.6.0-2]).
#[test]
fn acknowledgements_keep_their_order() {
    for shards in SHARD_COUNTS {
        let rig = Rig::durable(shards, |_| {});
        rig.connect(&session_on(&rig, last_of(shards))).subscribe(&[("kept", 1)]);
        let mut publisher = rig.connect_v5("publisher");
        rig.hold_store();
        publisher.send_publish(&publish("kept", "1").qos1(1));
        publisher.send_publish(&publish("not kept", "2").qos1(2));
        publisher.expect_nothing();
        rig.release_store();
        assert_eq!(publisher.next_puback().packet_id, 1);
        assert_eq!(publisher.next_puback().packet_id, 2);
    }
}

/// Session, subscriptions with their options, and messages in their order are there after a crash, on whatever shard.
#[test]
fn what_was_acknowledged_survives() {
    for before in SHARD_COUNTS {
        for after in SHARD_COUNTS {
            let rig = Rig::durable(before, |_| {});
            let connect = session_on(&rig, last_of(before));
            let mut subscriber = rig.connect(&connect);
            let identified = subscription_identifier(7);
            assert_eq!(subscriber.subscribe_codes(&identified, &[("t/+", 2)]), [2]);
            subscriber.break_off();
            let mut publisher = rig.connect(&publisher_on(&rig, 0));
            publisher.retain("kept", "value");
            for payload in ["a", "b"] {
                assert_eq!(publisher.publish_qos1("t/x", payload), 0);
            }
            assert_eq!(publisher.publish_qos2("t/x", "c"), 0);
            rig.crash(after);

            let mut subscriber = rig.connect(&connect);
            assert!(subscriber.connack.session_present);
            for payload in ["a", "b", "c"] {
                let message = subscriber.take(payload);
                assert_eq!(message.properties.subscription_identifiers(), [7]);
            }
            subscriber.expect_nothing();
            let mut publisher = rig.connect_v5("another");
            assert_eq!(publisher.publish_qos1("t/y", "new"), 0);
            subscriber.take("new");
            publisher.subscribe(&[("kept", 1)]);
            publisher.take("value");
        }
    }
}

/// A QoS 2 message is sent once its packet identifier is durable, and again with the same one after a crash.
#[test]
fn qos2_is_exactly_once_for_the_receiver() {
    for shards in SHARD_COUNTS {
        let rig = Rig::durable(shards, |_| {});
        let connect = session_on(&rig, last_of(shards));
        let mut subscriber = rig.connect(&connect);
        subscriber.subscribe(&[("t", 2)]);
        let mut publisher = rig.connect(&publisher_on(&rig, 0));
        rig.hold_store();
        publisher.send_publish(&publish("t", "x").qos2(5));
        subscriber.expect_nothing();
        publisher.expect_nothing();
        rig.release_store();
        assert_eq!(publisher.next_pubrec().packet_id, 5);
        let packet_id = subscriber.next_publish().packet_id;

        rig.crash(shards);
        let mut subscriber = rig.connect(&connect);
        let again = subscriber.next_publish();
        assert_eq!((again.packet_id, again.dup), (packet_id, true));
        rig.hold_store();
        subscriber.pubrec(packet_id);
        subscriber.expect_nothing();
        rig.release_store();
        assert_eq!(subscriber.next_pubrel().packet_id, packet_id);

        // The client has released it; the server must not send it any more, but PUBREL.
        rig.crash(shards);
        let mut subscriber = rig.connect(&connect);
        assert_eq!(subscriber.next_pubrel().packet_id, packet_id);
        subscriber.pubcomp(packet_id);
        subscriber.expect_nothing();
        rig.crash(shards);
        let mut subscriber = rig.connect(&connect);
        subscriber.expect_nothing();
    }
}

/// A repeated QoS 2 publish is known after a crash, and its identifier is free for another one after PUBCOMP, not before.
#[test]
fn qos2_is_exactly_once_for_the_sender() {
    for shards in SHARD_COUNTS {
        let rig = Rig::durable(shards, |_| {});
        let receiver = session_on(&rig, last_of(shards));
        rig.connect(&receiver).subscribe(&[("t", 2)]);
        let sender = publisher_on(&rig, 0);
        let mut publisher = rig.connect(&sender);
        publisher.send_publish(&publish("t", "x").qos2(5));
        assert_eq!(publisher.next_pubrec().packet_id, 5);
        rig.crash(shards);

        let mut publisher = rig.connect(&sender);
        publisher.send_publish(&publish("t", "x").qos2(5).dup());
        assert_eq!(publisher.next_pubrec().packet_id, 5);
        rig.hold_store();
        publisher.pubrel(5);
        publisher.expect_nothing();
        rig.release_store();
        assert_eq!(publisher.next_pubcomp().packet_id, 5);
        rig.crash(shards);

        let mut publisher = rig.connect(&sender);
        publisher.send_publish(&publish("t", "y").qos2(5));
        assert_eq!(publisher.next_pubrec().packet_id, 5);
        let mut subscriber = rig.connect(&receiver);
        let payloads = [subscriber.next_publish().payload, subscriber.next_publish().payload];
        assert_eq!(payloads, [b"x", b"y"]);
        subscriber.expect_nothing();
    }
}

/// A publish whose parts on several shards are not all durable has not happened: the sender sends it again.
#[test]
fn a_publish_for_several_shards_is_kept_by_all_or_by_none() {
    for held in 0..4 {
        let rig = Rig::durable(3, |_| {});
        let receivers: Vec<Connect> = (1..3).map(|shard| session_on(&rig, shard)).collect();
        receivers.iter().for_each(|receiver| rig.connect(receiver).subscribe(&[("t", 2)]));
        let sender = publisher_on(&rig, 0);
        let mut publisher = rig.connect(&sender);
        rig.hold_mail();
        publisher.send_publish(&publish("t", "x").qos2(5));
        rig.step_mail(held);
        let is_acknowledged = publisher.try_next().is_some();
        assert_eq!(is_acknowledged, held >= 3);
        rig.crash(3);

        let mut publisher = rig.connect(&sender);
        publisher.send_publish(&publish("t", "x").qos2(5).dup());
        assert_eq!(publisher.next_pubrec().packet_id, 5);
        for receiver in receivers {
            let mut subscriber = rig.connect(&receiver);
            subscriber.take("x");
            subscriber.expect_nothing();
        }
    }
}

/// A client whose session is not kept finds none after a crash; one that ended does not come back.
#[test]
fn what_ended_stays_ended() {
    let rig = Rig::durable(2, |_| {});
    let mut ended = rig.connect(&Connect::v5("ended").session(1_000));
    ended.subscribe(&[("t", 1)]);
    ended.break_off();
    rig.connect(&Connect::v5("ended")).disconnect();
    let mut short = rig.connect(&Connect::v5("short").session(10));
    short.break_off();
    rig.connect_v5("clean").subscribe(&[("t", 1)]);
    rig.crash(2);
    rig.advance_s(11);
    for client_id in ["ended", "short", "clean"] {
        assert!(!rig.connect(&Connect::v5(client_id).keep_session()).connack.session_present, "{client_id}");
    }
    assert!(rig.session_expired("short"));
}

/// The wills of all whose connections a crash has ended are published after it, late ones in their time.
#[test]
fn wills_survive() {
    let rig = Rig::durable(2, |_| {});
    let watcher = session_on(&rig, 1);
    rig.connect(&watcher).subscribe(&[("will/#", 1)]);
    rig.connect(&Connect::v5("soon").session(1_000).will("will/soon", b"soon", 1, false));
    let late = Connect::v5("late").session(1_000).will("will/late", b"late", 1, false);
    rig.connect(&late.will_property(WILL_DELAY_INTERVAL, 30_u32));
    rig.crash(2);
    rig.advance_ms(1);
    let mut watcher = rig.connect(&watcher);
    watcher.take("soon");
    watcher.expect_nothing();
    rig.advance_s(31);
    watcher.take("late");
    watcher.expect_nothing();
}

/// A client that is back before its will is durable on all shards is told so when it is, and has the session of its last CONNECT.
#[test]
fn a_late_will_does_not_bring_an_old_session_back() {
    let rig = Rig::durable(2, |_| {});
    rig.connect(&session_on(&rig, 1)).subscribe(&[("will", 1)]);
    let client = Connect::v5(&rig.client_id_on(0)).session(10).will("will", b"x", 1, false);
    let mut connection = rig.connect(&client);
    rig.hold_mail();
    connection.break_off();
    rig.advance_s(9);
    let mut back = rig.attempt(&client);
    back.expect_nothing();
    rig.release_mail();
    assert!(back.next_connack().session_present);
    rig.crash(2);
    rig.advance_s(5);
    assert!(rig.connect(&client).connack.session_present);
}

/// What does not fit into the memory of a session waits on disk and comes back in order, also over a crash.
#[test]
fn long_queues_wait_on_disk() {
    for crash in [false, true] {
        let rig = Rig::durable(2, |settings| {
            settings.queue_memory_max = 2_000;
            settings.in_flight_max = 3;
        });
        let connect = session_on(&rig, 1);
        let mut subscriber = rig.connect(&connect);
        subscriber.subscribe(&[("t", 1)]);
        subscriber.break_off();
        let mut publisher = rig.connect_v5("publisher");
        for number in 0..500 {
            assert_eq!(publisher.publish_qos1("t", &number.to_string()), 0);
        }
        publisher.break_off();
        assert!(rig.held_bytes() <= 2_500, "{} bytes", rig.held_bytes());
        if crash {
            rig.crash(2);
            assert!(rig.held_bytes() <= 2_500, "{} bytes", rig.held_bytes());
        }
        let mut subscriber = rig.connect(&connect);
        for number in 0..500 {
            let packet_id = subscriber.take(&number.to_string()).packet_id;
            subscriber.puback(packet_id);
        }
        subscriber.expect_nothing();
        assert_eq!(rig.store_stats().entries, 0);
        assert_eq!(rig.held_bytes(), 0);
    }
}

/// A publish that removes a retained message is taken once over a crash, also if there was none to remove: repeated, it would
/// remove what came after it.
#[test]
fn a_repeated_removal_does_not_remove_what_came_after_it() {
    for shards in SHARD_COUNTS {
        for topic in ["a", "b", "c", "d"] {
            let rig = Rig::durable(shards, |_| {});
            let sender = publisher_on(&rig, 0);
            let mut publisher = rig.connect(&sender);
            publisher.send_publish(&publish(topic, "").qos2(1).retain());
            publisher.send_publish(&publish(topic, "x").qos2(2).retain());
            assert_eq!([publisher.next_pubrec().packet_id, publisher.next_pubrec().packet_id], [1, 2]);
            rig.crash(shards);
            let mut publisher = rig.connect(&sender);
            publisher.send_publish(&publish(topic, "").qos2(1).retain().dup());
            publisher.send_publish(&publish(topic, "x").qos2(2).retain().dup());
            assert_eq!([publisher.next_pubrec().packet_id, publisher.next_pubrec().packet_id], [1, 2]);
            let mut reader = rig.connect_v5("reader");
            reader.subscribe(&[(topic, 0)]);
            reader.take("x");
        }
    }
}

/// Messages that wait in memory beside a queue on disk, those of a share group and those held behind retained messages, do not
/// come from the disk as well.
#[test]
fn what_is_in_memory_is_not_fetched_from_disk_too() {
    for shards in SHARD_COUNTS {
        let rig = Rig::durable(shards, |settings| {
            settings.queue_memory_max = 2_000;
            settings.in_flight_max = 3;
        });
        let mut subscriber = rig.connect(&session_on(&rig, last_of(shards)));
        subscriber.subscribe(&[("t", 1), ("$share/group/s", 1)]);
        let mut publisher = rig.connect_v5("publisher");
        publisher.retain("r/old", "old");
        let mut sent: Vec<String> = vec!["old".into()];
        let mut publish = |topic: &str, count: usize| {
            for number in 0..count {
                let payload = format!("{topic} {number} {}", sent.len());
                assert_eq!(publisher.publish_qos1(topic, &payload), 0);
                sent.push(payload);
            }
        };
        // The client takes three messages and acknowledges none, so the retained message cannot come yet.
        publish("t", 100);
        subscriber.send(&subscribe(5, 7, &[], &[("r/#", 1)]));
        publish("r/new", 3);
        publish("s", 3);
        publish("t", 100);
        let mut received = Vec::new();
        while let Some(packet) = subscriber.try_next() {
            if let Packet::Publish(message) = packet {
                subscriber.puback(message.packet_id);
                received.push(String::from_utf8_lossy(&message.payload).into_owned());
            }
        }
        let of = |payloads: &[String], topic: &str| -> Vec<String> {
            payloads.iter().filter(|payload| payload.starts_with(topic)).cloned().collect()
        };
        assert_eq!(of(&received, "t "), of(&sent, "t "));
        assert_eq!(received.len(), sent.len(), "{received:?}");
        assert_eq!(rig.store_stats().entries, 0);
    }
}

/// What is in memory although others wait on disk before it, messages of a group, comes once.
#[test]
fn what_is_in_memory_is_not_read_back() {
    let rig = Rig::durable(1, |settings| {
        settings.queue_memory_max = 1_000;
        settings.in_flight_max = 3;
    });
    let connect = session_on(&rig, 0);
    let mut subscriber = rig.connect(&connect);
    subscriber.subscribe(&[("t", 1), ("$share/g/s", 1)]);
    subscriber.break_off();
    let mut publisher = rig.connect_v5("publisher");
    let mut expected = Vec::new();
    for number in 0..50 {
        let payload = number.to_string();
        assert_eq!(publisher.publish_qos1(if number % 2 == 0 { "t" } else { "s" }, &payload), 0);
        expected.push(payload);
    }
    let mut subscriber = rig.connect(&connect);
    let mut received = Vec::new();
    while let Some(packet) = subscriber.try_next() {
        let Packet::Publish(message) = packet else { panic!("{packet:?}") };
        received.push(String::from_utf8(message.payload).expect("it is text"));
        subscriber.puback(message.packet_id);
    }
    received.sort();
    expected.sort();
    assert_eq!(received, expected);
}

/// A store that is full refuses what must be kept, and goes on by itself; nothing acknowledged is lost.
#[test]
fn a_full_store_refuses_and_recovers() {
    let rig = Rig::durable(2, |_| {});
    let connect = session_on(&rig, 1);
    rig.connect(&connect).subscribe(&[("t", 1)]);
    let quiet = publisher_on(&rig, 0);
    rig.connect(&quiet).subscribe(&[("q", 1)]);
    let mut publisher = rig.connect_v5("publisher");
    rig.disk().set_room(Some(64 * 1024));
    let payload = "x".repeat(1_000);
    let mut accepted = 0;
    while publisher.publish_qos1("t", &payload) != QUOTA_EXCEEDED {
        accepted += 1;
        assert!(accepted < 100, "a disk of 64 KiB takes them all");
    }
    assert!(rig.bound_reached("storage.size_max, storage.free_space_min"));
    let mut operator = rig.connect_v5("operator");
    operator.subscribe(&[(STORE_ACCEPTING_TOPIC, 0)]);
    operator.take("0");
    // What need not be kept goes on.
    assert_eq!(publisher.publish_qos1("other", "x"), 0x10);
    rig.expect_refused(&Connect::v5("new").session(10), QUOTA_EXCEEDED);
    let mut old = rig.connect_v3_1_1("old");
    old.send_publish(&publish("t", "x").qos1(1));
    old.expect_closed();
    assert_eq!(rig.dropped_count(DropReason::StoreFull), 0);
    publisher.send_publish(&publish("r", "x").retain());
    assert_eq!(rig.dropped_count(DropReason::StoreFull), 1);

    let mut back = rig.connect(&connect);
    // A client that subscribes anew whenever it connects must get to what waits for it.
    let mut quiet = rig.connect(&quiet);
    assert_eq!(quiet.subscribe_codes(&[], &[("q", 1)]), [1]);
    assert_eq!(quiet.subscribe_codes(&[], &[("q", 2)]), [QUOTA_EXCEEDED]);
    rig.disk().set_room(None);
    for _ in 0..accepted {
        let packet_id = back.take(&payload).packet_id;
        back.puback(packet_id);
    }
    rig.advance_s(2);
    operator.take("1");
    assert_eq!(publisher.publish_qos1("t", "after"), 0);
    back.break_off();
    rig.crash(2);
    let mut back = rig.connect(&connect);
    back.take("after");
    back.expect_nothing();
}
