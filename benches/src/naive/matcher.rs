//! Lists that are read from end to end.

use ringmq::routing::{SessionKey, matches_filter};

/// Subscriptions in a list; each filter is compared with the topic, level by level, without splitting first.
#[derive(Debug, Default)]
pub struct LinearScan {
    pub entries: Vec<(String, SessionKey)>,
}

impl LinearScan {
    pub fn matches(&self, topic: &str, out: &mut Vec<SessionKey>) {
        out.clear();
        let matching = self.entries.iter().filter(|(filter, _)| matches_filter(filter, topic));
        out.extend(matching.map(|(_, session)| *session));
    }
}

/// Subscriptions in a list, each filter split into strings beforehand, and the topic for each match.
#[derive(Debug, Default)]
pub struct SplitScan {
    pub entries: Vec<(Vec<String>, SessionKey)>,
}

impl SplitScan {
    pub fn insert(&mut self, filter: &str, session: SessionKey) {
        self.entries.push((split(filter), session));
    }

    pub fn matches(&self, topic: &str, out: &mut Vec<SessionKey>) {
        out.clear();
        let topic = split(topic);
        let matching = self.entries.iter().filter(|(filter, _)| levels_match(filter, &topic));
        out.extend(matching.map(|(_, session)| *session));
    }
}

fn split(text: &str) -> Vec<String> {
    text.split('/').map(String::from).collect()
}

fn levels_match(filter: &[String], topic: &[String]) -> bool {
    // 4.7.2: a filter that starts with a wildcard does not match a topic that begins with `$`.
    if topic[0].starts_with('$') && (filter[0] == "+" || filter[0] == "#") {
        return false;
    }
    for (position, wanted) in filter.iter().enumerate() {
        match topic.get(position) {
            _ if wanted == "#" => return true,
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    filter.len() == topic.len()
}
