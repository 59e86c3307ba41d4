//! What clients may do: access rules at SUBSCRIBE, PUBLISH, wills, and at every way by which a message reaches a client.

use ringmq::access::acl::{Permission, Rule};
use ringmq::access::{Grant, ListenerPolicy, parse_acl_file};

use crate::rig::*;

/// A listener that believes every name and has these rules.
fn policy(acl: &str) -> ListenerPolicy {
    let rules = parse_acl_file(acl).expect("the rules are valid");
    ListenerPolicy { allow_anonymous: true, rules, ..ListenerPolicy::default() }
}

/// Everybody may do everything but what is secret; `root` may that, too.
const SECRETS: &str = "topic readwrite #\nuser anna\ntopic readwrite open/#\nuser root\ntopic readwrite #\n";

fn rig(acl: &str) -> Rig {
    Rig::with_policy(policy(acl))
}

fn anna(client_id: &str) -> Connect {
    Connect::v5(client_id).user_name("anna")
}

fn root() -> Connect {
    Connect::v5("root").user_name("root")
}

/// Rules that let anna read this and nothing else.
fn reading(filter: &str) -> String {
    format!("user anna\ntopic read {filter}\nuser root\ntopic #\n")
}

#[test]
fn without_rules_everybody_may_do_everything() {
    let rig = Rig::with_policy(ListenerPolicy { allow_anonymous: true, ..ListenerPolicy::default() });
    let mut a = rig.connect(&anna("a"));
    a.subscribe(&[("#", 2)]);
    assert_eq!(rig.connect_v5("b").publish_qos1("any/thing", "x"), 0);
    a.take("x");
}

#[test]
fn an_empty_file_of_rules_allows_nothing() {
    let rig = rig("");
    let mut a = rig.connect(&anna("a"));
    assert_eq!(a.subscribe_codes(&[], &[("t", 1)]), [0x87]);
    assert_eq!(a.publish_qos1("t", "x"), 0x87);
}

/// A PUBLISH that is not allowed is answered with 0x87 and reaches nobody; the connection stays.
#[test]
fn a_publish_that_is_not_allowed_is_told_so() {
    let rig = rig(SECRETS);
    let mut observer = rig.connect(&root());
    observer.subscribe(&[("#", 2)]);
    let mut a = rig.connect(&anna("a"));
    a.publish("secret", "0");
    assert_eq!(a.publish_qos1("secret", "1"), 0x87);
    assert_eq!(a.publish_qos2("secret", "2"), 0x87);
    assert_eq!(a.publish_qos1("open/x", "3"), 0);
    assert_eq!(a.publish_qos2("open/x", "4"), 0);
    assert_eq!(observer.take_all(), ["3", "4"]);
    assert_eq!(rig.dropped_count(DropReason::WriteDenied), 3);
    assert!(rig.dropped("a", DropReason::WriteDenied));
    // A retained message is not kept either.
    let packet_id = a.fresh_packet_id();
    a.send_publish(&publish("secret", "5").qos1(packet_id).retain());
    assert_eq!(a.next_puback().reason, 0x87);
    observer.subscribe(&[("secret", 0)]);
    observer.expect_nothing();
}

/// The same by its alias.
#[test]
fn an_alias_is_no_way_around() {
    let rig = rig(SECRETS);
    let mut a = rig.connect(&anna("a"));
    for topic in ["secret", ""] {
        let packet_id = a.fresh_packet_id();
        a.send_publish(&publish(topic, "x").qos1(packet_id).property(TOPIC_ALIAS, 1_u16));
        assert_eq!(a.next_puback().reason, 0x87);
    }
}

/// Before 5.0 there is no code: the message is acknowledged and dropped.
#[test]
fn an_older_publisher_cannot_be_told() {
    let rig = rig(SECRETS);
    let mut observer = rig.connect(&root());
    observer.subscribe(&[("#", 2)]);
    let mut a = rig.connect(&Connect::v3_1_1("a").user_name("anna"));
    a.publish("secret", "0");
    a.publish_qos1("secret", "1");
    a.publish_qos2("secret", "2");
    a.ping();
    observer.expect_nothing();
    assert_eq!(rig.dropped_count(DropReason::WriteDenied), 3);
}

