//! The listeners of a running server, as its shards share them.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ListenerConfig;
use crate::access::{ListenerId, ListenerPolicy};
use crate::authority::Authority;
use crate::net::tls::TlsServer;
use crate::net::websocket::WebSocketConfig;

/// One listener. A reload that changes it replaces it; those who came before keep their connections.
#[derive(Debug)]
pub struct Listening {
    pub id: ListenerId,
    /// With the port that the kernel chose.
    pub config: ListenerConfig,
    pub tls: Option<TlsServer>,
    pub websocket: Option<Arc<WebSocketConfig>>,
    /// Connections that came in here and are open, also over a reload.
    pub open: Arc<AtomicUsize>,
}

/// What one shard is told of listeners, at the start and when they change.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Those that are new or have changed.
    pub listening: Vec<Arc<Listening>>,
    /// Sockets to accept from.
    pub added: Vec<(ListenerId, OwnedFd)>,
    /// Accept there no more.
    pub removed: Vec<ListenerId>,
    /// Of all listeners, by their ids.
    pub policies: Vec<ListenerPolicy>,
    /// Who is asked about clients that connect, if anybody is.
    pub authority: Option<Authority>,
}

impl Listening {
    /// Counts a connection that has come; false if it is one too many.
    pub fn enter(&self) -> bool {
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        self.config.connections_max.is_none_or(|most| open < most)
    }

    pub fn leave(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether bytes from the socket are not MQTT yet.
    pub fn is_wrapped(&self) -> bool {
        self.tls.is_some() || self.config.websocket.is_some()
    }
}
