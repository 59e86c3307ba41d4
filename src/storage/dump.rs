//! What a store has, as JSON: one object for each fact.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use crate::broker::batch::{Entry, Progress, WillRecord};
use crate::broker::{Message, Millis, Recovered, RecoveredSession};
use crate::routing::Subscription;

/// Hands each fact to `write` until it fails. Messages are counted only, unless `messages`; then they have their payloads, in base64.
pub fn dump<E>(recovered: &Recovered, messages: bool, mut write: impl FnMut(Value) -> Result<(), E>) -> Result<(), E> {
    for session in &recovered.sessions {
        let client_id = &session.record.client_id;
        write(session_value(session))?;
        for (filter, subscription) in &session.subscriptions {
            write(subscription_value(client_id, filter, subscription))?;
        }
        if messages {
            for (entry, message) in &session.in_flight {
                write(entry_value(client_id, entry, message.as_ref()))?;
            }
            for (entry, message) in &session.queue {
                write(entry_value(client_id, entry, Some(message)))?;
            }
        }
    }
    for message in &recovered.retained {
        write(retained_value(message, messages))?;
    }
    Ok(())
}

fn session_value(session: &RecoveredSession) -> Value {
    let record = &session.record;
    json!({
        "kind": "session",
        "client_id": record.client_id,
        "expiry_s": (record.expiry_s != u32::MAX).then_some(record.expiry_s),
        "expires_at": record.expires_at.map(time),
        "subscriptions": session.subscriptions.len(),
        "in_flight": session.in_flight.len(),
        "queued": session.queue.len() as u64 + session.spilled,
        "unreleased": session.unreleased,
        "will": record.will.as_ref().map(will_value),
    })
}

fn will_value(will: &WillRecord) -> Value {
    json!({
        "topic": will.message.topic(),
        "qos": will.message.qos as u8,
        "retain": will.message.retain,
        "delay_s": will.delay_s,
        "due_at": will.due_at.map(time),
        "payload_bytes": will.message.payload().len(),
    })
}

fn subscription_value(client_id: &str, filter: &str, subscription: &Subscription) -> Value {
    json!({
        "kind": "subscription",
        "client_id": client_id,
        "filter": filter,
        "qos": subscription.options.qos as u8,
        "subscription_id": (subscription.subscription_id != 0).then_some(subscription.subscription_id),
    })
}

fn entry_value(client_id: &str, entry: &Entry, message: Option<&Message>) -> Value {
    let progress = match entry.progress {
        Progress::Queued | Progress::Spilled => "queued",
        Progress::InFlight { .. } => "in flight",
        Progress::Received { .. } => "received",
    };
    json!({
        "kind": "message",
        "client_id": client_id,
        "progress": progress,
        "qos": entry.qos as u8,
        "topic": message.map(Message::topic),
        "expires_at": message.and_then(|message| message.expires_at).map(time),
        "payload": message.map(|message| STANDARD.encode(message.payload())),
    })
}

fn retained_value(message: &Message, with_payload: bool) -> Value {
    let mut value = json!({
        "kind": "retained",
        "topic": message.topic(),
        "qos": message.qos as u8,
        "expires_at": message.expires_at.map(time),
        "payload_bytes": message.payload().len(),
    });
    if with_payload {
        value["payload"] = STANDARD.encode(message.payload()).into();
    }
    value
}

/// A wall-clock time.
fn time(millis: Millis) -> Option<String> {
    let time = DateTime::from_timestamp_millis(i64::try_from(millis).ok()?)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Secs, true))
}
