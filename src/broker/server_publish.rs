//! Messages that are published by who is no client: an administrator.

use super::own::is_own;
use super::publication::Publication;
use super::publish::Admit;
use super::{Millis, Shard};
use crate::codec::decode;
use crate::codec::properties::write_forwardable;
use crate::codec::{Publish, Qos, Violation};

/// A message as it is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPublish {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: Qos,
    pub retain: bool,
    /// As they are encoded in a PUBLISH, without their length.
    pub properties: Vec<u8>,
}

/// Why such a message is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("the message is larger than limits.packet_size_max")]
    TooLarge,
    #[error("topics below $SYS/ are the server's own to say")]
    Own,
    #[error("the message would have to be kept, and the store does not accept any now")]
    StoreFull,
}

impl Shard {
    /// Publishes a message as if a client had that may publish everything. Who asks chooses the shard, the same one for all messages
    /// of a topic, so that they keep their order. Returns whether anybody has subscribed; it is not waited for the store.
    pub fn publish(&mut self, message: &ServerPublish, now: Millis) -> Result<bool, NotPublished> {
        self.now = now;
        let ServerPublish { topic, payload, qos, retain, properties } = message;
        crate::codec::topic::check_name(topic, self.settings.topic_length_max, self.settings.topic_levels_max)?;
        if is_own(topic) {
            return Err(NotPublished::Own);
        }
        if topic.len() + properties.len() + payload.len() > self.settings.packet_size_max as usize {
            return Err(NotPublished::TooLarge);
        }
        let decoded = decode::publish_properties(properties)?;
        let (qos, retain) = (*qos, *retain);
        let packet = Publish { dup: false, qos, retain, topic, packet_id: 0, properties: decoded, payload };
        self.check_publish(&packet)?;
        if packet.properties.payload_is_utf8 && simdutf8::basic::from_utf8(payload).is_err() {
            return Err(Violation::PayloadNotUtf8.into());
        }
        let mut forwardable = Vec::new();
        write_forwardable(properties, &mut forwardable);
        let mut publication = Publication::new(topic, &forwardable, payload, None);
        publication.qos = qos;
        publication.retain = retain;
        publication.expires_at = self.expiry_of(packet.properties.message_expiry_s);
        publication.stamp = self.next_stamp();
        let routed = self.route(&publication, Admit::IfKeepable).ok_or(NotPublished::StoreFull)?;
        if routed.began_ticket {
            self.end_ticket(false);
        }
        Ok(routed.matched)
    }
}
