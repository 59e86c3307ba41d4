//! mosquitto's ACL file.

use ringmq::access::acl::{Permission, Rule};
use ringmq::access::{AccessRules, parse_acl_file};

fn rule(permission: Permission, filter: &str) -> Rule {
    Rule { permission, filter: filter.into() }
}

#[test]
fn a_file_in_mosquittos_words() {
    let text = "\u{feff}# for everybody without a name\n\ttopic read $SYS/#\r\n\n\
        topic open/#\n\
        user roger\n\
        topic deny foo/secret \n\
        topic   readwrite   rooms/living room/#\n\
        \x20 # the other one\n\
        user anna maria\n\
        topic write x/+\n\
        pattern read devices/%c/#\n\
        user roger\n\
        topic read again\n\
        pattern users/%u\n";
    let expected = AccessRules {
        is_restricted: true,
        anonymous: vec![rule(Permission::Read, "$SYS/#"), rule(Permission::ReadWrite, "open/#")],
        users: vec![
            (
                "roger".into(),
                vec![
                    rule(Permission::Deny, "foo/secret"),
                    rule(Permission::ReadWrite, "rooms/living room/#"),
                    rule(Permission::Read, "again"),
                ],
            ),
            ("anna maria".into(), vec![rule(Permission::Write, "x/+")]),
        ],
        patterns: vec![rule(Permission::Read, "devices/%c/#"), rule(Permission::ReadWrite, "users/%u")],
    };
    assert_eq!(parse_acl_file(text), Ok(expected));
}

#[test]
fn an_empty_file_allows_nothing() {
    let rules = parse_acl_file("# nothing\n").unwrap();
    assert_eq!(rules, AccessRules { is_restricted: true, ..AccessRules::default() });
}

#[test]
fn a_word_alone_is_a_filter_also_if_it_is_the_name_of_an_access() {
    let rules = parse_acl_file("topic read\n").unwrap();
    assert_eq!(rules.anonymous, [rule(Permission::ReadWrite, "read")]);
}

/// A line that is not understood is an error, with its number and a remedy.
#[test]
fn errors_name_the_line() {
    for (text, line, part) in [
        ("user\n", 1, "user name"),
        ("topic a\ntopic\n", 2, "no topic filter"),
        ("\n\npattern raed a/b\n", 3, "\"raed\" is no access"),
        ("topic living room\n", 1, "is no access"),
        ("topic read a/#/b\n", 1, "no valid topic filter"),
        ("topic read a+\n", 1, "no valid topic filter"),
        ("topic read $share/g/a\n", 1, "shared subscription"),
        ("Topic read a\n", 1, "\"Topic\" is no directive"),
    ] {
        let error = parse_acl_file(text).expect_err(text);
        assert_eq!(error.line, line, "{text}");
        let shown = error.to_string();
        assert!(shown.contains(part) && shown.contains(error.remedy), "{shown}");
    }
}
