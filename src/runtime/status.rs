//! What a server is and how it does, for those who watch it.

use std::time::Duration;

use super::listening::Listening;
use super::question::Ended;
use super::server_handle::ServerHandle;

/// A listener of a running server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerState {
    /// With the port that was chosen.
    pub url: String,
    /// Open connections that came in here.
    pub connections: usize,
    /// False for one that a reload has removed, while clients are left that came in there, and when the server stops.
    pub is_accepting: bool,
}

/// What must be so for clients to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    pub is_listening: bool,
    /// True without a store.
    pub is_store_accepting: bool,
    pub is_stopping: bool,
}

impl ServerHandle {
    /// Since the server started.
    pub fn uptime(&self) -> Duration {
        self.common.clock.elapsed()
    }

    /// The CPU of each shard; `None` where the kernel chooses.
    pub fn cpus(&self) -> &[Option<usize>] {
        &self.common.cpus
    }

    /// Connections that are open, those included that have not connected as MQTT knows it.
    pub fn connections(&self) -> usize {
        self.common.admission.open()
    }

    /// Most connections at a time.
    pub fn connections_max(&self) -> usize {
        self.common.admission.connections_max()
    }

    /// The listeners, and those that are gone while somebody is connected who came in there.
    pub async fn listeners(&self) -> Result<Vec<ListenerState>, Ended> {
        // Each shard knows all of them.
        self.ask(0, |driver| {
            let state = |listening: &Listening| ListenerState {
                url: listening.config.to_string(),
                connections: listening.connections(),
                is_accepting: driver.accepts_from(listening.id),
            };
            let all = driver.all_listening().map(state);
            all.filter(|state| state.is_accepting || state.connections > 0).collect()
        })
        .await
    }

    /// Whether clients can be served now. It is not answered as long as a shard does not get on.
    pub async fn readiness(&self) -> Result<Readiness, Ended> {
        let shards = self.ask_all(|driver| Readiness {
            is_listening: driver.accepts(),
            is_store_accepting: driver.shard.is_store_accepting(),
            is_stopping: driver.stopping.is_some(),
        });
        Ok(shards.await?.into_iter().fold(
            Readiness { is_listening: true, is_store_accepting: true, is_stopping: false },
            |all, shard| Readiness {
                is_listening: all.is_listening && shard.is_listening,
                is_store_accepting: all.is_store_accepting && shard.is_store_accepting,
                is_stopping: all.is_stopping || shard.is_stopping,
            },
        ))
    }
}
