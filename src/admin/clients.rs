//! `/api/v1/clients`: who is connected, or away with a session; one of them in detail; disconnects.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::answer::Failure;
use super::query::{self, Parameters};
use super::subscriptions::ShownSubscription;
use crate::access::{Address, BanSubject};
use crate::broker::inspect::{ClientDetail, ClientFilter, ClientState, ConnectionState};
use crate::codec::Version;
use crate::runtime::{Client, Cursor, Ended, ServerHandle};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedClients {
    /// What the client id contains.
    client_id: Option<String>,
    user_name: Option<String>,
    /// An address or a network.
    address: Option<String>,
    /// The URL of a listener, or its scheme.
    listener: Option<String>,
    /// True for those that are connected, false for those that are away.
    connected: Option<bool>,
    #[serde(default, deserialize_with = "query::cursor")]
    after: Cursor,
    #[serde(default = "query::default_limit", deserialize_with = "query::limit")]
    limit: usize,
}

#[derive(Serialize)]
pub struct ClientPage {
    clients: Vec<ShownClient>,
    /// For `after` of the next page; `null` is the end.
    next: Option<String>,
}

#[derive(Serialize)]
pub struct ShownClient {
    client_id: String,
    is_connected: bool,
    shard: usize,
    connection: Option<ShownConnection>,
    session: ShownSession,
}

#[derive(Serialize)]
struct ShownConnection {
    /// With the port; `local` through a unix socket.
    address: String,
    listener: Option<String>,
    transport: Option<String>,
    user_name: Option<String>,
    /// `3.1`, `3.1.1` or `5.0`.
    protocol: &'static str,
    is_bridge: bool,
    /// 0 is no limit.
    keep_alive_s: u16,
    connected_for_s: u64,
    /// PUBLISH packets from it and to it; 4294967295 stands for that many or more.
    publishes_received: u32,
    publishes_sent: u32,
    /// Since the client's last packet.
    silent_for_s: u64,
    receive_maximum: u16,
    /// `null` is no limit.
    maximum_packet_size: Option<u32>,
    /// Bytes that the kernel has not taken.
    unsent_bytes: usize,
}

