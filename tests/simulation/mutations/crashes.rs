//! Histories with a crash, and one thing wrong after it.

use super::{PUBLISHER, SUBSCRIBER, alter, assert_found, deliveries, delivery, key, payload, rest};
use crate::history::{Connecting, Delivery, History, Key, Message, Order, WILL_PUBLISHER, What};
use crate::oracle;
use crate::wire::{Properties, Value, Version, property};

/// Numbers of the connections before the crash; those after it are 10 higher.
const OF_PUBLISHER: u32 = 1;
const OF_SUBSCRIBER: u32 = 2;
const AGAIN: u32 = 10;

/// Two clients with sessions that last; the subscriber subscribes to `t`.
fn begin(qos: u8) -> History {
    let mut history = History::default();
    connect(&mut history, PUBLISHER, OF_PUBLISHER, true, None);
    connect(&mut history, SUBSCRIBER, OF_SUBSCRIBER, true, None);
    subscribe(&mut history, OF_SUBSCRIBER, qos);
    rest(&mut history);
    history
}

fn connect(history: &mut History, client: usize, connection: u32, clean_start: bool, will: Option<(Key, u32)>) {
    let connecting = Connecting {
        version: Version::V5_0,
        clean_start,
        session_expiry_s: u32::MAX,
        keep_alive_s: 0,
        packet_size_max: usize::MAX,
        will,
    };
    history.record(client, connection, What::Connect(connecting));
    history.record(client, connection, What::Connected { session_present: Some(!clean_start) });
}

fn subscribe(history: &mut History, connection: u32, qos: u8) {
    let filters = vec![("t".to_string(), qos)];
    history.record(SUBSCRIBER, connection, What::Subscribe { packet_id: 1, id: Some(7), filters });
    history.record(SUBSCRIBER, connection, What::SubAck { packet_id: 1, codes: vec![qos] });
}

/// The broker takes the message, and tells its publisher so.
fn publish(history: &mut History, connection: u32, sequence: u32, qos: u8, retain: bool) -> Order {
    send(history, connection, sequence, qos, retain);
    match qos {
        0 => history.entries.len() - 1,
        1 => history.record(PUBLISHER, connection, What::Accepted { key: key(sequence) }),
        _ => history.record(PUBLISHER, connection, What::Received { key: key(sequence) }),
    }
}

fn send(history: &mut History, connection: u32, sequence: u32, qos: u8, retain: bool) {
    let key = key(sequence);
    let dup = history.messages.contains_key(&key);
    let properties = Properties::new();
    let message = Message { topic: "t".into(), qos, retain, properties, expiry_s: None, payload: payload(sequence) };
    history.messages.entry(key).or_insert(message);
    history.record(PUBLISHER, connection, What::Publish { key, packet_id: sequence as u16, dup });
    history.record(PUBLISHER, connection, What::Arrived { key });
}

fn deliver(history: &mut History, connection: u32, sequence: u32, qos: u8, dup: bool) {
    history.record(SUBSCRIBER, connection, delivery(sequence, "t", qos, false, Some(7)));
    let last = history.entries.len() - 1;
    alter(history, last, |delivery| delivery.dup = dup);
}

/// The broker goes down and starts again, and these clients come back to their sessions.
fn crash(history: &mut History, clients: &[usize]) {
    stop(history);
    for client in clients {
        connect(history, *client, *client as u32 + 1 + AGAIN, false, None);
    }
}

fn stop(history: &mut History) {
    let since = history.record(usize::MAX, 0, What::Crashed);
    for (client, connection) in [(PUBLISHER, OF_PUBLISHER), (SUBSCRIBER, OF_SUBSCRIBER)] {
        history.record(client, connection, What::ServerEnded { since, reason: "crash".into() });
    }
    history.record(usize::MAX, 0, What::Restarted { shards: 1 });
    for (client, connection) in [(PUBLISHER, OF_PUBLISHER), (SUBSCRIBER, OF_SUBSCRIBER)] {
        history.record(client, connection, What::Closed);
    }
}

/// Three messages that were acknowledged before the crash and are delivered after it, with what the subscriber is told.
fn over_crash(qos: u8) -> History {
    let mut history = begin(qos);
    for sequence in 1..=3 {
        publish(&mut history, OF_PUBLISHER, sequence, qos, false);
    }
    crash(&mut history, &[PUBLISHER, SUBSCRIBER]);
    for sequence in 1..=3 {
        deliver(&mut history, OF_SUBSCRIBER + AGAIN, sequence, qos, false);
    }
    rest(&mut history);
    history
}

