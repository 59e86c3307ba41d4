//! Limits of the process: descriptors and locked memory.

use std::fs::File;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::StartError;
use crate::limits;

/// Raises the soft limit of descriptors to the hard one and returns it; `u64::MAX` when there is none.
pub fn raise_descriptor_limit() -> u64 {
    raise(Resource::Nofile)
}

/// Raises the soft limit of locked memory to the hard one; an error if it is too little for so many shards.
pub fn raise_locked_memory_limit(shards: usize) -> Result<(), StartError> {
    let limit = raise(Resource::Memlock);
    let needed = limits::LOCKED_MEMORY_MIN + shards as u64 * limits::LOCKED_MEMORY_PER_SHARD;
    if limit < needed { Err(StartError::LockedMemory { limit, needed }) } else { Ok(()) }
}

/// What the server needs for itself, besides connections.
pub fn own_descriptors(shards: usize) -> usize {
    limits::DESCRIPTORS_RESERVED + limits::REFUSAL_DESCRIPTORS + shards * limits::DESCRIPTORS_PER_SHARD
}

/// Connections that fit into the descriptor limit, next to what the server needs for itself.
pub fn connections_that_fit(descriptor_limit: u64, shards: usize) -> Result<usize, StartError> {
    let own = own_descriptors(shards);
    let limit = usize::try_from(descriptor_limit).unwrap_or(usize::MAX);
    match limit.checked_sub(own) {
        Some(connections @ 1..) => Ok(connections),
        _ => Err(StartError::Descriptors { limit: descriptor_limit, needed: own as u64 + 1 }),
    }
}

/// Makes the kernel's table of descriptors large enough for so many. It doubles when it is full (`expand_fdtable`, fs/file.c), for
/// which a process with threads waits until no CPU uses the old one: 7 to 23 ms in which a shard that accepts does nothing else.
pub fn reserve_descriptors(count: usize) {
    let Ok(last) = i32::try_from(count.saturating_sub(1)) else { return };
    // Where this fails the table grows as it is needed.
    if let Ok(any) = File::open("/") {
        let _ = rustix::io::fcntl_dupfd_cloexec(&any, last);
    }
}

fn raise(resource: Resource) -> u64 {
    let limit = getrlimit(resource);
    // It fails where a sandbox forbids it; then the soft limit stays what counts.
    match setrlimit(resource, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
    .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_descriptors_are_subtracted() {
        let own = own_descriptors(2);
        assert_eq!(connections_that_fit(own as u64 + 10, 2).unwrap(), 10);
        assert!(matches!(connections_that_fit(own as u64, 2), Err(StartError::Descriptors { .. })));
        assert!(connections_that_fit(u64::MAX, 2).unwrap() > 1 << 40);
    }
}
