//! What the store is told of sessions and of what waits for them.

use super::batch::{Entry, Progress, SessionRecord, StoreOp, WillRecord};
use super::{Gate, NEVER, Shard};
use crate::codec::Qos;
use crate::routing::SessionKey;
use crate::session::Delivery;

impl Shard {
    /// Writes the session's record anew, if it is kept.
    pub(super) fn keep_session(&mut self, key: SessionKey) {
        let Some(session) = self.session(key).filter(|session| session.store_id != 0) else { return };
        // A will that may not be published now is not kept: after a restart nobody knows what its client may do.
        let will = session.will.as_ref().filter(|will| session.may_publish_will(will.message.topic()));
        let will = will.map(|will| WillRecord {
            message: will.message.clone(),
            delay_s: will.delay_s,
            message_expiry_s: will.message_expiry_s,
            due_at: will.due_at,
        });
        let record = SessionRecord {
            client_id: session.client_id.clone(),
            expiry_s: session.expiry_s,
            expires_at: (session.expires_at != NEVER).then_some(session.expires_at),
            will,
        };
        let id = session.store_id;
        self.keep(StoreOp::Session { id, record });
    }

    /// The session's number in the store; 0 if it is not kept.
    #[inline]
    pub(super) fn store_id(&self, key: SessionKey) -> u64 {
        self.session(key).map_or(0, |session| session.store_id)
    }

    /// Whether what waits for this session at this QoS is kept.
    #[inline]
    pub(super) fn is_kept(&self, key: SessionKey, qos: Qos) -> bool {
        qos > Qos::AtMostOnce && self.store_id(key) != 0
    }

    /// Keeps a message on its way to the session, or how far it has come; a new one gets its number. Returns what must be durable
    /// before a QoS 2 message, or the answer to its PUBREC, may be sent: if that were sent and forgotten in a crash, the
    /// packet identifier would mean another message next time.
    pub(super) fn keep_entry(&mut self, key: SessionKey, delivery: &mut Delivery, progress: Progress) -> Gate {
        let session = self.store_id(key);
        if session == 0 || delivery.qos == Qos::AtMostOnce {
            return Gate::OPEN;
        }
        if delivery.entry == 0 {
            delivery.entry = self.next_counter();
            self.keep_message(&delivery.message.clone());
        }
        let entry = Entry {
            number: delivery.entry,
            stamp: delivery.message.stamp,
            qos: delivery.qos,
            retain: delivery.retain,
            subscription_ids: delivery.subscription_ids.clone(),
            group: delivery.group.as_deref().cloned(),
            progress,
        };
        self.keep(StoreOp::Entry { session, entry });
        if delivery.qos == Qos::ExactlyOnce { self.gate() } else { Gate::OPEN }
    }

    /// Forgets a message that has reached its session, or never will.
    #[inline]
    pub(super) fn forget_entry(&mut self, key: SessionKey, number: u64) {
        if number != 0 {
            let session = self.store_id(key);
            self.keep(StoreOp::EndEntry { session, number });
        }
    }
}