/// A filter is granted if anything that it matches may be read.
#[test]
fn a_subscription_to_nothing_readable_is_refused() {
    let rig = rig(&reading("a/b/#"));
    let mut a = rig.connect(&anna("a"));
    let filters = [
        ("a/b/c", 0),
        ("a/#", 1),
        ("+/b", 2),
        ("c/#", 0),
        ("a", 0),
        ("$SYS/#", 0),
        ("$share/g/a/+", 1),
        ("$share/g/c", 1),
    ];
    assert_eq!(a.subscribe_codes(&[], &filters), [0, 1, 2, 0x87, 0x87, 0x87, 1, 0x87]);
    let mut old = rig.connect(&Connect::v3_1_1("b").user_name("anna"));
    assert_eq!(old.subscribe_codes(&[], &[("a/b", 1), ("c", 1)]), [1, 0x80]);
}

/// Of a filter that is wider than the rules each message is looked at.
#[test]
fn messages_that_may_not_be_read_are_not_delivered() {
    let rig = rig(
        "user anna\ntopic read a/#\ntopic deny a/secret\ntopic read $other/x\nuser root\ntopic #\ntopic $other/#\n",
    );
    for filter in ["#", "+/+", "$share/g/#", "a/+"] {
        let mut a = rig.connect(&anna("a"));
        a.subscribe(&[(filter, 2)]);
        let mut root = rig.connect(&root());
        for qos1 in [false, true] {
            for topic in ["a/b", "a/secret", "b/c", "a/d"] {
                if qos1 {
                    root.publish_qos1(topic, topic);
                } else {
                    root.publish(topic, topic);
                }
            }
        }
        root.publish("$other/x", "$other/x");
        assert_eq!(a.take_all(), ["a/b", "a/d", "a/b", "a/d"], "{filter}");
    }
    assert!(rig.dropped_count(DropReason::ReadDenied) >= 8);
    assert!(!rig.dropped("a", DropReason::ReadDenied), "it is no fault that somebody is to look at");
    let mut a = rig.connect(&anna("a"));
    a.subscribe(&[("$other/#", 0)]);
    let mut root = rig.connect(&root());
    root.publish("$other/x", "yes");
    root.publish("$other/y", "no");
    assert_eq!(a.take_all(), ["yes"]);
}

#[test]
fn retained_messages_that_may_not_be_read_are_not_delivered() {
    let rig = rig(&reading("a/+"));
    let mut root = rig.connect(&root());
    for topic in ["a/b", "b/a", "a/c"] {
        root.retain(topic, topic);
    }
    let mut a = rig.connect(&anna("a"));
    a.subscribe(&[("#", 1)]);
    let mut taken = a.take_all();
    taken.sort();
    assert_eq!(taken, ["a/b", "a/c"]);
}

/// A session that is away keeps only what its client may read.
#[test]
fn nothing_unreadable_waits_for_a_session() {
    let rig = rig(&reading("a/+"));
    let mut a = rig.connect(&anna("a").session(1_000));
    a.subscribe(&[("#", 1)]);
    a.disconnect();
    let mut root = rig.connect(&root());
    root.publish_qos1("a/b", "yes");
    root.publish_qos1("b/a", "no");
    assert_eq!(rig.dropped_count(DropReason::ReadDenied), 1);
    let mut a = rig.connect(&anna("a").keep_session().session(1_000));
    assert_eq!(a.take_all(), ["yes"]);
}

/// New rules hold at once for clients that are there, also for what waits for them; nobody is thrown out.
#[test]
fn new_rules_hold_for_open_connections() {
    let rig = rig(&reading("#"));
    let mut root = rig.connect(&root());
    let mut a = rig.connect(&anna("a").property(RECEIVE_MAXIMUM, 1_u16));
    a.subscribe(&[("t/#", 1)]);
    for topic in ["t/1", "t/2", "t/3"] {
        root.publish_qos1(topic, topic);
    }
    rig.set_listeners(vec![policy(&reading("t/3"))]);
    // The first was sent already.
    assert_eq!(a.take_all(), ["t/1", "t/3"]);
    for topic in ["t/2", "t/3"] {
        root.publish_qos1(topic, topic);
    }
    assert_eq!(a.take_all(), ["t/3"]);
    rig.set_listeners(vec![ListenerPolicy::default()]);
    root.publish_qos1("t/2", "again");
    assert_eq!(a.take_all(), ["again"]);
    assert_eq!(rig.dropped_count(DropReason::ReadDenied), 2);
}

