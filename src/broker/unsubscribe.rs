//! UNSUBSCRIBE (section 3.10).

use super::batch::StoreOp;
use super::home::hash;
use super::{ConnectionId, PeerMessage, Shard, WaitingSubAck};
use crate::codec::topic::Filter;
use crate::codec::{ReasonCode, Unsubscribe};
use crate::routing::SessionKey;

impl Shard {
    /// The session's subscriptions go at once. Messages that other shards have sent meanwhile find no subscription here
    /// any more, so that UNSUBACK need not wait for those shards.
    pub(super) fn handle_unsubscribe(&mut self, id: ConnectionId, key: SessionKey, packet: &Unsubscribe<'_>) {
        let before = self.durability.kept;
        let mut reasons = Vec::with_capacity(packet.filters.len());
        for filter in &packet.filters {
            let existed = self.session(key).is_some_and(|session| session.subscriptions.contains(filter));
            let reason = if existed {
                if let Some(session) = self.session_mut(key) {
                    session.subscriptions.remove(filter);
                }
                self.remove_subscription(key, filter);
                let session = self.store_id(key);
                if session != 0 {
                    self.keep(StoreOp::EndSubscription { session, filter: (*filter).into() });
                }
                self.cancel_replay(key, filter);
                ReasonCode::Success
            } else if self.is_valid_filter(filter) {
                ReasonCode::NoSubscriptionExisted
            } else {
                ReasonCode::TopicFilterInvalid
            };
            reasons.push(reason as u8);
        }
        self.acknowledge_subscriptions(WaitingSubAck {
            sequence: 0,
            connection: id,
            packet_id: packet.packet_id,
            reasons,
            reason_string: None,
            gate: self.gate_since(before),
            is_unsuback: true,
        });
    }

    /// Takes one subscription out of the index, and tells the other shards when it was the last.
    pub(super) fn remove_subscription(&mut self, key: SessionKey, whole: &str) {
        let Ok(filter) = Filter::parse(whole, usize::MAX, usize::MAX) else { return };
        match filter.share {
            Some(share) => {
                if let Some(removed) = self.index.leave(share, filter.filter, key) {
                    if removed.last_on_shard {
                        self.durability.announced.remove(&hash(&self.settings, whole));
                    }
                    self.announce_group(share, filter.filter);
                }
            }
            None => {
                let removed = self.index.unsubscribe(filter.filter, key);
                if removed.is_some_and(|removed| removed.last_on_shard) {
                    self.durability.announced.remove(&hash(&self.settings, whole));
                    for shard in self.other_shards() {
                        self.send_to_peer(shard, PeerMessage::InterestRemove { filter: filter.filter.into() });
                    }
                }
            }
        }
    }

    fn is_valid_filter(&self, filter: &str) -> bool {
        Filter::parse(filter, self.settings.topic_length_max, self.settings.topic_levels_max).is_ok()
    }
}
