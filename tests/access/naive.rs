//! What rules mean, one after the other, by the letter of the specification's section 4.7.

use ringmq::access::AccessRules;
use ringmq::access::acl::{Permission, Rule};

/// Whether a topic matches a filter.
pub fn matches_filter(filter: &str, topic: &str) -> bool {
    let (filter, topic): (Vec<&str>, Vec<&str>) = (filter.split('/').collect(), topic.split('/').collect());
    if topic[0].starts_with('$') && filter[0] != topic[0] {
        return false;
    }
    for (index, level) in filter.iter().enumerate() {
        match (*level, topic.get(index)) {
            ("#", _) => return true,
            (_, None) => return false,
            ("+", Some(_)) => {}
            (level, Some(other)) if level == *other => {}
            _ => return false,
        }
    }
    filter.len() == topic.len()
}

pub struct Client<'a> {
    pub user_name: Option<&'a str>,
    pub client_id: &'a str,
}

impl Client<'_> {
    pub fn may(&self, rules: &AccessRules, wanted: Permission, topic: &str) -> bool {
        let own = match self.user_name {
            None => rules.anonymous.as_slice(),
            Some(name) => rules.users.iter().find(|(user, _)| **user == *name).map_or(&[][..], |(_, rules)| rules),
        };
        let own: Vec<&Rule> = own.iter().filter(|rule| matches_filter(&rule.filter, topic)).collect();
        let patterns: Vec<&Rule> = rules.patterns.iter().filter(|rule| self.pattern_matches(rule, topic)).collect();
        for list in [own, patterns] {
            if list.iter().any(|rule| rule.permission == Permission::Deny) {
                return false;
            }
            if list.iter().any(|rule| rule.permission == wanted || rule.permission == Permission::ReadWrite) {
                return true;
            }
        }
        false
    }

    fn pattern_matches(&self, rule: &Rule, topic: &str) -> bool {
        if rule.filter.contains("%u") && self.user_name.is_none() {
            return false;
        }
        let is_unsafe = |name: &str| name.contains(['+', '#', '/']);
        let mut levels = Vec::new();
        for level in rule.filter.split('/') {
            let needs_unsafe = level.contains("%u") && is_unsafe(self.user_name.unwrap_or_default())
                || level.contains("%c") && is_unsafe(self.client_id);
            if needs_unsafe {
                if rule.permission != Permission::Deny {
                    return false;
                }
                // Denied is all that is at this place or below it.
                levels.push("+".to_owned());
                levels.push("#".to_owned());
                break;
            }
            levels.push(level.replace("%u", self.user_name.unwrap_or_default()).replace("%c", self.client_id));
        }
        // Names fill in a level, they do not make it one of the server's own.
        let is_dollar_by_name = levels[0].starts_with('$') && !rule.filter.starts_with('$');
        !is_dollar_by_name && matches_filter(&levels.join("/"), topic)
    }
}