/// What waited for a session goes by the rules of the client that takes it.
#[test]
fn what_waits_is_looked_at_when_it_is_sent() {
    for restart in [false, true] {
        let rig = Rig::durable(1, |_| {});
        rig.set_listeners(vec![policy(&reading("#"))]);
        let mut a = rig.connect(&anna("a").session(1_000).property(RECEIVE_MAXIMUM, 1_u16));
        a.subscribe(&[("t/#", 1)]);
        let mut root = rig.connect(&root());
        root.publish_qos1("t/0", "in flight");
        assert_eq!(a.next_publish().payload, b"in flight");
        a.break_off();
        for topic in ["t/1", "t/2", "t/3"] {
            root.publish_qos1(topic, topic);
        }
        if restart {
            rig.crash(1);
        }
        rig.set_listeners(vec![policy(&reading("t/2"))]);
        let mut a = rig.connect(&anna("a").keep_session().session(1_000));
        assert!(a.connack.session_present);
        assert_eq!(a.take_all(), ["t/2"], "restart {restart}");
        assert_eq!(rig.dropped_count(DropReason::ReadDenied), 3);
        a.break_off();
        // It is settled for good.
        rig.crash(1);
        rig.set_listeners(vec![policy(&reading("#"))]);
        let mut a = rig.connect(&anna("a").keep_session().session(1_000));
        assert!(a.take_all().is_empty());
    }
}

/// A QoS 2 message that was sent goes on to its end: the client may have it, and its packet identifier.
#[test]
fn a_qos_2_message_that_was_sent_goes_on() {
    let rig = rig(&reading("#"));
    let mut a = rig.connect(&anna("a").session(1_000));
    a.subscribe(&[("t", 2)]);
    let mut root = rig.connect(&root());
    root.publish_qos2("t", "x");
    a.next_publish();
    a.break_off();
    rig.set_listeners(vec![policy(&reading("other"))]);
    let mut a = rig.connect(&anna("a").keep_session().session(1_000));
    assert_eq!(a.take_all(), ["x"]);
}

/// A member that may not read a message is passed over.
#[test]
fn a_shared_subscription_passes_over_who_may_not_read() {
    for shards in [1, 2] {
        for strategy_seed in 0..4 {
            let rig = Rig::with_shards(shards, |settings| {
                use ringmq::routing::Strategy;
                let strategies = [Strategy::RoundRobin, Strategy::Sticky, Strategy::HashTopic, Strategy::LeastInFlight];
                settings.shared_strategy = strategies[strategy_seed];
            });
            rig.set_listeners(vec![policy(
                "user anna\ntopic read a/+\nuser berta\ntopic read b/+\nuser root\ntopic #\n",
            )]);
            let id = |number: usize, name: &str| {
                let home = rig.client_id_on(number % shards);
                format!("{home}-{name}")
            };
            let mut members: Vec<Client> = Vec::new();
            for number in 0..6 {
                let user = ["anna", "berta"][number / 3];
                let mut member = rig.connect(&Connect::v5(&id(number, &number.to_string())).user_name(user));
                member.subscribe(&[("$share/g/+/x", 1)]);
                members.push(member);
            }
            let mut root = rig.connect(&root());
            for number in 0..20 {
                root.publish_qos1(["a/x", "b/x"][number % 2], &format!("{}{number}", ["a", "b"][number % 2]));
            }
            let taken: Vec<Vec<String>> = members.iter_mut().map(Client::take_all).collect();
            assert_eq!(taken.iter().map(Vec::len).sum::<usize>(), 20, "{taken:?}");
            for (number, taken) in taken.iter().enumerate() {
                assert!(taken.iter().all(|payload| payload.starts_with(["a", "b"][number / 3])), "{number}: {taken:?}");
            }
            // Nobody may read this one.
            root.publish_qos1("c/x", "nobody's");
            assert!(members.iter_mut().all(|member| member.take_all().is_empty()));
            let denied = rig.dropped_count(DropReason::ReadDenied) + rig.dropped_count(DropReason::NoMember);
            assert_eq!(denied, 1, "{shards} shards");
        }
    }
}

/// Across shards the home of the subscriber decides.
#[test]
fn rules_hold_across_shards() {
    let rig = Rig::with_shards(2, |_| {});
    rig.set_listeners(vec![policy(&reading("a/+"))]);
    let mut a = rig.connect(&anna(&rig.client_id_on(0)));
    a.subscribe(&[("#", 1)]);
    let mut root = rig.connect(&Connect::v5(&rig.client_id_on(1)).user_name("root"));
    for topic in ["a/b", "b/a", "a/c"] {
        root.publish_qos1(topic, topic);
        root.retain(topic, topic);
    }
    let mut taken = a.take_all();
    taken.sort();
    assert_eq!(taken, ["a/b", "a/b", "a/c", "a/c"]);
}

