//! `/api/v1/clients/{id}/history`: what has happened to a client and to its messages, and what is wrong with it now.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use super::answer::Failure;
use super::packet::reason_name;
use super::query::Parameters;
use crate::access::{Address, Denial};
use crate::broker::inspect::{ClientDetail, ClientState, ConnectionState};
use crate::broker::{CloseReason, DropReason, Event};
use crate::codec::ReasonCode;
use crate::codec::topic::check_name;
use crate::runtime::{PastEvent, ServerHandle};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedHistory {
    /// A topic that the client does not get.
    topic: Option<String>,
}

#[derive(Serialize)]
pub struct ShownHistory {
    client_id: String,
    /// What keeps messages from the client now, in sentences.
    findings: Vec<String>,
    /// Messages that the session it has did not get, or could not publish.
    dropped: Vec<ShownDropped>,
    /// When the server began to remember events, which was when it started: milliseconds since 1970.
    since_ms: u64,
    /// The oldest first, as far as they are remembered.
    events: Vec<ShownEvent>,
}

#[derive(Serialize)]
struct ShownDropped {
    reason: &'static str,
    messages: u64,
    /// Milliseconds since 1970.
    first_ms: u64,
    last_ms: u64,
    /// What it means, and what changes it.
    explanation: &'static str,
}

#[derive(Serialize)]
struct ShownEvent {
    /// Milliseconds since 1970.
    time_ms: u64,
    shard: usize,
    event: &'static str,
    /// For programs; `null` where there is but one.
    reason: Option<String>,
    /// For people.
    message: String,
}

pub async fn show(
    State(server): State<ServerHandle>,
    path: Result<Path<String>, PathRejection>,
    Parameters(WantedHistory { topic }): Parameters<WantedHistory>,
) -> Result<Json<ShownHistory>, Failure> {
    let Path(client_id) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    if let Some(topic) = &topic {
        let checked = check_name(topic, usize::MAX, usize::MAX);
        checked.map_err(|violation| Failure::bad_request(format!("topic: {violation}")))?;
    }
    let past = server.history(client_id.clone()).await?;
    let known = server.client(client_id.clone()).await?;
    if past.is_empty() && known.is_none() {
        return Err(Failure::NO_SUCH_CLIENT);
    }
    let detail = known.map(|(_, client)| client.state);
    let dropped = detail.iter().flat_map(|detail| &detail.drops).map(|it| ShownDropped {
        reason: it.reason.name(),
        messages: it.messages,
        first_ms: server.wall_ms(it.first_at),
        last_ms: server.wall_ms(it.last_at),
        explanation: explanation(it.reason),
    });
    let mut findings = findings(detail.as_ref(), past.last());
    if let Some(topic) = topic
        && server.may_receive(client_id.clone(), topic.clone()).await? == Some(false)
    {
        findings.push(format!(
            "The access rules do not let it read {topic}: messages there are not sent to it, whatever it subscribes to. They count as \
             read_denied for the server, not for the client."
        ));
    }
    Ok(Json(ShownHistory {
        client_id,
        findings,
        dropped: dropped.collect(),
        since_ms: server.wall_ms(0),
        events: past.into_iter().map(ShownEvent::from).collect(),
    }))
}

/// What an operator should know who asks why a client does not get its messages.
fn findings(detail: Option<&ClientDetail>, last: Option<&PastEvent>) -> Vec<String> {
    let Some(ClientDetail { state, subscriptions, .. }) = detail else {
        let text = match last.map(|past| &past.event) {
            Some(Event::Denied { .. }) => "It was not let in when it tried last.",
            _ => "It is not connected and has no session, so nothing waits for it.",
        };
        return vec![text.into()];
    };
    let mut findings = Vec::new();
    match &state.connection {
        Some(connection) => connected(state, connection, &mut findings),
        None => {
            let waiting = format!("{} messages wait for it", state.queued_messages + state.in_flight);
            findings.push(match state.ends_in_ms {
                Some(left_ms) => {
                    format!("It is away; {waiting}. Its session ends in {}.", time(left_ms.div_ceil(1_000)))
                }
                None => format!("It is away; {waiting}. Its session stays."),
            });
        }
    }
    if subscriptions.is_empty() {
        findings.push("It has no subscription: it gets nothing.".into());
    }
    findings
}

fn connected(state: &ClientState, connection: &ConnectionState, findings: &mut Vec<String>) {
    if state.in_flight >= usize::from(connection.receive_maximum) {
        findings.push(format!(
            "It has not acknowledged {} messages, as many as its Receive Maximum (or limits.in_flight_max) allows: nothing more of QoS 1 or 2 is sent \
             until it does.",
            state.in_flight
        ));
    }
    if connection.unsent_bytes > 0 {
        findings.push(format!(
            "{} bytes are written that the kernel does not take: the client, or the network, reads too slowly.",
            connection.unsent_bytes
        ));
    }
    if state.queued_messages > 0 {
        findings.push(format!("{} messages, {} bytes, wait in its queue.", state.queued_messages, state.queued_bytes));
    }
}

