//! mosquitto's ACL file (mosquitto.conf(5), `acl_file`).

use std::fmt;

use super::acl::{Permission, Rule};
use super::policy::AccessRules;
use crate::codec::topic::Filter;
use crate::limits::{TOPIC_LENGTH_MAX_DEFAULT, TOPIC_LEVELS_MAX_DEFAULT};

/// A line that is not understood. None may be: a rule that is left out gives more than was meant, or less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclError {
    /// From 1.
    pub line: usize,
    pub what: String,
    pub remedy: &'static str,
}

impl std::error::Error for AclError {}

impl fmt::Display for AclError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}; {}", self.line, self.what, self.remedy)
    }
}

/// Reads the file's text. `topic` lines before the first `user` line are for clients without a user name, those after one for
/// that user, `pattern` lines for everybody.
pub fn parse_acl_file(text: &str) -> Result<AccessRules, AclError> {
    let mut rules = AccessRules { is_restricted: true, ..AccessRules::default() };
    let mut user: Option<usize> = None;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let at = |(what, remedy): Wrong| AclError { line: index + 1, what, remedy };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = split_word(line);
        match word {
            "user" if rest.is_empty() => {
                return Err(at(("there is no user name".into(), "write `user NAME`")));
            }
            "user" => user = Some(position_of(&mut rules.users, rest)),
            "topic" => {
                let rule = parse_rule(rest).map_err(at)?;
                match user.and_then(|user| rules.users.get_mut(user)) {
                    Some((_, of_user)) => of_user.push(rule),
                    None => rules.anonymous.push(rule),
                }
            }
            "pattern" => rules.patterns.push(parse_rule(rest).map_err(at)?),
            _ => {
                let what = format!("{word:?} is no directive");
                return Err(at((what, "a line begins with `user`, `topic`, `pattern` or `#`")));
            }
        }
    }
    Ok(rules)
}

/// What is wrong, and what to do about it.
type Wrong = (String, &'static str);

/// `[read|write|readwrite|deny] FILTER`; a filter after an access goes to the end of the line, spaces included.
fn parse_rule(text: &str) -> Result<Rule, Wrong> {
    let (first, rest) = split_word(text);
    let (permission, filter) = match (first, rest) {
        ("", _) => return Err(("there is no topic filter".into(), "write `topic [read|write|readwrite|deny] FILTER`")),
        (filter, "") => (Permission::ReadWrite, filter),
        ("read", filter) => (Permission::Read, filter),
        ("write", filter) => (Permission::Write, filter),
        ("readwrite", filter) => (Permission::ReadWrite, filter),
        ("deny", filter) => (Permission::Deny, filter),
        (other, _) => {
            let remedy = "it is one of read, write, readwrite and deny; a filter with spaces needs one before it";
            return Err((format!("{other:?} is no access"), remedy));
        }
    };
    if Filter::parse(filter, TOPIC_LENGTH_MAX_DEFAULT, TOPIC_LEVELS_MAX_DEFAULT).is_err() {
        let remedy = "`+` must be a whole level, and `#` the last one";
        return Err((format!("{filter:?} is no valid topic filter"), remedy));
    }
    if filter.starts_with("$share/") {
        let remedy = "write the filter without `$share/NAME/`: it holds for shared subscriptions, too";
        return Err((format!("{filter:?} names a shared subscription"), remedy));
    }
    Ok(Rule { permission, filter: filter.into() })
}

fn split_word(text: &str) -> (&str, &str) {
    match text.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim()),
        None => (text, ""),
    }
}

/// Where the user's rules are; several `user` lines of one name add up.
fn position_of(users: &mut Vec<(Box<str>, Vec<Rule>)>, name: &str) -> usize {
    users.iter().position(|(known, _)| **known == *name).unwrap_or_else(|| {
        users.push((name.into(), Vec::new()));
        users.len() - 1
    })
}
