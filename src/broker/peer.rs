//! Messages from other shards.

use std::rc::Rc;

use super::publication::Publication;
use super::{Message, Millis, PeerMessage, Shard};
use crate::codec::Qos;
use crate::routing::ShardIndex;
use crate::session::GroupName;

impl Shard {
    /// Another shard's message, in the order in which that shard sent it.
    pub fn handle_peer(&mut self, from: ShardIndex, message: PeerMessage, now: Millis) {
        self.now = now;
        match message {
            PeerMessage::Publish { message, ticket } => {
                self.begin_part(ticket);
                self.handle_peer_publish(message);
                self.end_part();
            }
            PeerMessage::PublishShared { share, filter, message, hops, ticket } => {
                self.begin_part(ticket);
                self.handle_publish_shared(&GroupName { share, filter }, message, hops);
                self.end_part();
            }
            PeerMessage::Retain { message, ticket } => {
                self.begin_part(ticket);
                self.keep_retained(Rc::new(message));
                self.end_part();
            }
            PeerMessage::InterestAdd { filter, durable, sequence } => {
                self.index.add_interest(&filter, from, durable);
                self.acknowledge_interest(from, sequence);
            }
            PeerMessage::InterestRemove { filter } => self.index.remove_interest(&filter, from),
            PeerMessage::GroupInterest { share, filter, connected, total, durable, sequence } => {
                self.index.set_group_interest(&share, &filter, from, connected, total, durable);
                self.acknowledge_interest(from, sequence);
            }
            PeerMessage::InterestApplied { sequence } => self.handle_interest_applied(from, sequence),
            PeerMessage::RetainedRequest { session, replay, filter, after } => {
                let found = self.search_retained(&filter, after.as_deref());
                let messages = found.messages.iter().map(|message| Message::clone(message)).collect();
                self.send_to_peer(from, PeerMessage::RetainedBatch { session, replay, messages, after: found.after });
            }
            PeerMessage::RetainedBatch { session, replay, messages, after } => {
                let messages = messages.into_iter().map(Rc::new).collect();
                self.handle_retained_batch(session, replay, messages, after);
            }
        }
    }

    /// For local subscribers only: the publishing shard has sent it to the other shards and to the groups itself.
    fn handle_peer_publish(&mut self, message: Message) {
        let mut matches = std::mem::take(&mut self.matches);
        self.index.matches(message.topic(), &mut matches);
        if message.qos == Qos::AtMostOnce {
            self.deliver_to_matches(&Publication::borrowed(&message), &matches);
        } else {
            self.deliver_to_matches(&Publication::from_message(&Rc::new(message)), &matches);
        }
        self.matches = matches;
    }

    /// Tells `from` that its interest is in force here: once a turn, with the latest sequence.
    fn acknowledge_interest(&mut self, from: ShardIndex, sequence: u64) {
        let pending = self.to_peers[2].iter_mut().find(|(shard, _)| *shard == from);
        if let Some((_, PeerMessage::InterestApplied { sequence: latest })) = pending {
            *latest = sequence;
        } else {
            self.send_to_peer(from, PeerMessage::InterestApplied { sequence });
        }
    }

    fn handle_interest_applied(&mut self, from: ShardIndex, sequence: u64) {
        if let Some(applied) = self.interest_applied.get_mut(usize::from(from.0)) {
            *applied = (*applied).max(sequence);
        }
        let others = self.other_shards().filter_map(|shard| self.interest_applied.get(usize::from(shard.0)));
        self.interest_in_force = others.min().copied().unwrap_or(u64::MAX);
        self.send_waiting_subacks();
        self.start_waiting_replays();
    }
}
