//! Why a server did not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::authority::AuthorityError;
use crate::limits;
use crate::net::tls::TlsError;
use crate::net::{InheritedError, Unsupported};
use crate::storage::StorageError;

/// One sentence each that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("no address to listen on: configure at least one")]
    NoListener,
    #[error(
        "nobody could come in at {0}, because nothing says who may: configure a method of authentication, or allow anonymous clients"
    )]
    AccessUndecided(String),
    #[error("{0} shards are not possible: choose 1 to {max}", max = limits::SHARDS_MAX)]
    ShardCount(usize),
    #[error("CPU {cpu} does not exist or this process may not use it: choose from {allowed}")]
    Cpu { cpu: usize, allowed: String },
    #[error("{shards} shards cannot be pinned to {cpus} CPUs: list one CPU for each shard")]
    CpuCount { shards: usize, cpus: usize },
    #[error(
        "{count} receive buffers of {size} bytes are not possible: choose a power of two up to 32768, and a size above 0"
    )]
    ReceiveBuffers { count: u16, size: u32 },
    #[error("a connection limit of 0 lets nobody in: choose at least 1")]
    ConnectionLimit,
    #[error("a mailbox high-water mark of 0 stops all reading: choose at least 1")]
    MailboxHighWater,
    #[error("{0} is configured twice: leave one of the two out, or give it another address")]
    AddressTwice(String),
    #[error("{0} is taken by another process: stop it, or listen on another port")]
    AddressInUse(SocketAddr),
    #[error("{0} is not an address of this machine: choose one that is, or 0.0.0.0 or [::] for all")]
    AddressNotAvailable(SocketAddr),
    #[error("{0} needs a privilege for its port: use a port from 1024 up, or grant CAP_NET_BIND_SERVICE")]
    AddressForbidden(SocketAddr),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("cannot listen on {}: {error}", path.display())]
    ListenUnix { path: PathBuf, error: io::Error },
    #[error(
        "the service manager has opened {0}, where no listener is configured: configure one, or take it out of the socket unit"
    )]
    InheritedUnclaimed(String),
    #[error("socket {name} of the service manager cannot be used: {error}")]
    Inherited { name: String, error: InheritedError },
    #[error("there have been too many listeners since the start: restart the server")]
    TooManyListeners,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error(
        "{limit} bytes of locked memory are too few, {needed} are needed: raise the hard limit (ulimit -l, or LimitMEMLOCK in systemd)"
    )]
    LockedMemory { limit: u64, needed: u64 },
    #[error(
        "{limit} descriptors are too few, at least {needed} are needed: raise the hard limit (ulimit -n, or LimitNOFILE in systemd)"
    )]
    Descriptors { limit: u64, needed: u64 },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("shard {shard} could not start: {error}")]
    Shard { shard: usize, error: String },
    #[error("the thread of the $SYS topics cannot start: {0}")]
    SysTopics(io::Error),
}

impl StartError {
    /// Whether the configuration is to blame, and not the machine it runs on.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::NoListener
                | Self::AccessUndecided(_)
                | Self::ShardCount(_)
                | Self::Cpu { .. }
                | Self::CpuCount { .. }
                | Self::ReceiveBuffers { .. }
                | Self::ConnectionLimit
                | Self::MailboxHighWater
                | Self::AddressTwice(_)
                | Self::InheritedUnclaimed(_)
                | Self::Inherited { .. }
                | Self::AddressNotAvailable(_)
                | Self::Tls(_)
                | Self::Authority(_)
        )
    }

    /// The exit status for a command line: 2 for a mistake in the configuration, 1 for the environment.
    pub fn exit_code(&self) -> u8 {
        if self.is_configuration() { 2 } else { 1 }
    }

    pub(super) fn from_listen(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse(address),
            io::ErrorKind::AddrNotAvailable => Self::AddressNotAvailable(address),
            io::ErrorKind::PermissionDenied => Self::AddressForbidden(address),
            _ => Self::Listen { address, error },
        }
    }
}
