//! Topic names and topic filters (section 4.7): what is valid, and how a filter splits.

use memchr::{memchr, memchr_iter, memchr2, memchr3};

use super::violation::Violation;

/// A valid topic filter, split into share name and filter proper (section 4.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter<'a> {
    /// The name in `$share/name/filter`.
    pub share: Option<&'a str>,
    /// The filter to match with, without `$share/name/`.
    pub filter: &'a str,
}

impl<'a> Filter<'a> {
    /// Checks length (of the whole, in bytes), levels (of the filter proper), wildcards, NUL and the form of a shared
    /// subscription. Every error's reason is Topic Filter Invalid.
    ///
    /// `$share` without a slash after it is a filter like any other (section 4.8.2).
    pub fn parse(whole: &'a str, length_max: usize, levels_max: usize) -> Result<Self, Violation> {
        if whole.len() > length_max {
            return Err(Violation::TopicFilterTooLong);
        }
        if memchr(0, whole.as_bytes()).is_some() {
            return Err(Violation::TopicFilterHasNul);
        }
        let parsed = match whole.strip_prefix(SHARE_PREFIX) {
            Some(shared) => split_share(shared)?,
            None if whole.is_empty() => return Err(Violation::TopicFilterEmpty),
            None => Self { share: None, filter: whole },
        };
        if has_more_levels(parsed.filter, levels_max) {
            return Err(Violation::TopicFilterTooManyLevels);
        }
        if parsed.has_wildcard() {
            check_wildcards(parsed.filter)?;
        }
        Ok(parsed)
    }

    /// Holds `+` or `#`.
    pub fn has_wildcard(&self) -> bool {
        memchr2(b'+', b'#', self.filter.as_bytes()).is_some()
    }
}

/// What the topic filter of every shared subscription starts with.
pub(super) const SHARE_PREFIX: &str = "$share/";

/// Checks a topic name: not empty, no wildcard, no NUL, at most `length_max` bytes and `levels_max` levels. Every
/// error's reason is Topic Name Invalid.
///
/// The topic name of a decoded packet needs only [`check_name_bounds`]: decoding has checked the rest.
pub fn check_name(topic: &str, length_max: usize, levels_max: usize) -> Result<(), Violation> {
    if topic.is_empty() {
        return Err(Violation::TopicNameEmpty);
    }
    match find_forbidden(topic.as_bytes()) {
        Some(0) => Err(Violation::TopicNameHasNul),
        Some(_) => Err(Violation::TopicNameWildcard),
        None => check_name_bounds(topic, length_max, levels_max),
    }
}

/// Checks that a topic name has at most `length_max` bytes and `levels_max` levels. Looks at the name itself only when
/// it is long enough to have too many levels.
#[inline]
pub fn check_name_bounds(topic: &str, length_max: usize, levels_max: usize) -> Result<(), Violation> {
    if topic.len() > length_max {
        return Err(Violation::TopicNameTooLong);
    }
    if has_more_levels(topic, levels_max) {
        return Err(Violation::TopicNameTooManyLevels);
    }
    Ok(())
}

/// The first byte that no topic name may contain: `+`, `#` or NUL.
#[inline]
pub(super) fn find_forbidden(topic: &[u8]) -> Option<u8> {
    memchr3(b'+', b'#', 0, topic).and_then(|position| topic.get(position).copied())
}

#[inline]
fn has_more_levels(topic: &str, levels_max: usize) -> bool {
    // A topic of n bytes has at most n separators, which make n + 1 levels.
    topic.len() >= levels_max && memchr_iter(b'/', topic.as_bytes()).count() >= levels_max
}

/// Splits what follows `$share/` ([MQTT-4.8.2-1], [MQTT-4.8.2-2]).
fn split_share(shared: &str) -> Result<Filter<'_>, Violation> {
    let (name, filter) = match shared.split_once('/') {
        Some((name, filter)) => (name, Some(filter)),
        None => (shared, None),
    };
    if name.is_empty() {
        return Err(Violation::ShareNameEmpty);
    }
    if memchr2(b'+', b'#', name.as_bytes()).is_some() {
        return Err(Violation::ShareNameWildcard);
    }
    match filter {
        Some(filter) if !filter.is_empty() => Ok(Filter { share: Some(name), filter }),
        _ => Err(Violation::ShareFilterMissing),
    }
}

