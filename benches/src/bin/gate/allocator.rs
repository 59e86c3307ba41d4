//! The broker's allocator, and how many bytes it has given out.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait; everything is passed on to mimalloc as it is")]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// Bytes in use on the heap: whole blocks of the allocator's size classes, not what was asked for; but of large blocks only
/// the pages that are asked for, because those behind them are never touched and so take no memory.
pub fn bytes_in_use() -> usize {
    IN_USE.load(Ordering::Relaxed)
}

struct Counting;

unsafe extern "C" {
    /// The size of the block behind a pointer (mimalloc.h). The crate offers it only with a feature that would have
    /// mimalloc, and the broker with it, built a second time.
    fn mi_usable_size(block: *const c_void) -> usize;
}

const PAGE: usize = 4096;

/// What a block of which `asked` bytes are used takes; 0 for null.
///
/// # Safety
/// `block` is null or was given out by mimalloc and not taken back.
unsafe fn bytes_of(block: *const u8, asked: usize) -> usize {
    // SAFETY: mimalloc answers 0 for null, and the caller promises the rest.
    let size = unsafe { mi_usable_size(block.cast()) };
    size.min(asked.next_multiple_of(PAGE))
}

// SAFETY: each function is mimalloc's with its arguments unchanged; between the calls only a number is kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of the same function, and the block is fresh.
        unsafe {
            let block = MiMalloc.alloc(layout);
            IN_USE.fetch_add(bytes_of(block, layout.size()), Ordering::Relaxed);
            block
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe {
            let block = MiMalloc.alloc_zeroed(layout);
            IN_USE.fetch_add(bytes_of(block, layout.size()), Ordering::Relaxed);
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller gives a block of this allocator, whose size is read before it is taken back.
        unsafe {
            IN_USE.fetch_sub(bytes_of(block, layout.size()), Ordering::Relaxed);
            MiMalloc.dealloc(block, layout);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc` for the old block, and as in `alloc` for the new one. If there is none, the old one
        // stays in use, but the process ends then.
        unsafe {
            IN_USE.fetch_sub(bytes_of(block, layout.size()), Ordering::Relaxed);
            let block = MiMalloc.realloc(block, layout, new_size);
            IN_USE.fetch_add(bytes_of(block, new_size), Ordering::Relaxed);
            block
        }
    }
}
