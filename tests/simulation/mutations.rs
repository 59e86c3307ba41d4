//! The oracle must be able to fail: histories with one thing wrong, each of which it must find.

mod crashes;

use crate::history::{Connecting, Delivery, History, Key, Message, What};
use crate::oracle;
use crate::wire::{Properties, Value, Version, property};

const PUBLISHER: usize = 0;
const SUBSCRIBER: usize = 1;

/// A publisher sends `count` messages to a subscriber; all as it should be.
fn history(count: u32, qos: u8) -> History {
    let mut history = History::default();
    for client in [PUBLISHER, SUBSCRIBER] {
        connect(&mut history, client, client as u32 + 1, None);
    }
    subscribe(&mut history, SUBSCRIBER, 2, "t", qos, 7);
    rest(&mut history);
    for sequence in 1..=count {
        publish(&mut history, sequence, "t", qos, false);
        deliver(&mut history, sequence, "t", qos, false, Some(7));
    }
    rest(&mut history);
    history
}

fn connect(history: &mut History, client: usize, connection: u32, will: Option<(Key, u32)>) {
    let connecting = Connecting {
        version: Version::V5_0,
        clean_start: true,
        session_expiry_s: 0,
        keep_alive_s: 0,
        packet_size_max: usize::MAX,
        will,
    };
    history.record(client, connection, What::Connect(connecting));
    history.record(client, connection, What::Connected { session_present: Some(false) });
}

fn subscribe(history: &mut History, client: usize, connection: u32, filter: &str, qos: u8, id: u32) {
    let filters = vec![(filter.to_string(), qos)];
    history.record(client, connection, What::Subscribe { packet_id: 1, id: Some(id), filters });
    history.record(client, connection, What::SubAck { packet_id: 1, codes: vec![qos] });
}

fn key(sequence: u32) -> Key {
    Key { publisher: PUBLISHER as u32, sequence }
}

fn payload(sequence: u32) -> Vec<u8> {
    format!("{PUBLISHER}/{sequence}/").into_bytes()
}

fn publish(history: &mut History, sequence: u32, topic: &str, qos: u8, retain: bool) {
    let key = key(sequence);
    let message = Message {
        topic: topic.into(),
        qos,
        retain,
        properties: Properties::new(),
        expiry_s: None,
        payload: payload(sequence),
    };
    history.messages.insert(key, message);
    history.record(PUBLISHER, 1, What::Publish { key, packet_id: 1, dup: false });
    history.record(PUBLISHER, 1, What::Arrived { key });
    if qos > 0 {
        history.record(PUBLISHER, 1, What::Accepted { key });
    }
}

fn deliver(history: &mut History, sequence: u32, topic: &str, qos: u8, retain: bool, id: Option<u32>) {
    history.record(SUBSCRIBER, 2, delivery(sequence, topic, qos, retain, id));
}

fn delivery(sequence: u32, topic: &str, qos: u8, retain: bool, id: Option<u32>) -> What {
    What::Delivery(Delivery {
        key: Some(key(sequence)),
        topic: topic.into(),
        qos,
        retain,
        dup: false,
        packet_id: if qos > 0 { sequence as u16 } else { 0 },
        properties: id.map(|id| (property::SUBSCRIPTION_ID, Value::Variable(id))).into_iter().collect(),
        payload: payload(sequence),
        known: false,
    })
}

fn rest(history: &mut History) {
    history.record(usize::MAX, 0, What::Quiescent);
}

/// Positions of the deliveries.
fn deliveries(history: &History) -> Vec<usize> {
    let is_delivery = |order: &usize| matches!(history.entries[*order].what, What::Delivery(_));
    (0..history.entries.len()).filter(is_delivery).collect()
}

fn alter(history: &mut History, order: usize, change: impl FnOnce(&mut Delivery)) {
    if let What::Delivery(delivery) = &mut history.entries[order].what {
        change(delivery);
    }
}

fn assert_found(history: &History, part: &str) {
    match oracle::check(history) {
        Ok(_) => panic!("the oracle does not see what is wrong: {part}"),
        Err(found) => assert!(found.rule.contains(part), "expected {part:?}, found {:?}", found.rule),
    }
}

#[test]
fn a_right_history_is_right() {
    for qos in 0..3 {
        let figures = oracle::check(&history(5, qos)).expect("nothing is wrong");
        assert_eq!((figures.deliveries, figures.required), (5, 5));
    }
}

#[test]
fn a_lost_message_is_found() {
    for qos in 0..3 {
        let mut history = history(5, qos);
        let lost = deliveries(&history)[2];
        history.entries.remove(lost);
        assert_found(&history, "not delivered");
    }
}

#[test]
fn a_doubled_message_is_found() {
    for qos in 0..3 {
        let mut history = history(5, qos);
        let doubled = deliveries(&history)[2];
        let again = history.entries[doubled].clone();
        history.entries.insert(doubled + 1, again);
        assert_found(&history, "times");
    }
}

#[test]
fn a_wrong_order_is_found() {
    for qos in 0..3 {
        let mut history = history(5, qos);
        let all = deliveries(&history);
        let late = history.entries.remove(all[1]);
        history.entries.insert(all[2], late);
        assert_found(&history, "came after");
    }
}

