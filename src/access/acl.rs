//! Who may publish and subscribe to what: rules in the meaning of mosquitto's ACL files.
//!
//! A user's own rules come first; where none of them says anything, the patterns do. In each of the two a deny wins over whatever
//! other rules give. What no rule gives is denied. Topics that begin with `$` are matched only by rules that name their first level.

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    Read,
    Write,
    ReadWrite,
    /// Neither, whatever other rules of the same list say.
    Deny,
}

/// One rule: a topic filter, and what it gives. In patterns, and in rules that come with a decision, `%u` in the filter stands
/// for the user name and `%c` for the client id; elsewhere they are characters like others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub permission: Permission,
    pub filter: Box<str>,
}