/// A will is a publish of its client's, by the rules of the moment at which it is published.
#[test]
fn a_will_that_is_not_allowed_is_not_published() {
    let rig = rig(SECRETS);
    let mut observer = rig.connect(&root());
    observer.subscribe(&[("#", 0)]);
    for (topic, delay_s) in [("secret", 0_u32), ("open/x", 0), ("secret", 5), ("open/y", 5)] {
        let connect = anna("a").session(100).will(topic, topic.as_bytes(), 1, false);
        let mut a = rig.connect(&connect.will_property(WILL_DELAY_INTERVAL, delay_s));
        a.break_off();
        rig.advance_s(10);
    }
    assert_eq!(observer.take_all(), ["open/x", "open/y"]);
    assert_eq!(rig.dropped_count(DropReason::WriteDenied), 2);
    let mut a = rig.connect(&anna("a").will("open/z", b"open/z", 1, false));
    rig.set_listeners(vec![policy(&reading("#"))]);
    a.break_off();
    observer.expect_nothing();
}

/// After a restart nobody knows whose a will is: only one that was allowed is kept.
#[test]
fn a_will_that_is_not_allowed_does_not_come_back_from_the_store() {
    let rig = Rig::durable(1, |_| {});
    rig.set_listeners(vec![policy(SECRETS)]);
    for (client_id, topic) in [("a", "secret"), ("b", "open/x")] {
        let connect = anna(client_id).session(100).will(topic, topic.as_bytes(), 1, false);
        rig.connect(&connect.will_property(WILL_DELAY_INTERVAL, 5_u32));
    }
    rig.crash(1);
    let mut observer = rig.connect(&root());
    observer.subscribe(&[("#", 0)]);
    rig.advance_s(10);
    assert_eq!(observer.take_all(), ["open/x"]);
}

/// `%c` and `%u` are one level; a name that would make more of it gets nothing.
#[test]
fn names_in_patterns_do_not_widen_a_rule() {
    let rig = rig("pattern readwrite dev/%c/#\npattern readwrite of/%u\n");
    let mut plain = rig.connect(&Connect::v5("c1").user_name("anna"));
    assert_eq!(plain.publish_qos1("dev/c1/x", "x"), 0x10);
    assert_eq!(plain.publish_qos1("dev/c2/x", "x"), 0x87);
    assert_eq!(plain.publish_qos1("of/anna", "x"), 0x10);
    assert_eq!(plain.publish_qos1("of/%u", "x"), 0x87);
    for client_id in ["+", "#", "c1/x", "c1/#"] {
        let mut a = rig.connect(&Connect::v5(client_id).user_name("+"));
        assert_eq!(a.publish_qos1("dev/c1/x", "x"), 0x87, "{client_id}");
        assert_eq!(a.publish_qos1("of/anna", "x"), 0x87);
        assert_eq!(a.subscribe_codes(&[], &[("dev/c1/x", 0), ("of/anna", 0)]), [0x87, 0x87]);
    }
    // A client without a name is not meant by `%u`.
    let mut anonymous = rig.connect_v5("c3");
    assert_eq!(anonymous.publish_qos1("of/", "x"), 0x87);
    assert_eq!(anonymous.publish_qos1("dev/c3", "x"), 0x10);
}

/// An assigned client id is the one that counts.
#[test]
fn an_assigned_client_id_stands_for_the_client() {
    let rig = rig("pattern readwrite dev/%c\n");
    let mut a = rig.connect_v5("");
    let assigned = a.connack.properties.text(ASSIGNED_CLIENT_IDENTIFIER).expect("an id is assigned").to_owned();
    assert_eq!(a.publish_qos1(&format!("dev/{assigned}"), "x"), 0x10);
    assert_eq!(a.publish_qos1("dev/", "x"), 0x87);
}

/// Rules that come with the verdict go instead of the listener's, and stay at a reload.
#[test]
fn rules_of_a_verdict_go_instead_of_the_listeners() {
    let rig = Rig::with_policy(ListenerPolicy { is_asked: true, ..policy(SECRETS) });
    let mut a = rig.attempt(&anna("a"));
    let rule = Rule { permission: Permission::Write, filter: "only/%c".into() };
    let grant = Grant { user_name: Some("anna".into()), rules: Some(vec![rule]), valid_for_ms: None };
    rig.allow(&rig.next_login(), grant);
    assert_eq!(a.next_connack().reason, 0);
    for _ in 0..2 {
        assert_eq!(a.publish_qos1("only/a", "x"), 0x10);
        assert_eq!(a.publish_qos1("open/x", "x"), 0x87);
        assert_eq!(a.subscribe_codes(&[], &[("open/x", 0)]), [0x87]);
        rig.set_listeners(vec![ListenerPolicy { allow_anonymous: false, is_asked: true, ..policy("topic #\n") }]);
    }
}
