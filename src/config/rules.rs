//! Rules between keys, which no key can check alone.

use std::net::SocketAddr;

use super::Config;
use super::value::{Problem, show_size};
use crate::admin::AdminConfig;
use crate::broker::Settings;
use crate::limits;
use crate::runtime::{ListenAddress, ShardCount};
use crate::storage::StorageConfig;

/// Rules between two keys: the two, the one to complain about first, and what is wrong.
pub fn check_together(config: &Config) -> Vec<([&'static str; 2], Problem)> {
    let Settings { connect_size_max, packet_size_max, queued_bytes_max, shard_bytes_max, .. } = config.runtime.settings;
    let mut problems = Vec::new();
    if connect_size_max > packet_size_max {
        problems.push((
            ["limits.connect_size_max", "limits.packet_size_max"],
            Problem::new(
                format!(
                    "{} is more than limits.packet_size_max, {}",
                    show_size(u64::from(connect_size_max)),
                    show_size(u64::from(packet_size_max))
                ),
                "lower it, or raise limits.packet_size_max",
            ),
        ));
    }
    if queued_bytes_max > shard_bytes_max {
        problems.push((
            ["limits.queued_bytes_max", "limits.shard_bytes_max"],
            Problem::new(
                format!(
                    "{} for one client is more than limits.shard_bytes_max, {}, for all clients of a shard",
                    show_size(queued_bytes_max as u64),
                    show_size(shard_bytes_max as u64)
                ),
                "lower it, or raise limits.shard_bytes_max",
            ),
        ));
    }
    let StorageConfig { size_max, segment_size, .. } = config.runtime.storage;
    if segment_size * limits::STORE_SEGMENTS_MIN > size_max {
        problems.push((
            ["storage.segment_size", "storage.size_max"],
            Problem::new(
                format!(
                    "{} segments of {} are more than storage.size_max, {}",
                    limits::STORE_SEGMENTS_MIN,
                    show_size(segment_size),
                    show_size(size_max)
                ),
                "lower it, or raise storage.size_max",
            ),
        ));
    }
    if let (ShardCount::Exactly(shards), Some(cpus)) = (config.runtime.shards, &config.runtime.cpus)
        && shards > cpus.len()
    {
        problems.push((
            ["runtime.cpus", "runtime.shards"],
            Problem::new(
                format!("{} CPUs are named for {shards} shards", cpus.len()),
                "name one CPU for each shard, or leave one of the two on its default",
            ),
        ));
    }
    if let Some(AdminConfig { listen, token_file: None }) = config.admin()
        && !listen.ip().is_loopback()
    {
        problems.push((
            ["admin.listen", "admin.token_file"],
            Problem::new(
                format!("{listen} can be reached from other machines, and nothing says who may administrate"),
                "name a file with a token in token_file, or listen on 127.0.0.1",
            ),
        ));
    }
    if let Some(AdminConfig { listen, .. }) = config.admin()
        && config.runtime.listeners.iter().any(|listener| is_taken(&listener.address, listen))
    {
        problems.push((
            ["admin.listen", "listen"],
            Problem::new(format!("clients connect to {listen}"), "give the administration a port of its own"),
        ));
    }
    problems
}

/// Whether who listens at the one cannot listen at the other.
fn is_taken(listener: &ListenAddress, admin: SocketAddr) -> bool {
    let ListenAddress::Tcp(listener) = listener else { return false };
    let is_any = listener.ip().is_unspecified() || admin.ip().is_unspecified();
    listener.port() == admin.port()
        && admin.port() != 0
        && listener.is_ipv4() == admin.is_ipv4()
        && (is_any || listener.ip() == admin.ip())
}
