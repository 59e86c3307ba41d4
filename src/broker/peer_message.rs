//! All that goes from one shard to another.

use super::Message;
use crate::routing::SessionKey;

/// One value in a shard's mailbox. A message with a `ticket` that is not 0 is answered to the store: see [`batch`](super::batch).
#[derive(Clone, Debug)]
pub enum PeerMessage {
    /// For all local subscribers of its topic that are not members of a group.
    Publish { message: Message, ticket: u64 },
    /// For one local member of the group.
    PublishShared { share: Box<str>, filter: Box<str>, message: Message, hops: u8, ticket: u64 },
    /// Keep (or with an empty payload: forget) the retained message of this topic.
    Retain { message: Message, ticket: u64 },
    /// The sender has its first subscriber of this filter, or (`durable`) its first whose session is kept.
    InterestAdd { filter: Box<str>, durable: bool, sequence: u64 },
    /// The sender has no subscriber of this filter any more.
    InterestRemove { filter: Box<str> },
    /// The sender's members of this group, and whether the session of one may be kept; 0 of 0 when it has none any more.
    GroupInterest { share: Box<str>, filter: Box<str>, connected: u32, total: u32, durable: bool, sequence: u64 },
    /// The receiver's `InterestAdd` and `GroupInterest` up to this sequence are in force at the sender.
    InterestApplied { sequence: u64 },
    /// The next retained messages that match, after a topic.
    RetainedRequest { session: SessionKey, replay: u32, filter: Box<str>, after: Option<Box<str>> },
    /// Answer to `RetainedRequest`. `after` is where the next request goes on; `None` when there are no more.
    RetainedBatch { session: SessionKey, replay: u32, messages: Vec<Message>, after: Option<Box<str>> },
}

impl PeerMessage {
    /// Messages of one turn are pushed to their receivers class by class, all receivers of a class before the next
    /// class: 0 is live publishes, 1 all else, 2 acknowledgements of interest.
    ///
    /// So whoever learns from a later class that something happened finds what came before it in the mailboxes already: a
    /// shard that gets a retained message from its partition has the live copy of it before; a shard that is told
    /// that its interest is in force finds, in every partition, the retained messages published before that.
    pub fn class(&self) -> usize {
        match self {
            Self::Publish { .. } | Self::PublishShared { .. } => 0,
            Self::InterestApplied { .. } => 2,
            _ => 1,
        }
    }
}
