//! What was kept comes back when the server starts: each session to its home, which may be another shard than it was, each retained
//! message to its partition, and to every shard the interest of all others, before anybody connects.

use std::rc::Rc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::batch::{Entry, Progress};
use super::home::{hash, shard_of};
use super::message::STAMP_SHARD_SHIFT;
use super::recovered::{Recovered, RecoveredSession};
use super::{Message, Millis, NEVER, Settings, Shard, client_hash_of};
use crate::codec::Qos;
use crate::codec::topic::Filter;
use crate::routing::{SessionKey, ShardIndex, Subscription};
use crate::session::{Awaits, Content, Delivery, GroupName, Session, Slot, Spilled, Unreleased, Will};

/// One shard's part of what was kept.
#[derive(Debug, Default)]
pub struct Partition {
    counter: u64,
    sessions: Vec<RecoveredSession>,
    retained: Vec<Message>,
}

/// What all shards must know of each other's subscriptions.
#[derive(Debug, Default)]
pub struct Interests {
    filters: Vec<(Box<str>, ShardIndex)>,
    groups: Vec<(GroupName, ShardIndex, u32)>,
}

/// Messages by their stamps, so that several sessions of a shard share one.
type Shared = HashMap<u64, Rc<Message>, FixedState>;

/// Deals out what was kept to so many shards, whatever their number was when it was kept. The hash seed in `settings` must be the
/// store's.
pub fn partition(mut recovered: Recovered, settings: &Settings, shards: usize) -> (Vec<Partition>, Interests) {
    end_replaced(&mut recovered.sessions);
    let mut partitions: Vec<Partition> =
        (0..shards).map(|_| Partition { counter: recovered.counter, ..Partition::default() }).collect();
    let mut interests = Interests::default();
    let mut groups: HashMap<(Box<str>, u8), u32, FixedState> = HashMap::default();
    for session in recovered.sessions {
        let home = shard_of(hash(settings, &session.record.client_id), shards);
        if shards > 1 {
            for (whole, _) in &session.subscriptions {
                if whole.starts_with("$share/") {
                    *groups.entry((whole.clone(), home.0)).or_default() += 1;
                } else {
                    interests.filters.push((whole.clone(), home));
                }
            }
        }
        partitions[usize::from(home.0)].sessions.push(session);
    }
    for ((whole, home), members) in groups {
        if let Some(name) = group_name(&whole) {
            interests.groups.push((name, ShardIndex(home), members));
        }
    }
    for message in recovered.retained {
        let home = shard_of(hash(settings, message.topic()), shards);
        partitions[usize::from(home.0)].retained.push(message);
    }
    (partitions, interests)
}

/// A client has one session. The end of one that a clean start has replaced may have been lost, since it waits for what goes to
/// members of shared subscriptions on other shards: such a session ends now.
fn end_replaced(sessions: &mut [RecoveredSession]) {
    let counter_of = |session: &RecoveredSession| session.id & ((1 << STAMP_SHARD_SHIFT) - 1);
    let mut newest: HashMap<&str, usize, FixedState> =
        HashMap::with_capacity_and_hasher(sessions.len(), <_>::default());
    let mut replaced = Vec::new();
    for (at, session) in sessions.iter().enumerate() {
        let known = newest.entry(&session.record.client_id).or_insert(at);
        if counter_of(&sessions[*known]) < counter_of(session) {
            replaced.push(std::mem::replace(known, at));
        } else if *known != at {
            replaced.push(at);
        }
    }
    drop(newest);
    replaced.into_iter().for_each(|at| sessions[at].record.expires_at = Some(0));
}

impl Shard {
    /// Takes back what was kept; before anything else happens on any shard.
    pub fn restore(&mut self, partition: Partition, interests: &Interests, now: Millis) {
        self.now = now;
        self.stamp = self.stamp.max(partition.counter);
        for (filter, shard) in interests.filters.iter().filter(|(_, shard)| *shard != self.own) {
            self.index.add_interest(filter, *shard, true);
        }
        for (name, shard, members) in interests.groups.iter().filter(|(_, shard, _)| *shard != self.own) {
            self.index.set_group_interest(&name.share, &name.filter, *shard, 0, *members, true);
        }
        let mut shared = Shared::default();
        for session in partition.sessions {
            self.restore_session(session, &mut shared);
        }
        for message in partition.retained {
            let message = shared.remove(&message.stamp).unwrap_or_else(|| Rc::new(message));
            self.put_retained(message);
        }
        self.publish_store_notice();
    }

