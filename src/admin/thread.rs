//! The thread that answers: few connections at a time, each for one request and a bounded time. It shares its descriptors with the
//! server's clients, so nobody may hold them.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::{Semaphore, oneshot};
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
    loop {
        // It is never closed.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    answer(socket, router).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "the administration cannot accept a connection");
                sleep(Duration::from_millis(ACCEPT_BACK_OFF_MS)).await;
            }
        }
    }
}

async fn answer(socket: TcpStream, router: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).keep_alive(false);
    let time = RequestTime::default();
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
}

impl RequestTime {
    /// An answer that takes as long as its reader likes may take this much more.
    pub fn extend(&self, by_ms: u64) {
        self.maximum.fetch_add(by_ms, Ordering::Relaxed);
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
        Self { maximum: Arc::new(AtomicU64::new(ADMIN_REQUEST_TIME_MAX_MS)) }
    }
}
