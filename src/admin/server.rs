//! `/api/v1/server`: what runs here. `/health` and `/ready`: whether it does.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;

use super::answer::Failure;
use super::program::Program;
use crate::limits::ADMIN_READY_TIME_MAX_MS;
use crate::runtime::{Readiness, ServerHandle};

#[derive(Serialize)]
pub struct ShownServer {
    version: &'static str,
    process_id: u32,
    uptime_s: u64,
    shards: usize,
    /// The CPU of each shard; `null` where the kernel chooses.
    cpus: Vec<Option<usize>>,
    /// Most connections at a time.
    connections_max: usize,
    connections: usize,
    listeners: Vec<ShownListener>,
    /// What is in force, without secrets; `null` in a program that has no configuration file.
    configuration: Value,
}

#[derive(Serialize)]
struct ShownListener {
    url: String,
    /// Open connections that came in here.
    connections: usize,
    is_accepting: bool,
}

#[derive(Serialize)]
pub struct Health {
    status: &'static str,
}

/// Whether clients can be served now.
#[derive(Serialize)]
pub struct Ready {
    is_ready: bool,
    /// Why not.
    reasons: Vec<ReadyReason>,
}

#[derive(Serialize)]
struct ReadyReason {
    reason: &'static str,
    message: &'static str,
}

pub async fn show(
    State(server): State<ServerHandle>,
    State(program): State<Program>,
) -> Result<Json<ShownServer>, Failure> {
    let listeners = server.listeners().await?.into_iter();
    let listeners =
        listeners.map(|it| ShownListener { url: it.url, connections: it.connections, is_accepting: it.is_accepting });
    Ok(Json(ShownServer {
        version: env!("CARGO_PKG_VERSION"),
        process_id: std::process::id(),
        uptime_s: server.uptime().as_secs(),
        shards: server.shards(),
        cpus: server.cpus().to_vec(),
        connections_max: server.connections_max(),
        connections: server.connections(),
        listeners: listeners.collect(),
        configuration: program.configuration(),
    }))
}

/// Whether the process serves at all; anybody may ask.
pub async fn health(State(server): State<ServerHandle>) -> Result<Json<Health>, Failure> {
    match server.is_running() {
        true => Ok(Json(Health { status: "ok" })),
        false => Err(Failure::ENDED),
    }
}

/// Whether new clients should be sent here; anybody may ask.
pub async fn ready(State(server): State<ServerHandle>) -> (StatusCode, Json<Ready>) {
    // A shard that does not get on is no reason to hang with it.
    let asked = timeout(Duration::from_millis(ADMIN_READY_TIME_MAX_MS), server.readiness());
    let reasons = match asked.await {
        Ok(Ok(readiness)) => reasons(readiness),
        Ok(Err(_)) => vec![ReadyReason { reason: "ended", message: "the server has stopped, or failed" }],
        Err(_) => vec![ReadyReason { reason: "silent", message: "a shard does not answer" }],
    };
    let is_ready = reasons.is_empty();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { is_ready, reasons }))
}

fn reasons(Readiness { is_listening, is_store_accepting, is_stopping }: Readiness) -> Vec<ReadyReason> {
    let reason = |reason, message| ReadyReason { reason, message };
    [
        is_stopping.then(|| reason("stopping", "the server stops")),
        (!is_listening && !is_stopping).then(|| reason("not-listening", "it accepts no connections")),
        (!is_store_accepting).then(|| reason("store-not-accepting", "the store is full, or its disk is")),
    ]
    .into_iter()
    .flatten()
    .collect()
}
