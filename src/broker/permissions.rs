//! Where the access rules meet packets: what a client is told that may not do what it wants to.

use super::{ConnectionId, DropReason, Gate, Shard};
use crate::access::{CompiledRules, ListenerPolicy, Readable};
use crate::codec::encode::AckKind;
use crate::codec::topic::Filter;
use crate::codec::{Publish, Qos, ReasonCode};
use crate::routing::SessionKey;

/// A listener as it was configured, and its rules compiled.
#[derive(Debug)]
pub(super) struct Listener {
    pub policy: ListenerPolicy,
    rules: CompiledRules,
}

impl Listener {
    pub fn new(policy: ListenerPolicy) -> Self {
        Self { rules: CompiledRules::new(&policy.rules), policy }
    }

    /// Lets everybody in, to do everything.
    pub fn open() -> Self {
        Self::new(ListenerPolicy { allow_anonymous: true, ..ListenerPolicy::default() })
    }

    /// What is not known lets nobody in; who is there already may do nothing more.
    pub fn closed() -> Self {
        let mut policy = ListenerPolicy::default();
        policy.rules.is_restricted = true;
        Self::new(policy)
    }
}

impl Shard {
    /// Finds out anew what the client of a connection may do, and how much of it must be looked at.
    pub(super) fn grant_permissions(&mut self, id: ConnectionId, key: SessionKey) {
        let Some(connection) = self.connection(id) else { return };
        let identity = connection.identity.as_deref();
        let user_name = identity.and_then(|identity| identity.user_name.as_ref());
        let granted = identity.and_then(|identity| identity.rules.as_deref());
        let rules = &self.listener(connection.listener).rules;
        let permissions = rules.permissions_of(user_name, granted);
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        session.permissions = permissions.map(|mut permissions| {
            let mut filters = session.subscriptions.iter();
            permissions.is_covered = filters.all(|whole| {
                let filter = Filter::parse(whole, usize::MAX, usize::MAX);
                filter.is_ok_and(|it| permissions.readable(&session.client_id, it.filter) == Readable::All)
            });
            Box::new(permissions)
        });
    }

    /// Whether a filter may be subscribed to: what can be read of it is sent, message by message if need be.
    pub(super) fn may_subscribe(&mut self, key: SessionKey, filter: &str) -> bool {
        let Some(session) = self.sessions.get_mut(key.0) else { return false };
        let Some(permissions) = &mut session.permissions else { return true };
        let readable = permissions.readable(&session.client_id, filter);
        permissions.is_covered &= readable != Readable::Some;
        readable != Readable::Nothing
    }

    /// A client that may not do everything may publish to this topic.
    pub(super) fn may_publish(&mut self, key: SessionKey, topic: &str) -> bool {
        self.session_mut(key).is_some_and(|session| session.may_publish(topic))
    }

    /// A publish that the rules do not allow: a 5.0 client is told, an older one cannot be, and the message is dropped.
    /// `topic` is the packet's, or that of its alias.
    #[cold]
    pub(super) fn refuse_to_publish(&mut self, id: ConnectionId, key: SessionKey, topic: &str, packet: &Publish<'_>) {
        self.count_drop_to(Some(key), DropReason::WriteDenied, Some(topic));
        if self.tracing.is_some() {
            self.trace_refused(id, key, topic, packet, DropReason::WriteDenied);
        }
        let kind = match packet.qos {
            Qos::AtMostOnce => return,
            Qos::AtLeastOnce => AckKind::PubAck,
            Qos::ExactlyOnce => AckKind::PubRec,
        };
        self.acknowledge_when(Gate::OPEN, id, kind, packet.packet_id, ReasonCode::NotAuthorized);
    }

    /// Counts a message that the rules keep from a subscriber: it is no fault, so there is no event.
    #[cold]
    pub(super) fn count_unreadable(&mut self) {
        self.counters.dropped[DropReason::ReadDenied as usize] += 1;
    }
}
