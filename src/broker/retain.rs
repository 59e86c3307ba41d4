//! Retained messages (section 3.3.1.3): each topic's is kept by one shard, the partition that its hash names.

use std::rc::Rc;

use super::batch::StoreOp;
use super::home::{hash, shard_of};
use super::{DropReason, Message, PeerMessage, STORE_KEYS, Shard};
use crate::codec::Qos;
use crate::limits::{RETAINED_BATCH, RETAINED_STEPS};
use crate::routing::ShardIndex;
use crate::routing::retained::Search;

/// What one turn's search found.
pub(super) struct Found {
    pub messages: Vec<Rc<Message>>,
    /// Topic after which the search goes on; `None` when there is no more.
    pub after: Option<Box<str>>,
}

impl Shard {
    /// Has the message kept by its partition, or forgotten if its payload is empty ([MQTT-3.3.1-6], [MQTT-3.3.1-7]).
    pub(super) fn retain(&mut self, message: &Rc<Message>) {
        let partition = self.partition_of(message.topic());
        if partition == self.own {
            self.keep_retained(message.clone());
        } else {
            let ticket = if message.qos == Qos::AtMostOnce { 0 } else { self.ticket_for_peer() };
            self.send_to_peer(partition, PeerMessage::Retain { message: Message::clone(message), ticket });
        }
    }

    /// The shard that keeps this topic's retained message.
    pub(super) fn partition_of(&self, topic: &str) -> ShardIndex {
        if self.shards == 1 { self.own } else { shard_of(hash(&self.settings, topic), self.shards) }
    }

    pub(super) fn keep_retained(&mut self, message: Rc<Message>) {
        if message.payload().is_empty() {
            return self.forget_retained(message.topic());
        }
        let size = message.size();
        let former_size = self.retained.get(message.topic()).map(|former| former.size());
        let is_in_bounds = self.retained_has_room(former_size, size);
        let is_kept = self.is_topic_kept(message.topic());
        // One that is acknowledged was let in where it was published; this shard may have heard earlier that the store is full.
        let is_let_in = !is_kept || self.durability.accepting || message.qos > Qos::AtMostOnce;
        if !is_in_bounds || !is_let_in {
            let (keys, reason) = match is_in_bounds {
                false => ("limits.retained_messages_max, limits.retained_bytes_max", DropReason::RetainedFull),
                true => (STORE_KEYS, DropReason::StoreFull),
            };
            self.count_bound("", keys);
            // The former message is not the topic's last value any more: better none than a stale one.
            self.forget_retained(message.topic());
            return self.count_drop(None, reason);
        }
        if is_kept {
            self.keep_message(&message);
            self.keep(StoreOp::Retain { stamp: message.stamp });
        }
        self.put_retained(message);
    }

    /// Puts a message in its topic's place.
    pub(super) fn put_retained(&mut self, message: Rc<Message>) {
        self.retained_bytes += message.size();
        let topic = message.topic().to_owned();
        let former = self.retained.insert(&topic, message);
        self.note_forgotten(former);
    }

    pub(super) fn forget_retained(&mut self, topic: &str) {
        let former = self.retained.remove(topic);
        self.note_forgotten(former);
    }

    fn note_forgotten(&mut self, former: Option<Rc<Message>>) {
        let Some(former) = former else { return };
        self.retained_bytes -= former.size();
        if self.is_topic_kept(former.topic()) {
            self.keep(StoreOp::Forget { stamp: former.stamp });
        }
    }

    /// Each partition has its share of the bounds; hashing spreads topics evenly.
    fn retained_has_room(&self, former_size: Option<usize>, size: usize) -> bool {
        let messages_max = self.settings.retained_messages_max.div_ceil(self.shards);
        let bytes_max = self.settings.retained_bytes_max.div_ceil(self.shards);
        let messages = self.retained.len() + usize::from(former_size.is_none());
        messages <= messages_max && self.retained_bytes - former_size.unwrap_or(0) + size <= bytes_max
    }

    /// The next retained messages of this partition that match, as many as one turn may look for.
    pub(super) fn search_retained(&mut self, filter: &str, after: Option<&str>) -> Found {
        let mut found = Found { messages: Vec::new(), after: after.map(Into::into) };
        let mut expired: Vec<Box<str>> = Vec::new();
        let mut steps = RETAINED_STEPS;
        while found.messages.len() < RETAINED_BATCH {
            match self.retained.next_matching(filter, found.after.as_deref(), &mut steps) {
                Search::Found(topic, message) => {
                    if message.expires_at.is_some_and(|at| at <= self.now) {
                        expired.push(topic.into());
                    } else {
                        found.messages.push(message.clone());
                    }
                    found.after = Some(topic.into());
                }
                Search::Paused(topic) => {
                    found.after = Some(topic.into());
                    break;
                }
                Search::Done => {
                    found.after = None;
                    break;
                }
            }
        }
        for topic in expired {
            self.forget_retained(&topic);
        }
        found
    }
}