fn assert_right(history: &History) -> oracle::Figures {
    oracle::check(history).unwrap_or_else(|found| panic!("nothing is wrong, but: {}", found.rule))
}

#[test]
fn a_right_history_with_a_crash_is_right() {
    for qos in 1..3 {
        let figures = assert_right(&over_crash(qos));
        assert_eq!((figures.crashes, figures.required_over_crashes), (1, 3));
    }
}

#[test]
fn an_acknowledged_message_that_a_crash_lost_is_found() {
    for qos in 1..3 {
        let mut history = over_crash(qos);
        let lost = deliveries(&history)[1];
        history.entries.remove(lost);
        assert_found(&history, "not delivered");
    }
}

#[test]
fn a_message_that_was_not_acknowledged_may_be_lost() {
    for qos in 0..3 {
        let mut history = begin(qos);
        send(&mut history, OF_PUBLISHER, 1, qos, false);
        crash(&mut history, &[SUBSCRIBER]);
        rest(&mut history);
        assert_right(&history);
    }
}

#[test]
fn a_repetition_over_a_crash_is_right_at_qos_1_and_found_at_qos_2() {
    for dup in [true, false] {
        for qos in 1..3 {
            let mut history = begin(qos);
            publish(&mut history, OF_PUBLISHER, 1, qos, false);
            deliver(&mut history, OF_SUBSCRIBER, 1, qos, false);
            crash(&mut history, &[SUBSCRIBER]);
            deliver(&mut history, OF_SUBSCRIBER + AGAIN, 1, qos, dup);
            rest(&mut history);
            if qos == 1 {
                assert_right(&history);
            } else {
                assert_found(&history, "times");
            }
        }
    }
}

#[test]
fn a_message_that_its_publisher_repeats_after_a_crash_is_delivered_once_at_qos_2() {
    for (again, part) in [(false, ""), (true, "times")] {
        let mut history = begin(2);
        send(&mut history, OF_PUBLISHER, 1, 2, false);
        deliver(&mut history, OF_SUBSCRIBER, 1, 2, false);
        crash(&mut history, &[PUBLISHER, SUBSCRIBER]);
        publish(&mut history, OF_PUBLISHER + AGAIN, 1, 2, false);
        if again {
            deliver(&mut history, OF_SUBSCRIBER + AGAIN, 1, 2, false);
        }
        rest(&mut history);
        if part.is_empty() {
            assert_right(&history);
        } else {
            assert_found(&history, part);
        }
    }
}

#[test]
fn a_session_that_a_crash_lost_is_found() {
    let mut history = over_crash(1);
    let again = history.entries.iter().position(|entry| entry.connection == OF_SUBSCRIBER + AGAIN).unwrap_or_default();
    history.entries[again + 1].what = What::Connected { session_present: Some(false) };
    assert_found(&history, "there must be one");
}

#[test]
fn a_clean_session_that_outlived_a_crash_is_found() {
    let mut history = History::default();
    for (connection, clean_start) in [(1, true), (1 + AGAIN, false)] {
        let connecting = Connecting {
            version: Version::V5_0,
            clean_start,
            session_expiry_s: 0,
            keep_alive_s: 0,
            packet_size_max: usize::MAX,
            will: None,
        };
        history.record(0, connection, What::Connect(connecting));
        history.record(0, connection, What::Connected { session_present: Some(!clean_start) });
        if clean_start {
            stop(&mut history);
        }
    }
    assert_found(&history, "there can be none");
}

#[test]
fn a_subscription_that_a_crash_lost_is_found() {
    for (delivered, part) in [(true, ""), (false, "not delivered")] {
        let mut history = begin(1);
        crash(&mut history, &[PUBLISHER, SUBSCRIBER]);
        publish(&mut history, OF_PUBLISHER + AGAIN, 1, 1, false);
        if delivered {
            deliver(&mut history, OF_SUBSCRIBER + AGAIN, 1, 1, false);
        }
        rest(&mut history);
        if part.is_empty() {
            assert_eq!(assert_right(&history).required, 1);
        } else {
            assert_found(&history, part);
        }
    }
}

#[test]
fn a_subscription_that_a_crash_brought_back_is_found() {
    let mut history = begin(1);
    history.record(SUBSCRIBER, OF_SUBSCRIBER, What::Unsubscribe { packet_id: 9, filters: vec!["t".into()] });
    history.record(SUBSCRIBER, OF_SUBSCRIBER, What::UnsubAck { packet_id: 9 });
    crash(&mut history, &[PUBLISHER, SUBSCRIBER]);
    publish(&mut history, OF_PUBLISHER + AGAIN, 1, 1, false);
    deliver(&mut history, OF_SUBSCRIBER + AGAIN, 1, 1, false);
    rest(&mut history);
    assert_found(&history, "matches no subscription");
}