/// What it means that messages are dropped for a reason, and what changes it.
fn explanation(reason: DropReason) -> &'static str {
    match reason {
        DropReason::QueueFullNewest | DropReason::QueueFullOldest => {
            "its queue was full: it takes messages more slowly than they come, or was away for long; \
             limits.queued_messages_max and limits.queued_bytes_max say how much waits"
        }
        DropReason::ShardFull => {
            "all queues of its shard together were full: see ctl slow for who fills them; limits.shard_bytes_max says how much they hold"
        }
        DropReason::Expired => "their Message Expiry Interval was over before they could be sent: it was away, or slow",
        DropReason::TooLargeForReceiver => "they were larger than the Maximum Packet Size that it named in CONNECT",
        DropReason::ReceiverAway => "it was not connected, and messages of QoS 0 do not wait",
        DropReason::SessionEnded => "the session ended before they were delivered",
        DropReason::NoMember => "no member of the shared subscription was left",
        DropReason::RefusedByReceiver => "the client refused them, with an error in PUBACK or PUBREC",
        DropReason::RetainedFull => {
            "they were delivered and not retained: the bound of retained messages is reached (limits.retained_messages_max, \
             limits.retained_bytes_max)"
        }
        DropReason::StoreFull => "they were delivered and not retained: the store is full, or its disk fails",
        DropReason::ReadDenied => "the access rules do not let it read the topic",
        DropReason::WriteDenied => {
            "it published them, and the access rules do not let it write to the topic, or it is below $SYS/, where nobody may"
        }
    }
}

impl From<PastEvent> for ShownEvent {
    fn from(PastEvent { shard, time_ms, event }: PastEvent) -> Self {
        let (name, reason, message) = described(event);
        Self { time_ms, shard, event: name, reason, message }
    }
}

fn described(event: Event) -> (&'static str, Option<String>, String) {
    match event {
        Event::Connected { address, user_name, version, session_present, .. } => {
            let user = user_name.map(|name| format!(" as {name}")).unwrap_or_default();
            let session = if session_present { "its session was there" } else { "a new session" };
            ("connected", None, format!("connected from {}{user}, MQTT {version}, {session}", shown(address)))
        }
        Event::Closed { address, reason, .. } => {
            let (reason, message) = closed(reason);
            ("closed", Some(reason), format!("{message} ({})", shown(address)))
        }
        Event::Denied { address, user_name, denial, .. } => {
            let user = user_name.map(|name| format!(" as {name}")).unwrap_or_default();
            let message = format!("not let in from {}{user}: {}, {}", shown(address), denial.name(), meaning(denial));
            ("denied", Some(denial.name().into()), message)
        }
        Event::Dropped { reason, topic, .. } => {
            let whither = topic.map(|topic| format!(", to {topic}")).unwrap_or_default();
            let message = format!("the first message was dropped: {}{whither}", reason.name());
            ("dropped", Some(reason.name().into()), message)
        }
        Event::SubscriptionRefused { filter, reason, why, others, .. } => {
            let further = match others {
                0 => String::new(),
                1 => ", and 1 further filter of the packet".into(),
                _ => format!(", and {others} further filters of the packet"),
            };
            let reason = reason_name(reason);
            (
                "subscription_refused",
                Some(reason.clone()),
                format!("may not subscribe to {filter}: {why} ({reason}){further}"),
            )
        }
        Event::SessionExpired { .. } => ("session_expired", None, "its session expired".into()),
        Event::SessionLost { undelivered, dropped, .. } => {
            let message = format!(
                "its session ended with {undelivered} messages undelivered, and {dropped} dropped while it lasted"
            );
            ("session_lost", None, message)
        }
        Event::OverQuota { quota, .. } => {
            ("over_quota", Some(quota.into()), format!("sends more {quota} than its quota allows"))
        }
        Event::BoundReached { key, .. } => {
            ("bound_reached", Some(key.into()), format!("refused something: {key} is reached"))
        }
    }
}

/// What it means that a client was not let in, and what changes it.
fn meaning(denial: Denial) -> &'static str {
    match denial {
        Denial::Anonymous => "it gave no user name, and its listener demands one (allow_anonymous)",
        Denial::Credentials => "nobody has this name, or the password is another (see ringmq passwd)",
        Denial::Token => "its token is not valid, or not for this client",
        Denial::TokenExpired => "its token's time is over",
        Denial::Refused => "the service that decides on logins has refused it",
        Denial::Unavailable => "the service that decides on logins did not answer, or not in time",
        Denial::Busy => "too many logins wait already",
        Denial::Banned => "its address, its id or its user name is banned (see ringmq ctl bans)",
        Denial::Quota => "its user or its address has as many connections as it may have",
    }
}

fn closed(reason: CloseReason) -> (String, String) {
    match reason {
        CloseReason::ByClient(ReasonCode::Success) => ("by_client".into(), "disconnected".into()),
        CloseReason::ByClient(code) => ("by_client".into(), format!("disconnected: {}", reason_name(code))),
        CloseReason::ConnectionLost => {
            ("connection_lost".into(), "its connection was lost, without a DISCONNECT".into())
        }
        CloseReason::Violation(violation) => {
            ("violation".into(), format!("closed, it broke the protocol: {violation} [{}]", violation.clause()))
        }
        CloseReason::ByServer(code) => ("by_server".into(), format!("closed by the server: {}", reason_name(code))),
        CloseReason::Denied(denial) => {
            (denial.name().into(), format!("not let in: {}, {}", denial.name(), meaning(denial)))
        }
        CloseReason::HandshakeTimeout => ("handshake_timeout".into(), "no CONNECT in time".into()),
    }
}

/// In the largest unit of which there are two.
fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn shown(address: Address) -> String {
    match address {
        Address::Ip(address) => address.to_string(),
        Address::Local => "a unix socket".into(),
    }
}