#[test]
fn foreign_and_altered_messages_are_found() {
    type Change = fn(&mut Delivery);
    let changes: [(&str, Change); 8] = [
        ("nobody published", |d| d.key = Some(Key { publisher: 9, sequence: 9 })),
        ("nobody published", |d| d.key = None),
        ("payload was altered", |d| d.payload.push(b'!')),
        ("topic was altered", |d| d.topic = "u".into()),
        ("properties were altered", |d| d.properties.push((property::CONTENT_TYPE, Value::Text("x".into())))),
        ("did not give", |d| d.properties.push((property::MESSAGE_EXPIRY, Value::Four(3)))),
        ("fit no set", |d| d.qos = 0),
        ("fit no set", |d| d.properties.clear()),
    ];
    for (part, change) in changes {
        let mut history = history(5, 1);
        let order = deliveries(&history)[2];
        alter(&mut history, order, change);
        assert_found(&history, part);
    }
    let mut history = history(5, 1);
    let order = deliveries(&history)[2];
    alter(&mut history, order, |delivery| delivery.retain = true);
    assert_found(&history, "fit no set");
}

#[test]
fn a_message_after_unsuback_is_found() {
    let mut history = history(2, 1);
    history.record(SUBSCRIBER, 2, What::Unsubscribe { packet_id: 9, filters: vec!["t".into()] });
    history.record(SUBSCRIBER, 2, What::UnsubAck { packet_id: 9 });
    publish(&mut history, 3, "t", 1, false);
    deliver(&mut history, 3, "t", 1, false, Some(7));
    rest(&mut history);
    assert_found(&history, "matches no subscription");
}

#[test]
fn retained_messages_that_are_missing_or_old_are_found() {
    let begin = || {
        let mut history = History::default();
        connect(&mut history, PUBLISHER, 1, None);
        connect(&mut history, SUBSCRIBER, 2, None);
        publish(&mut history, 1, "t", 1, true);
        rest(&mut history);
        publish(&mut history, 2, "t", 1, true);
        rest(&mut history);
        subscribe(&mut history, SUBSCRIBER, 2, "t", 1, 7);
        history
    };
    for (delivered, part) in [(None, "did not bring"), (Some(1), "had replaced"), (Some(2), "")] {
        let mut history = begin();
        if let Some(sequence) = delivered {
            deliver(&mut history, sequence, "t", 1, true, Some(7));
        }
        rest(&mut history);
        if part.is_empty() {
            assert_eq!(oracle::check(&history).expect("nothing is wrong").retained, 1);
        } else {
            assert_found(&history, part);
        }
    }
}

#[test]
fn a_will_that_is_missing_or_too_many_is_found() {
    let will = Key { publisher: crate::history::WILL_PUBLISHER, sequence: 1 };
    for (with_disconnect, delivered, part) in
        [(false, false, "not delivered"), (true, true, "must not go out"), (false, true, ""), (true, false, "")]
    {
        let mut history = History::default();
        connect(&mut history, SUBSCRIBER, 2, None);
        subscribe(&mut history, SUBSCRIBER, 2, "t", 1, 7);
        rest(&mut history);
        let payload = format!("{}/1/", will.publisher).into_bytes();
        let message = Message {
            topic: "t".into(),
            qos: 1,
            retain: false,
            properties: Properties::new(),
            expiry_s: None,
            payload: payload.clone(),
        };
        history.messages.insert(will, message);
        connect(&mut history, PUBLISHER, 1, Some((will, 0)));
        if with_disconnect {
            history.record(PUBLISHER, 1, What::Disconnect { code: 0, session_expiry_s: None });
            history.record(PUBLISHER, 1, What::DisconnectArrived);
        } else {
            history.record(PUBLISHER, 1, What::Reset);
        }
        let since = history.entries.len() - 1;
        history.record(PUBLISHER, 1, What::ServerEnded { since, reason: "ByClient".into() });
        if delivered {
            let mut entry = delivery(1, "t", 1, false, Some(7));
            if let What::Delivery(delivery) = &mut entry {
                delivery.key = Some(will);
                delivery.payload = payload;
            }
            history.record(SUBSCRIBER, 2, entry);
        }
        history.now += 5_000;
        rest(&mut history);
        rest(&mut history);
        if part.is_empty() {
            assert_eq!(oracle::check(&history).expect("nothing is wrong").wills, 1);
        } else {
            assert_found(&history, part);
        }
    }
}

#[test]
fn a_session_that_is_wrongly_present_or_absent_is_found() {
    for (expiry, present, part) in [(0, true, "there can be none"), (u32::MAX, false, "there must be one")] {
        let mut history = History::default();
        for (connection, clean_start) in [(1, true), (2, false)] {
            let connecting = Connecting {
                version: Version::V5_0,
                clean_start,
                session_expiry_s: expiry,
                keep_alive_s: 0,
                packet_size_max: usize::MAX,
                will: None,
            };
            history.record(0, connection, What::Connect(connecting));
            history.record(0, connection, What::Connected { session_present: Some(!clean_start && present) });
            history.record(0, connection, What::Reset);
            let since = history.entries.len() - 1;
            history.record(0, connection, What::ServerEnded { since, reason: "lost".into() });
        }
        assert_found(&history, part);
    }
}

#[test]
fn a_shared_message_that_two_members_or_none_got_is_found() {
    for (receivers, part) in [(vec![1, 2], "members got it"), (vec![], "members got it"), (vec![2], "")] {
        let mut history = History::default();
        for client in 0..3 {
            connect(&mut history, client, client as u32 + 1, None);
        }
        for client in [1, 2] {
            subscribe(&mut history, client, client as u32 + 1, "$share/g/s/1", 1, 7);
        }
        publish(&mut history, 1, "s/1", 1, false);
        for client in receivers {
            history.record(client, client as u32 + 1, delivery(1, "s/1", 1, false, Some(7)));
        }
        rest(&mut history);
        if part.is_empty() {
            assert_eq!(oracle::check(&history).expect("nothing is wrong").shared, 1);
        } else {
            assert_found(&history, part);
        }
    }
}
