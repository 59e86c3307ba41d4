//! The least that a disk is: one file a segment.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ringmq::store::Disk;

pub struct Files {
    dir: PathBuf,
    current: Option<(u32, File)>,
}

impl Files {
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), current: None }
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.dir.join(format!("{segment:08}"))
    }

    fn file(&mut self, segment: u32) -> io::Result<&File> {
        if self.current.as_ref().is_none_or(|(current, _)| *current != segment) {
            let file = OpenOptions::new().read(true).write(true).open(self.path(segment))?;
            self.current = Some((segment, file));
        }
        self.current.as_ref().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

impl Disk for Files {
    fn segments(&mut self) -> io::Result<Vec<(u32, u64)>> {
        let mut segments = Vec::new();
        for file in fs::read_dir(&self.dir)? {
            let file = file?;
            if let Some(number) = file.file_name().to_str().and_then(|name| name.parse().ok()) {
                segments.push((number, file.metadata()?.len()));
            }
        }
        segments.sort_unstable();
        Ok(segments)
    }

    fn create(&mut self, segment: u32, size: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create_new(true).open(self.path(segment))?;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, size)?;
        file.sync_all()?;
        self.sync_names()
    }

    fn write(&mut self, segment: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(segment)?.write_all_at(bytes, offset)
    }

    fn sync(&mut self, segment: u32) -> io::Result<()> {
        self.file(segment)?.sync_data()
    }

    fn read(&mut self, segment: u32, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.file(segment)?.read_at(bytes, offset)
    }

    fn seal(&mut self, segment: u32, size: u64) -> io::Result<()> {
        let file = self.file(segment)?;
        file.set_len(size)?;
        file.sync_all()
    }

    fn delete(&mut self, segment: u32) -> io::Result<()> {
        fs::remove_file(self.path(segment))?;
        self.sync_names()
    }
}
