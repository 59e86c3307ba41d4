//! What the core reports for the log, and the closed lists of reasons.

use crate::access::{Address, Denial};
use crate::codec::{ReasonCode, Version, Violation};
use crate::limits::LOGGED_NAME_LENGTH_MAX;

/// Why a message was not delivered. The list is closed: a message that is gone is counted under one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DropReason {
    /// The receiver's queue was full (messages or bytes) and it was the newest.
    QueueFullNewest,
    /// The receiver's queue was full and it was the oldest.
    QueueFullOldest,
    /// The shard's byte budget was used up.
    ShardFull,
    /// Its Message Expiry Interval passed before it could be sent.
    Expired,
    /// Larger than the receiver's Maximum Packet Size ([MQTT-3.1.2-25]).
    TooLargeForReceiver,
    /// QoS 0 for a session that is not connected.
    ReceiverAway,
    /// The session ended with the message undelivered.
    SessionEnded,
    /// No member of the shared subscription was left.
    NoMember,
    /// The receiver refused it with an error code in PUBACK or PUBREC.
    RefusedByReceiver,
    /// The bound of retained messages or bytes was reached; the message was delivered, but is not kept.
    RetainedFull,
    /// The store does not accept: the message was delivered, but is not retained.
    StoreFull,
    /// The access rules do not let the receiver read the topic.
    ReadDenied,
    /// The access rules did not let the client publish to the topic.
    WriteDenied,
}

impl DropReason {
    pub const ALL: [Self; 13] = [
        Self::QueueFullNewest,
        Self::QueueFullOldest,
        Self::ShardFull,
        Self::Expired,
        Self::TooLargeForReceiver,
        Self::ReceiverAway,
        Self::SessionEnded,
        Self::NoMember,
        Self::RefusedByReceiver,
        Self::RetainedFull,
        Self::StoreFull,
        Self::ReadDenied,
        Self::WriteDenied,
    ];

    /// The name under which it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFullNewest => "queue_full_newest",
            Self::QueueFullOldest => "queue_full_oldest",
            Self::ShardFull => "shard_full",
            Self::Expired => "expired",
            Self::TooLargeForReceiver => "too_large_for_receiver",
            Self::ReceiverAway => "receiver_away",
            Self::SessionEnded => "session_ended",
            Self::NoMember => "no_member",
            Self::RefusedByReceiver => "refused_by_receiver",
            Self::RetainedFull => "retained_full",
            Self::StoreFull => "store_full",
            Self::ReadDenied => "read_denied",
            Self::WriteDenied => "write_denied",
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client said DISCONNECT.
    ByClient(ReasonCode),
    /// The transport ended without a DISCONNECT.
    ConnectionLost,
    /// The client broke a rule of the protocol.
    Violation(Violation),
    /// The server ended it, or refused it, with this reason.
    ByServer(ReasonCode),
    /// The client was not let in.
    Denied(Denial),
    /// No CONNECT in time.
    HandshakeTimeout,
}

impl Event {
    /// Whom it is about; empty if nobody knows.
    pub fn client_id(&self) -> &str {
        match self {
            Self::Connected { client_id, .. }
            | Self::Closed { client_id, .. }
            | Self::Denied { client_id, .. }
            | Self::Dropped { client_id, .. }
            | Self::SessionExpired { client_id }
            | Self::SessionLost { client_id, .. }
            | Self::OverQuota { client_id, .. }
            | Self::SubscriptionRefused { client_id, .. }
            | Self::BoundReached { client_id, .. } => client_id,
        }
    }
}

/// Something worth a log line.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Connected {
        client_id: String,
        address: Address,
        /// The name under which the client was let in.
        user_name: Option<String>,
        version: Version,
        clean_start: bool,
        session_present: bool,
        keep_alive_s: u16,
    },
    /// `client_id` is empty when the CONNECT was not accepted.
    Closed {
        client_id: String,
        address: Address,
        reason: CloseReason,
    },
    /// A client was not let in; no [`Event::Closed`] follows.
    Denied {
        client_id: String,
        address: Address,
        /// The name that the client gave, cut to a length for the log.
        user_name: Option<String>,
        denial: Denial,
    },
    /// First drop for this reason at this client since it connected; later ones are only counted.
    Dropped {
        client_id: String,
        reason: DropReason,
        /// Where the client wanted to publish it, cut to a length for the log; `None` if it was on its way to the client.
        topic: Option<String>,
    },
    /// Filters of a SUBSCRIBE were not granted: the first of them, and why.
    SubscriptionRefused {
        client_id: String,
        /// Cut to a length for the log.
        filter: String,
        reason: ReasonCode,
        why: &'static str,
        /// Further filters of the same packet that were not granted.
        others: usize,
    },
    SessionExpired {
        client_id: String,
    },
    /// A session has ended that leaves messages behind, or had lost some before.
    SessionLost {
        client_id: String,
        /// Messages that it was still to get.
        undelivered: u64,
        /// Those that were dropped while it lasted.
        dropped: u64,
    },
    /// A client began to send more than it may: `quota` is `messages` or `bytes`.
    OverQuota {
        client_id: String,
        quota: &'static str,
    },
    /// A bound was reached: what was refused, and the key in the configuration that moves it.
    BoundReached {
        client_id: String,
        key: &'static str,
    },
}

/// A name that a stranger has given, cut so that it does not fill the log.
pub(super) fn for_log(name: &str) -> String {
    name.chars().take(LOGGED_NAME_LENGTH_MAX).collect()
}
