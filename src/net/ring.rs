//! The socket ring: accept, receive, send and close as entries of one io_uring, for all sockets of a shard.
//!
//! The ring is used with SINGLE_ISSUER and DEFER_TASKRUN: completions are made only while its thread is inside
//! [`SocketRing::submit`] or [`SocketRing::wait`], in one system call together with the submission of what was queued.
//!
//! What may go wrong, and why it does not:
//! - *A completion for a socket that is gone.* `user_data` names slot, generation and operation, and a slot is not used
//!   again before the kernel has finished every operation on it.
//! - *Memory that is freed while the kernel uses it.* The bytes of a send live in a box that the slot owns until the
//!   completion; receive buffers belong to the ring. `Drop` waits for all operations, or leaks the memory.
//! - *A full submission queue.* Entries go to a backlog and follow with the next system call, in order.
//! - *No receive buffer.* The receive ends with ENOBUFS, and the socket takes turns with others (`ring_shortage`).
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::time::Duration;

use io_uring::{EnterFlags, IoUring, opcode, squeue, types};

use super::ring_alarm::Alarm;
use super::ring_anteroom::Anteroom;
use super::ring_buffers::{BUFFER_GROUP, BufferRing, BufferRingConfig, ReceiveBuffer};
use super::ring_in_flight::InFlight;
use super::ring_notice::QuietNotice;
use super::ring_shortage::{SHARES, Shortage};
use super::ring_wake::WakeHandle;
use super::send_parts::SendParts;
use super::sockets::{GENERATION_MASK, Receiving, SocketId, Sockets};

/// Entries that one system call can submit; more go with further calls.
const SUBMISSION_ENTRIES: u32 = 1_024;

/// Completions that fit; the kernel keeps more in a list of its own (IORING_FEAT_NODROP).
const COMPLETION_ENTRIES: u32 = 8_192;

/// What happened.
#[derive(Debug)]
pub enum Completion {
    Accepted {
        listener: usize,
        socket: OwnedFd,
    },
    /// The listener accepts one connection less at a time until [`SocketRing::accept`]. `error` is what accept(2) said.
    AcceptEnded {
        listener: usize,
        error: io::Error,
    },
    Received {
        socket: SocketId,
        buffer: ReceiveBuffer,
    },
    /// [`next_readable`](SocketRing::next_readable) knows a socket, or did.
    Readable,
    /// The peer has ended its side, or the transport failed: nothing more will be received. The socket is still to be closed.
    Ended {
        socket: SocketId,
    },
    /// The kernel has taken all of it.
    Sent {
        socket: SocketId,
        parts: SendParts,
    },
    /// The transport failed. The socket is still to be closed.
    SendFailed {
        socket: SocketId,
        parts: SendParts,
    },
    /// Another thread woke this ring.
    Woken,
    /// MSG_RING could not reach the ring with this number; it must be woken through its handle.
    WakeFailed {
        ring: u32,
    },
}

/// What a ring counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct RingCounters {
    /// Receives that found no buffer.
    pub buffers_exhausted: u64,
    /// System calls made.
    pub enters: u64,
}

/// One io_uring with its sockets.
pub struct SocketRing {
    pub(super) ring: IoUring,
    /// Dropped by hand: not at all if the kernel might still use them.
    pub(super) buffers: ManuallyDrop<BufferRing>,
    /// The same, for turns.
    pub(super) shares: ManuallyDrop<BufferRing>,
    pub(super) sockets: ManuallyDrop<Sockets<InFlight>>,
    pub(super) listeners: Vec<Option<OwnedFd>>,
    pub(super) anteroom: Anteroom,
    wake: WakeHandle,
    notice: Option<QuietNotice>,
    /// Where the read of the wake eventfd puts its eight bytes.
    pub(super) wake_value: ManuallyDrop<Box<u64>>,
    pub(super) wake_armed: bool,
    pub(super) alarm: Alarm,
    backlog: VecDeque<squeue::Entry>,
    pub(super) shortage: Shortage,
    pub(super) spare: Vec<InFlight>,
    pub(super) sends_in_flight: usize,
    /// Those of them that end in the system call that submits them.
    pub(super) sends_at_once: u32,
    pub(super) counters: RingCounters,
}

