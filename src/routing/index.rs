//! The topic index of one shard.
//!
//! Filters without a wildcard are in a hash table (`exact`): one look-up for a topic, whatever their number. Filters
//! with wildcards are in a trie (`trie`). Both end in the same kind of target (`target`): subscribers of this
//! shard, other shards, groups. A match gathers the targets, and merges their subscribers (`merge`) if there is
//! more than one list; if there is one, which is nearly always so, it is copied.

mod listing;

use super::choice::Draw;
use super::exact::Exact;
use super::groups::{Choice, GroupId, Groups, MemberState, Strategy};
use super::keyed_hash::KeyedHash;
use super::members::Member;
use super::merge::{Merge, copy};
use super::target::Target;
use super::trie::{Place, Trie, Walk};
use super::{SessionKey, ShardIndex, ShardSet};
use crate::codec::SubscriptionOptions;

pub use listing::{FilterPlace, ListedFilter};

/// What a session asked for with one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub options: SubscriptionOptions,
    /// 0 is none.
    pub subscription_id: u32,
}

impl Subscription {
    /// Its Subscription Identifier as a list of one, or of none.
    pub fn ids(&self) -> &[u32] {
        match &self.subscription_id {
            0 => &[],
            id => std::slice::from_ref(id),
        }
    }
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
    /// Those of them that may have subscribers whose sessions are kept.
    pub durable_shards: ShardSet,
    /// Groups with at least one member on any shard.
    pub groups: Vec<GroupId>,
    scratch: Scratch,
}

impl Matches {
    /// The identifiers of all matching subscriptions of one session that have one.
    #[inline]
    pub fn subscription_ids_of(&self, matched: &LocalMatch) -> &[u32] {
        let start = matched.ids_start as usize;
        self.subscription_ids.get(start..start + matched.ids_len as usize).unwrap_or_default()
    }
}

/// Memory of the match itself.
#[derive(Debug, Default)]
struct Scratch {
    walk: Walk,
    /// Targets of the trie that have subscribers on this shard.
    places: Vec<Place>,
    merge: Merge,
}

/// One shard's copy of the topic index.
#[derive(Debug)]
pub struct TopicIndex {
    own: ShardIndex,
    exact: Exact,
    trie: Trie,
    groups: Groups,
    subscription_count: usize,
    /// Of these, members of groups.
    shared_subscription_count: usize,
}

impl TopicIndex {
    /// `hash_seed` protects the tables against chosen keys; all shards and the naive twin may use any. `own` is below
    /// `shards`.
    pub fn new(own: ShardIndex, shards: usize, hash_seed: u64) -> Self {
        assert!(usize::from(own.0) < shards, "a shard's number is below the number of shards");
        let hash = KeyedHash::new(hash_seed);
        Self {
            own,
            exact: Exact::new(hash.clone()),
            trie: Trie::new(hash.clone()),
            groups: Groups::new(hash),
            subscription_count: 0,
            shared_subscription_count: 0,
        }
    }

    /// Adds or replaces a subscription that is not shared.
    pub fn subscribe(&mut self, filter: &str, session: SessionKey, subscription: Subscription) -> Subscribed {
        let subscribed = self.target(filter).subscribe(session, subscription);
        self.subscription_count += usize::from(subscribed.new);
        subscribed
    }

    /// Removes a subscription that is not shared; `None` if there was none.
    pub fn unsubscribe(&mut self, filter: &str, session: SessionKey) -> Option<Removed> {
        let last_on_shard = self.update(filter, |target| target.unsubscribe(session))??;
        self.subscription_count -= 1;
        Some(Removed { last_on_shard })
    }

    /// What a session asked for with this filter, in a group if `share` names one.
    pub fn subscription(&self, share: Option<&str>, filter: &str, session: SessionKey) -> Option<Subscription> {
        let of =
            |members: &[Member], position: Option<usize>| members.get(position?).map(|(_, subscription)| *subscription);
        match share {
            Some(share) => {
                let members = &self.groups.get(self.groups.find(share, filter)?).members;
                of(members.as_slice(), members.position(session))
            }
            None => {
                let target = if has_wildcard(filter) { self.trie.get(filter) } else { self.exact.get(filter) }?;
                of(target.members(), target.position(session))
            }
        }
    }

