//! The steps whose instructions are counted: each does one thing `rounds` times and checks what came out.
//!
//! A count is the difference of two runs of the same step with different rounds, so what happens before the first round
//! and what happens once is not in it.

use std::hint::black_box;

use ringmq::broker::timer_wheel::TimerWheel;
use ringmq::broker::{Millis, PeerMessage};
use ringmq::codec::encode::{self, AckKind, PublishHead};
use ringmq::codec::{Packet, Qos, Version, decode, frame};
use ringmq::net::websocket::{Handshake, Progress, WebSocket, WebSocketConfig};
use ringmq::routing::{Matches, RetainedTree, Search, ShardIndex};
use ringmq::runtime::mailbox::{Mail, Mailboxes};

use crate::broker::OneShard;
use crate::clients::Clients;
use crate::filters::{self, ALARM, ALARMED, Kind};
use crate::packets::{self, PAYLOAD, TOPIC};
use crate::scatter;
use crate::websocket::{FRAME_PAYLOAD, REQUEST, messages};

/// One thing that the broker does.
pub struct Step {
    pub name: &'static str,
    /// How many of what the name says one round does.
    pub per_round: u32,
    pub run: fn(rounds: u32),
}

const fn step(name: &'static str, per_round: u32, run: fn(u32)) -> Step {
    Step { name, per_round, run }
}

/// Receivers of a fan-out.
pub const RECEIVERS: u32 = 1_000;
/// PUBACKs in one buffer.
const SMALL_FRAMES: u32 = 64;
/// Filters in an index, retained messages and timers: enough that tables and trees have their usual depth.
const MANY: u32 = 10_000;
/// Messages of one batch between shards.
const BATCH: u32 = 8;

pub const STEPS: [Step; 29] = [
    step("decode_publish_qos0_v3", 1, |rounds| {
        decode_publish(rounds, Version::V3_1_1, &packets::publish(Version::V3_1_1, Qos::AtMostOnce, TOPIC, &PAYLOAD));
    }),
    step("decode_publish_qos1_v3", 1, |rounds| {
        decode_publish(rounds, Version::V3_1_1, &packets::publish(Version::V3_1_1, Qos::AtLeastOnce, TOPIC, &PAYLOAD));
    }),
    step("decode_publish_qos0_v5", 1, |rounds| {
        decode_publish(rounds, Version::V5_0, &packets::publish(Version::V5_0, Qos::AtMostOnce, TOPIC, &PAYLOAD));
    }),
    step("decode_publish_qos1_v5_properties", 1, |rounds| {
        decode_publish(rounds, Version::V5_0, &packets::publish_with_properties(Qos::AtLeastOnce, TOPIC, &PAYLOAD));
    }),
    step("decode_puback", SMALL_FRAMES, decode_pubacks),
    step("decode_subscribe", 1, |rounds| {
        let bytes = packets::subscribe(Version::V3_1_1, &[TOPIC, "site/+/device/#"], Qos::AtLeastOnce);
        decode_each(
            rounds,
            Version::V3_1_1,
            &bytes,
            |packet| matches!(packet, Packet::Subscribe(subscribe) if subscribe.filters.len() == 2),
        );
    }),
    step("decode_connect", 1, |rounds| {
        let bytes = packets::connect(Version::V5_0, "device-000017");
        decode_each(
            rounds,
            Version::V5_0,
            &bytes,
            |packet| matches!(packet, Packet::Connect(connect) if connect.client_id == "device-000017"),
        );
    }),
    step("encode_publish_qos0_v3", 1, |rounds| encode_publish(rounds, Version::V3_1_1, Qos::AtMostOnce)),
    step("encode_publish_qos1_v5_properties", 1, |rounds| encode_publish(rounds, Version::V5_0, Qos::AtLeastOnce)),
    step("encode_puback", 1, encode_puback),
    step("route_exact_one", 1, |rounds| route(rounds, Kind::Exact, &filters::topics_of_one(MANY, 64), 1)),
    step("route_exact_none", 1, |rounds| route(rounds, Kind::Exact, &filters::topics_of_none(MANY, 64), 0)),
    step("route_plus_one", 1, |rounds| route(rounds, Kind::Plus, &filters::topics_of_one(MANY, 64), 1)),
    step("route_hash_one", 1, |rounds| route(rounds, Kind::Hash, &filters::topics_of_one(MANY, 64), 1)),
    step("route_mixed_none", 1, |rounds| route(rounds, Kind::Mixed, &filters::topics_of_none(MANY, 64), 0)),
    step("route_mixed_per_receiver", ALARMED, |rounds| route(rounds, Kind::Mixed, &[ALARM.to_owned()], ALARMED)),
    step("publish_qos0", 1, |rounds| exchange(rounds, Qos::AtMostOnce, 1)),
    step("publish_qos1", 1, |rounds| exchange(rounds, Qos::AtLeastOnce, 2)),
    step("publish_qos2", 1, |rounds| exchange(rounds, Qos::ExactlyOnce, 4)),
    step("fan_out_qos0_per_receiver_v3", RECEIVERS, |rounds| fan_out(rounds, Version::V3_1_1, Qos::AtMostOnce)),
    step("fan_out_qos1_per_receiver_v5", RECEIVERS, |rounds| fan_out(rounds, Version::V5_0, Qos::AtLeastOnce)),
    step("connect_and_subscribe", 1, connect_and_subscribe),
    step("subscribe_exact_in_index", 1, subscribe_in_index),
    step("retained_plus_per_message", 10, search_retained),
    step("timer_again", 1, timer_again),
    step("mailbox_batch", 1, mailbox_batch),
    step("websocket_message", 1, |rounds| receive_websocket(rounds, 1)),
    step("websocket_message_of_64", SMALL_FRAMES, |rounds| receive_websocket(rounds, SMALL_FRAMES)),
    step("websocket_handshake", 1, open_websocket),
];

