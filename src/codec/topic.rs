//! Topic names and topic filters (section 4.7): what is valid, and how a filter splits.

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
    /// Checks length, levels, wildcards, NUL and the form of a shared subscription.
    pub fn parse(whole: &'a str, length_max: usize, levels_max: usize) -> Result<Self, Violation> {
        let _ = (whole, length_max, levels_max);
        unimplemented!()
    }

    /// Holds `+` or `#`.
    pub fn has_wildcard(&self) -> bool {
        unimplemented!()
    }
}

/// Checks a topic name: not empty, no wildcard, no NUL, within the bounds.
pub fn check_name(topic: &str, length_max: usize, levels_max: usize) -> Result<(), Violation> {
    let _ = (topic, length_max, levels_max);
    unimplemented!()
}
