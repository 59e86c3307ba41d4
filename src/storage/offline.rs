//! The store of a directory, read and not changed, for the commands.

use std::io;
use std::path::Path;

use super::{Files, Lock, StorageError};
use crate::limits;
use crate::store::salvage::{SalvageError, Salvaged, salvage};
use crate::store::{Acknowledge, Disk, Opened, Store, StoreConfig};

/// Segments that can be read. What would change them is passed over.
#[derive(Debug)]
pub struct ReadOnly(Files);

impl Disk for ReadOnly {
    fn segments(&mut self) -> io::Result<Vec<(u32, u64)>> {
        self.0.segments()
    }

    fn create(&mut self, _segment: u32, _size: u64) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, _segment: u32, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self, _segment: u32) -> io::Result<()> {
        Ok(())
    }

    fn read(&mut self, segment: u32, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(segment, offset, bytes)
    }

    fn seal(&mut self, _segment: u32, _size: u64) -> io::Result<()> {
        Ok(())
    }

    fn delete(&mut self, _segment: u32) -> io::Result<()> {
        Ok(())
    }
}

/// The segments of a directory that no broker uses, as long as the lock is there.
pub fn read_only(dir: &Path) -> Result<(Lock, ReadOnly), StorageError> {
    let lock = Lock::existing(dir)?;
    let files = Files::new(lock.dir());
    match files {
        Ok(files) => Ok((lock, ReadOnly(files))),
        Err(error) => Err(StorageError::Unusable { dir: lock.dir().to_owned(), error }),
    }
}

/// Copies what is readable of a store to a new one, in a directory that is created if its parent is there.
pub fn salvage_to(dir: &Path, new: &Path) -> Result<Result<Salvaged, SalvageError>, StorageError> {
    let (_lock, mut source) = read_only(dir)?;
    let new = Lock::create(new)?;
    let target = Files::new(new.dir()).map_err(|error| StorageError::Unusable { dir: new.dir().to_owned(), error })?;
    Ok(salvage(&mut source, target, &config()))
}

/// All that is in a store; times are in milliseconds since 1970.
pub fn open_read_only(dir: &Path) -> Result<(Lock, Opened<ReadOnly>), StorageError> {
    let (lock, disk) = read_only(dir)?;
    let opened = Store::open(disk, config(), &mut |_| {});
    let opened = opened.map_err(|error| StorageError::Store { dir: lock.dir().to_owned(), error })?;
    Ok((lock, opened))
}

/// For commands: with all that waits, and clocks that began in 1970.
pub fn config() -> StoreConfig {
    StoreConfig {
        shards: 1,
        acknowledge: Acknowledge::Synced,
        segment_size: limits::STORE_SEGMENT_SIZE_DEFAULT,
        size_max: u64::MAX,
        queue_memory_max: usize::MAX,
        hash_seed: 0,
        wall_at_zero_ms: 0,
    }
}
