//! What can go wrong with a store.

use std::io;

use thiserror::Error;

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(
        "segment {segment} has format {found}, written by a newer version; this one reads up to {known}: use the newer version"
    )]
    NewerFormat { segment: u32, found: u32, known: u32 },
    #[error("segment {segment} is not a segment of a store: move foreign files out of the directory")]
    Foreign { segment: u32 },
    /// Not a torn tail: there are whole groups behind it.
    #[error(
        "segment {segment} is damaged at byte {offset}, and {groups_behind} whole groups follow: `ringmq store salvage` copies what is readable to a new store"
    )]
    Damaged { segment: u32, offset: u64, groups_behind: u64 },
    #[error(
        "segment {segment} is missing between others: `ringmq store salvage` copies what is readable to a new store"
    )]
    Missing { segment: u32 },
}

/// Why something could not be written or read. Nothing was acknowledged.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("no space is left on the device")]
    NoSpace,
    #[error("{0}")]
    Io(io::Error),
}
