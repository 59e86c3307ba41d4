//! Who may publish and subscribe to what: rules in the meaning of mosquitto's ACL files.

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    Read,
    Write,
    ReadWrite,
    /// Neither, whatever other rules say.
    Deny,
}

/// One rule: a topic filter, and what it gives. In the filter `%u` stands for the user name and `%c` for the client id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub permission: Permission,
    pub filter: Box<str>,
}
