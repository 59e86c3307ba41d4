//! UNSUBSCRIBE (section 3.10).

use super::{ConnectionId, PeerMessage, Shard};
use crate::codec::encode;
use crate::codec::topic::Filter;
use crate::codec::{AckProperties, ReasonCode, SubAck, Unsubscribe};
use crate::routing::SessionKey;

impl Shard {
    /// The session's subscriptions go at once. Messages that other shards have sent meanwhile find no subscription here
    /// any more, so that UNSUBACK need not wait for those shards.
    pub(super) fn handle_unsubscribe(&mut self, id: ConnectionId, key: SessionKey, packet: &Unsubscribe<'_>) {
        let mut reasons = Vec::with_capacity(packet.filters.len());
        for filter in &packet.filters {
            let existed = self.session(key).is_some_and(|session| session.subscriptions.contains(filter));
            let reason = if existed {
                if let Some(session) = self.session_mut(key) {
                    session.subscriptions.remove(filter);
                }
                self.remove_subscription(key, filter);
                self.cancel_replay(key, filter);
                ReasonCode::Success
            } else if self.is_valid_filter(filter) {
                ReasonCode::NoSubscriptionExisted
            } else {
                ReasonCode::TopicFilterInvalid
            };
            reasons.push(reason as u8);
        }
        self.write(id, |connection, out| {
            let properties = AckProperties::default();
            let packet = SubAck { packet_id: packet.packet_id, reasons: &reasons, properties };
            encode::unsuback(out, connection.version, &packet, connection.packet_size_max);
        });
    }

    /// Takes one subscription out of the index, and tells the other shards when it was the last.
    pub(super) fn remove_subscription(&mut self, key: SessionKey, whole: &str) {
        let Ok(filter) = Filter::parse(whole, usize::MAX, usize::MAX) else { return };
        match filter.share {
            Some(share) => {
                if self.index.leave(share, filter.filter, key).is_some() {
                    self.announce_group(share, filter.filter);
                }
            }
            None => {
                let removed = self.index.unsubscribe(filter.filter, key);
                if removed.is_some_and(|removed| removed.last_on_shard) {
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
