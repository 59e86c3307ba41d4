//! What matches what: the examples and clauses of section 4.7, in the topic index, in the retained tree and in the naive
//! twin, so that the twin is held to them too.

use ringmq::routing::{Matches, RetainedTree, Search, SessionKey, ShardIndex, TopicIndex, matches_filter};

use crate::naive_topic::filter_matches;
use crate::plain;

fn index_matches(filter: &str, topic: &str) -> bool {
    let mut index = TopicIndex::new(ShardIndex(0), 1, 1);
    index.subscribe(filter, SessionKey(1), plain(0));
    let mut matches = Matches::default();
    index.matches(topic, &mut matches);
    assert_eq!(index.unsubscribe(filter, SessionKey(1)).map(|removed| removed.last_on_shard), Some(true));
    !matches.local.is_empty()
}

fn retained_matches(filter: &str, topic: &str) -> bool {
    let mut tree = RetainedTree::new();
    tree.insert(topic, ());
    tree.next_matching(filter, None, &mut 10) == Search::Found(topic, &())
}

#[track_caller]
fn check(filter: &str, matching: &[&str], other: &[&str]) {
    let all = matching.iter().map(|topic| (topic, true)).chain(other.iter().map(|topic| (topic, false)));
    for (topic, expected) in all {
        assert_eq!(filter_matches(filter, topic), expected, "twin: {filter} {topic}");
        assert_eq!(matches_filter(filter, topic), expected, "pair: {filter} {topic}");
        assert_eq!(index_matches(filter, topic), expected, "index: {filter} {topic}");
        assert_eq!(retained_matches(filter, topic), expected, "retained: {filter} {topic}");
    }
}

/// [MQTT-4.7.1-1], and 4.7.1.2: the multi-level wildcard represents the parent and any number of child levels.
#[test]
fn multi_level_wildcard() {
    let player = "sport/tennis/player1";
    check(
        "sport/tennis/player1/#",
        &[player, "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon", "sport/tennis/player1/"],
        &["sport/tennis/player", "sport/tennis/player11", "sport/tennis"],
    );
    check("sport/#", &["sport", "sport/", "sport/a", "sport/a/b"], &["sports", "spor", "/sport", "Sport"]);
    check("#", &["a", "/", "//", "a/b/c", "/finance"], &[]);
    check("/#", &["/", "//", "/finance", "/a/b"], &["finance", "a/b"]);
}

/// [MQTT-4.7.1-2], and 4.7.1.3: the single-level wildcard stands for exactly one level, at any level.
#[test]
fn single_level_wildcard() {
    let deeper = "sport/tennis/player1/ranking";
    check(
        "sport/tennis/+",
        &["sport/tennis/player1", "sport/tennis/player2", "sport/tennis/"],
        &[deeper, "sport/tennis"],
    );
    check("sport/+", &["sport/", "sport/a"], &["sport", "sport/a/"]);
    check("+", &["finance", "a"], &["/finance", "a/", "/"]);
    check("+/+", &["/finance", "/", "a/", "a/b"], &["finance", "//", "a/b/c"]);
    check("/+", &["/finance", "/"], &["finance", "//", "a/finance"]);
    check("+/tennis/#", &["sport/tennis", "/tennis", "x/tennis/y/z"], &["tennis", "sport/x/tennis"]);
    check("sport/+/player1", &["sport/tennis/player1", "sport//player1"], &["sport/player1", "sport/a/b/player1"]);
}

/// [MQTT-4.7.2-1]: a filter that starts with a wildcard does not match a topic that begins with `$`.
#[test]
fn dollar_topics() {
    check("#", &["SYS/a", "a/$SYS", "/$SYS"], &["$SYS", "$SYS/a", "$", "$/a"]);
    check("+", &["a"], &["$SYS"]);
    check("+/monitor/Clients", &["SYS/monitor/Clients"], &["$SYS/monitor/Clients"]);
    check("+/#", &["a/b"], &["$SYS/b", "$SYS"]);
    check("$SYS/#", &["$SYS", "$SYS/", "$SYS/monitor/Clients"], &["SYS", "$SYSTEM", "$"]);
    check("$SYS/monitor/+", &["$SYS/monitor/Clients"], &["$SYS/monitor", "$SYS/monitor/a/b"]);
    check("a/+", &["a/$b"], &[]);
    check("a/#", &["a/$b", "a/$b/c"], &[]);
}

/// [MQTT-4.7.3-1] and 4.7.3: levels may be empty, names are case sensitive and may hold spaces; nothing is normalised
/// ([MQTT-4.7.3-4]).
#[test]
fn names_are_compared_as_they_are() {
    check("/", &["/"], &["//", "a", "a/", "/a"]);
    check("a//b", &["a//b"], &["a/b", "a///b"]);
    check("a/", &["a/"], &["a", "a//"]);
    check("ACCOUNTS", &["ACCOUNTS"], &["Accounts", "ACCOUNT", "ACCOUNTS/"]);
    check("Accounts payable", &["Accounts payable"], &["Accountspayable"]);
    check("+/b", &["a/b", "/b", "é/b"], &["a/B", "a!/c"]);
    check("\u{e9}", &["\u{e9}"], &["e\u{301}"]);
}

#[test]
fn tens_of_thousands_of_levels_are_walked_without_the_threads_stack() {
    let levels = 32_768;
    let topic = vec!["a"; levels].join("/");
    for filter in [topic.clone(), vec!["+"; levels].join("/"), format!("+/{}/#", vec!["a"; levels - 2].join("/"))] {
        assert!(index_matches(&filter, &topic));
        assert!(retained_matches(&filter, &topic));
        assert!(!index_matches(&filter, "a/a"));
        assert!(!retained_matches(&filter, "a/a"));
    }
    assert!(index_matches("#", &topic));
}
