//! One process at a time has the directory, flock(2). The lock goes with its process, however that ends.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::StorageError;

const NAME: &str = "lock";

/// The directory holds messages of all clients, so it is its owner's alone.
const MODE: u32 = 0o700;

/// A directory that is this process's as long as this value lives.
#[derive(Debug)]
pub struct Lock {
    dir: PathBuf,
    /// Closing it unlocks.
    _file: File,
}

impl Lock {
    /// Takes a directory, and creates it if its parent is there.
    pub fn create(dir: &Path) -> Result<Self, StorageError> {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        match DirBuilder::new().mode(MODE).create(&dir) {
            Ok(()) => sync_parent(&dir).map_err(|error| StorageError::Create { dir: dir.clone(), error })?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = dir.parent().unwrap_or(&dir).to_owned();
                return Err(StorageError::NoParent { dir, parent, error });
            }
            Err(error) => return Err(StorageError::Create { dir, error }),
        }
        Self::take(dir)
    }

    /// Takes a directory that must be there.
    pub fn existing(dir: &Path) -> Result<Self, StorageError> {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        if dir.exists() { Self::take(dir) } else { Err(StorageError::Missing { dir }) }
    }

    /// The directory, as an absolute path.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn take(dir: PathBuf) -> Result<Self, StorageError> {
        if !dir.is_dir() {
            return Err(StorageError::NotADirectory { dir });
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(dir.join(NAME));
        let mut file = match file {
            Ok(file) => file,
            Err(error) => return Err(StorageError::Unusable { dir, error }),
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut process = String::new();
                // It may be between locking and writing its number.
                let _ = file.read_to_string(&mut process);
                let process = Some(process.trim()).filter(|process| !process.is_empty()).unwrap_or("(unknown)");
                return Err(StorageError::InUse { process: process.to_owned(), dir });
            }
            Err(error) => return Err(StorageError::Unusable { dir, error: error.into() }),
        }
        // The number is for people. A full disk has no room for it, and the lock holds all the same.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { dir, _file: file })
    }
}

/// Makes a new directory's name durable.
fn sync_parent(dir: &Path) -> io::Result<()> {
    match dir.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_directory() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("data");
        assert!(matches!(Lock::existing(&dir), Err(StorageError::Missing { .. })));
        let lock = Lock::create(&dir).unwrap();
        let error = Lock::create(&dir).unwrap_err().to_string();
        let expected = format!("{} is in use by process {}: stop it", dir.display(), std::process::id());
        assert!(error.starts_with(&expected), "{error}");
        drop(lock);
        Lock::existing(&dir).unwrap();
    }

    #[test]
    fn what_cannot_be_a_directory_is_told() {
        let home = tempfile::tempdir().unwrap();
        let error = Lock::create(&home.path().join("a/b")).unwrap_err().to_string();
        assert!(error.contains(&format!("create {}", home.path().join("a").display())), "{error}");
        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(Lock::create(&file), Err(StorageError::NotADirectory { .. })));
    }
}
