//! From the kernel's completions to ours: what each result means, and what is armed again without a word.
#![allow(unsafe_code)]

use std::os::fd::AsRawFd;

use io_uring::cqueue;

use super::ring::{Completion, Operation, SocketRing, from_user_data, user_data};
use super::ring_buffers::{BufferRing, ReceiveBuffer};
use super::sockets::{Receiving, SocketId};

/// Finished sends that are kept for the next ones.
const SPARE_SENDS_MAX: usize = 1_024;

impl SocketRing {
    #[inline]
    pub(super) fn translate(&mut self, entry: &cqueue::Entry) -> Option<Completion> {
        let (operation, slot, generation) = from_user_data(entry.user_data());
        if operation == Operation::Receive as u8 {
            // SAFETY: the kernel names each chunk once, chunks of one buffer in their order, and each completion is read once.
            let buffer = unsafe { taken(&mut self.buffers, entry) };
            self.translate_receive(SocketId { slot, generation }, entry, buffer)
        } else if operation == Operation::Send as u8 {
            self.translate_send(SocketId { slot, generation }, entry.result())
        } else if operation == Operation::Message as u8 {
            Some(Completion::Woken)
        } else if operation == Operation::Accept as u8 {
            self.translate_accept(slot as usize, entry)
        } else if operation == Operation::Share as u8 {
            // SAFETY: as above.
            let buffer = unsafe { taken(&mut self.shares, entry) };
            self.translate_receive(SocketId { slot, generation }, entry, buffer)
        } else if operation == Operation::MessageFailed as u8 {
            Some(Completion::WakeFailed { ring: slot })
        } else if operation == Operation::WakeRead as u8 {
            self.wake_armed = false;
            if entry.result() != -libc::ECANCELED {
                self.arm_wake();
            }
            Some(Completion::Woken)
        } else if operation == Operation::Anteroom as u8 {
            Some(Completion::Readable)
        } else if operation == Operation::Alarm as u8 {
            self.alarm.passed(slot);
            None
        } else {
            debug_assert!(operation == Operation::Quiet as u8);
            None
        }
    }

    #[inline]
    fn translate_receive(
        &mut self,
        id: SocketId,
        entry: &cqueue::Entry,
        buffer: Option<ReceiveBuffer>,
    ) -> Option<Completion> {
        let (result, flags) = (entry.result(), entry.flags());
        let Some(socket) = self.sockets.get_mut(id) else {
            debug_assert!(false, "a slot lives until its receive has ended");
            return None;
        };
        let receiving = socket.receiving;
        let ended = !cqueue::more(flags);
        if ended {
            socket.receiving = Receiving::No;
        }
        if socket.closing {
            self.recycle_unread(buffer);
            self.release_if_finished(id);
            return None;
        }
        match (result, buffer) {
            (1.., Some(buffer)) => {
                let has_more = cqueue::sock_nonempty(flags);
                match receiving {
                    Receiving::Multishot if has_more && !ended => self.cap(id),
                    Receiving::Share if has_more => self.starve(id, true),
                    Receiving::Capped if ended => self.starve(id, true),
                    Receiving::Pausing => {}
                    _ if ended => self.arm_receive(id),
                    _ => {}
                }
                Some(Completion::Received { socket: id, buffer })
            }
            (result, buffer) => {
                self.recycle_unread(buffer);
                match -result {
                    libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN if receiving == Receiving::Pausing => {
                        None
                    }
                    libc::ECANCELED if receiving == Receiving::Resuming => {
                        self.arm_receive(id);
                        None
                    }
                    libc::ECANCELED if receiving == Receiving::Capped => {
                        self.starve(id, true);
                        None
                    }
                    libc::ENOBUFS => {
                        self.counters.buffers_exhausted += 1;
                        self.starve(id, receiving != Receiving::Share);
                        None
                    }
                    libc::EINTR | libc::EAGAIN => {
                        self.arm_receive(id);
                        None
                    }
                    _ => Some(Completion::Ended { socket: id }),
                }
            }
        }
    }

    fn recycle_unread(&mut self, buffer: Option<ReceiveBuffer>) {
        if let Some(buffer) = buffer {
            self.recycle(buffer);
        }
    }

    #[inline]
    fn translate_send(&mut self, id: SocketId, result: i32) -> Option<Completion> {
        let Some(socket) = self.sockets.get_mut(id) else {
            debug_assert!(false, "a slot lives until its send has ended");
            return None;
        };
        let mut in_flight = socket.sending.take()?;
        self.sends_at_once -= u32::from(in_flight.is_at_once());
        let interrupted = matches!(-result, libc::EINTR | libc::EAGAIN);
        let finished = result > 0 && in_flight.advance(result as usize);
        if !finished && (result > 0 || interrupted) && !socket.closing {
            let entry = in_flight.entry(socket.fd.as_raw_fd(), false);
            socket.sending = Some(in_flight);
            self.push(entry.user_data(user_data(Operation::Send, id.slot, id.generation)));
            return None;
        }
        let closing = socket.closing;
        let parts = in_flight.unload();
        self.sends_in_flight -= 1;
        if self.spare.len() < SPARE_SENDS_MAX {
            self.spare.push(in_flight);
        }
        if closing {
            self.release_if_finished(id);
            None
        } else if finished {
            Some(Completion::Sent { socket: id, parts })
        } else {
            Some(Completion::SendFailed { socket: id, parts })
        }
    }
}

/// The chunk that a receive's completion names.
///
/// # Safety
///
/// As [`BufferRing::take`].
#[inline]
unsafe fn taken(buffers: &mut BufferRing, entry: &cqueue::Entry) -> Option<ReceiveBuffer> {
    let index = cqueue::buffer_select(entry.flags())?;
    // SAFETY: the caller's promise.
    Some(unsafe { buffers.take(index, entry.result().max(0) as u32, cqueue::buffer_more(entry.flags())) })
}
