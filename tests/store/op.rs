//! Operations as the tests make them: small values from which the store's are built, so that a twin can have them, too.

use ringmq::broker::batch::{Entry, Progress, SessionRecord, WillRecord};
use ringmq::broker::{Message, StoreOp};
use ringmq::codec::{Qos, SubscriptionOptions};
use ringmq::routing::Subscription;
use ringmq::session::GroupName;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Message { stamp: u64 },
    Session { id: u64, version: u32 },
    EndSession { id: u64 },
    Subscription { session: u64, filter: u32, version: u32 },
    EndSubscription { session: u64, filter: u32 },
    Entry { session: u64, number: u64, stamp: u64, progress: Progress },
    EndEntry { session: u64, number: u64 },
    Unreleased { session: u64, packet_id: u16 },
    Released { session: u64, packet_id: u16 },
    Retain { stamp: u64 },
    Forget { stamp: u64 },
}

impl Op {
    pub fn to_store(self) -> StoreOp {
        match self {
            Self::Message { stamp } => StoreOp::Message(message(stamp)),
            Self::Session { id, version } => StoreOp::Session { id, record: record(id, version) },
            Self::EndSession { id } => StoreOp::EndSession { id },
            Self::Subscription { session, filter, version } => {
                StoreOp::Subscription { session, filter: filter_text(filter), subscription: subscription(version) }
            }
            Self::EndSubscription { session, filter } => {
                StoreOp::EndSubscription { session, filter: filter_text(filter) }
            }
            Self::Entry { session, number, stamp, progress } => {
                StoreOp::Entry { session, entry: entry(number, stamp, progress) }
            }
            Self::EndEntry { session, number } => StoreOp::EndEntry { session, number },
            Self::Unreleased { session, packet_id } => StoreOp::Unreleased { session, packet_id },
            Self::Released { session, packet_id } => StoreOp::Released { session, packet_id },
            Self::Retain { stamp } => StoreOp::Retain { stamp },
            Self::Forget { stamp } => StoreOp::Forget { stamp },
        }
    }
}

/// The message with this stamp; some are large.
pub fn message(stamp: u64) -> Message {
    let counter = stamp & 0xffff_ffff;
    let len = if counter % 41 == 7 { 4_096 + counter % 500 } else { counter * 7_919 % 200 };
    let payload: Vec<u8> = (0..len).map(|at| (at * 31 + counter) as u8).collect();
    let properties: &[u8] = if counter.is_multiple_of(3) { &[0x01, 0x01] } else { &[] };
    let qos = Qos::from_bits((counter % 3) as u8).unwrap();
    let mut message = Message::new(&format!("topic/{counter}"), properties, &payload, qos, counter.is_multiple_of(5));
    message.stamp = stamp;
    message.publisher_hash = counter * 99;
    message.expires_at = counter.is_multiple_of(4).then_some(1_000_000_000 + counter);
    message
}

pub fn same_message(a: &Message, b: &Message) -> bool {
    let parts = |message: &Message| {
        let texts = (message.topic().to_owned(), message.properties().to_vec(), message.payload().to_vec());
        (texts, message.qos, message.retain, message.expires_at, message.stamp, message.publisher_hash)
    };
    parts(a) == parts(b)
}

pub fn record(id: u64, version: u32) -> SessionRecord {
    let will = version.is_multiple_of(3).then(|| WillRecord {
        message: message(u64::from(version) + 1),
        delay_s: version,
        message_expiry_s: version.is_multiple_of(2).then_some(version + 5),
        due_at: version.is_multiple_of(6).then_some(2_000_000 + u64::from(version)),
    });
    let expires_at = version.is_multiple_of(2).then_some(3_000_000 + u64::from(version));
    SessionRecord { client_id: format!("client-{id}").into(), expiry_s: version, expires_at, will }
}

pub fn filter_text(filter: u32) -> Box<str> {
    format!("filter/{filter}/#").into()
}

pub fn subscription(version: u32) -> Subscription {
    let options = SubscriptionOptions {
        qos: Qos::from_bits((version % 3) as u8).unwrap(),
        no_local: version.is_multiple_of(2),
        ..SubscriptionOptions::default()
    };
    Subscription { options, subscription_id: version }
}

pub fn entry(number: u64, stamp: u64, progress: Progress) -> Entry {
    Entry {
        number,
        stamp,
        qos: Qos::from_bits((1 + number % 2) as u8).unwrap(),
        retain: number.is_multiple_of(3),
        subscription_ids: if number.is_multiple_of(4) {
            [7, number as u32].into_iter().collect()
        } else {
            Default::default()
        },
        group: number
            .is_multiple_of(5)
            .then(|| GroupName { share: "group".into(), filter: filter_text(number as u32) }),
        progress,
    }
}
