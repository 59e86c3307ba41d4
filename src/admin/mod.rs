//! The administration of a running server over HTTP: JSON below `/api/v1`, `/health`, and a page for people.
//!
//! It has a thread of its own and talks to the server through a [`ServerHandle`], never to a shard's state. It is off unless it is
//! configured; without a token it takes addresses of this machine only.

mod answer;
mod bans;
mod clients;
mod exposition;
mod families;
mod gate;
mod history;
mod metrics;
mod packet;
mod page;
mod program;
mod publish;
mod query;
mod retained;
mod server;
mod steer;
mod subscriptions;
mod thread;
mod trace;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use axum::extract::DefaultBodyLimit;
use axum::extract::FromRef;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use axum::{Router, middleware};
use tokio::sync::oneshot;

use crate::authority::{AuthorityError, Warning, secret_file};
use crate::limits;
use crate::runtime::ServerHandle;
use answer::Failure;
use gate::{Gate, Token};

pub use program::{Levels, LogLevels, Program, ReloadMistake, ReloadRequest, Reloaded, ReloadedKey};

/// Where and for whom the server is administrated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The file with the token that each request must bring (RFC 6750, section 2.1).
    pub token_file: Option<PathBuf>,
}

impl AdminConfig {
    /// Whether the file with the token can be read, and has one.
    pub fn check_token(&self) -> Result<(), AuthorityError> {
        self.token_file.as_deref().map_or(Ok(()), |path| read_token(path, &mut Vec::new()).map(drop))
    }
}

/// The listener and its thread. Dropping it stops both.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    /// What is not as it should be.
    warnings: Vec<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why a server cannot be administrated.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error(
        "{0} can be reached from other machines: name a file with a token (admin.token_file), or listen on 127.0.0.1"
    )]
    TokenMissing(SocketAddr),
    #[error(transparent)]
    Token(#[from] AuthorityError),
    #[error("cannot listen on {address} for the administration: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("the thread of the administration cannot start: {0}")]
    Thread(io::Error),
}

impl AdminError {
    /// The exit status for a command line: 2 for a mistake in the configuration, 1 for the environment.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::TokenMissing(_) | Self::Token(_) => 2,
            Self::Listen { .. } | Self::Thread(_) => 1,
        }
    }
}

impl Admin {
    /// Listens, and answers from now on.
    pub fn start(config: &AdminConfig, server: ServerHandle) -> Result<Self, AdminError> {
        Self::start_for(config, server, Program::default())
    }

    /// The same for a program that can do more than its server: read its configuration again, change its log.
    pub fn start_for(config: &AdminConfig, server: ServerHandle, program: Program) -> Result<Self, AdminError> {
        let mut warnings = Vec::new();
        let token = config.token_file.as_deref().map(|path| read_token(path, &mut warnings)).transpose()?;
        let mut warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        match &token {
            None if !config.listen.ip().is_loopback() => return Err(AdminError::TokenMissing(config.listen)),
            None => warnings.push(format!(
                "everybody on this machine may administrate the server at http://{}: name a file with a token (admin.token_file)",
                config.listen
            )),
            Some(_) if !config.listen.ip().is_loopback() => warnings.push(format!(
                "the token of the administration goes to {} in the clear: put a proxy with TLS in front of 127.0.0.1",
                config.listen
            )),
            Some(_) => {}
        }
        let from_listen = |error| AdminError::Listen { address: config.listen, error };
        let listener = TcpListener::bind(config.listen).map_err(from_listen)?;
        listener.set_nonblocking(true).map_err(from_listen)?;
        let address = listener.local_addr().map_err(from_listen)?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::start(listener, router(Asked { server, program }, Gate::new(token)), stopped)
            .map_err(AdminError::Thread)?;
        Ok(Self { address, warnings, stop: Some(stop), thread: Some(thread) })
    }

    /// With the port that was chosen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is not as it should be.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the administration ended in a failure");
        }
    }
}

fn read_token(path: &Path, warnings: &mut Vec<Warning>) -> Result<Token, AuthorityError> {
    let content = secret_file::read(path, limits::KEY_FILE_SIZE_MAX, warnings)?;
    Token::new(&content).ok_or_else(|| {
        let problem = format!("it has no token of at least {} visible characters", limits::ADMIN_TOKEN_SIZE_MIN);
        AuthorityError::new(path.display(), problem, "write one such as `openssl rand -hex 32` makes")
    })
}

/// Who is asked.
#[derive(Clone)]
struct Asked {
    server: ServerHandle,
    program: Program,
}

impl FromRef<Asked> for ServerHandle {
    fn from_ref(asked: &Asked) -> Self {
        asked.server.clone()
    }
}

impl FromRef<Asked> for Program {
    fn from_ref(asked: &Asked) -> Self {
        asked.program.clone()
    }
}

fn router(asked: Asked, gate: Gate) -> Router {
    Router::new()
        .route("/metrics", get(exposition::metrics))
        .route("/health", get(server::health))
        .route("/ready", get(server::ready))
        .route("/api/v1/openapi.json", get(description))
        .route("/api/v1/server", get(server::show))
        .route("/api/v1/reload", post(steer::reload))
        .route("/api/v1/log-level", get(steer::log_level).put(steer::set_log_level))
        .route("/api/v1/metrics", get(metrics::json))
        .route("/api/v1/bans", get(bans::list).post(bans::add))
        .route("/api/v1/bans/{kind}/{value}", delete(bans::lift))
        .route("/api/v1/clients", get(clients::list))
        .route("/api/v1/clients/{id}", get(clients::show).delete(clients::disconnect))
        .route("/api/v1/clients/{id}/history", get(history::show))
        .route("/api/v1/trace", get(trace::trace))
        .route("/api/v1/slow", get(clients::slow))
        .route("/api/v1/subscriptions", get(subscriptions::list))
        .route("/api/v1/topics", get(subscriptions::topics))
        .route("/api/v1/retained", get(retained::list))
        .route("/api/v1/retained/{topic}", get(retained::show).delete(retained::delete))
        .route("/api/v1/publish", post(publish::publish))
        .merge(page::routes())
        .fallback(async || Failure::UNKNOWN_ROUTE)
        .method_not_allowed_fallback(async || Failure::METHOD_NOT_ALLOWED)
        .layer(middleware::from_fn_with_state(gate, gate::check))
        .layer(DefaultBodyLimit::max(limits::ADMIN_BODY_SIZE_MAX))
        .with_state(asked)
}

/// All requests and answers, in OpenAPI 3.1.
async fn description() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}
