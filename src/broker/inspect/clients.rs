//! The clients of a shard: a list with filters, and one of them in detail.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{ClientState, Part, SubscriptionState};
use crate::access::{Address, ListenerId};
use crate::broker::home::hash;
use crate::broker::inspect::Dropped;
use crate::broker::{CloseReason, Millis, Shard};
use crate::codec::ReasonCode;
use crate::limits::{INSPECTED_SESSIONS_MAX, INSPECTED_SUBSCRIPTIONS_MAX};
use crate::routing::SessionKey;
use crate::session::Session;

/// Which clients are wanted: those that fulfil all that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFilter {
    pub is_connected: Option<bool>,
    /// What the client id contains.
    pub client_id: Option<String>,
    /// The name under which the client was let in.
    pub user_name: Option<String>,
    pub address: Option<IpNet>,
    /// Those that came in at one of these.
    pub listeners: Option<Vec<ListenerId>>,
}

/// One client with what is too long for a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientDetail {
    pub state: ClientState,
    /// What it did not get, or could not publish, since its session began or was read from the store.
    pub drops: Vec<Dropped>,
    /// The first [`INSPECTED_SUBSCRIPTIONS_MAX`] of them.
    pub subscriptions: Vec<SubscriptionState>,
}

impl Shard {
    /// Clients that `filter` lets through, at most `limit`, by their slot from `from` on.
    pub fn clients(&self, filter: &ClientFilter, from: u32, limit: usize, now: Millis) -> Part<ClientState> {
        let mut entries = Vec::new();
        let next = self.scan_sessions(from, |key, session| {
            if self.is_wanted(filter, session) {
                entries.push(self.client_state(key, session, now));
            }
            entries.len() < limit
        });
        Part { entries, next }
    }

    /// One client; `None` if there is no session of this name here, which is its home or not.
    pub fn client(&self, client_id: &str, now: Millis) -> Option<ClientDetail> {
        let key = self.find_session(client_id, hash(&self.settings, client_id))?;
        let session = self.session(key)?;
        let filters = session.subscriptions.iter().take(INSPECTED_SUBSCRIPTIONS_MAX);
        Some(ClientDetail {
            state: self.client_state(key, session, now),
            drops: self.drops.of(key).to_vec(),
            subscriptions: filters.filter_map(|whole| self.subscription_state(key, whole)).collect(),
        })
    }

    /// Whether the access rules let a client read a topic, as far as the shard would send it such a message now; `None` if there is no session of
    /// this name here. What a session may do that was read from the store is known when its client connects, and is everything until then.
    pub fn may_receive(&self, client_id: &str, topic: &str) -> Option<bool> {
        let key = self.find_session(client_id, hash(&self.settings, client_id))?;
        Some(self.session(key)?.may_still_receive(topic))
    }

    /// Ends a client's connection with 0x98 (Administrative action), before 5.0 without a word; its session stays as long as it
    /// does after any other end. False if the client is not connected.
    pub fn disconnect(&mut self, client_id: &str, now: Millis) -> bool {
        self.now = now;
        let key = self.find_session(client_id, hash(&self.settings, client_id));
        let Some(id) = key.and_then(|key| self.session(key)).and_then(|session| session.connection) else {
            return false;
        };
        let reason = CloseReason::ByServer(ReasonCode::AdministrativeAction);
        self.close(id, reason, Some("an administrator has disconnected the client"));
        true
    }

    /// Calls `visit` for sessions by their slots from `from` on, until it returns false or enough have been looked at. Returns where to
    /// go on, if it is not the end.
    pub(super) fn scan_sessions(&self, from: u32, mut visit: impl FnMut(SessionKey, &Session) -> bool) -> Option<u32> {
        let end = self.sessions.end();
        let stop = end.min(from.saturating_add(INSPECTED_SESSIONS_MAX));
        for slot in from..stop {
            if let Some(session) = self.sessions.get(slot)
                && !visit(SessionKey(slot), session)
            {
                return (slot + 1 < end).then_some(slot + 1);
            }
        }
        (stop < end).then_some(stop)
    }

    fn is_wanted(&self, filter: &ClientFilter, session: &Session) -> bool {
        let ClientFilter { is_connected, client_id, user_name, address, listeners } = filter;
        if client_id.as_ref().is_some_and(|part| !session.client_id.contains(&**part)) {
            return false;
        }
        let connection = session.connection.and_then(|id| Some((id, self.connection(id)?)));
        if is_connected.is_some_and(|wanted| wanted != connection.is_some()) {
            return false;
        }
        let Some((id, connection)) = connection else {
            return user_name.is_none() && address.is_none() && listeners.is_none();
        };
        user_name.as_ref().is_none_or(|name| self.user_name_of(id) == Some(name))
            && address.is_none_or(|network| is_in(connection.address(), &network))
            && listeners.as_ref().is_none_or(|listeners| listeners.contains(&connection.listener))
    }
}

fn is_in(address: Address, network: &IpNet) -> bool {
    match address {
        Address::Ip(address) => network.contains(&IpAddr::to_canonical(&address.ip())),
        Address::Local => false,
    }
}
