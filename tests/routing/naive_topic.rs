//! Section 4.7, read aloud.

/// Whether `filter` matches `topic`, level by level.
pub fn filter_matches(filter: &str, topic: &str) -> bool {
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    // 4.7.2: a filter that starts with a wildcard does not match a topic that begins with `$`.
    if topic[0].starts_with('$') && (filter[0] == "+" || filter[0] == "#") {
        return false;
    }
    levels_match(&filter, &topic)
}

fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        // 4.7.1.2: the parent and any number of child levels.
        (["#"], _) => true,
        ([], []) => true,
        // 4.7.1.3: a single level, whatever it is, the empty one too.
        (["+", filter @ ..], [_, topic @ ..]) => levels_match(filter, topic),
        ([wanted, filter @ ..], [level, topic @ ..]) => wanted == level && levels_match(filter, topic),
        _ => false,
    }
}
