//! The topic index of one shard.

use super::groups::{Choice, GroupId, MemberState, Strategy};
use super::{SessionKey, ShardIndex, ShardSet};
use crate::codec::SubscriptionOptions;

/// What a session asked for with one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub options: SubscriptionOptions,
    /// 0 is none.
    pub subscription_id: u32,
}

/// What [`TopicIndex::subscribe`] changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The session had no subscription with this filter before.
    pub new: bool,
    /// It is the shard's first with this filter: the other shards must hear of it.
    pub first_on_shard: bool,
}

/// What [`TopicIndex::unsubscribe`] changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// It was the shard's last with this filter: the other shards must hear of it.
    pub last_on_shard: bool,
}

/// One session that a publish goes to; several matching filters of one session are merged into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalMatch {
    pub session: SessionKey,
    /// `qos` is the highest of the matching subscriptions; `no_local` and `retain_as_published` as merged from those
    /// (no_local only if all of them have it; retain_as_published if any has it).
    pub options: SubscriptionOptions,
    /// Slice of [`Matches::subscription_ids`]: the identifiers of all matching subscriptions that have one.
    pub ids_start: u32,
    pub ids_len: u32,
}

/// The result of a match; kept and reused, so that a match does not allocate.
#[derive(Debug, Default)]
pub struct Matches {
    pub local: Vec<LocalMatch>,
    pub subscription_ids: Vec<u32>,
    /// Other shards with an interest that is not a shared subscription.
    pub shards: ShardSet,
    /// Groups with at least one member on any shard.
    pub groups: Vec<GroupId>,
}

/// One shard's copy of the topic index.
#[derive(Debug)]
pub struct TopicIndex {
    own: ShardIndex,
}

#[allow(unused_variables)]
impl TopicIndex {
    /// `hash_seed` protects the tables against chosen keys; all shards and the naive twin may use any.
    pub fn new(own: ShardIndex, shards: usize, hash_seed: u64) -> Self {
        Self { own }
    }

    /// Adds or replaces a subscription that is not shared.
    pub fn subscribe(&mut self, filter: &str, session: SessionKey, subscription: Subscription) -> Subscribed {
        unimplemented!()
    }

    /// Removes a subscription that is not shared; `None` if there was none.
    pub fn unsubscribe(&mut self, filter: &str, session: SessionKey) -> Option<Removed> {
        unimplemented!()
    }

    /// Another shard has at least one subscriber of `filter`.
    pub fn add_interest(&mut self, filter: &str, shard: ShardIndex) {
        unimplemented!()
    }

    /// Another shard has no subscriber of `filter` any more.
    pub fn remove_interest(&mut self, filter: &str, shard: ShardIndex) {
        unimplemented!()
    }

    /// All that `topic` goes to. Clears `out` first. Wildcards at the first level do not match topics that begin with `$`
    /// ([MQTT-4.7.2-1]).
    pub fn matches(&self, topic: &str, out: &mut Matches) {
        unimplemented!()
    }

    /// Adds or replaces a member of the group `share` on `filter`; `new` and `first_on_shard` as in `subscribe`.
    pub fn join(&mut self, share: &str, filter: &str, session: SessionKey, subscription: Subscription) -> Subscribed {
        unimplemented!()
    }

    /// Removes a member.
    pub fn leave(&mut self, share: &str, filter: &str, session: SessionKey) -> Option<Removed> {
        unimplemented!()
    }

    /// How many members of the group another shard has, and how many of them are connected; 0 and 0 forgets the shard.
    pub fn set_group_interest(&mut self, share: &str, filter: &str, shard: ShardIndex, connected: u32, total: u32) {
        unimplemented!()
    }

    /// The group's number while it has any member here or elsewhere.
    pub fn group(&self, share: &str, filter: &str) -> Option<GroupId> {
        unimplemented!()
    }

    /// Share name and filter of a group.
    pub fn group_name(&self, group: GroupId) -> (&str, &str) {
        unimplemented!()
    }

    /// This shard's members of a group.
    pub fn group_members(&self, group: GroupId) -> &[(SessionKey, Subscription)] {
        unimplemented!()
    }

    /// Chooses who gets a message of `group`: a member here, or a shard. Connected members come before those that
    /// are away; among shards the choice is weighted by members so that every member gets its share.
    /// `local_only` chooses among this shard's members only (the message was sent here for that).
    /// `state` tells of a local member whether it is connected and how many messages it has in flight and queued.
    #[allow(clippy::too_many_arguments)]
    pub fn choose(
        &mut self,
        group: GroupId,
        strategy: Strategy,
        client_id_hash: u64,
        topic_hash: u64,
        random: u64,
        local_only: bool,
        state: &mut dyn FnMut(SessionKey) -> MemberState,
    ) -> Choice {
        unimplemented!()
    }

    /// Subscriptions of this shard, members of groups included.
    pub fn subscription_count(&self) -> usize {
        unimplemented!()
    }
}
