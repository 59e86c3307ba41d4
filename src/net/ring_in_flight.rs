//! The memory of a send while the kernel has it.
#![allow(unsafe_code)]

use std::os::fd::RawFd;

use io_uring::{opcode, squeue, types};

use super::send_parts::SendParts;

/// Parts that one SENDMSG can name: the kernel's UIO_MAXIOV.
const PARTS_MAX: usize = 1_024;

/// Bytes that one operation sends at most; the kernel truncates at 2 GiB less a page.
const BYTES_MAX: usize = 1 << 30;

/// What the kernel is told about one send. It lives in a box from the first entry until the last completion, because
/// the kernel reads the bytes, the vector and the header at their addresses while the operation runs.
pub(super) struct InFlight {
    parts: SendParts,
    total: usize,
    sent: usize,
    vectors: Vec<libc::iovec>,
    header: libc::msghdr,
}

impl InFlight {
    pub fn new() -> Self {
        // SAFETY: `msghdr` is plain data for which all zeroes is the empty message.
        let header = unsafe { std::mem::zeroed() };
        Self { parts: SendParts::default(), total: 0, sent: 0, vectors: Vec::new(), header }
    }

    pub fn load(&mut self, parts: SendParts) {
        self.total = parts.len();
        self.sent = 0;
        self.parts = parts;
    }

    /// Takes the parts out, for another use of the box. Only when the kernel has no operation on it.
    pub fn unload(&mut self) -> SendParts {
        self.vectors.clear();
        std::mem::take(&mut self.parts)
    }

    /// Notes that the kernel took `sent` more bytes; whether that was all.
    pub fn advance(&mut self, sent: usize) -> bool {
        self.sent += sent;
        debug_assert!(self.sent <= self.total);
        self.sent >= self.total
    }

    /// The entry that sends what is left. The box must stay where it is, and unchanged, until its completion.
    pub fn entry(self: &mut Box<Self>, socket: RawFd) -> squeue::Entry {
        // MSG_WAITALL lets the kernel go on by itself after a part was taken, so that a large output costs one
        // completion and not one per socket buffer.
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        if self.parts.shared.is_empty() {
            let left = &self.parts.bytes[self.sent..];
            let len = left.len().min(BYTES_MAX) as u32;
            return opcode::Send::new(types::Fd(socket), left.as_ptr(), len).flags(flags).build();
        }
        self.vectors.clear();
        let mut budget = BYTES_MAX;
        for part in self.parts.slices_after(self.sent).take(PARTS_MAX) {
            let len = part.len().min(budget);
            if len == 0 {
                break;
            }
            budget -= len;
            self.vectors.push(libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: len });
        }
        self.header.msg_iov = self.vectors.as_mut_ptr();
        self.header.msg_iovlen = self.vectors.len();
        opcode::SendMsg::new(types::Fd(socket), &raw const self.header).flags(flags as u32).build()
    }
}
