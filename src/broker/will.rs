//! Wills (section 3.1.2.5): published when a connection ends without taking its will along.

use std::rc::Rc;

use super::own::is_own;
use super::publication::Publication;
use super::publish::Admit;
use super::{DropReason, Message, Shard};
use crate::codec::Will as WillPacket;
use crate::codec::properties::write_forwardable;
use crate::routing::SessionKey;
use crate::session::Will;

impl Shard {
    /// The will of a CONNECT, as it is kept.
    pub(super) fn will_from(&self, will: &WillPacket<'_>, publisher_hash: u64) -> Box<Will> {
        let mut properties = Vec::new();
        write_forwardable(will.properties.block, &mut properties);
        let mut message = Message::new(will.topic, &properties, will.payload, will.qos, will.retain);
        message.publisher_hash = publisher_hash;
        Box::new(Will {
            message,
            delay_s: will.properties.delay_s,
            message_expiry_s: will.properties.message_expiry_s,
            due_at: None,
        })
    }

    /// Publishes the session's will and forgets it ([MQTT-3.1.2-10]).
    pub(super) fn publish_will(&mut self, key: SessionKey) {
        let Some(session) = self.session_mut(key) else { return };
        let Some(will) = session.will.take() else { return };
        if is_own(will.message.topic()) || !session.may_publish_will(will.message.topic()) {
            self.count_drop(Some(key), DropReason::WriteDenied);
            return self.keep_session(key);
        }
        let mut message = will.message;
        message.expires_at = self.expiry_of(will.message_expiry_s);
        message.stamp = self.next_stamp();
        let message = Rc::new(message);
        let mut publication = Publication::from_message(&message);
        publication.publisher = Some(key);
        let routed = self.route(&publication, Admit::Always);
        // In the same breath as what the will brings to kept sessions: a crash must neither lose nor repeat it.
        self.keep_session(key);
        if routed.is_some_and(|routed| routed.began_ticket) {
            self.end_ticket(false);
        }
    }
}
