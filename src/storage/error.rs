//! Why the storage cannot be used.

use std::io;
use std::path::PathBuf;

use crate::store::OpenError;

/// One sentence each that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("{dir} cannot be created: {error}: create {parent}, or choose another --data-dir", dir = .dir.display(), parent = .parent.display())]
    NoParent { dir: PathBuf, parent: PathBuf, error: io::Error },
    #[error("{dir} cannot be created: {error}: create it for this user, or choose another --data-dir", dir = .dir.display())]
    Create { dir: PathBuf, error: io::Error },
    #[error("{dir} is not a directory: choose another --data-dir", dir = .dir.display())]
    NotADirectory { dir: PathBuf },
    #[error("{dir} does not exist: name the data directory of a broker", dir = .dir.display())]
    Missing { dir: PathBuf },
    #[error("{dir} is in use by process {process}: stop it, or choose another --data-dir", dir = .dir.display())]
    InUse { dir: PathBuf, process: String },
    #[error("{dir} cannot be used: {error}: give this user the right to write there, or choose another --data-dir", dir = .dir.display())]
    Unusable { dir: PathBuf, error: io::Error },
    #[error("{dir}: {error}", dir = .dir.display())]
    Store { dir: PathBuf, error: OpenError },
    #[error("the storage thread could not start: {0}")]
    Thread(io::Error),
}
