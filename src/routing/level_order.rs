//! The order of topics level by level: `a/b` comes before `a!b`, because `a` comes before `a!`.
//!
//! With it all topics below one prefix are neighbours, and those that share a level at some depth are too. It is the
//! order of the bytes with the separator below all others.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// A topic as the key of an ordered map.
#[derive(Debug)]
pub(super) struct Topic(pub Box<str>);

/// Anything that compares as a topic. It lets a map with keys of [`Topic`] be searched for a `&str`.
pub(super) trait LevelOrdered {
    fn text(&self) -> &str;
}

impl LevelOrdered for Topic {
    fn text(&self) -> &str {
        &self.0
    }
}

impl LevelOrdered for &str {
    fn text(&self) -> &str {
        self
    }
}

impl<'a> Borrow<dyn LevelOrdered + 'a> for Topic {
    fn borrow(&self) -> &(dyn LevelOrdered + 'a) {
        self
    }
}

impl Ord for dyn LevelOrdered + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.text(), other.text())
    }
}

impl PartialOrd for dyn LevelOrdered + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn LevelOrdered + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for dyn LevelOrdered + '_ {}

impl Ord for Topic {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Topic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Topic {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Topic {}

pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    match one.iter().zip(other).find(|(one, other)| one != other) {
        Some((&one, &other)) => rank(one).cmp(&rank(other)),
        None => one.len().cmp(&other.len()),
    }
}

fn rank(byte: u8) -> u16 {
    if byte == b'/' { 0 } else { u16::from(byte) + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_order_of_the_tuples_of_levels() {
        let mut topics =
            ["", "/", "//", "a", "a/", "a//", "a/b", "a/b/c", "a!", "a!/b", "a\u{1}", "ab", "a/é", "b", "/a"];
        topics.sort_by(|one, other| compare(one, other));
        let mut by_tuple = topics;
        by_tuple.sort_by_key(|topic| topic.split('/').collect::<Vec<_>>());
        assert_eq!(topics, by_tuple);
    }
}
