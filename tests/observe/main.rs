//! What a whole server says of itself, against traffic that is known.

mod client;
mod exposition;
mod figures;
mod sys_topics;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::PATIENCE;
use ringmq::runtime::{RuntimeConfig, Server, ShardCount, Snapshot};

fn start(shards: usize, sys_interval: Duration) -> (Server, SocketAddr) {
    let server = Server::start(RuntimeConfig {
        listeners: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
        shards: ShardCount::Exactly(shards),
        receive_buffers: 64,
        sys_interval,
        ..RuntimeConfig::default()
    })
    .unwrap();
    let address = server.addresses()[0];
    (server, address)
}

fn snapshot(server: &Server) -> Snapshot {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(server.handle().metrics()).unwrap()
}

/// Takes snapshots until one is as it must become.
fn snapshot_when(server: &Server, what: &str, is_so: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let began = Instant::now();
    loop {
        let snapshot = snapshot(server);
        if is_so(&snapshot) {
            return snapshot;
        }
        assert!(began.elapsed() < PATIENCE, "{what} does not come: {}", serde_json::to_string(&snapshot).unwrap());
        std::thread::sleep(Duration::from_millis(5));
    }
}
