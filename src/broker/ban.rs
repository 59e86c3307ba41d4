//! Bans by name: checked when a client connects, and enforced on those who are connected. Bans of addresses are checked where
//! connections are accepted; here they only end what is open.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::home::hash;
use super::{CloseReason, ConnectionId, Millis, Shard};
use crate::access::{Address, BanSubject};
use crate::codec::ReasonCode;
use crate::limits::BANS_MAX;

/// Names that are banned, each with the time when that ends.
#[derive(Debug)]
pub(super) struct Bans {
    client_ids: Names,
    user_names: Names,
}

type Names = HashMap<Box<str>, Millis, FixedState>;

impl Bans {
    pub fn new(hash_seed: u64) -> Self {
        let empty = || HashMap::with_hasher(FixedState::with_seed(hash_seed));
        Self { client_ids: empty(), user_names: empty() }
    }

    fn names_mut<'a>(&mut self, subject: &'a BanSubject) -> Option<(&mut Names, &'a str)> {
        match subject {
            BanSubject::Address(_) => None,
            BanSubject::ClientId(name) => Some((&mut self.client_ids, name)),
            BanSubject::UserName(name) => Some((&mut self.user_names, name)),
        }
    }
}

impl Shard {
    /// Keeps out whoever `subject` names until then, and disconnects who is here. Whoever calls bounds their number.
    pub fn ban(&mut self, subject: &BanSubject, until: Millis, now: Millis) {
        self.now = now;
        if let Some((names, name)) = self.bans.names_mut(subject) {
            if names.len() >= BANS_MAX {
                names.retain(|_, until| *until > now);
            }
            names.insert(name.into(), until);
        }
        for id in self.connections_of(subject) {
            let why = "an administrator, or a rule, has banned the client";
            self.close(id, CloseReason::ByServer(ReasonCode::AdministrativeAction), Some(why));
        }
    }

    /// Ends a ban before its time.
    pub fn lift_ban(&mut self, subject: &BanSubject) {
        if let Some((names, name)) = self.bans.names_mut(subject) {
            names.remove(name);
        }
    }

    pub(super) fn is_banned(&self, client_id: &str, user_name: Option<&str>) -> bool {
        let is_in_force = |until: Option<&Millis>| until.is_some_and(|until| *until > self.now);
        let Bans { client_ids, user_names } = &self.bans;
        (!client_ids.is_empty() && is_in_force(client_ids.get(client_id)))
            || (!user_names.is_empty() && is_in_force(user_name.and_then(|name| user_names.get(name))))
    }

    /// Those who are connected under a subject, and for an address those who are about to.
    fn connections_of(&self, subject: &BanSubject) -> Vec<ConnectionId> {
        let is_concerned: Box<dyn Fn(ConnectionId) -> bool> = match subject {
            BanSubject::ClientId(client_id) => {
                let client_hash = hash(&self.settings, client_id);
                let session = self.find_session(client_id, client_hash).and_then(|key| self.session(key));
                return session.and_then(|session| session.connection).into_iter().collect();
            }
            BanSubject::UserName(name) => Box::new(|id| self.user_name_of(id) == Some(name)),
            BanSubject::Address(network) => Box::new(|id| match self.address_of(id) {
                Some(Address::Ip(address)) => network.contains(&address.ip().to_canonical()),
                Some(Address::Local) | None => false,
            }),
        };
        let ids = self.connections.iter().map(|(slot, it)| ConnectionId { slot, generation: it.generation });
        ids.filter(|id| is_concerned(*id)).collect()
    }

    pub(super) fn user_name_of(&self, id: ConnectionId) -> Option<&str> {
        self.connection(id)?.identity.as_ref()?.user_name.as_deref()
    }
}
