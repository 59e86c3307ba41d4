//! A directory of segment files: `00000001.log` and so on.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::limits;
use crate::store::Disk;

const EXTENSION: &str = ".log";
const DIGITS: usize = 8;

/// Zeros that are written at a time where the file system cannot reserve.
const FILL_PIECE: usize = 1 << 20;

/// The segments of one directory.
#[derive(Debug)]
pub struct Files {
    dir: PathBuf,
    /// Syncing it makes names durable.
    handle: File,
    /// Segments that are open, the one used last at the end.
    open: Vec<(u32, File)>,
}

impl Files {
    pub fn new(dir: &Path) -> io::Result<Self> {
        Ok(Self { dir: dir.to_owned(), handle: File::open(dir)?, open: Vec::new() })
    }

    /// Bytes of the file system that this process may still use, statvfs(3).
    pub fn free_space(dir: &Path) -> io::Result<u64> {
        let status = rustix::fs::statvfs(dir)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.dir.join(format!("{segment:0DIGITS$}{EXTENSION}"))
    }

    fn file(&mut self, segment: u32) -> io::Result<&File> {
        match self.open.iter().position(|(open, _)| *open == segment) {
            Some(place) => self.open[place..].rotate_left(1),
            None => {
                let file = OpenOptions::new().read(true).write(true).open(self.path(segment))?;
                self.keep(segment, file);
            }
        }
        match self.open.last() {
            Some((_, file)) => Ok(file),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn keep(&mut self, segment: u32, file: File) {
        if self.open.len() == limits::STORE_FILES_OPEN_MAX {
            self.open.remove(0);
        }
        self.open.push((segment, file));
    }

    fn sync_names(&self) -> io::Result<()> {
        self.handle.sync_all()
    }
}

impl Disk for Files {
    fn segments(&mut self) -> io::Result<Vec<(u32, u64)>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if let Some(segment) = entry.file_name().to_str().and_then(number) {
                segments.push((segment, entry.metadata()?.len()));
            }
        }
        segments.sort_unstable();
        Ok(segments)
    }

    fn create(&mut self, segment: u32, size: u64) -> io::Result<()> {
        let path = self.path(segment);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(full)?;
        let created = reserve(&file, size).and_then(|()| file.sync_all()).and_then(|()| self.sync_names());
        if let Err(error) = created {
            // Should this fail too, the file is found and cleaned away with the next start.
            let _ = fs::remove_file(&path);
            return Err(full(error));
        }
        self.keep(segment, file);
        Ok(())
    }

    fn write(&mut self, segment: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(segment)?.write_all_at(bytes, offset).map_err(full)
    }

    fn sync(&mut self, segment: u32) -> io::Result<()> {
        self.file(segment)?.sync_data().map_err(full)
    }

    fn read(&mut self, segment: u32, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let file = self.file(segment)?;
        let mut read = 0;
        while read < bytes.len() {
            match file.read_at(&mut bytes[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn seal(&mut self, segment: u32, size: u64) -> io::Result<()> {
        let file = self.file(segment)?;
        file.set_len(size)?;
        file.sync_all().map_err(full)
    }

    fn delete(&mut self, segment: u32) -> io::Result<()> {
        self.open.retain(|(open, _)| *open != segment);
        fs::remove_file(self.path(segment))?;
        self.sync_names()
    }
}

/// The segment that a file's name stands for.
fn number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(EXTENSION)?;
    let is_ours = digits.len() >= DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_ours { digits.parse().ok() } else { None }
}

/// Reserves room, so that a full disk is found out when a segment is created and not in the middle of it.
fn reserve(file: &File, size: u64) -> io::Result<()> {
    if size == 0 {
        return Ok(());
    }
    loop {
        return match fallocate(file, FallocateFlags::empty(), 0, size) {
            Ok(()) => Ok(()),
            Err(Errno::INTR) => continue,
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(file, size),
            Err(error) => Err(error.into()),
        };
    }
}

fn fill(file: &File, size: u64) -> io::Result<()> {
    let zeros = vec![0; FILL_PIECE];
    let mut offset = 0;
    while offset < size {
        let piece = (size - offset).min(FILL_PIECE as u64);
        file.write_all_at(&zeros[..piece as usize], offset)?;
        offset += piece;
    }
    Ok(())
}

/// A quota that is used up is a full disk to us.
fn full(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::QuotaExceeded => io::Error::new(io::ErrorKind::StorageFull, error),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_files_with_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::new(dir.path()).unwrap();
        for name in ["lock", "1.log", "x0000001.log", "00000003.txt", "+0000004.log"] {
            fs::write(dir.path().join(name), "foreign").unwrap();
        }
        assert_eq!(files.segments().unwrap(), []);
        files.create(7, 4_096).unwrap();
        assert_eq!(files.create(7, 4_096).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        files.create(100_000_000, 0).unwrap();
        files.write(7, 100, b"hello").unwrap();
        files.sync(7).unwrap();
        let mut bytes = [0; 10];
        assert_eq!(files.read(7, 100, &mut bytes).unwrap(), 10);
        assert_eq!(&bytes, b"hello\0\0\0\0\0");
        files.seal(7, 105).unwrap();
        assert_eq!(files.read(7, 100, &mut bytes).unwrap(), 5);
        assert_eq!(files.segments().unwrap(), [(7, 105), (100_000_000, 0)]);
        files.delete(7).unwrap();
        assert_eq!(files.segments().unwrap(), [(100_000_000, 0)]);
        assert_eq!(files.read(7, 0, &mut bytes).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn as_many_files_are_open_as_the_bound_says() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::new(dir.path()).unwrap();
        let segments = 1..=3 * limits::STORE_FILES_OPEN_MAX as u32;
        for segment in segments.clone() {
            files.create(segment, 16).unwrap();
            files.write(segment, 0, &segment.to_le_bytes()).unwrap();
        }
        for segment in segments.clone().rev().chain(segments) {
            let mut bytes = [0; 4];
            files.read(segment, 0, &mut bytes).unwrap();
            assert_eq!(u32::from_le_bytes(bytes), segment);
            assert!(files.open.len() <= limits::STORE_FILES_OPEN_MAX);
        }
    }

    #[test]
    fn what_cannot_be_reserved_does_not_exist() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::new(dir.path()).unwrap();
        // More than any file system gives to one file.
        files.create(1, i64::MAX as u64).unwrap_err();
        assert_eq!(files.segments().unwrap(), []);
    }

    #[test]
    fn zeros_take_the_place_of_a_reservation() {
        let file = tempfile::tempfile().unwrap();
        fill(&file, FILL_PIECE as u64 + 5).unwrap();
        assert_eq!(file.metadata().unwrap().len(), FILL_PIECE as u64 + 5);
    }
}
