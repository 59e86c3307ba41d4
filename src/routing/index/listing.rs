//! The filters of the index, one after the other, for those who want to see them.

use super::{TopicIndex, has_wildcard};
use crate::routing::ShardIndex;
use crate::routing::target::Target;

/// Where a list of filters goes on. Filters without a wildcard come first.
pub type FilterPlace = u64;

/// Places from here on are in the trie.
const TRIE: FilterPlace = 1 << 32;

/// A filter that sessions of this shard have subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFilter {
    pub filter: String,
    /// No shard of a lower number has a subscriber of it.
    pub is_lowest: bool,
}

impl TopicIndex {
    /// What is at a place, and the next place; `None` behind the last one. Many places have nothing.
    pub fn filter_at(&self, place: FilterPlace) -> Option<(Option<ListedFilter>, FilterPlace)> {
        let (filter, target) = match place.checked_sub(TRIE) {
            None if place >= u64::from(self.exact.end()) => return self.filter_at(TRIE),
            None => match self.exact.at(place as u32) {
                Some((filter, target)) if self.is_wanted_here(target) => (filter.to_owned(), target),
                _ => return Some((None, place + 1)),
            },
            Some(number) => match self.trie.at(number)? {
                target if self.is_wanted_here(target) => (self.trie.filter_at(number), target),
                _ => return Some((None, place + 1)),
            },
        };
        let is_lowest = !self.is_wanted_below(target);
        Some((Some(ListedFilter { filter, is_lowest }), place + 1))
    }

    /// Sessions of this shard that have subscribed to a filter, groups aside, and the groups with members here.
    pub fn subscribers_of(&self, filter: &str) -> (usize, Vec<(&str, usize)>) {
        let target = if has_wildcard(filter) { self.trie.get(filter) } else { self.exact.get(filter) };
        let Some(target) = target else { return (0, Vec::new()) };
        let groups = target.interest().map_or(&[][..], |interest| interest.groups);
        let groups = groups.iter().map(|id| self.groups.get(*id)).filter(|group| !group.members.is_empty());
        (target.members().len(), groups.map(|group| (&*group.share, group.members.len())).collect())
    }

    fn is_wanted_here(&self, target: &Target) -> bool {
        let groups = target.interest().map_or(&[][..], |interest| interest.groups);
        !target.members().is_empty() || groups.iter().any(|id| !self.groups.get(*id).members.is_empty())
    }

    fn is_wanted_below(&self, target: &Target) -> bool {
        let Some(interest) = target.interest() else { return false };
        let is_below = |shard: ShardIndex| shard.0 < self.own.0;
        let mut remotes = interest.groups.iter().flat_map(|id| &self.groups.get(*id).remotes);
        interest.shards.iter().any(is_below) || remotes.any(|remote| remote.total > 0 && is_below(remote.shard))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Subscription;
    use super::*;
    use crate::codec::SubscriptionOptions;
    use crate::routing::SessionKey;

    fn listed(index: &TopicIndex) -> BTreeMap<String, bool> {
        let mut all = BTreeMap::new();
        let mut place = 0;
        while let Some((found, next)) = index.filter_at(place) {
            place = next;
            if let Some(ListedFilter { filter, is_lowest }) = found {
                assert_eq!(all.insert(filter, is_lowest), None);
            }
        }
        all
    }

    #[test]
    fn each_filter_is_listed_by_the_lowest_shard_that_has_a_subscriber() {
        let mut index = TopicIndex::new(ShardIndex(1), 3, 7);
        let subscription = Subscription { options: SubscriptionOptions::default(), subscription_id: 0 };
        let filters = ["a", "a/b", "#", "+", "+/#", "a/+/c", "a/b/#", "/", "/+", "$SYS/#"];
        for filter in filters {
            index.subscribe(filter, SessionKey(1), subscription);
        }
        index.join("group", "only/shared", SessionKey(2), subscription);
        index.join("group", "a/b", SessionKey(2), subscription);
        index.add_interest("a", ShardIndex(0), false);
        index.add_interest("/", ShardIndex(2), false);
        index.add_interest("elsewhere/#", ShardIndex(2), false);
        index.set_group_interest("group", "a/+/c", ShardIndex(0), 1, 1, false);
        index.set_group_interest("group", "not/here", ShardIndex(2), 1, 1, false);
        let mut expected: BTreeMap<String, bool> = filters.iter().map(|filter| (filter.to_string(), true)).collect();
        expected.insert("only/shared".into(), true);
        expected.insert("a".into(), false);
        expected.insert("a/+/c".into(), false);
        assert_eq!(listed(&index), expected);
        assert_eq!(index.subscribers_of("a/b"), (1, vec![("group", 1)]));
        assert_eq!(index.subscribers_of("a/+/c"), (1, vec![]));
        assert_eq!(index.subscribers_of("not/here"), (0, vec![]));
        assert_eq!(index.subscribers_of("nowhere/+"), (0, vec![]));
    }
}
