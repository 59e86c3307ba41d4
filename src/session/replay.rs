//! Retained messages on their way to a new subscription, and the live messages that wait behind them.
//!
//! Retained messages come from all shards, in batches, as fast as the client takes them. Until the last has come, live
//! messages that the new subscription matches are held back: a client must not see a topic's older, retained value after a
//! newer one.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::Delivery;
use crate::broker::Message;
use crate::broker::message::STAMP_SHARD_SHIFT;
use crate::routing::{Subscription, matches_filter};

/// One subscription's retained messages being fetched.
#[derive(Debug)]
pub struct Replay {
    /// Names this replay on its shard.
    pub number: u32,
    pub filter: Box<str>,
    pub subscription: Subscription,
    /// The other shards' interest must be in force up to here before the first request: see `Shard::subscribe`.
    pub sequence: u64,
    /// The shard that is being asked.
    pub shard: u8,
    /// Topic after which the shard goes on.
    pub after: Option<Box<str>>,
    /// A request is under way.
    pub requested: bool,
}

/// All replays of a session.
#[derive(Debug, Default)]
pub struct Replays {
    pub active: VecDeque<Replay>,
    /// Live messages held back, in their order.
    pub held: VecDeque<Delivery>,
    pub held_bytes: usize,
    /// Their stamps: the retained copy of one of them is not delivered a second time.
    pub held_stamps: HashSet<u64, FixedState>,
    /// Hashes of topics that they may have, so that nearly all retained messages need not be compared with them.
    held_topics: HashSet<u64, FixedState>,
}

impl Replays {
    /// Retained messages are being fetched that may be of this topic.
    pub fn wait_for(&self, topic: &str) -> bool {
        self.active.iter().any(|replay| matches_filter(&replay.filter, topic))
    }

    /// The live messages that no replay holds back any more, in their order. A subscription that comes later may bring their
    /// retained copies again.
    pub fn release(&mut self) -> VecDeque<Delivery> {
        let held = std::mem::take(&mut self.held);
        let (waiting, free): (VecDeque<Delivery>, _) =
            held.into_iter().partition(|delivery| self.wait_for(delivery.message.topic()));
        self.held_bytes = waiting.iter().map(|delivery| delivery.message.size()).sum();
        self.held = waiting;
        for delivery in &free {
            self.held_stamps.remove(&delivery.message.stamp);
        }
        if self.held.is_empty() {
            self.held_topics.clear();
        }
        free
    }

    /// Live messages of the retained message's topic that its publisher's shard published before it, in their order: they
    /// came late, by an interest of long ago, and go out before it. Between the publishers of different shards there is no order.
    pub fn release_older(&mut self, retained: &Message) -> VecDeque<Delivery> {
        let (topic, stamp) = (retained.topic(), retained.stamp);
        if !self.held_topics.contains(&topic_hash(topic)) {
            return VecDeque::new();
        }
        let is_older = |delivery: &Delivery| {
            let held = &delivery.message;
            held.stamp >> STAMP_SHARD_SHIFT == stamp >> STAMP_SHARD_SHIFT && held.stamp < stamp && held.topic() == topic
        };
        let held = std::mem::take(&mut self.held);
        let (older, waiting): (VecDeque<_>, _) = held.into_iter().partition(is_older);
        self.held = waiting;
        for delivery in &older {
            self.held_bytes -= delivery.message.size();
            self.held_stamps.remove(&delivery.message.stamp);
        }
        older
    }

    pub fn hold(&mut self, delivery: Delivery) {
        self.held_bytes += delivery.message.size();
        self.held_stamps.insert(delivery.message.stamp);
        self.held_topics.insert(topic_hash(delivery.message.topic()));
        self.held.push_back(delivery);
    }
}

fn topic_hash(topic: &str) -> u64 {
    FixedState::default().hash_one(topic)
}
