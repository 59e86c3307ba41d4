//! One client as a value that can leave the shard.

use std::rc::Rc;

use crate::access::{Address, ListenerId};
use crate::broker::{DropReason, Millis, NEVER, Shard};
use crate::codec::Version;
use crate::codec::topic::Filter;
use crate::connection::Connection;
use crate::routing::{SessionKey, Subscription};
use crate::session::Session;

/// A session, and its connection if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientState {
    pub client_id: String,
    /// `None` while the client is away.
    pub connection: Option<ConnectionState>,
    /// The client's last CONNECT asked for a new session; false for one that was read from the store.
    pub clean_start: bool,
    /// Session Expiry Interval in seconds; `u32::MAX` never expires.
    pub session_expiry_s: u32,
    /// Milliseconds until a session whose client is away ends, if it does.
    pub ends_in_ms: Option<u64>,
    /// The store keeps it.
    pub is_kept: bool,
    pub has_will: bool,
    pub subscriptions: usize,
    /// Messages that wait for the client: in memory, on disk, and behind retained messages that are being fetched for it.
    pub queued_messages: usize,
    pub queued_bytes: usize,
    /// QoS 1 and 2 to the client, sent and not settled.
    pub in_flight: usize,
    /// QoS 2 from the client, received and not released.
    pub unreleased: usize,
    /// Messages that it did not get, or could not publish, since its session began or was read from the store.
    pub dropped: u64,
}

/// What is known of a connection that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionState {
    pub address: Address,
    pub listener: ListenerId,
    pub version: Version,
    /// The name under which the client was let in.
    pub user_name: Option<String>,
    pub is_bridge: bool,
    /// 0 is no limit.
    pub keep_alive_s: u16,
    /// Since CONNECT was accepted, in milliseconds.
    pub connected_for_ms: Millis,
    /// Since the last whole packet arrived, in milliseconds.
    pub silent_for_ms: Millis,
    /// The client's Receive Maximum, or the configured bound if that is lower.
    pub receive_maximum: u16,
    /// The client's Maximum Packet Size in bytes; `u32::MAX` is none.
    pub packet_size_max: u32,
    /// Bytes that the kernel has not taken.
    pub unsent_bytes: usize,
}

/// One subscription of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// With `$share/name/`, if it is shared.
    pub filter: String,
    pub subscription: Subscription,
}

impl Shard {
    pub(super) fn client_state(&self, key: SessionKey, session: &Session, now: Millis) -> ClientState {
        let flow = session.flow.as_deref();
        let connection = session.connection.and_then(|id| self.connection(id));
        let is_ending = connection.is_none() && session.expires_at != NEVER;
        ClientState {
            client_id: session.client_id.to_string(),
            connection: connection.map(|connection| connection_state(connection, now)),
            clean_start: session.clean_start,
            session_expiry_s: session.expiry_s,
            ends_in_ms: is_ending.then(|| session.expires_at.saturating_sub(now)),
            is_kept: session.store_id != 0,
            has_will: session.will.is_some(),
            subscriptions: session.subscriptions.len(),
            queued_messages: session.waiting(),
            queued_bytes: session.waiting_bytes(),
            in_flight: flow.map_or(0, |flow| flow.in_flight.len()),
            unreleased: flow.map_or(0, |flow| flow.unreleased.len()),
            dropped: self.drops.of(key).map(|(_, count)| count).sum(),
        }
    }

    /// Messages of one session that were dropped, by reason.
    pub(super) fn drops_of(&self, key: SessionKey) -> Vec<(DropReason, u64)> {
        self.drops.of(key).collect()
    }

    /// A subscription of a session, by its whole filter.
    pub(super) fn subscription_state(&self, key: SessionKey, whole: &str) -> Option<SubscriptionState> {
        let filter = Filter::parse(whole, usize::MAX, usize::MAX).ok()?;
        let subscription = self.index.subscription(filter.share, filter.filter, key)?;
        Some(SubscriptionState { filter: whole.to_owned(), subscription })
    }
}

fn connection_state(connection: &Connection, now: Millis) -> ConnectionState {
    let user_name = connection.identity.as_ref().and_then(|identity| identity.user_name.as_ref());
    ConnectionState {
        address: connection.address(),
        listener: connection.listener,
        version: connection.version,
        user_name: user_name.map(Rc::as_ref).map(str::to_owned),
        is_bridge: connection.bridge,
        keep_alive_s: connection.keep_alive_s,
        connected_for_ms: now.saturating_sub(u64::from(connection.connected_at_s) * 1_000),
        silent_for_ms: now.saturating_sub(connection.last_packet_at),
        receive_maximum: connection.send_window,
        packet_size_max: connection.packet_size_max,
        unsent_bytes: connection.unsent(),
    }
}
