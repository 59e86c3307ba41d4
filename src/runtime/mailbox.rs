//! The mailboxes between shards: one queue each, a flag that says its owner sleeps, and a count of what waits.
//!
//! A lost wake-up would be a hang, so this is the protocol. The sender pushes, then passes a full fence, then reads
//! the flag. The receiver sets the flag, then passes a full fence, then looks into the queue, and sleeps only if it is
//! empty. In every interleaving one of the two sees what the other did: either the sender sees the flag and wakes, or
//! the receiver sees the message and stays awake. The swap lets exactly one of several senders pay for the wake-up.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::guard::BanChange;
use super::links::Arrival;
use super::listening::Listeners;
use super::question::Question;
use super::wrapped::Wrapped;
use crate::access::{ListenerId, Verdict};
use crate::broker::{ConnectionId, PeerMessage, Report};
use crate::net::WakeHandle;
use crate::routing::ShardIndex;

/// One item of a mailbox.
#[derive(Debug)]
pub enum Mail {
    /// Messages of one shard, in its order. `weight` is what they count for in [`Mailboxes::queued`].
    Peer { from: ShardIndex, messages: Vec<PeerMessage>, weight: usize },
    /// A connection whose home is here, with the bytes that were read from it.
    Handover(Box<Handover>),
    /// Whether a client that connects is let in.
    Verdict(ConnectionId, Box<Verdict>),
    /// A ban has been made or lifted.
    Ban(Box<BanChange>),
    /// The listeners that there are from now on.
    Listen(Box<Listeners>),
    /// Their sockets that are new.
    Accept(Vec<(ListenerId, OwnedFd)>),
    /// Somebody wants to know, or wants something done.
    Question(Question),
    /// News from the storage thread.
    Report(Report),
    /// The server stops.
    Stop,
}

/// A connection that moves to its home. In a box, as all that is rare: a mailbox moves whole items.
#[derive(Debug)]
pub struct Handover {
    pub socket: OwnedFd,
    pub bytes: Vec<u8>,
    pub arrival: Arrival,
    pub wrapped: Option<Box<Wrapped>>,
}

/// All mailboxes of a server, as senders see them.
#[derive(Debug)]
pub struct Mailboxes {
    boxes: Vec<Mailbox>,
}

/// On cache lines of its own: each is written by several shards.
#[derive(Debug)]
#[repr(align(128))]
struct Mailbox {
    sender: Sender<Mail>,
    queued: AtomicUsize,
    /// One of the three states below.
    sleeping: AtomicU8,
    wake: OnceLock<WakeHandle>,
}

const AWAKE: u8 = 0;
const IN_RING: u8 = 1;
const IN_EXECUTOR: u8 = 2;

/// The receiving end of one mailbox.
#[derive(Debug)]
pub struct Inbox {
    index: usize,
    receiver: Receiver<Mail>,
    mailboxes: Arc<Mailboxes>,
}

impl Mailboxes {
    /// Mailboxes for so many shards, and their receiving ends.
    pub fn new(shards: usize) -> (Arc<Self>, Vec<Inbox>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..shards).map(|_| unbounded()).unzip();
        let boxes = senders.into_iter().map(|sender| Mailbox {
            sender,
            queued: AtomicUsize::new(0),
            sleeping: AtomicU8::new(AWAKE),
            wake: OnceLock::new(),
        });
        let mailboxes = Arc::new(Self { boxes: boxes.collect() });
        let inboxes = receivers
            .into_iter()
            .enumerate()
            .map(|(index, receiver)| Inbox { index, receiver, mailboxes: mailboxes.clone() })
            .collect();
        (mailboxes, inboxes)
    }

    /// How many shards have one.
    pub fn shards(&self) -> usize {
        self.boxes.len()
    }

    /// Says how the owner of a mailbox is woken; once, before anybody sleeps.
    pub fn set_wake(&self, to: usize, wake: WakeHandle) {
        let _ = self.boxes[to].wake.set(wake);
    }

    pub fn wake_handle(&self, to: usize) -> Option<&WakeHandle> {
        self.boxes[to].wake.get()
    }

    /// Adds to a mailbox; never waits. The sender must ask [`needs_wake`](Self::needs_wake) afterwards.
    pub fn push(&self, to: usize, mail: Mail) {
        let mailbox = &self.boxes[to];
        if let Mail::Peer { weight, .. } = &mail {
            mailbox.queued.fetch_add(*weight, Ordering::Relaxed);
        }
        // It fails only when the receiver's thread has ended, and then nobody wants it.
        let _ = mailbox.sender.send(mail);
    }

    /// Whether the owner of a mailbox that was pushed to sleeps; the caller that gets `true` must wake it.
    #[inline]
    pub fn needs_wake(&self, to: usize) -> bool {
        self.take_sleeper(to) != AWAKE
    }

    /// For threads without a ring: adds, and wakes through an eventfd.
    pub fn push_and_wake(&self, to: usize, mail: Mail) {
        self.push(to, mail);
        match (self.take_sleeper(to), self.wake_handle(to)) {
            (IN_RING, Some(wake)) => wake.wake_ring(),
            (IN_EXECUTOR, Some(wake)) => wake.wake_executor(),
            _ => {}
        }
    }

    /// Where the owner of a mailbox sleeps whom the caller must wake.
    #[inline]
    fn take_sleeper(&self, to: usize) -> u8 {
        fence(Ordering::SeqCst);
        let sleeping = &self.boxes[to].sleeping;
        match sleeping.load(Ordering::Relaxed) {
            AWAKE => AWAKE,
            _ => sleeping.swap(AWAKE, Ordering::AcqRel),
        }
    }

    /// Weight of the peer messages that wait in a mailbox.
    #[inline]
    pub fn queued(&self, to: usize) -> usize {
        self.boxes[to].queued.load(Ordering::Relaxed)
    }
}

impl Inbox {
    #[inline]
    pub fn next(&self) -> Option<Mail> {
        self.receiver.try_recv().ok()
    }

    /// Says that messages taken with [`next`](Self::next) have been handled.
    pub fn handled(&self, weight: usize) {
        self.own().queued.fetch_sub(weight, Ordering::Relaxed);
    }

    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// Weight of what waits here.
    pub fn queued(&self) -> usize {
        self.own().queued.load(Ordering::Relaxed)
    }

    /// Announces sleep in the ring. With `false` there is mail, and the caller must not sleep. Either way
    /// [`awake`](Self::awake) is due afterwards.
    #[inline]
    pub fn prepare_to_sleep(&self) -> bool {
        self.announce(IN_RING)
    }

    /// The same for sleep in the executor.
    pub fn prepare_to_sleep_in_executor(&self) -> bool {
        self.announce(IN_EXECUTOR)
    }

    #[inline]
    fn announce(&self, sleeping: u8) -> bool {
        self.own().sleeping.store(sleeping, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.receiver.is_empty()
    }

    #[inline]
    pub fn awake(&self) {
        self.own().sleeping.store(AWAKE, Ordering::Relaxed);
    }

    fn own(&self) -> &Mailbox {
        &self.mailboxes.boxes[self.index]
    }
}