    /// Another shard has at least one subscriber of `filter`; with `durable` one whose session is kept, until it says that it has none.
    pub fn add_interest(&mut self, filter: &str, shard: ShardIndex, durable: bool) {
        debug_assert_ne!(shard, self.own);
        self.target(filter).add_shard(shard, durable);
    }

    /// Another shard has no subscriber of `filter` any more.
    pub fn remove_interest(&mut self, filter: &str, shard: ShardIndex) {
        self.update(filter, |target| target.remove_shard(shard));
    }

    /// All that `topic` goes to. Clears `out` first. Wildcards at the first level do not match topics that begin with `$`
    /// ([MQTT-4.7.2-1]).
    pub fn matches(&self, topic: &str, out: &mut Matches) {
        let Matches { local, subscription_ids, shards, durable_shards, groups, scratch } = out;
        let Scratch { walk, places, merge } = scratch;
        local.clear();
        subscription_ids.clear();
        groups.clear();
        places.clear();
        let mut interested = ShardSet::default();
        let mut durable = ShardSet::default();
        let mut note_interest = |target: &Target| {
            let Some(interest) = target.interest() else { return };
            interested = interested.union(interest.shards);
            durable = durable.union(interest.durable);
            groups.extend_from_slice(interest.groups);
        };

        let exact = self.exact.get(topic);
        if let Some(target) = exact {
            note_interest(target);
        }
        self.trie.matches(topic, walk, |place, target| {
            note_interest(target);
            if !target.members().is_empty() {
                places.push(place);
            }
        });
        *shards = interested;
        *durable_shards = durable;

        let exact = exact.filter(|target| !target.members().is_empty());
        match (exact, places.as_slice()) {
            (None, []) => {}
            (Some(target), []) => copy(target.members(), local, subscription_ids),
            (None, [place]) => copy(self.trie.target(*place).members(), local, subscription_ids),
            _ => {
                let targets = exact.into_iter().chain(places.iter().map(|place| self.trie.target(*place)));
                merge.merge(targets, local, subscription_ids);
            }
        }
    }

    /// Adds or replaces a member of the group `share` on `filter`; `new` and `first_on_shard` as in `subscribe`. A new
    /// member counts as connected until [`Self::set_connected`] says otherwise.
    pub fn join(&mut self, share: &str, filter: &str, session: SessionKey, subscription: Subscription) -> Subscribed {
        let id = self.group_or_new(share, filter);
        let group = self.groups.get_mut(id);
        let new = group.insert(session, subscription);
        self.subscription_count += usize::from(new);
        self.shared_subscription_count += usize::from(new);
        Subscribed { new, first_on_shard: new && group.members.len() == 1 }
    }

    /// Removes a member.
    pub fn leave(&mut self, share: &str, filter: &str, session: SessionKey) -> Option<Removed> {
        let id = self.groups.find(share, filter)?;
        let group = self.groups.get_mut(id);
        if !group.remove(session) {
            return None;
        }
        let last_on_shard = group.members.is_empty();
        self.subscription_count -= 1;
        self.shared_subscription_count -= 1;
        self.forget_if_empty(id);
        Some(Removed { last_on_shard })
    }

    /// A member's session was connected or disconnected. `choose` finds that out by itself in a group of up to 16
    /// members; in a larger one it notices soon, but not at once, unless it is told. No member, no effect.
    pub fn set_connected(&mut self, share: &str, filter: &str, session: SessionKey, connected: bool) {
        let Some(id) = self.groups.find(share, filter) else { return };
        let group = self.groups.get_mut(id);
        if let Some(position) = group.members.position(session) {
            group.set_connected(position, connected);
        }
    }

    /// How many members of the group another shard has, and how many of them are connected; 0 and 0 forgets the shard.
    /// With `durable` the session of one of them may be kept.
    pub fn set_group_interest(
        &mut self,
        share: &str,
        filter: &str,
        shard: ShardIndex,
        connected: u32,
        total: u32,
        durable: bool,
    ) {
        debug_assert_ne!(shard, self.own);
        let id = match self.groups.find(share, filter) {
            Some(id) => id,
            None if total == 0 => return,
            None => self.group_or_new(share, filter),
        };
        self.groups.get_mut(id).set_remote(shard, connected.min(total), total, durable);
        self.forget_if_empty(id);
    }

