//! The topic index as lists that are read from end to end.

use std::collections::{BTreeMap, BTreeSet};

use ringmq::codec::SubscriptionOptions;
use ringmq::routing::{Removed, SessionKey, ShardIndex, Subscribed, Subscription};

use crate::naive_topic::filter_matches;

#[derive(Default)]
pub struct NaiveIndex {
    subscriptions: Vec<(String, SessionKey, Subscription)>,
    interest: BTreeSet<(String, u8)>,
    members: Vec<(String, String, SessionKey, Subscription)>,
    remote_members: BTreeMap<(String, String, u8), u32>,
}

/// What a publish goes to, in a form that can be compared.
#[derive(Debug, Default, PartialEq)]
pub struct NaiveMatches {
    /// By session: options, and subscription identifiers in ascending order.
    pub local: BTreeMap<SessionKey, (SubscriptionOptions, Vec<u32>)>,
    pub shards: BTreeSet<u8>,
    /// Share name and filter.
    pub groups: BTreeSet<(String, String)>,
}

impl NaiveIndex {
    pub fn subscribe(&mut self, filter: &str, session: SessionKey, subscription: Subscription) -> Subscribed {
        let first_on_shard = !self.subscriptions.iter().any(|entry| entry.0 == filter);
        match self.subscriptions.iter_mut().find(|entry| entry.0 == filter && entry.1 == session) {
            Some(entry) => {
                entry.2 = subscription;
                Subscribed { new: false, first_on_shard: false }
            }
            None => {
                self.subscriptions.push((filter.into(), session, subscription));
                Subscribed { new: true, first_on_shard }
            }
        }
    }

    pub fn unsubscribe(&mut self, filter: &str, session: SessionKey) -> Option<Removed> {
        let index = self.subscriptions.iter().position(|entry| entry.0 == filter && entry.1 == session)?;
        self.subscriptions.remove(index);
        Some(Removed { last_on_shard: !self.subscriptions.iter().any(|entry| entry.0 == filter) })
    }

    pub fn add_interest(&mut self, filter: &str, shard: ShardIndex) {
        self.interest.insert((filter.into(), shard.0));
    }

    pub fn remove_interest(&mut self, filter: &str, shard: ShardIndex) {
        self.interest.remove(&(filter.into(), shard.0));
    }

    pub fn join(&mut self, share: &str, filter: &str, session: SessionKey, subscription: Subscription) -> Subscribed {
        let first_on_shard = self.group_members(share, filter).is_empty();
        let same = |entry: &&mut (String, String, SessionKey, Subscription)| {
            entry.0 == share && entry.1 == filter && entry.2 == session
        };
        match self.members.iter_mut().find(same) {
            Some(entry) => {
                entry.3 = subscription;
                Subscribed { new: false, first_on_shard: false }
            }
            None => {
                self.members.push((share.into(), filter.into(), session, subscription));
                Subscribed { new: true, first_on_shard }
            }
        }
    }

    pub fn leave(&mut self, share: &str, filter: &str, session: SessionKey) -> Option<Removed> {
        let same = |entry: &(String, String, SessionKey, Subscription)| {
            entry.0 == share && entry.1 == filter && entry.2 == session
        };
        let index = self.members.iter().position(same)?;
        self.members.remove(index);
        Some(Removed { last_on_shard: self.group_members(share, filter).is_empty() })
    }

    pub fn set_group_interest(&mut self, share: &str, filter: &str, shard: ShardIndex, total: u32) {
        let key = (share.into(), filter.into(), shard.0);
        if total == 0 {
            self.remote_members.remove(&key);
        } else {
            self.remote_members.insert(key, total);
        }
    }

    pub fn group_members(&self, share: &str, filter: &str) -> BTreeMap<SessionKey, u32> {
        let members = self.members.iter().filter(|entry| entry.0 == share && entry.1 == filter);
        members.map(|entry| (entry.2, entry.3.subscription_id)).collect()
    }

    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len() + self.members.len()
    }

    pub fn matches(&self, topic: &str) -> NaiveMatches {
        let mut result = NaiveMatches::default();
        for (filter, session, subscription) in &self.subscriptions {
            if !filter_matches(filter, topic) {
                continue;
            }
            let (options, ids) = result.local.entry(*session).or_insert((subscription.options, Vec::new()));
            options.qos = options.qos.max(subscription.options.qos);
            options.no_local = options.no_local && subscription.options.no_local;
            options.retain_as_published = options.retain_as_published || subscription.options.retain_as_published;
            if subscription.subscription_id != 0 {
                ids.push(subscription.subscription_id);
                ids.sort();
            }
        }
        let shards = self.interest.iter().filter(|(filter, _)| filter_matches(filter, topic));
        result.shards = shards.map(|(_, shard)| *shard).collect();
        let here = self.members.iter().map(|(share, filter, ..)| (share, filter));
        let elsewhere = self.remote_members.keys().map(|(share, filter, _)| (share, filter));
        let groups = here.chain(elsewhere).filter(|(_, filter)| filter_matches(filter, topic));
        result.groups = groups.map(|(share, filter)| (share.clone(), filter.clone())).collect();
        result
    }
}