/// Checks that each wildcard is a whole level, and `#` the last one ([MQTT-4.7.1-1], [MQTT-4.7.1-2]).
fn check_wildcards(filter: &str) -> Result<(), Violation> {
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if memchr(b'#', level.as_bytes()).is_some() && (level.len() > 1 || levels.peek().is_some()) {
            return Err(Violation::MultiLevelWildcardMisplaced);
        }
        if memchr(b'+', level.as_bytes()).is_some() && level.len() > 1 {
            return Err(Violation::SingleLevelWildcardMisplaced);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(whole: &str) -> Result<Filter<'_>, Violation> {
        Filter::parse(whole, 65_535, 128)
    }

    #[test]
    fn accepts_the_filters_of_the_specification() {
        for filter in
            ["sport/tennis/player1/#", "sport/#", "#", "+", "+/tennis/#", "sport/+/player1", "/finance", "+/+"]
        {
            assert_eq!(parse(filter), Ok(Filter { share: None, filter }), "{filter}");
        }
        for filter in ["/", "//", "$SYS/#", "Accounts payable", "$share", "$shared/a/b", "日本/+/東京"] {
            assert_eq!(parse(filter), Ok(Filter { share: None, filter }), "{filter}");
        }
    }

    #[test]
    fn refuses_misplaced_wildcards() {
        for filter in ["sport/tennis#", "sport/tennis/#/ranking", "##", "#/", "a/+#"] {
            assert_eq!(parse(filter), Err(Violation::MultiLevelWildcardMisplaced), "{filter}");
        }
        for filter in ["sport+", "a/+b/c", "++", "a/b+"] {
            assert_eq!(parse(filter), Err(Violation::SingleLevelWildcardMisplaced), "{filter}");
        }
    }

    #[test]
    fn splits_shared_subscriptions() {
        assert_eq!(parse("$share/consumer1/sport/#"), Ok(Filter { share: Some("consumer1"), filter: "sport/#" }));
        assert_eq!(parse("$share/a//"), Ok(Filter { share: Some("a"), filter: "/" }));
        assert_eq!(parse("$share/a/#").map(|filter| filter.has_wildcard()), Ok(true));
        assert_eq!(parse("$share/a/b").map(|filter| filter.has_wildcard()), Ok(false));
    }

    #[test]
    fn refuses_malformed_shared_subscriptions() {
        assert_eq!(parse("$share/"), Err(Violation::ShareNameEmpty));
        assert_eq!(parse("$share//a"), Err(Violation::ShareNameEmpty));
        assert_eq!(parse("$share/+/a"), Err(Violation::ShareNameWildcard));
        assert_eq!(parse("$share/a#/a"), Err(Violation::ShareNameWildcard));
        assert_eq!(parse("$share/a"), Err(Violation::ShareFilterMissing));
        assert_eq!(parse("$share/a/"), Err(Violation::ShareFilterMissing));
        assert_eq!(parse("$share/a/b+"), Err(Violation::SingleLevelWildcardMisplaced));
    }

    #[test]
    fn holds_the_bounds_of_filters() {
        assert_eq!(parse(""), Err(Violation::TopicFilterEmpty));
        assert_eq!(parse("a\0b"), Err(Violation::TopicFilterHasNul));
        assert_eq!(Filter::parse("abc", 2, 128), Err(Violation::TopicFilterTooLong));
        assert!(Filter::parse("a/b/c", 99, 3).is_ok());
        assert_eq!(Filter::parse("a/b/c/", 99, 3), Err(Violation::TopicFilterTooManyLevels));
        assert!(Filter::parse("$share/a/b/c", 99, 2).is_ok(), "the share name is not a level of the filter");
        assert_eq!(Filter::parse("/", 99, 1), Err(Violation::TopicFilterTooManyLevels));
        assert!(Filter::parse("a", 99, 1).is_ok());
    }

    #[test]
    fn checks_names() {
        assert_eq!(check_name("a/b c/ü", 65_535, 128), Ok(()));
        assert_eq!(check_name("", 65_535, 128), Err(Violation::TopicNameEmpty));
        assert_eq!(check_name("a/+", 65_535, 128), Err(Violation::TopicNameWildcard));
        assert_eq!(check_name("#", 65_535, 128), Err(Violation::TopicNameWildcard));
        assert_eq!(check_name("a\0", 65_535, 128), Err(Violation::TopicNameHasNul));
        assert_eq!(check_name("abc", 2, 128), Err(Violation::TopicNameTooLong));
        assert_eq!(check_name("a/b/c", 99, 3), Ok(()));
        assert_eq!(check_name("a/b/c/d", 99, 3), Err(Violation::TopicNameTooManyLevels));
    }
}