#[test]
fn a_retained_message_that_a_crash_lost_or_brought_back_is_found() {
    // Which of two retained messages, of the second one's QoS, a new subscription brings after the crash.
    for (qos, brought, part) in [
        (1, Some(2), ""),
        (1, Some(1), "had replaced"),
        (1, None, "did not bring"),
        (0, Some(2), ""),
        (0, Some(1), ""),
        (0, None, "did not bring"),
    ] {
        let mut history = History::default();
        connect(&mut history, PUBLISHER, OF_PUBLISHER, true, None);
        connect(&mut history, SUBSCRIBER, OF_SUBSCRIBER, true, None);
        publish(&mut history, OF_PUBLISHER, 1, 1, true);
        rest(&mut history);
        publish(&mut history, OF_PUBLISHER, 2, qos, true);
        crash(&mut history, &[PUBLISHER, SUBSCRIBER]);
        rest(&mut history);
        subscribe(&mut history, OF_SUBSCRIBER + AGAIN, 1);
        if let Some(sequence) = brought {
            let qos = history.messages[&key(sequence)].qos;
            let retained = delivery(sequence, "t", qos, true, Some(7));
            history.record(SUBSCRIBER, OF_SUBSCRIBER + AGAIN, retained);
        }
        rest(&mut history);
        if part.is_empty() {
            assert_right(&history);
        } else {
            assert_found(&history, part);
        }
    }
}

#[test]
fn a_wrong_order_after_a_crash_is_found() {
    for qos in 1..3 {
        let mut history = over_crash(qos);
        let all = deliveries(&history);
        history.entries.swap(all[0], all[2]);
        assert_found(&history, "came after");
    }
}

#[test]
fn a_will_that_a_crash_lost_is_found() {
    let will = Key { publisher: WILL_PUBLISHER, sequence: OF_PUBLISHER };
    for (delivered, part) in [(true, ""), (false, "not delivered")] {
        let mut history = History::default();
        connect(&mut history, SUBSCRIBER, OF_SUBSCRIBER, true, None);
        subscribe(&mut history, OF_SUBSCRIBER, 1);
        let payload = format!("{}/{}/", will.publisher, will.sequence).into_bytes();
        let properties = Properties::new();
        let message =
            Message { topic: "t".into(), qos: 1, retain: false, properties, expiry_s: None, payload: payload.clone() };
        history.messages.insert(will, message);
        connect(&mut history, PUBLISHER, OF_PUBLISHER, true, Some((will, 2)));
        rest(&mut history);
        crash(&mut history, &[SUBSCRIBER]);
        history.now += 5_000;
        if delivered {
            deliver(&mut history, OF_SUBSCRIBER + AGAIN, 1, 1, false);
            let last = history.entries.len() - 1;
            alter(&mut history, last, |delivery| (delivery.key, delivery.payload) = (Some(will), payload));
        }
        rest(&mut history);
        rest(&mut history);
        if part.is_empty() {
            assert_eq!(assert_right(&history).wills, 1);
        } else {
            assert_found(&history, part);
        }
    }
}

#[test]
fn an_expiry_that_a_crash_has_prolonged_is_found() {
    for (left, part) in [(4, ""), (9, "became 9 s")] {
        let mut history = begin(1);
        publish(&mut history, OF_PUBLISHER, 1, 1, false);
        history.messages.get_mut(&key(1)).expect("it was published").expiry_s = Some(10);
        stop(&mut history);
        history.now += 6_000;
        connect(&mut history, SUBSCRIBER, OF_SUBSCRIBER + AGAIN, false, None);
        deliver(&mut history, OF_SUBSCRIBER + AGAIN, 1, 1, false);
        let last = history.entries.len() - 1;
        let expiry = |delivery: &mut Delivery| delivery.properties.push((property::MESSAGE_EXPIRY, Value::Four(left)));
        alter(&mut history, last, expiry);
        rest(&mut history);
        if part.is_empty() {
            assert_right(&history);
        } else {
            assert_found(&history, part);
        }
    }
}

#[test]
fn a_message_that_was_refused_and_delivered_is_found() {
    let mut history = begin(1);
    send(&mut history, OF_PUBLISHER, 1, 1, false);
    history.record(PUBLISHER, OF_PUBLISHER, What::Refused { key: key(1) });
    deliver(&mut history, OF_SUBSCRIBER, 1, 1, false);
    rest(&mut history);
    assert_found(&history, "refused, and delivered");
}