#[derive(Serialize)]
struct ShownSession {
    /// The client's last CONNECT asked for a new session.
    clean_start: bool,
    /// Session Expiry Interval; `null` never expires.
    expiry_s: Option<u32>,
    /// Until it ends, while the client is away; `null` if it does not.
    ends_in_s: Option<u64>,
    is_kept: bool,
    has_will: bool,
    subscriptions: usize,
    queued_messages: usize,
    queued_bytes: usize,
    in_flight: usize,
    unreleased: usize,
    dropped: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedSlow {
    #[serde(default = "query::default_limit", deserialize_with = "query::limit")]
    limit: usize,
}

#[derive(Serialize)]
pub struct SlowClients {
    /// The slowest first.
    clients: Vec<SlowClient>,
}

#[derive(Serialize)]
pub struct SlowClient {
    /// Bytes in its queue, and sent but not taken by the kernel.
    waiting_bytes: usize,
    #[serde(flatten)]
    client: ShownClient,
}

#[derive(Serialize)]
pub struct ShownClientDetail {
    #[serde(flatten)]
    client: ShownClient,
    /// Messages that it did not get, or could not publish, by reason.
    dropped_by_reason: BTreeMap<&'static str, u64>,
    /// The first ones; `session.subscriptions` counts all.
    subscriptions: Vec<ShownSubscription>,
}

pub async fn list(
    State(server): State<ServerHandle>,
    Parameters(wanted): Parameters<WantedClients>,
) -> Result<Json<ClientPage>, Failure> {
    let address = wanted.address.as_deref().map(network).transpose()?;
    if let Some(name) = &wanted.listener {
        check_listener(&server, name).await?;
    }
    let filter = ClientFilter {
        is_connected: wanted.connected,
        client_id: wanted.client_id,
        user_name: wanted.user_name,
        address,
        listeners: None,
    };
    let page = server.clients(filter, wanted.listener, wanted.after, wanted.limit).await?;
    let clients = page.entries.into_iter().map(|(shard, client)| ShownClient::new(shard, client)).collect();
    Ok(Json(ClientPage { clients, next: page.next.map(|next| next.to_string()) }))
}

/// A list of nobody would say that nobody is connected, where a name is mistyped.
async fn check_listener(server: &ServerHandle, name: &str) -> Result<(), Failure> {
    let known: Vec<String> = server.listeners().await?.into_iter().map(|it| it.url).collect();
    let is_called = |url: &String| url == name || url.split_once("://").is_some_and(|(scheme, _)| scheme == name);
    match known.iter().any(is_called) {
        true => Ok(()),
        false => Err(Failure::bad_request(format!(
            "listener: there is none of this URL or scheme: {} {}",
            if known.len() == 1 { "there is" } else { "there are" },
            known.join(", ")
        ))),
    }
}

pub async fn show(
    State(server): State<ServerHandle>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<ShownClientDetail>, Failure> {
    let Path(client_id) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    let (shard, client) = server.client(client_id).await?.ok_or(Failure::NO_SUCH_CLIENT)?;
    let Client { listener, state: ClientDetail { state, drops, subscriptions } } = client;
    Ok(Json(ShownClientDetail {
        client: ShownClient::new(shard, Client { listener, state }),
        dropped_by_reason: drops.into_iter().map(|it| (it.reason.name(), it.messages)).collect(),
        subscriptions: subscriptions.into_iter().map(ShownSubscription::from).collect(),
    }))
}

/// The connected clients for whom most bytes wait.
pub async fn slow(
    State(server): State<ServerHandle>,
    Parameters(wanted): Parameters<WantedSlow>,
) -> Result<Json<SlowClients>, Failure> {
    let slowest = server.slowest(wanted.limit).await?.into_iter();
    let clients = slowest
        .map(|(shard, waiting_bytes, client)| SlowClient { waiting_bytes, client: ShownClient::new(shard, client) });
    Ok(Json(SlowClients { clients: clients.collect() }))
}

pub async fn disconnect(
    State(server): State<ServerHandle>,
    path: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Failure> {
    let Path(client_id) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    if !server.disconnect(client_id.clone()).await? {
        return Err(Failure::NOT_CONNECTED);
    }
    tracing::info!(client = ?client_id, "an administrator has disconnected the client");
    Ok(StatusCode::NO_CONTENT)
}

fn network(address: &str) -> Result<IpNet, Failure> {
    match BanSubject::parse("address", address) {
        Ok(BanSubject::Address(network)) => Ok(network),
        Ok(_) => Err(Failure::bad_request("it is no address")),
        Err(problem) => Err(Failure::bad_request(problem)),
    }
}

impl ShownClient {
    fn new(shard: usize, Client { state, listener }: Client<ClientState>) -> Self {
        let session = ShownSession {
            clean_start: state.clean_start,
            expiry_s: (state.session_expiry_s != u32::MAX).then_some(state.session_expiry_s),
            ends_in_s: state.ends_in_ms.map(|left_ms| left_ms.div_ceil(1_000)),
            is_kept: state.is_kept,
            has_will: state.has_will,
            subscriptions: state.subscriptions,
            queued_messages: state.queued_messages,
            queued_bytes: state.queued_bytes,
            in_flight: state.in_flight,
            unreleased: state.unreleased,
            dropped: state.dropped,
        };
        let connection = state.connection.map(|connection| ShownConnection::new(connection, listener));
        Self { client_id: state.client_id, is_connected: connection.is_some(), shard, connection, session }
    }
}

/// With the port; `local` through a unix socket.
pub fn shown_address(address: Address) -> String {
    match address {
        Address::Ip(address) => address.to_string(),
        Address::Local => "local".into(),
    }
}

impl ShownConnection {
    fn new(state: ConnectionState, listener: Option<String>) -> Self {
        let transport = listener.as_ref().and_then(|url| url.split_once("://")).map(|(scheme, _)| scheme.to_owned());
        Self {
            address: shown_address(state.address),
            listener,
            transport,
            user_name: state.user_name,
            protocol: match state.version {
                Version::V3_1 => "3.1",
                Version::V3_1_1 => "3.1.1",
                Version::V5_0 => "5.0",
            },
            is_bridge: state.is_bridge,
            keep_alive_s: state.keep_alive_s,
            connected_for_s: state.connected_for_ms / 1_000,
            publishes_received: state.publishes_received,
            publishes_sent: state.publishes_sent,
            silent_for_s: state.silent_for_ms / 1_000,
            receive_maximum: state.receive_maximum,
            maximum_packet_size: (state.packet_size_max != u32::MAX).then_some(state.packet_size_max),
            unsent_bytes: state.unsent_bytes,
        }
    }
}

impl From<Ended> for Failure {
    fn from(Ended: Ended) -> Self {
        Self::ENDED
    }
}
