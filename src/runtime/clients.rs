//! The clients of a running server, for those who administrate it.

use super::pages::{Cursor, Page};
use super::question::Ended;
use super::server_handle::ServerHandle;
use super::shard::ShardDriver;
use crate::access::ListenerId;
use crate::broker::home_of_client;
use crate::broker::inspect::{ClientDetail, ClientFilter, ClientState, Slowest};

/// A client, and the listener at which it came in as a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client<T> {
    pub state: T,
    /// `None` while the client is away.
    pub listener: Option<String>,
}

impl ServerHandle {
    /// Clients that `filter` lets through, away or connected, at most `limit`. `listener`, if set, is the URL of a listener or the
    /// scheme of one (`tls`).
    pub async fn clients(
        &self,
        filter: ClientFilter,
        listener: Option<String>,
        from: Cursor,
        limit: usize,
    ) -> Result<Page<Client<ClientState>>, Ended> {
        self.page(from, limit, move |driver, place, wanted| {
            let listeners = listener.map(|listener| driver.listeners_called(&listener));
            let filter = ClientFilter { listeners: listeners.or(filter.listeners), ..filter };
            let part = driver.shard.clients(&filter, place, wanted, driver.now);
            part.map(|state| Client { listener: driver.listener_of(&state), state })
        })
        .await
    }

    /// One client, with its shard.
    pub async fn client(&self, client_id: String) -> Result<Option<(usize, Client<ClientDetail>)>, Ended> {
        let home = self.home_of(&client_id);
        let found = self.ask(home, move |driver| {
            let detail = driver.shard.client(&client_id, driver.now)?;
            Some(Client { listener: driver.listener_of(&detail.state), state: detail })
        });
        Ok(found.await?.map(|client| (home, client)))
    }

    /// Disconnects a client with 0x98 (Administrative action), one before 5.0 without a word. Its session stays as long as
    /// after any other end. False if it is not connected.
    pub async fn disconnect(&self, client_id: String) -> Result<bool, Ended> {
        let home = self.home_of(&client_id);
        self.ask(home, move |driver| driver.shard.disconnect(&client_id, driver.now)).await
    }

    /// The connected clients for whom most bytes wait, the slowest first, each with its shard and those bytes; at most `count`.
    pub async fn slowest(&self, count: usize) -> Result<Vec<(usize, usize, Client<ClientState>)>, Ended> {
        let mut slowest = Vec::new();
        for shard in 0..self.shards() {
            let mut from = Some(0);
            while let Some(slot) = from {
                let part = self.ask(shard, move |driver| {
                    let Slowest { clients, next } = driver.shard.slowest(slot, count, driver.now);
                    let clients = clients.into_iter().map(|(waiting, state)| {
                        (shard, waiting, Client { listener: driver.listener_of(&state), state })
                    });
                    (clients.collect::<Vec<_>>(), next)
                });
                let (clients, next) = part.await?;
                slowest.extend(clients);
                slowest.sort_by_key(|(_, waiting, _)| std::cmp::Reverse(*waiting));
                slowest.truncate(count);
                from = next;
            }
        }
        Ok(slowest)
    }

    /// The shard on which a client's connection and session live.
    pub(super) fn home_of(&self, client_id: &str) -> usize {
        usize::from(home_of_client(client_id, &self.common.settings, self.shards()).0)
    }
}

impl ShardDriver {
    /// The listener at which a client came in, as a URL.
    fn listener_of(&self, state: &ClientState) -> Option<String> {
        let id = state.connection.as_ref()?.listener;
        self.listening(id).map(|listening| listening.config.to_string())
    }

    /// The listeners of this URL, or all of this scheme.
    fn listeners_called(&self, name: &str) -> Vec<ListenerId> {
        let known = self.all_listening();
        let called = known.filter(|it| it.config.scheme() == name || it.config.to_string() == name);
        called.map(|listening| listening.id).collect()
    }
}
