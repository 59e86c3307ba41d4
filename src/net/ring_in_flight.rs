//! The memory of a send while the kernel has it.
#![allow(unsafe_code)]

use std::os::fd::RawFd;

use io_uring::{opcode, squeue, types};

use super::send_parts::SendParts;

/// Parts that one SENDMSG can name: the kernel's UIO_MAXIOV.
const PARTS_MAX: usize = 1_024;

/// Bytes that one operation sends at most; the kernel truncates at 2 GiB less a page.
const BYTES_MAX: usize = 1 << 30;

/// An output of at most so many bytes is expected to fit into the socket's buffer.
const SMALL: usize = 16 * 1024;

/// A send. What the kernel is told lives in a box from the first entry until the last completion, because the kernel
/// reads the bytes, the vector and the header at their addresses while the operation runs.
pub(super) struct InFlight(Box<Told>);

struct Told {
    parts: SendParts,
    total: usize,
    sent: usize,
    /// The operation that the kernel has ends in the call that submits it.
    at_once: bool,
    vectors: Vec<libc::iovec>,
    header: libc::msghdr,
}

impl InFlight {
    pub fn new() -> Self {
        // SAFETY: `msghdr` is plain data for which all zeroes is the empty message.
        let header = unsafe { std::mem::zeroed() };
        let parts = SendParts::default();
        Self(Box::new(Told { parts, total: 0, sent: 0, at_once: false, vectors: Vec::new(), header }))
    }

    pub fn load(&mut self, parts: SendParts) {
        self.0.total = parts.len();
        self.0.sent = 0;
        self.0.parts = parts;
    }

    /// Takes the parts out, for another use of the box. Only when the kernel has no operation on it.
    pub fn unload(&mut self) -> SendParts {
        self.0.vectors.clear();
        std::mem::take(&mut self.0.parts)
    }

    /// Notes that the kernel took `sent` more bytes; whether that was all.
    pub fn advance(&mut self, sent: usize) -> bool {
        self.0.sent += sent;
        debug_assert!(self.0.sent <= self.0.total);
        self.0.sent >= self.0.total
    }

    /// Whether the first attempt should not wait for room in the socket's buffer.
    pub fn is_small(&self) -> bool {
        self.0.total <= SMALL
    }

    /// Whether the operation that the kernel has ends in the call that submits it.
    pub fn is_at_once(&self) -> bool {
        self.0.at_once
    }

    /// The entry that sends what is left. This must neither be dropped nor changed until its completion.
    ///
    /// With `at_once` the operation never outlives the system call that submits it: what does not fit into the
    /// socket's buffer then is left. Otherwise MSG_WAITALL lets the kernel go on by itself after a part was taken, so
    /// that a large output costs one completion and not one per socket buffer.
    pub fn entry(&mut self, socket: RawFd, at_once: bool) -> squeue::Entry {
        self.0.at_once = at_once;
        let flags = libc::MSG_NOSIGNAL | if at_once { libc::MSG_DONTWAIT } else { libc::MSG_WAITALL };
        if self.0.parts.shared.is_empty() {
            let left = &self.0.parts.bytes[self.0.sent..];
            let len = left.len().min(BYTES_MAX) as u32;
            return opcode::Send::new(types::Fd(socket), left.as_ptr(), len).flags(flags).build();
        }
        self.0.vectors.clear();
        let mut budget = BYTES_MAX;
        for part in self.0.parts.slices_after(self.0.sent).take(PARTS_MAX) {
            let len = part.len().min(budget);
            if len == 0 {
                break;
            }
            budget -= len;
            self.0.vectors.push(libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: len });
        }
        self.0.header.msg_iov = self.0.vectors.as_mut_ptr();
        self.0.header.msg_iovlen = self.0.vectors.len();
        opcode::SendMsg::new(types::Fd(socket), &raw const self.0.header).flags(flags as u32).build()
    }
}
