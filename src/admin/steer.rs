//! `/api/v1/reload`, `/api/v1/log-level`: changes what the server does without a restart.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::answer::Failure;
use super::program::{Levels, LogLevels, Program, ReloadMistake, Reloaded};
use super::query::Body;

/// Why nothing has changed.
#[derive(Serialize)]
pub struct Mistakes {
    reason: &'static str,
    message: String,
    mistakes: Vec<ReloadMistake>,
}

/// Has the configuration read again, as SIGHUP does.
pub async fn reload(State(program): State<Program>) -> Result<Json<Reloaded>, Response> {
    match program.reload().await {
        Some(Ok(reloaded)) => Ok(Json(reloaded)),
        Some(Err(mistakes)) => {
            let message = mistakes.iter().map(|mistake| mistake.problem.as_str()).collect::<Vec<_>>().join("; ");
            let body = Mistakes { reason: "configuration", message, mistakes };
            Err((StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response())
        }
        None => Err(Failure::NOT_HERE.into_response()),
    }
}

pub async fn log_level(State(program): State<Program>) -> Result<Json<Levels>, Failure> {
    log(&program).map(|log| Json(log.get()))
}

/// Until the next reload, which sets what the configuration says.
pub async fn set_log_level(
    State(program): State<Program>,
    Body(wanted): Body<Levels>,
) -> Result<Json<Levels>, Failure> {
    let log = log(&program)?;
    log.set(&wanted).map_err(Failure::bad_request)?;
    tracing::info!(level = ?wanted.level, modules = ?wanted.modules, "the level of the log has been changed");
    Ok(Json(log.get()))
}

fn log(program: &Program) -> Result<&dyn LogLevels, Failure> {
    program.log().ok_or(Failure::NOT_HERE)
}
