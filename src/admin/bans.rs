//! `/api/v1/bans`: lists, makes and lifts bans.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::answer::Failure;
use super::query::Body;
use crate::access::BanSubject;
use crate::limits::BAN_TIME_MAX_S;
use crate::runtime::{Ban, ServerHandle};

#[derive(Serialize)]
pub struct ListedBans {
    bans: Vec<ListedBan>,
}

#[derive(Serialize)]
pub struct ListedBan {
    kind: &'static str,
    value: String,
    /// How much longer, rounded up; `null` until it is lifted.
    seconds: Option<u64>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedBan {
    kind: String,
    value: String,
    seconds: Option<u64>,
    #[serde(default)]
    reason: String,
}

pub async fn list(State(server): State<ServerHandle>) -> Json<ListedBans> {
    Json(ListedBans { bans: server.bans().iter().map(ListedBan::from).collect() })
}

pub async fn add(
    State(server): State<ServerHandle>,
    Body(wanted): Body<WantedBan>,
) -> Result<(StatusCode, Json<ListedBan>), Failure> {
    if wanted.seconds.is_some_and(|seconds| !(1..=BAN_TIME_MAX_S).contains(&seconds)) {
        return Err(Failure::bad_request(format!("seconds must be from 1 to {BAN_TIME_MAX_S}, or left out")));
    }
    let subject = BanSubject::parse(&wanted.kind, &wanted.value).map_err(Failure::bad_request)?;
    let ban = Ban { subject, left: wanted.seconds.map(Duration::from_secs), reason: wanted.reason };
    server
        .ban(&ban)
        .map_err(|full| Failure::with_status(StatusCode::INSUFFICIENT_STORAGE, "too-many-bans", full.to_string()))?;
    tracing::info!(seconds = wanted.seconds, reason = ?ban.reason, "{} is banned", ban.subject);
    Ok((StatusCode::CREATED, Json(ListedBan::from(&ban))))
}

pub async fn lift(
    State(server): State<ServerHandle>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<StatusCode, Failure> {
    let Path((kind, value)) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    let subject = BanSubject::parse(&kind, &value).map_err(Failure::bad_request)?;
    if !server.lift_ban(&subject) {
        return Err(Failure::NO_SUCH_BAN);
    }
    tracing::info!("{subject} is banned no more");
    Ok(StatusCode::NO_CONTENT)
}

impl From<&Ban> for ListedBan {
    fn from(ban: &Ban) -> Self {
        Self {
            kind: ban.subject.kind(),
            value: ban.subject.value(),
            seconds: ban.left.map(|left| left.as_millis().div_ceil(1_000) as u64),
            reason: ban.reason.clone(),
        }
    }
}
