//! Which filters match which topics (section 4.7), written for clarity alone.

/// Whether `filter` matches `topic`; `filter` has no share name in front.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#')) {
        return false;
    }
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    levels_match(&filter, &topic)
}

fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter.first(), topic.first()) {
        (Some(&"#"), _) => true,
        (None, None) => true,
        (Some(level), Some(name)) => (*level == "+" || level == name) && levels_match(&filter[1..], &topic[1..]),
        _ => false,
    }
}

/// Splits `$share/name/filter`.
pub fn split(whole: &str) -> (Option<&str>, &str) {
    match whole.strip_prefix("$share/").and_then(|rest| rest.split_once('/')) {
        Some((share, filter)) => (Some(share), filter),
        None => (None, whole),
    }
}

#[test]
fn the_examples_of_the_specification() {
    for (filter, topic, expected) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/#", "sport", true),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("#", "$SYS/monitor", false),
        ("$SYS/#", "$SYS/monitor", true),
    ] {
        assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
    }
}
