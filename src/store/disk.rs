//! What the store needs of a directory of segment files.

use std::io;

/// Numbered files that are written at their end, read anywhere, and deleted. Whatever was not synced may be lost in a crash, in any
/// part; creating, sealing and deleting are durable when they return.
pub trait Disk {
    /// Numbers and sizes of the segments that are there, ascending.
    fn segments(&mut self) -> io::Result<Vec<(u32, u64)>>;

    /// Creates an empty segment and reserves room for `size` bytes, open(2) and fallocate(2). `StorageFull` if there is no room: then
    /// it does not exist.
    fn create(&mut self, segment: u32, size: u64) -> io::Result<()>;

    fn write(&mut self, segment: u32, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written durable, fdatasync(2). After an error the segment must not be trusted beyond what was synced before.
    fn sync(&mut self, segment: u32) -> io::Result<()>;

    /// Reads up to `bytes.len()` bytes; fewer only at the end of the segment.
    fn read(&mut self, segment: u32, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;

    /// Cuts a segment that will not be written any more to `size` bytes, and gives back what was reserved beyond.
    fn seal(&mut self, segment: u32, size: u64) -> io::Result<()>;

    fn delete(&mut self, segment: u32) -> io::Result<()>;
}
