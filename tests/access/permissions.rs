//! The compiled rules beside the naive ones.

use std::rc::Rc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use ringmq::access::acl::{Permission, Rule};
use ringmq::access::{AccessRules, CompiledRules, Readable};

use super::naive::{Client, matches_filter};

const LEVELS: [&str; 5] = ["a", "b", "", "x%c", "$s"];
const PATTERN_LEVELS: [&str; 7] = ["a", "b", "%u", "%c", "x%c", "%u-%c", "$s"];
const CLIENT_IDS: [&str; 6] = ["a", "b", "a/b", "+", "$s", "#"];
const USER_NAMES: [Option<&str>; 5] = [None, Some("a"), Some("u"), Some("a/b"), Some("+")];
const TOPIC_LEVELS: [&str; 8] = ["a", "b", "", "xa", "x%c", "$s", "u", "a-b"];

fn pick<'a>(random: &mut SmallRng, of: &[&'a str]) -> &'a str {
    of[random.random_range(0..of.len())]
}

fn filter(random: &mut SmallRng, levels: &[&str]) -> String {
    let count = random.random_range(1..4);
    let mut parts: Vec<&str> =
        (0..count).map(|_| if random.random_bool(0.25) { "+" } else { pick(random, levels) }).collect();
    if random.random_bool(0.3) {
        parts.push("#");
    }
    match parts.join("/") {
        empty if empty.is_empty() => "#".into(),
        filter => filter,
    }
}

fn rules(random: &mut SmallRng, levels: &[&str]) -> Vec<Rule> {
    let permissions = [Permission::Read, Permission::Write, Permission::ReadWrite, Permission::Deny];
    let count = random.random_range(0..5);
    (0..count)
        .map(|_| Rule { permission: permissions[random.random_range(0..4)], filter: filter(random, levels).into() })
        .collect()
}

fn topics() -> Vec<String> {
    let mut topics = Vec::new();
    for one in TOPIC_LEVELS {
        topics.extend((!one.is_empty()).then(|| one.to_owned()));
        for two in TOPIC_LEVELS {
            topics.push(format!("{one}/{two}"));
            topics.extend(["a", "", "u"].map(|three| format!("{one}/{two}/{three}")));
        }
    }
    topics
}

/// Every decision is that of the twin; and what is said of a filter holds for every topic that it matches.
#[test]
fn compiled_rules_say_what_the_rules_say() {
    let topics = topics();
    for seed in 0..1_500 {
        let mut random = SmallRng::seed_from_u64(seed);
        let all = AccessRules {
            is_restricted: true,
            anonymous: rules(&mut random, &LEVELS),
            users: vec![("a".into(), rules(&mut random, &LEVELS)), ("a/b".into(), rules(&mut random, &LEVELS))],
            patterns: rules(&mut random, &PATTERN_LEVELS),
        };
        let compiled = CompiledRules::new(&all);
        let client_id = pick(&mut random, &CLIENT_IDS);
        let user_name = USER_NAMES[random.random_range(0..USER_NAMES.len())];
        let twin = Client { user_name, client_id };
        let name: Option<Rc<str>> = user_name.map(Rc::from);
        let mut permissions = compiled.permissions_of(name.as_ref(), None).expect("the rules restrict");
        for topic in &topics {
            let about = || format!("seed {seed}: {topic:?} for {user_name:?} {client_id:?} by {all:#?}");
            let (read, write) = (Permission::Read, Permission::Write);
            assert_eq!(permissions.may_read(client_id, topic), twin.may(&all, read, topic), "read, {}", about());
            assert_eq!(permissions.may_write(client_id, topic), twin.may(&all, write, topic), "write, {}", about());
        }
        for _ in 0..40 {
            // Few enough that many are remembered.
            let topic = &topics[random.random_range(0..8)];
            let may_read = permissions.may_read_often(client_id, topic);
            assert_eq!(may_read, twin.may(&all, Permission::Read, topic), "seed {seed}: {topic:?}");
            let may_write = permissions.may_write_often(client_id, topic);
            assert_eq!(may_write, twin.may(&all, Permission::Write, topic), "seed {seed}: {topic:?}");
        }
        for _ in 0..20 {
            let filter = filter(&mut random, &LEVELS);
            let mut readable = topics
                .iter()
                .filter(|topic| matches_filter(&filter, topic))
                .map(|topic| (topic, twin.may(&all, Permission::Read, topic)));
            let about = || format!("seed {seed}: {filter:?} for {user_name:?} {client_id:?} by {all:#?}");
            match permissions.readable(client_id, &filter) {
                Readable::All => assert_eq!(readable.find(|(_, may)| !may), None, "{}", about()),
                Readable::Nothing => assert_eq!(readable.find(|(_, may)| *may), None, "{}", about()),
                Readable::Some => {}
            }
        }
    }
}

fn only(permission: Permission, filter: &str) -> AccessRules {
    let rule = Rule { permission, filter: filter.into() };
    AccessRules { is_restricted: true, patterns: vec![rule], ..AccessRules::default() }
}

#[test]
fn a_filter_is_covered_where_its_rule_is_wider() {
    let cases = [
        ("a/#", "a/b", Readable::All),
        ("a/#", "a", Readable::All),
        ("a/#", "a/#", Readable::All),
        ("a/+", "a/+", Readable::All),
        ("a/+", "a/#", Readable::Some),
        ("a/b", "a/+", Readable::Some),
        ("a/b", "#", Readable::Some),
        ("#", "#", Readable::All),
        ("#", "$SYS/#", Readable::Nothing),
        ("$SYS/#", "#", Readable::Nothing),
        ("$SYS/#", "$SYS/broker/+", Readable::All),
        ("a/b", "b/#", Readable::Nothing),
        ("a/b", "a", Readable::Nothing),
        ("dev/%c/#", "dev/me/x", Readable::All),
        ("dev/%c/#", "dev/+/x", Readable::Some),
        ("dev/%c/#", "dev/you/x", Readable::Nothing),
    ];
    for (rule, filter, expected) in cases {
        let permissions = CompiledRules::new(&only(Permission::Read, rule)).permissions_of(None, None).unwrap();
        assert_eq!(permissions.readable("me", filter), expected, "{filter} by {rule}");
    }
}

#[test]
fn rules_of_a_decision_go_instead_of_the_listeners() {
    let compiled = CompiledRules::new(&AccessRules::default());
    assert!(compiled.permissions_of(None, None).is_none(), "without rules everything is allowed");
    let granted = [Rule { permission: Permission::Write, filter: "of/%u/#".into() }];
    let permissions = compiled.permissions_of(Some(&"me".into()), Some(&granted)).unwrap();
    assert!(permissions.may_write("c", "of/me/x") && !permissions.may_read("c", "of/me/x"));
    assert!(!permissions.may_write("c", "of/you/x"));
}

#[test]
fn the_depth_of_rules_is_bounded_and_a_deny_too_deep_denies_more() {
    let deep = vec!["a"; 100_000].join("/");
    for permission in [Permission::ReadWrite, Permission::Deny] {
        let granted = [
            Rule { permission: Permission::Read, filter: "#".into() },
            Rule { permission, filter: deep.as_str().into() },
        ];
        let compiled = CompiledRules::new(&AccessRules::default());
        let permissions = compiled.permissions_of(None, Some(&granted)).unwrap();
        assert_eq!(permissions.may_read("c", &deep), permission != Permission::Deny);
        assert!(!permissions.may_write("c", &deep));
        assert!(permissions.may_read("c", "a/a"));
    }
}
