//! What each listener demands of its clients, as the core needs to know it.

use super::acl::Rule;

/// A listener's policy. Each shard has its own copy; a reload replaces all of them at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerPolicy {
    /// Clients without a user name are let in.
    pub allow_anonymous: bool,
    /// The name in a client's certificate is its user name, and nobody else is asked.
    pub certificate_is_user: bool,
    /// Somebody off the shard decides on clients with a user name; else, with `allow_anonymous`, they are believed.
    pub is_asked: bool,
    pub rules: AccessRules,
    pub quotas: Quotas,
}

/// Access rules as they are written; without any of a listener's, everybody may do everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessRules {
    /// There is a file with rules: what none of them allows is denied.
    pub is_restricted: bool,
    /// For clients without a user name.
    pub anonymous: Vec<Rule>,
    /// By user name.
    pub users: Vec<(Box<str>, Vec<Rule>)>,
    /// For everybody, with `%u` and `%c`.
    pub patterns: Vec<Rule>,
}

/// What one client may send; `None` is no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    pub messages: Option<Rate>,
    pub bytes: Option<Rate>,
    pub over: OverQuota,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u64,
    /// What may come at once.
    pub burst: u64,
}

/// What happens to a client that sends more than it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverQuota {
    /// It is not read until it may send again.
    #[default]
    Pause,
    /// It is disconnected with 0x96 (Message rate too high).
    Disconnect,
}