    fn restore_session(&mut self, recovered: RecoveredSession, shared: &mut Shared) {
        let RecoveredSession { id, record, subscriptions, unreleased, in_flight, queue, spilled, spilled_bytes } =
            recovered;
        let client_hash = hash(&self.settings, &record.client_id);
        let mut session = Session::new(self.next_generation(), &record.client_id, client_hash);
        session.store_id = id;
        session.expiry_s = record.expiry_s;
        // Whoever was connected has lost its connection now; and when it has is kept, or each further start would be that moment.
        let ends = record.expires_at.is_none() && record.expiry_s != u32::MAX;
        let was_connected = ends || record.will.as_ref().is_some_and(|will| will.due_at.is_none());
        session.expires_at = match (record.expires_at, record.expiry_s) {
            (Some(at), _) => at,
            (None, u32::MAX) => NEVER,
            (None, expiry_s) => self.now + u64::from(expiry_s) * 1_000,
        };
        session.will = record.will.map(|will| {
            let due_at = will.due_at.unwrap_or(self.now + u64::from(will.delay_s) * 1_000);
            let message_expiry_s = will.message_expiry_s;
            Box::new(Will { message: will.message, delay_s: will.delay_s, message_expiry_s, due_at: Some(due_at) })
        });
        if !(unreleased.is_empty() && in_flight.is_empty() && queue.is_empty() && spilled == 0) {
            let flow = session.flow_mut();
            flow.unreleased = unreleased.into_iter().map(|packet_id| Unreleased { packet_id, kept: true }).collect();
            for (entry, message) in in_flight {
                let (Progress::InFlight { sequence } | Progress::Received { sequence }) = entry.progress else {
                    continue;
                };
                let delivery = message.map(|message| delivery(&entry, message, shared));
                self.held_bytes += delivery.as_ref().map_or(0, |delivery| delivery.message.hold());
                flow.in_flight.restore(sequence, slot(&entry, delivery));
            }
            flow.in_flight.suspend();
            for (entry, message) in queue {
                let delivery = delivery(&entry, message, shared);
                self.held_bytes += delivery.message.hold();
                flow.queue.push(delivery);
            }
            flow.spilled = Spilled { messages: spilled, bytes: spilled_bytes, requested: false };
            self.counters.enter_flow(Some(flow));
        }
        let key = SessionKey(self.sessions.insert(session));
        let sessions = &self.sessions;
        self.session_by_client.insert_unique(client_hash, key, |key| client_hash_of(sessions, *key));
        for (whole, subscription) in subscriptions {
            self.restore_subscription(key, &whole, subscription);
        }
        if was_connected {
            self.keep_session(key);
        }
        self.arm_session_timer(key);
    }

    fn restore_subscription(&mut self, key: SessionKey, whole: &str, subscription: Subscription) {
        let Ok(filter) = Filter::parse(whole, usize::MAX, usize::MAX) else { return };
        if let Some(session) = self.session_mut(key) {
            session.subscriptions.insert(whole);
        }
        match filter.share {
            Some(share) => {
                self.index.join(share, filter.filter, key, subscription);
                self.index.set_connected(share, filter.filter, key, false);
            }
            None => {
                self.index.subscribe(filter.filter, key, subscription);
            }
        }
        if self.shards > 1 {
            self.durability.announced.insert(hash(&self.settings, whole));
        }
    }
}

fn group_name(whole: &str) -> Option<GroupName> {
    let filter = Filter::parse(whole, usize::MAX, usize::MAX).ok()?;
    Some(GroupName { share: filter.share?.into(), filter: filter.filter.into() })
}

fn delivery(entry: &Entry, message: Message, shared: &mut Shared) -> Delivery {
    let message = shared.entry(entry.stamp).or_insert_with(|| Rc::new(message)).clone();
    Delivery {
        message,
        qos: entry.qos,
        retain: entry.retain,
        subscription_ids: entry.subscription_ids.clone(),
        group: entry.group.clone().map(Rc::new),
        entry: entry.number,
    }
}

fn slot(entry: &Entry, delivery: Option<Delivery>) -> Slot {
    let awaits = match (entry.progress, entry.qos) {
        (Progress::Received { .. }, _) => Awaits::PubComp,
        (_, Qos::ExactlyOnce) => Awaits::PubRec,
        _ => Awaits::PubAck,
    };
    // Whether it was sent before the end nobody knows, so DUP is set.
    Slot { awaits, was_sent: true, content: delivery.map_or(Content::Received(entry.number), Content::Delivery) }
}
