//! The shell around the store: a directory of segment files, its lock, and the one thread that writes.
//!
//! Nothing is decided here but when to write and what to do about a disk that does not: what is kept, and how, is the
//! business of [`store`](crate::store).

pub mod backlog;
pub mod config;
pub mod counters;
pub mod dump;
pub mod error;
pub mod files;
pub mod lock;

pub mod offline;
pub mod open;
pub mod show;
pub mod space;
pub mod thread;
mod timing;

pub use backlog::BatchSender;
pub use config::{Durability, StorageConfig};
pub use counters::{StoreCounters, StoreWatch};
pub use error::StorageError;
pub use files::Files;
pub use lock::Lock;
pub use open::{Opened, open};
pub use space::SpaceWatch;
pub use thread::{Host, StorageThread};
