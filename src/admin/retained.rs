//! `/api/v1/retained`: lists retained messages, shows one, deletes one.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::answer::Failure;
use super::publish::ShownProperties;
use super::query::{self, Parameters};
use crate::broker::inspect::{RetainedMessage, RetainedState};
use crate::codec::decode::publish_properties;
use crate::codec::topic::Filter;
use crate::runtime::{Cursor, ServerHandle};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedRetained {
    /// What the topic matches; one that begins with a wildcard matches no topic that begins with `$` ([MQTT-4.7.2-1]).
    #[serde(default = "everything")]
    filter: String,
    #[serde(default, deserialize_with = "query::cursor")]
    after: Cursor<String>,
    #[serde(default = "query::default_limit", deserialize_with = "query::limit")]
    limit: usize,
}

#[derive(Serialize)]
pub struct RetainedPage {
    retained: Vec<ShownRetained>,
    next: Option<String>,
}

#[derive(Serialize)]
pub struct ShownRetained {
    topic: String,
    qos: u8,
    payload_size: usize,
    /// `null` if it does not expire.
    expires_in_s: Option<u64>,
}

#[derive(Serialize)]
pub struct ShownRetainedMessage {
    #[serde(flatten)]
    message: ShownRetained,
    /// `null` if it is not UTF-8.
    payload: Option<String>,
    payload_base64: String,
    properties: ShownProperties,
}

pub async fn list(
    State(server): State<ServerHandle>,
    Parameters(WantedRetained { filter, after, limit }): Parameters<WantedRetained>,
) -> Result<Json<RetainedPage>, Failure> {
    match Filter::parse(&filter, usize::MAX, usize::MAX) {
        Ok(parsed) if parsed.share.is_none() => {}
        Ok(_) => return Err(Failure::bad_request("filter: shared subscriptions get no retained messages")),
        Err(violation) => return Err(Failure::bad_request(format!("filter: {violation}"))),
    }
    let page = server.retained(filter, after, limit).await?;
    let retained = page.entries.into_iter().map(|(_, state)| state.into()).collect();
    Ok(Json(RetainedPage { retained, next: page.next.map(|next| next.to_string()) }))
}

pub async fn show(
    State(server): State<ServerHandle>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<ShownRetainedMessage>, Failure> {
    let Path(topic) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    let found = server.retained_message(topic).await?.ok_or(Failure::NO_SUCH_TOPIC)?;
    let RetainedMessage { state, payload, properties } = found;
    // They were decoded when they came, and have not changed since.
    let properties = publish_properties(&properties).unwrap_or_default();
    Ok(Json(ShownRetainedMessage {
        message: state.into(),
        payload_base64: STANDARD.encode(&payload),
        payload: String::from_utf8(payload).ok(),
        properties: ShownProperties::from(&properties),
    }))
}

pub async fn delete(
    State(server): State<ServerHandle>,
    path: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Failure> {
    let Path(topic) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    if !server.delete_retained(topic.clone()).await?? {
        return Err(Failure::NO_SUCH_TOPIC);
    }
    tracing::info!(?topic, "an administrator has deleted the retained message");
    Ok(StatusCode::NO_CONTENT)
}

fn everything() -> String {
    "#".into()
}

impl From<RetainedState> for ShownRetained {
    fn from(RetainedState { topic, qos, payload_size, expires_in_ms }: RetainedState) -> Self {
        let expires_in_s = expires_in_ms.map(|left_ms| left_ms.div_ceil(1_000));
        Self { topic, qos: qos as u8, payload_size, expires_in_s }
    }
}
