//! The end of a ring: the kernel must have finished with our memory before it is freed.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::time::Duration;

use io_uring::types;

use super::ring::SocketRing;
use super::ring_buffers::{BUFFER_GROUP, SHARE_GROUP};
use super::sockets::Receiving;

/// Waits for cancelled operations, each of `WAIT`; an operation on a socket ends at once when it is cancelled.
const ROUNDS_MAX: usize = 50;
const WAIT: Duration = Duration::from_millis(20);

impl Drop for SocketRing {
    fn drop(&mut self) {
        // What is queued but not submitted must not reach the kernel any more with memory that goes away; it is
        // submitted now and cancelled with the rest.
        let _ = self.enter(0, None);
        let _ =
            self.ring.submitter().register_sync_cancel(Some(types::Timespec::from(WAIT)), types::CancelBuilder::any());
        for socket in self.sockets.iter_mut() {
            socket.closing = true;
        }
        for _ in 0..ROUNDS_MAX {
            let any = types::CancelBuilder::any();
            let _ = self.ring.submitter().register_sync_cancel(Some(types::Timespec::from(WAIT)), any);
            while self.next_completion().is_some() {}
            if self.is_drained() {
                break;
            }
            let _ = self.enter(1, Some(WAIT));
        }
        let _ = self.enter(0, None);
        let groups = [BUFFER_GROUP, SHARE_GROUP];
        let unregistered =
            groups.map(|group| self.ring.submitter().unregister_buf_ring(group)).iter().all(Result::is_ok);
        if !self.is_drained() || !unregistered {
            return;
        }
        // SAFETY: each is dropped once, here, and not used after; no operation that could use their memory is left,
        // and the buffer group is unregistered. On the way out above they are leaked instead.
        unsafe {
            ManuallyDrop::drop(&mut self.sockets);
            ManuallyDrop::drop(&mut self.buffers);
            ManuallyDrop::drop(&mut self.shares);
            ManuallyDrop::drop(&mut self.wake_value);
            ManuallyDrop::drop(&mut self.alarm.timespec);
        }
    }
}

impl SocketRing {
    fn is_drained(&mut self) -> bool {
        let receives = self.sockets.iter_mut().any(|socket| {
            !matches!(socket.receiving, Receiving::No | Receiving::Watched(_) | Receiving::Starved)
                || socket.sending.is_some()
        });
        self.sends_in_flight == 0 && !self.wake_armed && !receives
    }
}
