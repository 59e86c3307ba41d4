//! The provided-buffer ring: receive buffers that the kernel picks when data is there, so that an idle socket has none.
//!
//! io_uring_register(2), IORING_REGISTER_PBUF_RING. From Linux 6.12 on the kernel fills a buffer with one chunk after the
//! other (IOU_PBUF_RING_INC), so that buffers can be large: a large message comes in one piece, and small ones lie side
//! by side in the processor's caches. Before, each chunk takes a whole buffer.
//!
//! The bytes of a chunk belong to the kernel until a completion names them, and then to the holder of the
//! [`ReceiveBuffer`] until that is given to [`BufferRing::recycle`]. A buffer goes back to the kernel when the kernel has
//! filled it and all its chunks are recycled.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use io_uring::IoUring;
use io_uring::types::{self, BufRingEntry};

/// Names of the groups: what multishot receives take, and what shares take while buffers are short.
pub(super) const BUFFER_GROUP: u16 = 0;
pub(super) const SHARE_GROUP: u16 = 1;

/// The kernel's bound on buffers in one group.
const BUFFERS_MAX: u16 = 32_768;

const PAGE: usize = 4_096;

/// Size to which buffers are joined where the kernel fills them chunk after chunk, in bytes; at least four remain.
const JOINED_SIZE: u32 = 64 * 1024;
const JOINED_COUNT_MIN: u16 = 4;

/// How many receive buffers a ring has, and how large each is.
#[derive(Clone, Copy, Debug)]
pub struct BufferRingConfig {
    /// A power of two, at most 32,768.
    pub count: u16,
    /// Bytes of one buffer.
    pub size: u32,
}

impl BufferRingConfig {
    /// Whether the kernel takes it.
    pub fn is_valid(&self) -> bool {
        self.count.is_power_of_two() && self.count <= BUFFERS_MAX && self.size > 0 && self.size <= i32::MAX as u32
    }

    /// The same memory in fewer and larger buffers.
    fn joined(self) -> Self {
        let Self { mut count, mut size } = self;
        while count > JOINED_COUNT_MIN && size <= JOINED_SIZE / 2 {
            (count, size) = (count / 2, size * 2);
        }
        Self { count, size }
    }
}

/// A received chunk. It can not be copied: who holds it owns the buffer, and must give it back with
/// [`SocketRing::recycle`](super::SocketRing::recycle).
#[must_use = "a buffer that is not recycled is lost to the ring"]
#[derive(Debug)]
pub struct ReceiveBuffer {
    index: u16,
    offset: u32,
    len: u32,
    /// The ring that it comes from.
    owner: u32,
}

impl ReceiveBuffer {
    /// Bytes of the chunk.
    #[expect(clippy::len_without_is_empty, reason = "a chunk that was received is not empty")]
    pub fn len(&self) -> usize {
        self.len as usize
    }
}

/// What has become of a buffer since it was provided.
#[derive(Clone, Copy, Default)]
struct Use {
    /// Bytes that the kernel has filled.
    filled: u32,
    /// Chunks of it that are not recycled.
    chunks: u32,
    /// The kernel puts nothing more into it.
    finished: bool,
}

pub(super) struct BufferRing {
    entries: NonNull<BufRingEntry>,
    buffers: NonNull<u8>,
    config: BufferRingConfig,
    uses: Vec<Use>,
    tail: u16,
    /// Buffers that the kernel has.
    available: u16,
    identity: u32,
}

impl BufferRing {
    /// Makes the kernel back the buffers with memory now: they all come round sooner or later, and a page fault is better
    /// taken at the start than in a receive.
    fn touch(&mut self) {
        for offset in (0..buffers_layout(self.config).size()).step_by(PAGE) {
            // SAFETY: `offset` is within the allocation, which nobody else uses yet.
            unsafe { self.buffers.add(offset).write_volatile(0) };
        }
    }

