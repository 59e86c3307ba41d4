//! Output buffers between two uses.

/// The largest buffer that is kept, and all that are kept together, in bytes: a fan-out of small messages to tens of
/// thousands finds them all again.
const SIZE_MAX: usize = 16 * 1024;
const SIZE_ALL_MAX: usize = 4 << 20;

/// Empty buffers that were used before.
#[derive(Debug, Default)]
pub(super) struct SpareBuffers {
    buffers: Vec<Vec<u8>>,
    /// Capacity of all of them, bytes.
    size: usize,
}

impl SpareBuffers {
    /// An empty buffer, one that was used before if there is one.
    pub fn take(&mut self) -> Vec<u8> {
        let Some(buffer) = self.buffers.pop() else { return Vec::new() };
        self.size -= buffer.capacity();
        buffer
    }

    /// Keeps an empty buffer, if it is worth it and there is room.
    pub fn keep(&mut self, buffer: Vec<u8>) {
        debug_assert!(buffer.is_empty());
        let size = buffer.capacity();
        if (1..=SIZE_MAX).contains(&size) && self.size + size <= SIZE_ALL_MAX {
            self.size += size;
            self.buffers.push(buffer);
        }
    }
}
