//! The thread that answers: few connections at a time, each for one request and a bounded time. It shares its descriptors with the
//! server's clients, so nobody may hold them; and where all places are taken, the one who has been silent longest makes room, so that
//! nobody can keep the others out by asking for nothing.

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::limits::{ACCEPT_BACK_OFF_MS, ADMIN_CONNECTIONS_MAX, ADMIN_REQUEST_TIME_MAX_MS};

/// Starts the thread; it ends when the other end of `stopped` is dropped.
pub fn start(listener: TcpListener, router: Router, stopped: oneshot::Receiver<()>) -> io::Result<JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    Builder::new().name("admin".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = accept(&listener, &router) => {}
                _ = stopped => {}
            }
        });
    })
}

async fn accept(listener: &tokio::net::TcpListener, router: &Router) {
    let places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    let mut silent = Silent::default();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                if places.available_permits() == 0 {
                    silent.make_room();
                }
                // It is never closed.
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let (router, time) = (router.clone(), RequestTime::default());
                let connection = tokio::spawn({
                    let time = time.clone();
                    async move {
                        answer(socket, router, time).await;
                        drop(place);
                    }
                });
                silent.come(time, connection.abort_handle());
            }
            Err(error) => {
                tracing::debug!(%error, "the administration cannot accept a connection");
                sleep(Duration::from_millis(ACCEPT_BACK_OFF_MS)).await;
            }
        }
    }
}

/// Connections that may have asked for nothing yet, the oldest first.
#[derive(Default)]
struct Silent(VecDeque<(RequestTime, AbortHandle)>);

impl Silent {
    fn come(&mut self, time: RequestTime, connection: AbortHandle) {
        self.0.retain(|(time, connection)| !time.has_begun() && !connection.is_finished());
        self.0.push_back((time, connection));
    }

    /// Ends the oldest that is silent, if one is.
    fn make_room(&mut self) {
        self.0.retain(|(time, connection)| !time.has_begun() && !connection.is_finished());
        if let Some((_, oldest)) = self.0.pop_front() {
            tracing::debug!("a connection to the administration that asks for nothing makes room for another");
            oldest.abort();
        }
    }
}

async fn answer(socket: TcpStream, router: Router, time: RequestTime) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).keep_alive(false);
    let service = TowerToHyperService::new(router.layer(Extension(time.clone())));
    let connection = http.serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        // A failure is the peer's, and concerns nobody else.
        _ = connection => {}
        () = time.is_over() => {}
    }
}

/// How long a request and its answer may take.
#[derive(Clone, Debug)]
pub struct RequestTime {
    /// In milliseconds.
    maximum: Arc<AtomicU64>,
    /// The head of a request has come.
    has_begun: Arc<AtomicBool>,
}

impl RequestTime {
    /// An answer that takes as long as its reader likes may take this much more.
    pub fn extend(&self, by_ms: u64) {
        self.maximum.fetch_add(by_ms, Ordering::Relaxed);
    }

    pub fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    async fn is_over(&self) {
        let mut waited_ms = 0;
        loop {
            let maximum_ms = self.maximum.load(Ordering::Relaxed);
            if waited_ms >= maximum_ms {
                return;
            }
            sleep(Duration::from_millis(maximum_ms - waited_ms)).await;
            waited_ms = maximum_ms;
        }
    }
}

impl Default for RequestTime {
    fn default() -> Self {
        Self { maximum: Arc::new(AtomicU64::new(ADMIN_REQUEST_TIME_MAX_MS)), has_begun: Arc::default() }
    }
}