    /// Allocates the buffers of [`BUFFER_GROUP`], registers their ring and fills it with all of them.
    pub fn register(ring: &IoUring, config: BufferRingConfig) -> io::Result<Self> {
        if !config.is_valid() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let joined = Self::register_with(ring, BUFFER_GROUP, config.joined(), types::IOU_PBUF_RING_INC as u16);
        let mut this = match joined {
            // Before Linux 6.12 the flag is not known.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                Self::register_with(ring, BUFFER_GROUP, config, 0)?
            }
            registered => registered?,
        };
        this.touch();
        Ok(this)
    }

    /// The same for [`SHARE_GROUP`]. Each chunk takes a whole buffer, and none has memory before it is used.
    pub fn register_shares(ring: &IoUring, config: BufferRingConfig) -> io::Result<Self> {
        Self::register_with(ring, SHARE_GROUP, config, 0)
    }

    fn register_with(ring: &IoUring, group: u16, config: BufferRingConfig, flags: u16) -> io::Result<Self> {
        static IDENTITIES: AtomicU32 = AtomicU32::new(0);
        let mut this = Self {
            entries: allocate(entries_layout(config)).cast(),
            buffers: allocate(buffers_layout(config)),
            config,
            uses: vec![Use::default(); usize::from(config.count)],
            tail: 0,
            available: 0,
            identity: IDENTITIES.fetch_add(1, Ordering::Relaxed),
        };
        let entries = this.entries.as_ptr() as u64;
        // SAFETY: `entries` is page aligned, has room for `count` entries, and is freed only in `drop`, before which
        // the owner must have called `unregister` or be sure that the kernel no longer uses it (see `SocketRing::drop`).
        unsafe { ring.submitter().register_buf_ring_with_flags(entries, config.count, group, flags)? };
        for index in 0..config.count {
            this.provide(index);
        }
        Ok(this)
    }

    /// The chunk of `len` bytes that a completion named. `more` says that the kernel goes on to fill the buffer.
    ///
    /// # Safety
    ///
    /// The kernel must have handed out the chunk with a completion that is used only once, and chunks of one buffer must
    /// be taken in the order of their completions.
    #[inline]
    pub unsafe fn take(&mut self, index: u16, len: u32, more: bool) -> ReceiveBuffer {
        let used = &mut self.uses[usize::from(index)];
        let offset = used.filled;
        assert!(len <= self.config.size - offset && !used.finished);
        used.filled += len;
        used.chunks += 1;
        used.finished = !more;
        self.available -= u16::from(!more);
        ReceiveBuffer { index, offset, len, owner: self.identity }
    }

    #[inline]
    pub fn bytes<'a>(&'a self, buffer: &'a ReceiveBuffer) -> &'a [u8] {
        assert_eq!(buffer.owner, self.identity, "a buffer is read through the ring it comes from");
        // SAFETY: a `ReceiveBuffer` of this ring exists only between the completion that named its bytes and `recycle`;
        // in that time the kernel does not touch them, and who writes to them has both this ring and the buffer for itself.
        // Index, offset and length were checked against the allocation in `take`.
        unsafe {
            let start = self.address(buffer.index).add(buffer.offset as usize);
            std::slice::from_raw_parts(start, buffer.len as usize)
        }
    }

    /// The same bytes, to be changed in place.
    #[inline]
    pub fn bytes_mut<'a>(&'a mut self, buffer: &'a mut ReceiveBuffer) -> &'a mut [u8] {
        assert_eq!(buffer.owner, self.identity, "a buffer is changed through the ring it comes from");
        // SAFETY: as in `bytes`; the chunks of a buffer do not overlap, and this one cannot be read while it is borrowed.
        unsafe {
            let start = self.address(buffer.index).add(buffer.offset as usize);
            std::slice::from_raw_parts_mut(start, buffer.len as usize)
        }
    }

    /// Gives a chunk back, and with the last one the buffer to the kernel.
    #[inline]
    pub fn recycle(&mut self, buffer: ReceiveBuffer) {
        assert_eq!(buffer.owner, self.identity, "a buffer goes back to the ring it comes from");
        let used = &mut self.uses[usize::from(buffer.index)];
        used.chunks -= 1;
        if used.finished && used.chunks == 0 {
            *used = Use::default();
            self.provide(buffer.index);
        }
    }

    /// Whether a chunk is of this ring.
    #[inline]
    pub fn owns(&self, buffer: &ReceiveBuffer) -> bool {
        buffer.owner == self.identity
    }

    /// Buffers that the kernel has.
    pub fn available(&self) -> u16 {
        self.available
    }

    #[inline]
    fn provide(&mut self, index: u16) {
        let position = self.tail & (self.config.count - 1);
        // SAFETY: `position` is below the number of entries. The kernel reads an entry only after the tail has passed
        // it; this one is outside of what the tail covers because at most `count` buffers exist and this one was not
        // in the ring. The tail itself lies in a field of entry 0 that the three setters do not write.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(usize::from(position));
            entry.set_addr(self.address(index) as u64);
            entry.set_len(self.config.size);
            entry.set_bid(index);
        }
        self.tail = self.tail.wrapping_add(1);
        self.available += 1;
        // SAFETY: the pointer is to the tail field of the live allocation, aligned for u16; the kernel only reads it.
        // Release makes the entry above visible before the tail.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr());
            AtomicU16::from_ptr(tail.cast_mut()).store(self.tail, Ordering::Release);
        }
    }

    #[inline]
    fn address(&self, index: u16) -> *mut u8 {
        // SAFETY: `index` is below `count`: it comes from `register`'s loop or was checked in `take`.
        unsafe { self.buffers.as_ptr().add(usize::from(index) * self.config.size as usize) }
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        // SAFETY: both were allocated with just these layouts in `register`. The kernel does not use them any more:
        // the owner drops this value only after the group was unregistered and every receive has ended.
        unsafe {
            dealloc(self.entries.as_ptr().cast(), entries_layout(self.config));
            dealloc(self.buffers.as_ptr(), buffers_layout(self.config));
        }
    }
}

fn entries_layout(config: BufferRingConfig) -> Layout {
    Layout::from_size_align(usize::from(config.count) * size_of::<BufRingEntry>(), PAGE).expect("at most 512 KiB")
}

fn buffers_layout(config: BufferRingConfig) -> Layout {
    Layout::from_size_align(usize::from(config.count) * config.size as usize, PAGE).expect("at most 2^46 bytes")
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: the size is not zero, because count and size are at least 1 in a valid configuration.
    NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}
