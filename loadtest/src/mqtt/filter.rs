//! Topic filters, matched in the simplest way: this judges brokers, so it has to be obviously right.

/// Whether a topic filter matches a topic name (section 4.7). Neither begins with `$` here.
pub fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for filter_level in filter.split('/') {
        match (filter_level, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (filter_level, Some(level)) if filter_level == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_specification_says() {
        for (filter, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/b/c", "a/b", false),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/+", "a", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "b", false),
            ("+/+", "a/", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }
}
