//! The topic index against the naive one, and the merging of overlapping subscriptions.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use ringmq::codec::Qos;
use ringmq::routing::{Matches, SessionKey, ShardIndex, Subscription, TopicIndex};

use crate::naive_index::{NaiveIndex, NaiveMatches};
use crate::{config, plain, with_options};

#[derive(Clone, Debug)]
enum Operation {
    Subscribe(String, SessionKey, Subscription),
    Unsubscribe(String, SessionKey),
    AddInterest(String, ShardIndex),
    RemoveInterest(String, ShardIndex),
    Join(&'static str, String, SessionKey, Subscription),
    Leave(&'static str, String, SessionKey),
    SetConnected(&'static str, String, SessionKey, bool),
    SetGroupInterest(&'static str, String, ShardIndex, u32),
    Match(String),
}

fn topic() -> impl Strategy<Value = String> {
    let level = prop_oneof![Just(""), Just("a"), Just("b"), Just("$S")];
    prop::collection::vec(level, 1..4).prop_map(|levels| levels.join("/"))
}

fn filter() -> impl Strategy<Value = String> {
    let level = prop::sample::select(vec!["", "a", "a", "a", "b", "$S", "+", "+"]);
    let levels = prop::collection::vec(level, 0..4);
    (levels, any::<bool>()).prop_map(|(mut levels, multi_level)| {
        if multi_level || levels.is_empty() {
            levels.push("#");
        }
        levels.join("/")
    })
}

/// Few sessions, so that they meet, or enough that lists get their side tables.
fn session() -> impl Strategy<Value = SessionKey> {
    prop_oneof![0..4u32, 0..60u32].prop_map(SessionKey)
}

fn subscription() -> impl Strategy<Value = Subscription> {
    (0..3u8, any::<bool>(), any::<bool>(), 0..4u32).prop_map(|(qos, no_local, retain_as_published, id)| {
        with_options(Qos::from_bits(qos).unwrap(), no_local, retain_as_published, id)
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    let shard = || (1..6u8).prop_map(ShardIndex);
    let share = || prop_oneof![Just("x"), Just("y"), Just("z")];
    prop_oneof![
        12 => (filter(), session(), subscription()).prop_map(|(f, s, o)| Operation::Subscribe(f, s, o)),
        6 => (filter(), session()).prop_map(|(f, s)| Operation::Unsubscribe(f, s)),
        3 => (filter(), shard()).prop_map(|(f, s)| Operation::AddInterest(f, s)),
        2 => (filter(), shard()).prop_map(|(f, s)| Operation::RemoveInterest(f, s)),
        3 => (share(), filter(), session(), subscription()).prop_map(|(n, f, s, o)| Operation::Join(n, f, s, o)),
        2 => (share(), filter(), session()).prop_map(|(n, f, s)| Operation::Leave(n, f, s)),
        1 => (share(), filter(), session(), any::<bool>()).prop_map(|(n, f, s, c)| Operation::SetConnected(n, f, s, c)),
        3 => (share(), filter(), shard(), 0..3u32).prop_map(|(n, f, s, t)| Operation::SetGroupInterest(n, f, s, t)),
        6 => topic().prop_map(Operation::Match),
    ]
}

/// The index's answer in the twin's form. Checks on the way that no session, group or slice is there twice.
fn normalised(index: &TopicIndex, matches: &Matches) -> NaiveMatches {
    let mut local = BTreeMap::new();
    for entry in &matches.local {
        let mut ids = matches.subscription_ids[entry.ids_start as usize..][..entry.ids_len as usize].to_vec();
        ids.sort();
        let mut options = entry.options;
        options.retain_handling = Default::default();
        assert!(local.insert(entry.session, (options, ids)).is_none(), "{:?} twice", entry.session);
    }
    let groups: BTreeSet<_> = matches.groups.iter().map(|group| index.group_name(*group)).collect();
    assert_eq!(groups.len(), matches.groups.len(), "a group twice");
    NaiveMatches {
        local,
        shards: matches.shards.iter().map(|shard| shard.0).collect(),
        groups: groups.into_iter().map(|(share, filter)| (share.into(), filter.into())).collect(),
    }
}

fn all_topics() -> Vec<String> {
    let levels = ["", "a", "b", "$S"];
    let mut topics: Vec<String> = levels.map(String::from).into();
    for _ in 0..2 {
        let deeper = topics.iter().flat_map(|topic| levels.map(|level| format!("{topic}/{level}")));
        topics = topics.iter().cloned().chain(deeper).collect();
    }
    topics
}

fn run(operations: &[Operation], seed: u64) {
    let mut index = TopicIndex::new(ShardIndex(0), 8, seed);
    let mut naive = NaiveIndex::default();
    let mut matches = Matches::default();
    for operation in operations {
        match operation {
            Operation::Subscribe(filter, session, subscription) => assert_eq!(
                index.subscribe(filter, *session, *subscription),
                naive.subscribe(filter, *session, *subscription)
            ),
            Operation::Unsubscribe(filter, session) => {
                assert_eq!(index.unsubscribe(filter, *session), naive.unsubscribe(filter, *session));
            }
            Operation::AddInterest(filter, shard) => {
                index.add_interest(filter, *shard, false);
                naive.add_interest(filter, *shard);
            }
            Operation::RemoveInterest(filter, shard) => {
                index.remove_interest(filter, *shard);
                naive.remove_interest(filter, *shard);
            }
            Operation::Join(share, filter, session, subscription) => assert_eq!(
                index.join(share, filter, *session, *subscription),
                naive.join(share, filter, *session, *subscription)
            ),
            Operation::Leave(share, filter, session) => {
                assert_eq!(index.leave(share, filter, *session), naive.leave(share, filter, *session));
            }
            Operation::SetConnected(share, filter, session, connected) => {
                index.set_connected(share, filter, *session, *connected);
            }
            Operation::SetGroupInterest(share, filter, shard, total) => {
                index.set_group_interest(share, filter, *shard, *total, *total, false);
                naive.set_group_interest(share, filter, *shard, *total);
            }
            Operation::Match(topic) => {
                index.matches(topic, &mut matches);
                assert_eq!(normalised(&index, &matches), naive.matches(topic), "{topic}");
            }
        }
        assert_eq!(index.subscription_count(), naive.subscription_count());
    }
    for topic in all_topics() {
        index.matches(&topic, &mut matches);
        let expected = naive.matches(&topic);
        assert_eq!(normalised(&index, &matches), expected, "{topic}");
        for (share, filter) in &expected.groups {
            let group = index.group(share, filter).expect("a group that matches has a number");
            let members = index.group_members(group).iter().map(|(session, entry)| (*session, entry.subscription_id));
            assert_eq!(members.collect::<BTreeMap<_, _>>(), naive.group_members(share, filter));
        }
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn agrees_with_the_naive_index(operations in prop::collection::vec(operation(), 0..200), seed: u64) {
        run(&operations, seed);
    }
}

/// Everything that was added is taken away again: nothing matches, and the numbers of groups are used again.
#[test]
fn nothing_is_left_behind() {
    let mut index = TopicIndex::new(ShardIndex(0), 2, 7);
    let filters: Vec<String> =
        (0..3_000).flat_map(|n| [format!("d/{n}/x"), format!("d/{n}/+/y"), format!("+/{n}/#")]).collect();
    for round in 0..2 {
        for filter in &filters {
            assert!(index.subscribe(filter, SessionKey(1), plain(0)).first_on_shard);
            index.add_interest(filter, ShardIndex(1), false);
            index.join("s", filter, SessionKey(2), plain(0));
        }
        let group = index.group("s", &filters[0]).unwrap();
        assert!((group.0 as usize) < filters.len(), "round {round}");
        assert_eq!(index.subscription_count(), 2 * filters.len());
        for filter in &filters {
            assert!(index.unsubscribe(filter, SessionKey(1)).unwrap().last_on_shard);
            index.remove_interest(filter, ShardIndex(1));
            assert!(index.leave("s", filter, SessionKey(2)).unwrap().last_on_shard);
            assert_eq!(index.group("s", filter), None);
        }
        assert_eq!(index.subscription_count(), 0);
        let mut matches = Matches::default();
        index.matches("d/5/x", &mut matches);
        assert!(matches.local.is_empty() && matches.shards.is_empty() && matches.groups.is_empty());
    }
}

/// Section 3.3.4: where several subscriptions of one client match, it gets the message once, with the highest QoS
/// ([MQTT-3.3.4-2]) and all identifiers ([MQTT-3.3.4-4]).
#[test]
fn overlapping_subscriptions_are_one_delivery() {
    let mut index = TopicIndex::new(ShardIndex(0), 1, 7);
    let session = SessionKey(9);
    index.subscribe("a/b", session, with_options(Qos::AtMostOnce, true, false, 11));
    index.subscribe("a/+", session, with_options(Qos::ExactlyOnce, true, false, 0));
    index.subscribe("a/#", session, with_options(Qos::AtLeastOnce, false, true, 12));
    index.subscribe("#", session, with_options(Qos::AtLeastOnce, true, false, 11));
    let mut matches = Matches::default();
    index.matches("a/b", &mut matches);
    let [entry] = matches.local[..] else { panic!("{:?}", matches.local) };
    assert_eq!(entry.session, session);
    assert_eq!(entry.options, with_options(Qos::ExactlyOnce, false, true, 0).options);
    let ids = &mut matches.subscription_ids[entry.ids_start as usize..][..entry.ids_len as usize];
    ids.sort();
    assert_eq!(ids, [11, 11, 12]);
}

/// A hundred thousand subscribers of one filter come and go in any order; with a scan for each this would take minutes.
#[test]
fn a_crowd_on_one_filter_comes_and_goes() {
    let mut index = TopicIndex::new(ShardIndex(0), 1, 7);
    let count = 100_000;
    for session in 0..count {
        let subscribed = index.subscribe("news", SessionKey(session), plain(session));
        assert_eq!((subscribed.new, subscribed.first_on_shard), (true, session == 0));
    }
    index.subscribe("#", SessionKey(5), plain(1_000_000));
    index.subscribe("+", SessionKey(count), plain(1_000_001));
    let mut matches = Matches::default();
    index.matches("news", &mut matches);
    assert_eq!(matches.local.len(), count as usize + 1);
    let five = matches.local.iter().find(|entry| entry.session == SessionKey(5)).unwrap();
    assert_eq!(matches.subscription_ids[five.ids_start as usize..][..five.ids_len as usize], [5, 1_000_000]);
    // 7 has no common divisor with the count, so this visits each once.
    for step in 0..count {
        let session = SessionKey((step * 7) % count);
        let last_on_shard = step == count - 1;
        assert_eq!(index.unsubscribe("news", session).map(|removed| removed.last_on_shard), Some(last_on_shard));
        assert_eq!(index.unsubscribe("news", session), None);
    }
    assert_eq!(index.subscription_count(), 2);
}
