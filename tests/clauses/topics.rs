//! Topic names and topic filters (section 4.7).

use crate::rig::*;

/// Whether a message to this topic reaches a subscriber of this filter.
fn matches(filter: &str, topic: &str) -> bool {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[(filter, 0)]);
    a.publish(topic, "x");
    let matches = a.try_next().is_some();
    a.ping();
    matches
}

/// "The wildcard characters can be used in Topic Filters, but MUST NOT be used within a Topic Name" [MQTT-4.7.0-1].
#[test]
fn mqtt_4_7_0_1_no_wildcards_in_topic_names() {
    expect_breach(&publish("sport/+", "x").bytes(5), &[0x81, 0x82, 0x90]);
    expect_breach(&publish("sport/#", "x").qos1(1).bytes(5), &[0x81, 0x82, 0x90]);
}

/// "The multi-level wildcard character MUST be specified either on its own or following a topic level separator. In
/// either case it MUST be the last character specified in the Topic Filter" [MQTT-4.7.1-1].
#[test]
fn mqtt_4_7_1_1_multi_level_wildcard() {
    let mut a = Rig::new().connect_v5("a");
    for filter in ["sport/tennis#", "sport/tennis/#/ranking", "##", "#/", "sport#/x"] {
        assert_eq!(a.subscribe_codes(&[], &[(filter, 0)]), [0x8F], "{filter}");
    }
    for topic in ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"] {
        assert!(matches("sport/tennis/player1/#", topic), "{topic}");
        assert!(matches("#", topic), "{topic}");
    }
    assert!(matches("sport/#", "sport"));
    assert!(matches("sport/#", "sport/"));
    assert!(!matches("sport/#", "sports"));
}

/// "The single-level wildcard can be used at any level in the Topic Filter … Where it is used, it MUST occupy an
/// entire level of the filter" [MQTT-4.7.1-2].
#[test]
fn mqtt_4_7_1_2_single_level_wildcard() {
    let mut a = Rig::new().connect_v5("a");
    for filter in ["sport+", "+sport", "a/b+/c", "++", "a/+b"] {
        assert_eq!(a.subscribe_codes(&[], &[(filter, 0)]), [0x8F], "{filter}");
    }
    assert!(matches("sport/tennis/+", "sport/tennis/player1"));
    assert!(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
    assert!(!matches("sport/+", "sport"));
    assert!(matches("sport/+", "sport/"));
    assert!(matches("+/+", "/finance"));
    assert!(matches("/+", "/finance"));
    assert!(!matches("+", "/finance"));
    assert!(matches("+/tennis/#", "sport/tennis"));
    assert!(matches("sport/+/player1", "sport//player1"));
}

/// "The Server MUST NOT match Topic Filters starting with a wildcard character (# or +) with Topic Names beginning
/// with a $ character" [MQTT-4.7.2-1].
#[test]
fn mqtt_4_7_2_1_wildcards_do_not_match_dollar_topics() {
    for topic in ["$test/x", "$test", "$"] {
        assert!(!matches("#", topic), "{topic}");
        assert!(!matches("+/x", topic), "{topic}");
        assert!(!matches("+", topic), "{topic}");
        assert!(!matches("+/#", topic), "{topic}");
        assert!(matches(topic, topic), "{topic}");
    }
    assert!(matches("$test/#", "$test/x"));
    assert!(matches("$test/+", "$test/x"));
    // Only the first character counts.
    assert!(matches("a/+", "a/$x"));
    assert!(matches("#", "a/$x"));
}

/// The same for retained messages [MQTT-4.7.2-1].
#[test]
fn mqtt_4_7_2_1_wildcards_do_not_bring_retained_dollar_topics() {
    let rig = Rig::new();
    rig.connect_v5("p").retain("$test/x", "kept");
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("#", 0), ("+/x", 0), ("+/#", 0)]);
    a.expect_nothing();
    a.subscribe(&[("$test/#", 0)]);
    a.take("kept");
}

/// "All Topic Names and Topic Filters MUST be at least one character long" [MQTT-4.7.3-1].
#[test]
fn mqtt_4_7_3_1_empty_names_and_filters_are_refused() {
    expect_breach(&publish("", "x").bytes(5), &[0x82, 0x90]);
    assert_eq!(Rig::new().connect_v5("a").subscribe_codes(&[], &[("", 0)]), [0x8F]);
    assert!(matches("/", "/"));
    assert!(matches(" ", " "));
}

/// "Topic Names and Topic Filters are UTF-8 Encoded Strings; they MUST NOT encode to more than 65,535 bytes"
/// [MQTT-4.7.3-3]: and that many are fine.
#[test]
fn mqtt_4_7_3_3_longest_topic() {
    let topic = "x".repeat(65_535);
    assert!(matches(&topic, &topic));
    assert!(matches("+", &topic));
}

/// "When it performs subscription matching the Server MUST NOT perform any normalization of Topic Names or Topic
/// Filters, or any modification or substitution of unrecognized characters" [MQTT-4.7.3-4].
#[test]
fn mqtt_4_7_3_4_no_normalization() {
    let different = [
        ("ACCOUNTS", "Accounts"),
        ("finance", "/finance"),
        ("finance", "finance/"),
        ("a//b", "a/b"),
        ("a/./b", "a/b"),
        ("a/../b", "b"),
        ("é", "e\u{301}"),
        ("a b", "a%20b"),
        (" a", "a"),
        ("a\\b", "a/b"),
    ];
    for (one, other) in different {
        assert!(!matches(one, other), "{one} {other}");
        assert!(!matches(other, one), "{other} {one}");
        assert!(matches(one, one));
        assert!(matches(other, other));
    }
    // Characters that mean something elsewhere are ordinary here, and arrive as they were sent.
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("#", 0)]);
    for topic in ["\u{FFFD}", "a\tb", "*", "{}", "ａ", "𐍈", "a\u{10FFFF}"] {
        a.publish(topic, "x");
        assert_eq!(a.take("x").topic, topic);
    }
}
