//! Shared subscriptions (section 4.8.2): one member of a group gets each message.

use super::{SessionKey, ShardIndex, Subscription};

/// A group (share name and filter), valid while it has members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

/// How a group's member is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The member with the fewest messages in flight and queued.
    #[default]
    LeastInFlight,
    RoundRobin,
    Random,
    /// Always the same member until it goes away.
    Sticky,
    /// By the publisher's client id: rendezvous hashing, so that few keys move when a member comes or goes.
    HashClientId,
    /// By the topic, likewise.
    HashTopic,
}

/// What the choice must know of a local member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberState {
    pub connected: bool,
    /// Messages in flight and queued.
    pub pending: u32,
}

/// Who gets the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Local(SessionKey, Subscription),
    Shard(ShardIndex),
    Nobody,
}
