//! Executor placement, the shard's turn, mailboxes between shards, clock, signals, shutdown.
//!
//! [`Server`] starts one thread per shard. Each has a glommio executor with one task, which drives one
//! [`broker::Shard`](crate::broker::Shard) and one [`SocketRing`](crate::net::SocketRing) in turns: what the kernel
//! completed, what other shards sent, what is due; then what the shard has to say, in one system call. What must be kept goes
//! to the one thread of [`storage`](crate::storage).

mod admission;
mod arrival;
mod attendance;
pub mod clients;
mod clock;
pub mod config;
mod counters;
mod crowd;
mod descriptors;
mod doorway;
mod event_log;
mod exchange;
pub mod guard;
mod history;
mod links;
pub mod listener_config;
mod listener_files;
mod listening;
pub mod mailbox;
pub mod metrics;
mod outbox;
pub mod pages;
mod placement;
mod pulse;
pub mod question;
mod registry;
mod rest;
pub mod retained;
mod sampling;
mod server;
pub mod server_handle;
mod shard;
pub mod signals;
mod start;
pub mod start_error;
pub mod status;
mod store_host;
mod subscriptions;
mod sys;
mod tickets;
pub mod trace;
mod wrapped;

pub use crate::net::{InheritedError, InheritedSocket};
pub use clients::Client;
pub use clock::fill_random;
pub use config::{AuthenticationMethods, IdlePolicy, RuntimeConfig, ShardCount};
pub use counters::Counters;
pub use guard::{Ban, Flapping, GuardConfig, TooManyBans};
pub use history::PastEvent;
pub use listener_config::{ListenAddress, ListenerConfig, UnixAddress};
pub use listener_files::check_listener_files;
pub use metrics::Snapshot;
pub use pages::{Cursor, Page};
pub use pulse::Pulse;
pub use question::Ended;
pub use retained::Published;
pub use server::{Server, Summary};
pub use server_handle::ServerHandle;
pub use start_error::StartError;
pub use status::{ListenerState, Readiness};
pub use trace::{Passed, Trace, TraceError};
