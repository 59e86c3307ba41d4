//! When receive buffers are short: sockets take turns.
//!
//! A multishot receive takes what its socket has, up to 32 buffers before anything else is received. As long as there are enough buffers that
//! is the cheapest way. When there are none left, a few clients that send as fast as they can would take all that come back, and
//! the others would wait for a second and longer. So a receive that has found no buffer goes to the end of a list, and those in the list
//! receive one share each, in turn, until their sockets are empty.
//!
//! Shares have buffers of their own, one chunk in each: where a chunk begins in a buffer that the kernel fills chunk by chunk follows from the
//! order of completions, and that of a single receive may be told after those of a multishot receive that came later, on older kernels.

use std::collections::VecDeque;
use std::os::fd::AsRawFd;

use io_uring::{opcode, squeue, types};

use super::ring::{Operation, SocketRing, user_data};
use super::ring_buffers::{BufferRingConfig, SHARE_GROUP};
use super::sockets::{Receiving, SocketId};

/// Bytes that all who wait receive in one round, and bytes of a share whatever their number. A kilobyte of small messages takes some 4 µs.
const ROUND: usize = 256 * 1024;
const SHARE_MIN: usize = 4 * 1024;
const SHARE_MAX: usize = 64 * 1024;

/// Buffers for shares.
pub(super) const SHARES: BufferRingConfig = BufferRingConfig { count: 8, size: SHARE_MAX as u32 };

/// Rounds without anybody who waits, until buffers are not short any more.
const ROUNDS: u8 = 8;

/// Who waits for a buffer, or has had a share and has more.
#[derive(Default)]
pub(super) struct Shortage {
    starved: VecDeque<SocketId>,
    rounds_left: u8,
}

impl SocketRing {
    /// There was no buffer for it, or it had its share and has more.
    pub(super) fn starve(&mut self, id: SocketId, has_received: bool) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        socket.receiving = Receiving::Starved;
        self.shortage.rounds_left = ROUNDS;
        if has_received {
            self.shortage.starved.push_back(id);
        } else {
            self.shortage.starved.push_front(id);
        }
    }

    /// Has as many starved sockets receive their share as there are buffers; whether more could receive at once.
    pub(super) fn arm_starved(&mut self) -> bool {
        let waiting = self.shortage.starved.len();
        if waiting == 0 {
            self.shortage.rounds_left = self.shortage.rounds_left.saturating_sub(1);
            return false;
        }
        let share = (ROUND / waiting).clamp(SHARE_MIN, SHARE_MAX) as u32;
        for _ in 0..waiting.min(usize::from(self.shares.available())) {
            let Some(id) = self.shortage.starved.pop_front() else { break };
            self.arm_share(id, share);
        }
        !self.shortage.starved.is_empty() && self.shares.available() > 0
    }

    /// Has one that goes on to receive take turns with the others, if buffers are short.
    pub(super) fn cap(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if self.shortage.rounds_left > 0 {
            socket.receiving = Receiving::Capped;
            self.cancel_receive(id, Operation::Receive);
        }
    }

    fn arm_share(&mut self, id: SocketId, share: u32) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if socket.receiving != Receiving::Starved {
            return;
        }
        socket.receiving = Receiving::Share;
        let entry = opcode::Recv::new(types::Fd(socket.fd.as_raw_fd()), std::ptr::null_mut(), share)
            .buf_group(SHARE_GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        self.push(entry.user_data(user_data(Operation::Share, id.slot, id.generation)));
    }
}
