//! How many connections a user has: over all shards, so that somebody else counts them.

use super::home::hash;
use super::{ConnectionId, Shard};
use crate::access::UserConnections;

impl Shard {
    /// Counts the connections of users from now on, and refuses those that are too many with 0x97 (Quota exceeded).
    pub fn set_user_connections(&mut self, user_connections: Box<dyn UserConnections>) {
        self.user_connections = Some(user_connections);
    }

    /// Counts a connection of this user; false if there are too many.
    pub(super) fn enter_user(&mut self, id: ConnectionId, client_id: &str, user_name: &str) -> bool {
        let Some(users) = &self.user_connections else { return true };
        let earlier = self.find_session(client_id, hash(&self.settings, client_id));
        let earlier = earlier.and_then(|key| self.session(key)?.connection);
        let is_replacing = earlier.is_some_and(|earlier| self.user_name_of(earlier) == Some(user_name));
        if !users.enter(user_name, is_replacing) {
            return false;
        }
        if let Some(connection) = self.connection_mut(id) {
            connection.identity.get_or_insert_default().is_user_counted = true;
        }
        true
    }
}
