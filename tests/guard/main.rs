//! A whole server, and those whom it does not let in.

mod admin;
mod bans;
mod client;
mod door;
mod slow;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::PATIENCE;
use ringmq::runtime::{GuardConfig, ListenerConfig, RuntimeConfig, Server, ShardCount};

/// On one shard connections take a shorter way than on several.
const SHARD_COUNTS: [usize; 2] = [1, 3];

fn listener() -> ListenerConfig {
    let mut listener = ListenerConfig::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    listener.access.allow_anonymous = Some(true);
    listener
}

fn start(shards: usize, listener: ListenerConfig, guard: GuardConfig) -> (Server, SocketAddr) {
    start_with(RuntimeConfig {
        listeners: vec![listener],
        shards: ShardCount::Exactly(shards),
        receive_buffers: 64,
        guard,
        ..RuntimeConfig::default()
    })
}

fn start_with(config: RuntimeConfig) -> (Server, SocketAddr) {
    let server = Server::start(config).unwrap();
    let address = server.addresses()[0];
    (server, address)
}

fn refusals(server: &Server, name: &str) -> u64 {
    server.counters().refusals.get(name).copied().unwrap_or(0)
}

/// Tries until it is so, because nobody is told when it is.
#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
