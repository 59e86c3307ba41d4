//! `/api/v1/metrics`: what the server has measured, by shard and together.

use axum::Json;
use axum::extract::State;

use super::answer::Failure;
use crate::runtime::{ServerHandle, Snapshot};

pub async fn json(State(server): State<ServerHandle>) -> Result<Json<Snapshot>, Failure> {
    server.metrics().await.map(Json).map_err(|_| Failure::ENDED)
}
