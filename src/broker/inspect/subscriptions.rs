//! The subscriptions of a shard's sessions, and the filters that have any.

use super::{Part, SubscriptionState};
use crate::broker::Shard;
use crate::broker::home::hash;
use crate::codec::topic::Filter;
use crate::limits::{INSPECTED_FILTERS_MAX, INSPECTED_SESSIONS_MAX};
use crate::routing::{FilterPlace, SessionKey, matches_filter};

/// Which subscriptions are wanted: those that fulfil all that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionFilter {
    pub client_id: Option<String>,
    /// The filter as it was subscribed to, with `$share/name/`.
    pub filter: Option<String>,
    /// A topic that the filter matches.
    pub topic: Option<String>,
    pub is_shared: Option<bool>,
}

/// A subscription with its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSubscription {
    pub client_id: String,
    pub is_connected: bool,
    pub subscription: SubscriptionState,
}

/// A filter with its subscribers on one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterState {
    /// Without `$share/name/`.
    pub filter: String,
    /// Those that are in no group.
    pub subscribers: usize,
    /// The groups of shared subscriptions, and how many members each has.
    pub groups: Vec<(String, usize)>,
}

impl FilterState {
    /// Adds the subscribers on another shard.
    pub fn add(&mut self, other: Self) {
        self.subscribers += other.subscribers;
        for (name, members) in other.groups {
            match self.groups.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += members,
                None => self.groups.push((name, members)),
            }
        }
    }
}

/// Where a list of subscriptions goes on: a session's slot, and how many of its subscriptions are behind.
pub type SubscriptionPlace = u64;

impl Shard {
    /// Subscriptions that `wanted` lets through, at most `limit`.
    pub fn subscriptions(
        &self,
        wanted: &SubscriptionFilter,
        from: SubscriptionPlace,
        limit: usize,
    ) -> Part<ClientSubscription, SubscriptionPlace> {
        let (first, end) = match &wanted.client_id {
            Some(client_id) => match self.find_session(client_id, hash(&self.settings, client_id)) {
                Some(key) => (key.0, key.0 + 1),
                None => return Part::default(),
            },
            None => (0, self.sessions.end()),
        };
        let (mut slot, mut behind) = unpack(from);
        if slot < first {
            (slot, behind) = (first, 0);
        }
        let mut part = Part::default();
        // A session costs a look, and so does each of its subscriptions.
        let mut budget = INSPECTED_SESSIONS_MAX as usize;
        while slot < end {
            if budget == 0 || part.entries.len() >= limit {
                part.next = Some(pack(slot, behind));
                break;
            }
            budget -= 1;
            if let Some(session) = self.sessions.get(slot) {
                for whole in session.subscriptions.iter().skip(behind as usize) {
                    if budget == 0 || part.entries.len() >= limit {
                        part.next = Some(pack(slot, behind));
                        return part;
                    }
                    budget -= 1;
                    behind += 1;
                    if !wanted.lets_through(whole) {
                        continue;
                    }
                    if let Some(subscription) = self.subscription_state(SessionKey(slot), whole) {
                        let (client_id, is_connected) = (session.client_id.to_string(), session.connection.is_some());
                        part.entries.push(ClientSubscription { client_id, is_connected, subscription });
                    }
                }
            }
            (slot, behind) = (slot + 1, 0);
        }
        part
    }

    /// Filters that a session of this shard has subscribed to, and none of a lower shard: over all shards each is listed once.
    pub fn filters(&self, from: FilterPlace, limit: usize) -> Part<FilterState, FilterPlace> {
        let mut part = Part::default();
        let mut place = from;
        for _ in 0..INSPECTED_FILTERS_MAX {
            if part.entries.len() >= limit {
                part.next = Some(place);
                return part;
            }
            let Some((listed, next)) = self.index.filter_at(place) else { return part };
            place = next;
            if let Some(listed) = listed.filter(|listed| listed.is_lowest) {
                part.entries.push(self.filter_state(&listed.filter));
            }
        }
        part.next = Some(place);
        part
    }

    /// This shard's subscribers of a filter.
    pub fn filter_state(&self, filter: &str) -> FilterState {
        let (subscribers, groups) = self.index.subscribers_of(filter);
        let groups = groups.into_iter().map(|(name, members)| (name.to_owned(), members)).collect();
        FilterState { filter: filter.to_owned(), subscribers, groups }
    }

    /// How many sessions of this shard a topic goes to, groups aside, and how many groups it goes to on all shards.
    pub fn subscriber_counts(&mut self, topic: &str) -> (usize, usize) {
        let mut matches = std::mem::take(&mut self.matches);
        self.index.matches(topic, &mut matches);
        let counts = (matches.local.len(), matches.groups.len());
        self.matches = matches;
        counts
    }
}

impl SubscriptionFilter {
    fn lets_through(&self, whole: &str) -> bool {
        let Ok(parsed) = Filter::parse(whole, usize::MAX, usize::MAX) else { return false };
        self.filter.as_ref().is_none_or(|wanted| wanted == whole)
            && self.is_shared.is_none_or(|wanted| wanted == parsed.share.is_some())
            && self.topic.as_ref().is_none_or(|topic| matches_filter(parsed.filter, topic))
    }
}

fn pack(slot: u32, behind: u32) -> SubscriptionPlace {
    u64::from(slot) << 32 | u64::from(behind)
}

fn unpack(place: SubscriptionPlace) -> (u32, u32) {
    ((place >> 32) as u32, place as u32)
}
