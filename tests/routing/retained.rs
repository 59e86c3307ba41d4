//! The retained tree against a sorted list.

use proptest::prelude::*;
use ringmq::routing::{RetainedTree, Search};

use crate::config;
use crate::naive_topic::filter_matches;

/// The twin: sorted by the tuple of levels.
#[derive(Default)]
struct NaiveTree {
    entries: Vec<(String, u32)>,
}

impl NaiveTree {
    fn remove(&mut self, topic: &str) -> Option<u32> {
        let index = self.entries.iter().position(|entry| entry.0 == topic)?;
        Some(self.entries.remove(index).1)
    }

    fn insert(&mut self, topic: &str, value: u32) -> Option<u32> {
        let before = self.remove(topic);
        self.entries.push((topic.into(), value));
        self.entries.sort_by_key(|entry| levels(&entry.0));
        before
    }

    fn next_matching(&self, filter: &str, after: Option<&str>) -> Option<(&str, &u32)> {
        let behind = |topic: &str| after.is_none_or(|after| levels(topic) > levels(after));
        let mut entries = self.entries.iter().map(|(topic, value)| (topic.as_str(), value));
        entries.find(|(topic, _)| behind(topic) && filter_matches(filter, topic))
    }
}

fn levels(topic: &str) -> Vec<String> {
    topic.split('/').map(String::from).collect()
}

fn level() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "b", "a!", "c", "$S", "%", "é"])
}

fn topic() -> impl Strategy<Value = String> {
    prop::collection::vec(level(), 1..5).prop_map(|levels| levels.join("/"))
}

fn filter() -> impl Strategy<Value = String> {
    let level = prop_oneof![3 => level(), 2 => Just("+")];
    (prop::collection::vec(level, 0..5), any::<bool>()).prop_map(|(mut levels, multi_level)| {
        if multi_level || levels.is_empty() {
            levels.push("#");
        }
        levels.join("/")
    })
}

#[derive(Clone, Debug)]
enum Operation {
    Insert(String, u32),
    Remove(String),
    Get(String),
    /// A search from start to end, with so many steps a call; between the calls these topics go.
    Search(String, u32, Vec<String>),
    /// From a topic that may never have been there.
    SearchAfter(String, String),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (topic(), any::<u32>()).prop_map(|(topic, value)| Operation::Insert(topic, value)),
        2 => topic().prop_map(Operation::Remove),
        1 => topic().prop_map(Operation::Get),
        3 => (filter(), 0..6u32, prop::collection::vec(topic(), 0..3))
            .prop_map(|(filter, steps, gone)| Operation::Search(filter, steps, gone)),
        2 => (filter(), topic()).prop_map(|(filter, after)| Operation::SearchAfter(filter, after)),
    ]
}

fn search(tree: &mut RetainedTree<u32>, naive: &mut NaiveTree, filter: &str, steps_each: u32, mut gone: Vec<String>) {
    let mut after: Option<String> = None;
    let mut expected = naive.next_matching(filter, None).map(|(topic, _)| topic.to_string());
    for _ in 0..10_000 {
        let mut steps = steps_each;
        let found = match tree.next_matching(filter, after.as_deref(), &mut steps) {
            Search::Found(topic, value) => {
                assert_eq!(Some(topic), expected.as_deref(), "{filter} after {after:?}");
                assert_eq!(naive.entries.iter().find(|entry| entry.0 == topic).map(|entry| entry.1), Some(*value));
                Some(topic.to_string())
            }
            Search::Paused(topic) => {
                assert_eq!(steps, 0);
                assert!(after.as_deref().is_none_or(|after| levels(topic) > levels(after)), "no progress");
                assert!(expected.as_deref().is_none_or(|expected| levels(topic) < levels(expected)), "skipped");
                after = Some(topic.to_string());
                None
            }
            Search::Done => {
                assert_eq!(expected, None, "{filter} after {after:?}");
                return;
            }
        };
        if found.is_some() {
            after = found;
        }
        // Where the search stands goes, and others with it.
        let current = after.clone().filter(|_| gone.len() % 2 == 1);
        for topic in gone.pop().into_iter().chain(current) {
            assert_eq!(tree.remove(&topic), naive.remove(&topic));
        }
        expected = naive.next_matching(filter, after.as_deref()).map(|(topic, _)| topic.to_string());
    }
    panic!("the search of {filter} does not end");
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn agrees_with_the_sorted_list(operations in prop::collection::vec(operation(), 0..120)) {
        let mut tree = RetainedTree::new();
        let mut naive = NaiveTree::default();
        for operation in operations {
            match operation {
                Operation::Insert(topic, value) => assert_eq!(tree.insert(&topic, value), naive.insert(&topic, value)),
                Operation::Remove(topic) => assert_eq!(tree.remove(&topic), naive.remove(&topic)),
                Operation::Get(topic) => {
                    let expected = naive.entries.iter().find(|entry| entry.0 == topic).map(|entry| &entry.1);
                    assert_eq!(tree.get(&topic), expected);
                }
                Operation::Search(filter, steps, gone) => search(&mut tree, &mut naive, &filter, steps, gone),
                Operation::SearchAfter(filter, after) => {
                    let expected = naive.next_matching(&filter, Some(&after));
                    let found = tree.next_matching(&filter, Some(&after), &mut 1_000);
                    match expected {
                        Some((topic, value)) => assert_eq!(found, Search::Found(topic, value)),
                        None => assert_eq!(found, Search::Done),
                    }
                }
            }
            assert_eq!(tree.len(), naive.entries.len());
            assert_eq!(tree.is_empty(), naive.entries.is_empty());
        }
    }
}

/// How many topics a whole search finds, and how many it looks at.
fn cost(tree: &RetainedTree<()>, filter: &str) -> (usize, u32) {
    let mut found = 0;
    let mut after: Option<&str> = None;
    let mut steps = u32::MAX;
    while let Search::Found(topic, ()) = tree.next_matching(filter, after, &mut steps) {
        found += 1;
        after = Some(topic);
    }
    (found, u32::MAX - steps)
}

#[test]
fn what_cannot_match_is_not_looked_at() {
    let mut tree = RetainedTree::new();
    for device in 0..100 {
        for sensor in 0..300 {
            tree.insert(&format!("site/{device:03}/{sensor:03}"), ());
            tree.insert(&format!("$SYS/{device}/{sensor}"), ());
        }
        tree.insert(&format!("other/{device}"), ());
        tree.insert(&format!("yard/{device}"), ());
    }
    assert_eq!(cost(&tree, "site/042/007"), (1, 1));
    // Each device: its first topic, and the one that matches; and one at what is behind them.
    assert_eq!(cost(&tree, "site/+/150"), (100, 201));
    // Nothing has this level: likewise, or one look where it would be the last.
    assert_eq!(cost(&tree, "site/+/150x"), (0, 201));
    assert_eq!(cost(&tree, "site/+/x"), (0, 101));
    assert_eq!(cost(&tree, "site/042/#"), (300, 301));
    // All the topics with `$` cost one look.
    assert_eq!(cost(&tree, "+/42"), (2, 6));
    assert_eq!(cost(&tree, "nothing/#"), (0, 1));
    assert_eq!(cost(&tree, "zoo/+"), (0, 0));
    let (found, steps) = cost(&tree, "#");
    assert_eq!((found, steps), (30_200, 30_201));
}
