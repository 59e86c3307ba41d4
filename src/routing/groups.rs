//! Shared subscriptions (section 4.8.2): one member of a group gets each message.
//!
//! A group knows its members on this shard, those that are connected first, and of every other shard only how many
//! members it has and how many of them are connected. Who is chosen among them is in `choice`.

use super::keyed_hash::{KeyedHash, spread};
use super::members::Members;
use super::slab::Slab;
use super::table::Table;
use super::{SessionKey, ShardIndex, Subscription};

/// A group (share name and filter), valid while it has members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

/// How a group's member is chosen. Whatever the strategy, members that are connected come before those that are away, on
/// all shards; if nobody is connected anywhere, all members are candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The member with the fewest messages in flight and queued. Among the shards it goes in turn, each as often as it
    /// has members, for a shard does not know the others' queues. With more than 16 candidates on a shard
    /// two of them, drawn at random, are compared: that already keeps the longest queue within a small constant of the
    /// mean ("the power of two choices", Mitzenmacher 2001).
    #[default]
    LeastInFlight,
    /// In turn; among the shards too, each as often as it has members.
    RoundRobin,
    /// Every candidate with the same probability.
    Random,
    /// Always the same member until it goes away: one on the lowest-numbered shard with a candidate.
    Sticky,
    /// By the publisher's client id: rendezvous hashing, weighted by members among the shards, so that few keys move
    /// when a member comes or goes, and a member that comes back finds its own again. With more than 256
    /// candidates on a shard jump consistent hashing takes its place there: as few keys move, but a member that
    /// comes back may find others.
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

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    pub share: Box<str>,
    pub filter: Box<str>,
    /// Where this group is among the groups of its filter.
    pub position: u32,
    /// Those of this shard; the first `connected` of them are connected as far as is known.
    pub members: Members,
    pub connected: usize,
    /// Ascending by shard.
    pub remotes: Vec<Remote>,
    /// This shard's credit, as `Remote::credit`.
    pub credit: i64,
    /// Where the next choice in turn starts.
    pub cursor: usize,
    /// Which of the members that are away is asked next whether it has come back.
    pub probe: usize,
    pub sticky: Option<SessionKey>,
}

/// The members of another shard.
#[derive(Debug)]
pub(super) struct Remote {
    pub shard: ShardIndex,
    pub connected: u32,
    pub total: u32,
    /// The session of one of them may be kept.
    pub durable: bool,
    /// What it is owed in choices by turn.
    pub credit: i64,
}

impl Remote {
    /// How often it is chosen, relative to the others: by its connected members, or by all.
    pub fn weight(&self, by_connected: bool) -> u64 {
        u64::from(if by_connected { self.connected } else { self.total })
    }
}

impl Group {
    /// Adds a member, as connected, or replaces its subscription; true if it is new.
    pub fn insert(&mut self, session: SessionKey, subscription: Subscription) -> bool {
        let new = self.members.insert(session, subscription);
        if new {
            self.set_connected(self.members.len() - 1, true);
        }
        new
    }

    /// Removes a member; false if there was none.
    pub fn remove(&mut self, session: SessionKey) -> bool {
        let Some(position) = self.members.position(session) else { return false };
        let position = self.set_connected(position, false);
        self.members.remove_at(position);
        true
    }

    /// Moves the member at `position` to the connected ones or away from them; its position from now on.
    pub fn set_connected(&mut self, position: usize, connected: bool) -> usize {
        if connected == (position < self.connected) {
            return position;
        }
        let border = if connected { self.connected } else { self.connected - 1 };
        self.members.swap(position, border);
        self.connected = if connected { border + 1 } else { border };
        border
    }

    /// What another shard says of its members; 0 and 0 forgets it.
    pub fn set_remote(&mut self, shard: ShardIndex, connected: u32, total: u32, durable: bool) {
        match self.remotes.binary_search_by_key(&shard, |remote| remote.shard) {
            Ok(index) if total == 0 => {
                self.remotes.remove(index);
            }
            Ok(index) => {
                let remote = &mut self.remotes[index];
                (remote.connected, remote.total, remote.durable) = (connected, total, durable);
            }
            Err(_) if total == 0 => {}
            Err(index) => self.remotes.insert(index, Remote { shard, connected, total, durable, credit: 0 }),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.remotes.is_empty()
    }
}

/// All groups, by number and by name.
#[derive(Debug)]
pub(super) struct Groups {
    numbers: Table<u32>,
    groups: Slab<Option<Box<Group>>>,
    hash: KeyedHash,
}

impl Groups {
    pub fn new(hash: KeyedHash) -> Self {
        Self { numbers: Table::new(), groups: Slab::new(), hash }
    }

    pub fn find(&self, share: &str, filter: &str) -> Option<GroupId> {
        let same = |&number: &u32| {
            self.groups.get(number).as_ref().is_some_and(|group| *group.share == *share && *group.filter == *filter)
        };
        self.numbers.find(name_hash(&self.hash, share, filter), same).map(|&number| GroupId(number))
    }

    /// Adds a group that is not there yet.
    pub fn add(&mut self, share: &str, filter: &str) -> GroupId {
        let number = self.groups.insert(Some(Box::new(Group {
            share: share.into(),
            filter: filter.into(),
            position: 0,
            members: Members::default(),
            connected: 0,
            remotes: Vec::new(),
            credit: 0,
            cursor: 0,
            probe: 0,
            sticky: None,
        })));
        let (groups, hash) = (&self.groups, &self.hash);
        self.numbers.insert_unique(name_hash(hash, share, filter), number, |&other| number_hash(groups, hash, other));
        GroupId(number)
    }

    pub fn remove(&mut self, group: GroupId) {
        let hash = number_hash(&self.groups, &self.hash, group.0);
        let (groups, keyed) = (&self.groups, &self.hash);
        self.numbers.remove(hash, |&other| other == group.0, |&other| number_hash(groups, keyed, other));
        self.groups.remove(group.0);
    }

    /// The group of this number, which must be valid.
    pub fn get(&self, group: GroupId) -> &Group {
        self.groups.get(group.0).as_ref().expect("a group's number is used only while it has members")
    }

    pub fn get_mut(&mut self, group: GroupId) -> &mut Group {
        self.groups.get_mut(group.0).as_mut().expect("a group's number is used only while it has members")
    }
}

fn name_hash(hash: &KeyedHash, share: &str, filter: &str) -> u64 {
    spread(hash.text(share)) ^ hash.text(filter)
}

fn number_hash(groups: &Slab<Option<Box<Group>>>, hash: &KeyedHash, number: u32) -> u64 {
    groups.get(number).as_ref().map_or(0, |group| name_hash(hash, &group.share, &group.filter))
}
