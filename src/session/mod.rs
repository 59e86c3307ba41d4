//! What outlives the network connection (section 4.1): subscriptions, messages in flight and waiting, the will.
//!
//! All of it is plain values, without a pointer into the runtime, so that a session can be written out and read back.

pub mod delivery;
pub mod in_flight;
pub mod replay;
pub mod subscriptions;

use std::collections::VecDeque;

use crate::access::Permissions;
use crate::broker::timer_wheel::TimerId;
use crate::broker::{ConnectionId, DropReason, Message, Millis, NEVER};

pub use delivery::{Delivery, GroupName};
pub use in_flight::{Awaits, Content, InFlight, Slot};
pub use replay::{Replay, Replays};
pub use subscriptions::Subscriptions;

/// One session; it lives on its client id's home shard.
#[derive(Debug)]
pub struct Session {
    /// Tells it from earlier sessions in the same slot.
    pub generation: u32,
    pub client_id: Box<str>,
    /// Hash of the client id, for shared subscriptions by publisher.
    pub client_hash: u64,
    pub connection: Option<ConnectionId>,
    /// The client's last CONNECT asked for a new session.
    pub clean_start: bool,
    /// Session Expiry Interval in seconds; `u32::MAX` never expires.
    pub expiry_s: u32,
    pub timer: Option<TimerId>,
    /// When the session ends, if it has no connection; [`NEVER`] while it has one, or if it stays.
    pub expires_at: Millis,
    /// Its number in the store; 0 if it is not kept. It is as long as the session.
    pub store_id: u64,
    pub subscriptions: Subscriptions,
    pub will: Option<Box<Will>>,
    /// Present while there is anything in it.
    pub flow: Option<Box<Flow>>,
    /// Present while retained messages are being fetched.
    pub replays: Option<Box<Replays>>,
    /// What its client may do, as of its last connection; `None` is everything, and for a session that was read back and whose
    /// client has not come yet: what waits for it is looked at when it is sent.
    pub permissions: Option<Box<Permissions>>,
    /// Reasons for which one of its messages was dropped since it connected, one bit each.
    pub drops_reported: u16,
}

const _: () = assert!(size_of::<Session>() <= 120);

/// Messages under way to and from one client.
#[derive(Debug, Default)]
pub struct Flow {
    /// QoS 1 and 2 to the client, sent and not settled.
    pub in_flight: InFlight,
    /// To the client, not sent yet.
    pub queue: Queue,
    /// Packet identifiers of QoS 2 messages from the client that were received and not released ([MQTT-4.3.3-10]).
    pub unreleased: Vec<Unreleased>,
    /// The ticket of the last kept QoS 2 publish of the client; 0 if it had none.
    pub last_ticket: u64,
    /// Queued behind `queue`, and on disk only.
    pub spilled: Spilled,
}

/// A QoS 2 message that the client may send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreleased {
    pub packet_id: u16,
    /// The store knows of it.
    pub kept: bool,
}

/// Queued messages of which only the store knows more than this.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spilled {
    pub messages: u64,
    pub bytes: u64,
    /// The next ones have been asked for.
    pub requested: bool,
}

impl Flow {
    pub fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.waiting() == 0 && self.unreleased.is_empty()
    }

    /// Anything in it is still to be sent over the present connection.
    #[inline]
    pub fn has_unsent(&self) -> bool {
        self.in_flight.has_unsent() || !self.queue.is_empty() || self.spilled.messages > 0
    }

    /// Messages in the queue, in memory and on disk.
    pub fn waiting(&self) -> usize {
        self.queue.len() + self.spilled.messages as usize
    }

    /// Their bytes.
    pub fn waiting_bytes(&self) -> usize {
        self.queue.bytes() + self.spilled.bytes as usize
    }

    /// Messages of QoS 1 or 2 wait: a later one must not overtake them.
    pub fn has_acknowledged(&self) -> bool {
        self.queue.has_acknowledged() || self.spilled.messages > 0
    }
}

/// Messages that wait, oldest first.
#[derive(Debug, Default)]
pub struct Queue {
    entries: VecDeque<Delivery>,
    bytes: usize,
    qos0: usize,
}

impl Queue {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sizes of the messages that wait, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages of QoS 0 that wait: a later one must not overtake them.
    pub fn has_qos0(&self) -> bool {
        self.qos0 > 0
    }

