//! What the guard is told.

use std::time::Duration;

use ipnet::IpNet;

use crate::access::Rate;
use crate::limits;

/// Bounds on who may connect, over all shards. Without any of them nothing is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardConfig {
    /// Connections that one address may open.
    pub connects: Option<Rate>,
    /// Connections of one address at a time.
    pub connections_per_address_max: Option<usize>,
    /// Connections of one user at a time.
    pub connections_per_user_max: Option<usize>,
    /// Who connects again and again is banned for a while.
    pub flapping: Option<Flapping>,
    /// Addresses that are not counted. They can be banned all the same.
    pub exempt: Vec<IpNet>,
    /// Addresses that are known at a time.
    pub addresses_max: usize,
}

/// When a client flaps, and what it gets for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flapping {
    /// A client that connects more often than this within `window` is banned.
    pub connects: u32,
    pub window: Duration,
    /// How long.
    pub ban: Duration,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            connects: None,
            connections_per_address_max: None,
            connections_per_user_max: None,
            flapping: None,
            exempt: Vec::new(),
            addresses_max: limits::GUARD_ADDRESSES_MAX_DEFAULT,
        }
    }
}