/// What an operation was, in the low eight bits of its user data.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Operation {
    Accept,
    Receive,
    /// A receive of a share, while buffers are short.
    Share,
    Send,
    /// MSG_RING as it arrives at its target.
    Message,
    /// MSG_RING as it failed at its sender.
    MessageFailed,
    WakeRead,
    Alarm,
    Anteroom,
    /// Nobody waits for it.
    Quiet,
}

impl SocketRing {
    /// Makes the ring. It belongs to the calling thread from here on.
    pub fn new(buffers: BufferRingConfig) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_clamp()
            .setup_cqsize(COMPLETION_ENTRIES)
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .build(SUBMISSION_ENTRIES)?;
        let notice = QuietNotice::new()?;
        let wake = WakeHandle::new(&ring, &notice)?;
        ring.submitter().register_eventfd(notice.event_descriptor())?;
        let buffers = BufferRing::register(&ring, buffers)?;
        let shares = BufferRing::register_shares(&ring, SHARES)?;
        let mut this = Self {
            ring,
            buffers: ManuallyDrop::new(buffers),
            shares: ManuallyDrop::new(shares),
            sockets: ManuallyDrop::new(Sockets::new()),
            listeners: Vec::new(),
            anteroom: Anteroom::new()?,
            wake,
            notice: Some(notice),
            wake_value: ManuallyDrop::new(Box::new(0)),
            wake_armed: false,
            alarm: Alarm::new(),
            backlog: VecDeque::new(),
            shortage: Shortage::default(),
            spare: Vec::new(),
            sends_in_flight: 0,
            sends_at_once: 0,
            counters: RingCounters::default(),
        };
        this.ring.completion().disable_eventfd();
        this.arm_wake();
        this.arm_anteroom();
        Ok(this)
    }

    /// A handle with which other threads and rings wake this one.
    pub fn wake_handle(&self) -> io::Result<WakeHandle> {
        self.wake.try_clone()
    }

    /// The future that goes with [`set_notice`](Self::set_notice); can be taken once.
    pub fn take_notice(&mut self) -> Option<QuietNotice> {
        self.notice.take()
    }

    /// Whether completions make the notice ready. Each one costs a system call's worth while this is on, so it is on
    /// only while the thread sleeps elsewhere than in [`wait`](Self::wait). After switching it on, [`has_completions`](Self::has_completions)
    /// tells what came before.
    pub fn set_notice(&mut self, on: bool) {
        let queue = self.ring.completion();
        if on {
            queue.enable_eventfd()
        } else {
            queue.disable_eventfd()
        }
        // The kernel queues work and then reads the flag; we write the flag and then look for work.
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }

    // ---- listening

    // ---- sockets

    /// Takes a connected socket; it does not receive yet.
    pub fn attach(&mut self, socket: OwnedFd) -> SocketId {
        self.sockets.insert(socket)
    }

    /// The socket that has this slot now.
    #[inline]
    pub fn current(&self, slot: u32) -> Option<SocketId> {
        self.sockets.current(slot)
    }

    /// Gives a socket away; only one that neither receives nor sends.
    pub fn detach(&mut self, id: SocketId) -> Option<OwnedFd> {
        self.unwatch(id);
        let socket = self.sockets.get_mut(id)?;
        let idle = socket.receiving == Receiving::No && socket.sending.is_none() && !socket.closing;
        assert!(idle, "a socket with operations cannot move to another ring");
        self.sockets.remove(id).map(|socket| socket.fd)
    }

    /// Reads what is there of a socket that does not receive, at most as much as `into` holds, without waiting. 0 is the end.
    pub fn read(&mut self, id: SocketId, into: &mut [u8]) -> io::Result<usize> {
        let Some(socket) = self.sockets.get_mut(id) else { return Ok(0) };
        Ok(rustix::net::recv(&socket.fd, into, rustix::net::RecvFlags::DONTWAIT)?.0)
    }

    /// Sends what fits into the socket's buffer now: a farewell, for which nobody waits. Only while no send is on its way.
    pub fn send_now(&mut self, id: SocketId, bytes: &[u8]) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if socket.sending.is_none() && !socket.closing {
            let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
            let _ = rustix::net::send(&socket.fd, bytes, flags);
        }
    }

    /// The bytes of a chunk.
    #[inline]
    pub fn received<'a>(&'a self, buffer: &'a ReceiveBuffer) -> &'a [u8] {
        if self.shares.owns(buffer) { self.shares.bytes(buffer) } else { self.buffers.bytes(buffer) }
    }

    /// The bytes of a chunk, to be changed in place.
    #[inline]
    pub fn received_mut<'a>(&'a mut self, buffer: &'a mut ReceiveBuffer) -> &'a mut [u8] {
        if self.shares.owns(buffer) { self.shares.bytes_mut(buffer) } else { self.buffers.bytes_mut(buffer) }
    }

    /// Gives a chunk's buffer back to the kernel.
    #[inline]
    pub fn recycle(&mut self, buffer: ReceiveBuffer) {
        if self.shares.owns(&buffer) { self.shares.recycle(buffer) } else { self.buffers.recycle(buffer) }
    }

    /// Sends `parts`, which must not be empty, on a socket that sends nothing at the moment.
    pub fn send(&mut self, id: SocketId, parts: SendParts) {
        debug_assert!(!parts.is_empty());
        let mut in_flight = self.spare.pop().unwrap_or_else(InFlight::new);
        in_flight.load(parts);
        let Some(socket) = self.sockets.get_mut(id) else { return };
        assert!(socket.sending.is_none(), "one send at a time on each socket");
        let at_once = in_flight.is_small();
        let entry = in_flight.entry(socket.fd.as_raw_fd(), at_once);
        self.sends_at_once += u32::from(at_once);
        socket.sending = Some(in_flight);
        self.sends_in_flight += 1;
        self.push(entry.user_data(user_data(Operation::Send, id.slot, id.generation)));
    }

    /// Closes a socket. No completion for it is reported any more; bytes that the kernel has taken are still sent.
    pub fn close(&mut self, id: SocketId) {
        self.unwatch(id);
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if socket.closing {
            return;
        }
        socket.closing = true;
        if socket.receiving == Receiving::Starved {
            socket.receiving = Receiving::No;
        }
        if socket.receiving != Receiving::No || socket.sending.is_some() {
            // It ends the operations, whose completions then release the slot. As a system call and not as an entry:
            // io_uring runs shutdown always on a worker thread, which costs more.
            let _ = socket2::SockRef::from(&socket.fd).shutdown(std::net::Shutdown::Both);
        }
        self.release_if_finished(id);
    }

    /// Sockets that are open, those included that wait for their last completion.
    pub fn socket_count(&self) -> usize {
        self.sockets.len()
    }

    // ---- waiting

    /// Wakes another ring with the next system call of this one. `ring` comes back if that fails.
    pub fn wake(&mut self, handle: &WakeHandle, ring: u32) {
        let target = types::Fd(handle.ring_descriptor());
        let entry = opcode::MsgRingData::new(target, 0, user_data(Operation::Message, 0, 0), None).build();
        let failed = user_data(Operation::MessageFailed, ring, 0);
        self.push(entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(failed));
    }

    /// Whether there is something for [`next_completion`](Self::next_completion).
    ///
    /// TASKRUN is not asked: another CPU that adds work sets it after it has added, so that it can stay set when the work
    /// is done. Who took it for work would go round and round; [`wait`](Self::wait) does what work there is.
    #[inline]
    pub fn has_completions(&mut self) -> bool {
        !self.ring.completion().is_empty() || self.ring.submission().cq_overflow()
    }

    /// Whether there is, or the kernel says that it has work which makes more: a hint, which may be stale.
    #[inline]
    pub fn expects_completions(&mut self) -> bool {
        self.has_completions() || self.ring.submission().taskrun()
    }

    /// Hands queued entries to the kernel and lets it make completions; no system call when there is neither.
    #[inline]
    pub fn submit(&mut self) -> io::Result<()> {
        self.arm_starved();
        let queue = self.ring.submission();
        let nothing = queue.is_empty() && !queue.taskrun() && !queue.cq_overflow();
        drop(queue);
        if nothing { Ok(()) } else { self.enter(0, None) }
    }

    /// What happened next, without a system call.
    #[inline]
    pub fn next_completion(&mut self) -> Option<Completion> {
        loop {
            let entry = self.ring.completion().next()?;
            if let Some(completion) = self.translate(&entry) {
                return Some(completion);
            }
        }
    }

    pub fn counters(&self) -> RingCounters {
        self.counters
    }

    // ---- below: entries and completions

    pub(super) fn arm_wake(&mut self) {
        let descriptor = types::Fd(self.wake.event_descriptor());
        let target: *mut u64 = &raw mut **self.wake_value;
        let entry = opcode::Read::new(descriptor, target.cast(), size_of::<u64>() as u32).build();
        self.wake_armed = true;
        self.push(entry.user_data(user_data(Operation::WakeRead, 0, 0)));
    }

    pub(super) fn arm_receive(&mut self, id: SocketId) {
        let available = self.buffers.available();
        let Some(socket) = self.sockets.get_mut(id) else { return };
        assert!(socket.receiving == Receiving::No, "one receive at a time on each socket");
        if available == 0 {
            // It would fail at once if there is data, and cost a completion.
            return self.starve(id, true);
        }
        socket.receiving = Receiving::Multishot;
        let entry = opcode::RecvMulti::new(types::Fd(socket.fd.as_raw_fd()), BUFFER_GROUP).build();
        self.push(entry.user_data(user_data(Operation::Receive, id.slot, id.generation)));
    }

    pub(super) fn push(&mut self, entry: squeue::Entry) {
        if self.backlog.is_empty() {
            // SAFETY: all that an entry of this file points to outlives its operation: the bytes, vectors and header
            // of a send are in a box that its socket owns until the completion, the eight bytes of the wake read in a
            // box of the ring, and receives name no memory but the registered group. `Drop` waits for all of them.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
        }
        self.backlog.push_back(entry);
    }

    pub(super) fn enter(&mut self, wait: u32, timeout: Option<Duration>) -> io::Result<()> {
        // While a backlog remains, the call only makes room.
        loop {
            let backlog = !self.backlog.is_empty();
            let entered = self.enter_once(if backlog { 0 } else { wait }, timeout);
            if !backlog || entered.is_err() {
                return entered;
            }
            if !self.move_backlog() {
                return Ok(());
            }
        }
    }

    fn enter_once(&mut self, wait: u32, timeout: Option<Duration>) -> io::Result<()> {
        self.counters.enters += 1;
        let queued = self.ring.submission().len() as u32;
        let flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
        let timespec = timeout.map(types::Timespec::from);
        let mut arguments = types::SubmitArgs::new();
        if let Some(timespec) = &timespec {
            arguments = arguments.timespec(timespec);
        }
        // SAFETY: `queued` entries are in the queue, EXT_ARG says that the argument is the structure that `SubmitArgs`
        // is a transparent wrapper of, and the timespec it points to lives until the call returns.
        let entered = unsafe { self.ring.submitter().enter(queued, wait, flags.bits(), Some(&arguments)) };
        match entered {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // The timeout, a signal, or too little room: the caller goes on and comes back.
                Some(libc::ETIME | libc::EINTR | libc::EAGAIN | libc::EBUSY) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Moves entries from the backlog into the queue; whether any went.
    fn move_backlog(&mut self) -> bool {
        let before = self.backlog.len();
        while let Some(entry) = self.backlog.front() {
            // SAFETY: as in `push`.
            if unsafe { self.ring.submission().push(entry) }.is_err() {
                break;
            }
            self.backlog.pop_front();
        }
        self.backlog.len() < before
    }

    /// Frees the slot of a closed socket, and closes its descriptor, when the kernel has no operation on it any more.
    pub(super) fn release_if_finished(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if socket.receiving != Receiving::No || socket.sending.is_some() {
            return;
        }
        if let Some(socket) = self.sockets.remove(id) {
            let entry = opcode::Close::new(types::Fd(socket.fd.into_raw_fd())).build();
            let quiet = user_data(Operation::Quiet, id.slot, id.generation);
            self.push(entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(quiet));
        }
    }
}

pub(super) fn user_data(operation: Operation, slot: u32, generation: u32) -> u64 {
    u64::from(slot) << 32 | u64::from(generation & GENERATION_MASK) << 8 | operation as u64
}

pub(super) fn from_user_data(user_data: u64) -> (u8, u32, u32) {
    (user_data as u8, (user_data >> 32) as u32, (user_data >> 8) as u32 & GENERATION_MASK)
}
