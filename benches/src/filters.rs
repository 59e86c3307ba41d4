//! Filters as large installations have them, and topics that they match or miss.

use ringmq::codec::SubscriptionOptions;
use ringmq::routing::{SessionKey, ShardIndex, Subscription, TopicIndex};

/// What the filters of an index look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Exact,
    /// With a `+` in the middle.
    Plus,
    /// With a `#` at the end.
    Hash,
    /// Seven of ten exact, two with `+`, one with `#`.
    Mixed,
}

pub const KINDS: [(&str, Kind); 4] =
    [("exact", Kind::Exact), ("plus", Kind::Plus), ("hash", Kind::Hash), ("mixed", Kind::Mixed)];

impl Kind {
    fn of(self, number: u32) -> Self {
        match (self, number % 10) {
            (Self::Mixed, 0) => Self::Hash,
            (Self::Mixed, 1 | 2) => Self::Plus,
            (Self::Mixed, _) => Self::Exact,
            (kind, _) => kind,
        }
    }

    /// The filter with this number; no two are equal.
    pub fn filter(self, number: u32) -> String {
        let site = number % 1_000;
        match self.of(number) {
            Self::Plus => format!("site/{site:04}/+/{number:07}/reading"),
            Self::Hash => format!("site/{site:04}/device/{number:07}/#"),
            Self::Exact | Self::Mixed => topic(number),
        }
    }

    /// The filter of a subscriber of the alarm, which [`ALARM`] matches.
    fn alarm_filter(self, number: u32) -> &'static str {
        match self.of(number) {
            Self::Plus => "alarm/+/fire",
            Self::Hash => "alarm/0042/#",
            Self::Exact | Self::Mixed => ALARM,
        }
    }

    /// So many filters, each with a session of its own, and the filters of [`ALARMED`] subscribers of the alarm.
    pub fn entries(self, count: u32) -> impl Iterator<Item = (String, SessionKey)> {
        let filters = (0..count).map(move |number| (self.filter(number), SessionKey(number)));
        filters
            .chain((0..ALARMED).map(move |number| (self.alarm_filter(number).to_owned(), SessionKey(count + number))))
    }

    /// An index of these entries.
    pub fn index(self, count: u32) -> TopicIndex {
        let mut index = TopicIndex::new(ShardIndex(0), 1, 7);
        for (filter, session) in self.entries(count) {
            index.subscribe(&filter, session, PLAIN);
        }
        index
    }
}

/// What all sessions ask for.
pub const PLAIN: Subscription = Subscription {
    options: SubscriptionOptions {
        qos: ringmq::codec::Qos::AtMostOnce,
        no_local: false,
        retain_as_published: false,
        retain_handling: ringmq::codec::RetainHandling::Send,
    },
    subscription_id: 0,
};

/// A topic that the [`ALARMED`] match.
pub const ALARM: &str = "alarm/0042/fire";
/// Sessions that the alarm goes to.
pub const ALARMED: u32 = 1_000;

/// The topic that the filter with this number matches, of whatever kind, and no other filter.
pub fn topic(number: u32) -> String {
    format!("site/{:04}/device/{number:07}/reading", number % 1_000)
}

/// Topics that one filter of `count` matches each, from all over the index.
pub fn topics_of_one(count: u32, topics: u32) -> Vec<String> {
    (0..topics).map(|number| topic((crate::scatter(number.into()) % u64::from(count)) as u32)).collect()
}

/// Topics of sites that are there, and of devices that are not: no filter of `count` matches them.
pub fn topics_of_none(count: u32, topics: u32) -> Vec<String> {
    (0..topics).map(|number| topic(count + (crate::scatter(number.into()) % 1_000_000) as u32)).collect()
}