/// Frames and packets of one buffer, `rounds` times.
fn decode_each(rounds: u32, version: Version, bytes: &[u8], is_right: impl Fn(&Packet<'_>) -> bool) {
    for _ in 0..rounds {
        let (frame, size) = frame::find(black_box(bytes), u32::MAX).unwrap().expect("a whole frame");
        let packet = decode::decode(frame, version).unwrap();
        assert!(size == bytes.len() && is_right(black_box(&packet)));
    }
}

/// As the broker does it: a PUBLISH is not made a `Packet`.
fn decode_publish(rounds: u32, version: Version, bytes: &[u8]) {
    for _ in 0..rounds {
        let (frame, size) = frame::find(black_box(bytes), u32::MAX).unwrap().expect("a whole frame");
        let publish = decode::publish(frame, version).unwrap();
        let publish = black_box(&publish);
        assert!(size == bytes.len() && publish.topic.len() == TOPIC.len() && publish.payload.len() == 64);
    }
}

fn decode_pubacks(rounds: u32) {
    let bytes: Vec<u8> = (1..=SMALL_FRAMES as u16).flat_map(packets::puback).collect();
    for _ in 0..rounds {
        assert_eq!(sum_of_pubacks(black_box(&bytes)), SMALL_FRAMES * (SMALL_FRAMES + 1) / 2);
    }
}

/// The sum of the packet identifiers in a buffer of PUBACKs.
pub fn sum_of_pubacks(mut bytes: &[u8]) -> u32 {
    let mut sum = 0;
    while let Ok(Some((frame, size))) = frame::find(bytes, u32::MAX) {
        bytes = &bytes[size..];
        sum += u32::from(decode::puback(frame, Version::V3_1_1).unwrap().packet_id);
    }
    sum
}

/// A PUBLISH with payload, as it is written for one receiver; with properties if the version has any.
pub fn write_publish(out: &mut Vec<u8>, version: Version, qos: Qos, packet_id: u16, properties: &[u8]) {
    let head = PublishHead {
        version,
        dup: false,
        qos,
        retain: false,
        topic: TOPIC,
        packet_id,
        message_expiry_s: None,
        topic_alias: None,
        subscription_ids: &[],
        properties,
        payload_len: PAYLOAD.len(),
    };
    encode::publish_head(out, black_box(&head));
    out.extend_from_slice(&PAYLOAD);
}

fn encode_publish(rounds: u32, version: Version, qos: Qos) {
    let properties = if version == Version::V5_0 { packets::properties() } else { Vec::new() };
    let expected = match qos {
        Qos::AtMostOnce => packets::publish(version, qos, TOPIC, &PAYLOAD),
        _ => packets::publish_with_properties(qos, TOPIC, &PAYLOAD),
    };
    let mut out = Vec::with_capacity(1_024);
    for _ in 0..rounds {
        out.clear();
        write_publish(&mut out, version, qos, 1, &properties);
        black_box(&out);
    }
    assert_eq!(out, expected);
}

fn encode_puback(rounds: u32) {
    let mut out = Vec::with_capacity(1_024);
    for _ in 0..rounds {
        out.clear();
        encode::ack_success(&mut out, AckKind::PubAck, black_box(7));
        black_box(&out);
    }
    assert_eq!(out, packets::puback(7));
}

fn route(rounds: u32, kind: Kind, topics: &[String], receivers: u32) {
    let index = kind.index(MANY);
    let mut matches = Matches::default();
    for topic in topics.iter().cycle().take(rounds as usize) {
        index.matches(black_box(topic), &mut matches);
        assert_eq!(matches.local.len(), receivers as usize, "{topic}");
    }
}

/// A publisher and a subscriber, which are sent `packets_each` packets for each publish, the publish itself among them.
fn exchange(rounds: u32, qos: Qos, packets_each: u64) {
    let mut clients = Clients::new(OneShard::new(2));
    let publisher = clients.connect(Version::V3_1_1, "publisher");
    let subscriber = clients.connect(Version::V3_1_1, "subscriber");
    clients.send(subscriber, &packets::subscribe(Version::V3_1_1, &[TOPIC], qos));
    let publish = packets::publish(Version::V3_1_1, qos, TOPIC, &PAYLOAD);
    let before = clients.seen;
    for _ in 0..rounds {
        clients.send(publisher, black_box(&publish));
    }
    assert_eq!(clients.seen.publishes - before.publishes, u64::from(rounds));
    assert_eq!(clients.seen.packets - before.packets, u64::from(rounds) * packets_each);
}

/// One publisher, and [`RECEIVERS`] that get what it sends.
pub fn receivers(version: Version, qos: Qos) -> (Clients<OneShard>, u32) {
    let mut clients = Clients::new(OneShard::new(RECEIVERS as usize + 1));
    for number in 0..RECEIVERS {
        let receiver = clients.connect(version, &format!("receiver-{number}"));
        clients.send(receiver, &packets::subscribe(version, &[TOPIC], qos));
    }
    let publisher = clients.connect(version, "publisher");
    (clients, publisher)
}

fn fan_out(rounds: u32, version: Version, qos: Qos) {
    let (mut clients, publisher) = receivers(version, qos);
    let publish = packets::publish(version, qos, TOPIC, &PAYLOAD);
    for _ in 0..rounds {
        clients.send(publisher, black_box(&publish));
    }
    assert_eq!(clients.seen.publishes, u64::from(RECEIVERS * rounds));
}

fn connect_and_subscribe(rounds: u32) {
    let mut clients = Clients::new(OneShard::new(rounds as usize));
    for number in 0..rounds {
        let client = clients.connect(Version::V3_1_1, &format!("device-{number:06}"));
        clients.send(client, &packets::subscribe(Version::V3_1_1, &[&filters::topic(number)], Qos::AtMostOnce));
    }
    assert_eq!(clients.broker.shard.counters().subscriptions, u64::from(rounds));
}

fn subscribe_in_index(rounds: u32) {
    let index = Kind::Exact.index(rounds);
    assert_eq!(index.subscription_count(), (rounds + ALARMED) as usize);
}

fn search_retained(rounds: u32) {
    let mut tree = RetainedTree::new();
    for number in 0..MANY {
        tree.insert(&filters::topic(number), number);
    }
    for round in 0..rounds {
        let filter = format!("site/{:04}/device/+/reading", round % 1_000);
        assert_eq!(count_retained(&tree, &filter), MANY / 1_000);
    }
}

/// How many retained messages a filter matches.
pub fn count_retained<V>(tree: &RetainedTree<V>, filter: &str) -> u32 {
    let (mut found, mut after, mut steps) = (0, None, u32::MAX);
    while let Search::Found(topic, _) = tree.next_matching(filter, after, &mut steps) {
        found += 1;
        after = Some(topic);
    }
    found
}

/// When a timer is due that is set now: in one to three minutes.
pub fn deadline(now: Millis, number: u64) -> Millis {
    now + 60_000 + scatter(number) % 120_000
}

fn timer_again(rounds: u32) {
    let mut wheel = TimerWheel::new(0);
    let mut ids: Vec<_> = (0..MANY).map(|number| wheel.insert(deadline(0, number.into()), number)).collect();
    for round in 0..rounds {
        let number = round % MANY;
        let id = &mut ids[number as usize];
        assert!(wheel.cancel(*id));
        *id = wheel.insert(deadline(1_000, round.into()), number);
    }
    assert_eq!(wheel.len(), MANY as usize);
}

/// A batch of messages for shard 0, as shard 1 sends it.
pub fn batch() -> Mail {
    let messages = vec![PeerMessage::InterestApplied { sequence: 1 }; BATCH as usize];
    Mail::Peer { from: ShardIndex(1), messages, weight: BATCH as usize }
}

/// How many messages a batch brought.
pub fn count_of(mail: &Mail) -> usize {
    match mail {
        Mail::Peer { messages, .. } => messages.len(),
        other => panic!("{other:?}"),
    }
}

fn mailbox_batch(rounds: u32) {
    let (mailboxes, inboxes) = Mailboxes::new(2);
    let mut mail = batch();
    for _ in 0..rounds {
        mailboxes.push(0, mail);
        assert!(!mailboxes.needs_wake(0), "nobody sleeps");
        mail = inboxes[0].next().expect("it was just put there");
        inboxes[0].handled(count_of(&mail));
    }
    assert_eq!(mailboxes.queued(0), 0);
}

/// Chunks of so many messages of 64 bytes.
fn receive_websocket(rounds: u32, count: u32) {
    let frames = messages(count);
    let (mut socket, mut out, mut buffer) = (WebSocket::default(), Vec::new(), frames.clone());
    for _ in 0..rounds {
        buffer.copy_from_slice(&frames);
        let received = socket.receive(black_box(&mut buffer), &mut out);
        assert_eq!(black_box(received.plain).len(), count as usize * FRAME_PAYLOAD);
    }
}

fn open_websocket(rounds: u32) {
    let config = WebSocketConfig::default();
    for _ in 0..rounds {
        let progress = Handshake::default().receive(&config, black_box(REQUEST));
        assert!(matches!(black_box(progress), Progress::Accepted(accepted) if accepted.consumed == REQUEST.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_does_what_it_says() {
        for step in &STEPS {
            (step.run)(3);
        }
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), STEPS.len());
    }
}
