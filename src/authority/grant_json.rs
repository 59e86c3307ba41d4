//! Access rules as JSON, in a token's claim or in an answer over HTTP. Two forms are understood:
//!
//! ```json
//! {"pub": ["a/#"], "sub": ["b/+"], "all": ["c"]}
//! [{"permission": "allow", "action": "publish", "topic": "a/#"}, {"permission": "deny", "action": "all", "topic": "a/x"}]
//! ```
//!
//! What is not understood is an error and not left out: a rule that is ignored could be the one that forbids.

use serde::Deserialize;

use crate::access::acl::{Permission, Rule};
use crate::codec::topic::Filter;
use crate::limits;

/// Rules in one of the two forms.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Rules {
    ByAction(ByAction),
    List(Vec<ListedRule>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ByAction {
    r#pub: Vec<Box<str>>,
    sub: Vec<Box<str>>,
    all: Vec<Box<str>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedRule {
    #[serde(default)]
    permission: Effect,
    #[serde(default)]
    action: Action,
    topic: Box<str>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Effect {
    #[default]
    Allow,
    Deny,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    #[serde(alias = "pub")]
    Publish,
    #[serde(alias = "sub")]
    Subscribe,
    #[default]
    #[serde(alias = "pubsub")]
    All,
}

impl Rules {
    /// The rules, each with a filter that is one. `None` if there are too many, or one cannot be expressed: a denial is of
    /// reading and writing.
    pub fn into_rules(self) -> Option<Vec<Rule>> {
        let rules: Vec<Rule> = match self {
            Self::ByAction(ByAction { r#pub, sub, all }) => {
                let actions = [(Permission::Write, r#pub), (Permission::Read, sub), (Permission::ReadWrite, all)];
                let rules = actions.into_iter().flat_map(|(permission, filters)| {
                    filters.into_iter().map(move |filter| Rule { permission, filter })
                });
                rules.collect()
            }
            Self::List(list) => list.into_iter().map(ListedRule::into_rule).collect::<Option<_>>()?,
        };
        // Rules hold for shared subscriptions, too, and do not name them.
        let is_filter = |rule: &Rule| {
            let (length_max, levels_max) = (limits::TOPIC_LENGTH_MAX_DEFAULT, limits::TOPIC_LEVELS_MAX_DEFAULT);
            Filter::parse(&rule.filter, length_max, levels_max).is_ok_and(|parsed| parsed.share.is_none())
        };
        (rules.len() <= limits::RULES_OF_GRANT_MAX && rules.iter().all(is_filter)).then_some(rules)
    }
}

impl ListedRule {
    fn into_rule(self) -> Option<Rule> {
        let permission = match (self.permission, self.action) {
            (Effect::Allow, Action::Publish) => Permission::Write,
            (Effect::Allow, Action::Subscribe) => Permission::Read,
            (Effect::Allow, Action::All) => Permission::ReadWrite,
            (Effect::Deny, Action::All) => Permission::Deny,
            (Effect::Deny, Action::Publish | Action::Subscribe) => return None,
        };
        Some(Rule { permission, filter: self.topic })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Option<Vec<(Permission, String)>> {
        let rules = serde_json::from_str::<Rules>(json).ok()?.into_rules()?;
        Some(rules.into_iter().map(|rule| (rule.permission, rule.filter.into())).collect())
    }

    #[test]
    fn both_forms_are_understood() {
        use Permission::{Deny, Read, ReadWrite, Write};
        let expected = vec![(Write, "a/#".to_owned()), (Read, "b/+".to_owned()), (ReadWrite, "c/%u".to_owned())];
        assert_eq!(rules(r#"{"pub": ["a/#"], "sub": ["b/+"], "all": ["c/%u"]}"#), Some(expected.clone()));
        let list = r#"[{"permission": "allow", "action": "publish", "topic": "a/#"},
                       {"action": "subscribe", "topic": "b/+"}, {"topic": "c/%u"}]"#;
        assert_eq!(rules(list), Some(expected));
        assert_eq!(rules(r#"[{"permission": "deny", "topic": "x"}]"#), Some(vec![(Deny, "x".to_owned())]));
        assert_eq!(rules("[]"), Some(Vec::new()));
        assert_eq!(rules("{}"), Some(Vec::new()));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let wrong = [
            "1",
            "null",
            r#""a/#""#,
            r#"{"publish": ["a"]}"#,
            r#"{"pub": "a"}"#,
            r#"{"pub": ["a/#/b"]}"#,
            r#"{"pub": [""]}"#,
            r#"{"sub": ["$share/group/a"]}"#,
            r#"[{"action": "publish"}]"#,
            r#"[{"permission": "deny", "action": "publish", "topic": "a"}]"#,
            r#"[{"permission": "maybe", "topic": "a"}]"#,
            r#"[{"topic": "a", "qos": [0]}]"#,
        ];
        for json in wrong {
            assert_eq!(rules(json), None, "{json}");
        }
        let many = vec![r#"{"topic":"a"}"#; limits::RULES_OF_GRANT_MAX + 1].join(",");
        assert_eq!(rules(&format!("[{many}]")), None);
    }
}