    /// The group's number while it has any member here or elsewhere.
    pub fn group(&self, share: &str, filter: &str) -> Option<GroupId> {
        self.groups.find(share, filter)
    }

    /// Share name and filter of a group.
    pub fn group_name(&self, group: GroupId) -> (&str, &str) {
        let group = self.groups.get(group);
        (&group.share, &group.filter)
    }

    /// This shard's members of a group; those that are connected, as far as is known, come first.
    pub fn group_members(&self, group: GroupId) -> &[(SessionKey, Subscription)] {
        self.groups.get(group).members.as_slice()
    }

    /// How many members of a group this shard has: connected as far as is known, and all. What the other shards are told.
    pub fn group_counts(&self, group: GroupId) -> (u32, u32) {
        let group = self.groups.get(group);
        (group.connected as u32, group.members.len() as u32)
    }

    /// Whether any member of a group is connected, here or on another shard, as far as is known.
    pub fn group_is_attended(&self, group: GroupId) -> bool {
        let group = self.groups.get(group);
        group.connected > 0 || group.remotes.iter().any(|remote| remote.connected > 0)
    }

    /// The shard with members of the group that comes next after this one, in a circle; those with connected ones first.
    pub fn group_shard_after(&self, group: GroupId) -> Option<ShardIndex> {
        let distance = |shard: ShardIndex| shard.0.wrapping_sub(self.own.0);
        let others = self.groups.get(group).remotes.iter().filter(|remote| remote.total > 0);
        others.min_by_key(|remote| (remote.connected == 0, distance(remote.shard))).map(|remote| remote.shard)
    }

    /// Whether the session of a member on another shard may be kept.
    pub fn group_is_durable_elsewhere(&self, group: GroupId) -> bool {
        self.groups.get(group).remotes.iter().any(|remote| remote.durable)
    }

    /// Chooses who gets a message of `group`: a member here, or a shard. Connected members come before those that
    /// are away; among shards the choice is weighted by members so that every member gets its share.
    /// `local_only` chooses among this shard's members only (the message was sent here for that).
    /// `state` tells of a local member whether it is connected and how many messages it has in flight and queued.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the choice; a struct would only rename them")]
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
        let draw = Draw { strategy, client_id_hash, topic_hash, random, local_only };
        self.groups.get_mut(group).choose(self.own, &draw, state)
    }

    /// Subscriptions of this shard, members of groups included.
    pub fn subscription_count(&self) -> usize {
        self.subscription_count
    }

    /// Members of groups on this shard.
    pub fn shared_subscription_count(&self) -> usize {
        self.shared_subscription_count
    }

    /// The target of a filter, which is added if need be.
    fn target(&mut self, filter: &str) -> &mut Target {
        if has_wildcard(filter) { self.trie.get_or_insert(filter) } else { self.exact.get_or_insert(filter) }
    }

    /// Changes the target of a filter that is there; forgets the filter if nothing is behind it any more.
    fn update<R>(&mut self, filter: &str, change: impl FnOnce(&mut Target) -> R) -> Option<R> {
        if has_wildcard(filter) { self.trie.update(filter, change) } else { self.exact.update(filter, change) }
    }

    fn group_or_new(&mut self, share: &str, filter: &str) -> GroupId {
        if let Some(id) = self.groups.find(share, filter) {
            return id;
        }
        let id = self.groups.add(share, filter);
        let position = self.target(filter).add_group(id);
        self.groups.get_mut(id).position = position;
        id
    }

    fn forget_if_empty(&mut self, id: GroupId) {
        let group = self.groups.get(id);
        if !group.is_empty() {
            return;
        }
        let position = group.position;
        let filter = group.filter.clone();
        if let Some(moved) = self.update(&filter, |target| target.remove_group(position)).flatten() {
            self.groups.get_mut(moved).position = position;
        }
        self.groups.remove(id);
    }
}

/// In a valid filter these two occur only as whole levels ([MQTT-4.7.1-1], [MQTT-4.7.1-2]).
fn has_wildcard(filter: &str) -> bool {
    memchr::memchr2(b'+', b'#', filter.as_bytes()).is_some()
}