    /// Messages of QoS 1 or 2 wait here.
    fn has_acknowledged(&self) -> bool {
        self.entries.len() > self.qos0
    }

    pub fn push(&mut self, delivery: Delivery) {
        self.bytes += delivery.message.size();
        self.qos0 += usize::from(delivery.qos as u8 == 0);
        self.entries.push_back(delivery);
    }

    pub fn front(&self) -> Option<&Delivery> {
        self.entries.front()
    }

    pub fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.entries.pop_front()?;
        self.bytes -= delivery.message.size();
        self.qos0 -= usize::from(delivery.qos as u8 == 0);
        Some(delivery)
    }

    /// Takes out what `select` chooses, in order.
    pub fn extract(&mut self, mut select: impl FnMut(&Delivery) -> bool) -> Vec<Delivery> {
        let (taken, kept): (Vec<_>, Vec<_>) =
            std::mem::take(self).entries.into_iter().partition(|delivery| select(delivery));
        kept.into_iter().for_each(|delivery| self.push(delivery));
        taken
    }
}

/// The will of the present connection, or one whose delay runs (section 3.1.2.5).
#[derive(Debug)]
pub struct Will {
    pub message: Message,
    pub delay_s: u32,
    /// Message Expiry Interval, counted from publication.
    pub message_expiry_s: Option<u32>,
    /// When a will whose connection has gone is published.
    pub due_at: Option<Millis>,
}

impl Session {
    pub fn new(generation: u32, client_id: &str, client_hash: u64) -> Self {
        Self {
            generation,
            client_id: client_id.into(),
            client_hash,
            connection: None,
            clean_start: false,
            expiry_s: 0,
            timer: None,
            expires_at: NEVER,
            store_id: 0,
            subscriptions: Subscriptions::default(),
            will: None,
            flow: None,
            replays: None,
            permissions: None,
            drops_reported: 0,
        }
    }

    /// Messages in flight and waiting.
    pub fn pending(&self) -> usize {
        self.flow.as_ref().map_or(0, |flow| flow.in_flight.len() + flow.waiting())
    }

    /// Messages that wait: in the queue, and behind retained messages that are being fetched.
    pub fn waiting(&self) -> usize {
        let held = self.replays.as_ref().map_or(0, |replays| replays.held.len());
        self.flow.as_ref().map_or(0, |flow| flow.waiting()) + held
    }

    /// Their bytes.
    pub fn waiting_bytes(&self) -> usize {
        let held = self.replays.as_ref().map_or(0, |replays| replays.held_bytes);
        self.flow.as_ref().map_or(0, |flow| flow.waiting_bytes()) + held
    }

    pub fn flow_mut(&mut self) -> &mut Flow {
        self.flow.get_or_insert_default()
    }

    /// A message that one of the subscriptions matches may be sent to the client.
    #[inline]
    pub fn may_receive(&mut self, topic: &str) -> bool {
        match &mut self.permissions {
            None => true,
            Some(permissions) => permissions.is_covered || permissions.may_read_often(&self.client_id, topic),
        }
    }

    /// The same for one that was matched earlier, when the rules or the subscriptions may have been others.
    pub fn may_still_receive(&self, topic: &str) -> bool {
        self.permissions.as_ref().is_none_or(|permissions| permissions.may_read(&self.client_id, topic))
    }

    /// The client may publish to this topic.
    #[inline]
    pub fn may_publish(&mut self, topic: &str) -> bool {
        match &mut self.permissions {
            None => true,
            Some(permissions) => permissions.may_write_often(&self.client_id, topic),
        }
    }

    /// The will of the client may be published.
    pub fn may_publish_will(&self, topic: &str) -> bool {
        self.permissions.as_ref().is_none_or(|permissions| permissions.may_write(&self.client_id, topic))
    }

    /// Gives the memory of an empty flow back, and of what is only remembered.
    pub fn trim(&mut self) {
        if let Some(permissions) = &mut self.permissions {
            permissions.trim();
        }
        if self.flow.as_ref().is_some_and(|flow| flow.is_empty()) {
            self.flow = None;
        }
    }

    /// True the first time that a drop for this reason is to be reported since the client connected.
    pub fn first_drop(&mut self, reason: DropReason) -> bool {
        let bit = 1_u16 << (reason as u8);
        let first = self.drops_reported & bit == 0;
        self.drops_reported |= bit;
        first
    }
}
