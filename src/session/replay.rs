//! Retained messages on their way to a new subscription, and the live messages that wait behind them.
//!
//! Retained messages come from all shards, in batches, as fast as the client takes them. Until the last has come, live
//! messages that the new subscription matches are held back: a client must not see a topic's older, retained value after a
//! newer one.

use std::collections::VecDeque;

use hashbrown::HashSet;

use super::Delivery;
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
    /// Stamps of the retained publishes among them: their retained copies are not delivered a second time.
    pub held_stamps: HashSet<u64, foldhash::fast::FixedState>,
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
        free
    }

    pub fn hold(&mut self, delivery: Delivery) {
        self.held_bytes += delivery.message.size();
        if delivery.message.stamp != 0 {
            self.held_stamps.insert(delivery.message.stamp);
        }
        self.held.push_back(delivery);
    }
}
