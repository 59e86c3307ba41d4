//! Retained messages (section 3.3.1.3): each topic's is kept by one shard, the partition that its hash names.

use std::rc::Rc;

use super::home::{hash, shard_of};
use super::{DropReason, Message, PeerMessage, Shard};
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
            self.send_to_peer(partition, PeerMessage::Retain(Message::clone(message)));
        }
    }

    /// The shard that keeps this topic's retained message.
    pub(super) fn partition_of(&self, topic: &str) -> ShardIndex {
        if self.shards == 1 { self.own } else { shard_of(hash(&self.settings, topic), self.shards) }
    }

    pub(super) fn keep_retained(&mut self, message: Rc<Message>) {
        let former = if message.payload().is_empty() {
            self.retained.remove(message.topic())
        } else {
            let size = message.size();
            let former_size = self.retained.get(message.topic()).map(|former| former.size());
            if !self.retained_has_room(former_size, size) {
                self.count_bound("", "limits.retained_messages_max, limits.retained_bytes_max");
                // The former message is not the topic's last value any more: better none than a stale one.
                let former = self.retained.remove(message.topic());
                self.retained_bytes -= former.map_or(0, |former| former.size());
                return self.count_drop(None, DropReason::RetainedFull);
            }
            self.retained_bytes += size;
            let topic = message.topic().to_owned();
            self.retained.insert(&topic, message)
        };
        self.retained_bytes -= former.map_or(0, |former| former.size());
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
            let former = self.retained.remove(&topic);
            self.retained_bytes -= former.map_or(0, |former| former.size());
        }
        found
    }
}
