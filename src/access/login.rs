//! What a client shows when it connects, and what is said to it. Whoever decides does it outside of the core: a password's
//! hash takes 80 ms, another program's answer longer.

use std::fmt;
use std::net::SocketAddr;

use zeroize::Zeroizing;

use super::acl::Rule;
use crate::codec::ReasonCode;

/// A listener, by its place in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ListenerId(pub u16);

/// Where a client connects from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Ip(SocketAddr),
    /// Through a unix socket of this machine.
    Local,
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(out),
            Self::Local => out.write_str("local"),
        }
    }
}

/// A password; it is overwritten when it is dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub Zeroizing<Box<[u8]>>);

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(secret)")
    }
}

/// A client that wants to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub listener: ListenerId,
    pub address: Address,
    /// Empty if the client leaves it to the server.
    pub client_id: Box<str>,
    pub user_name: Option<Box<str>>,
    pub password: Option<Password>,
    /// The name in the client's certificate, if it showed one that is valid.
    pub certificate: Option<Box<str>>,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed(Grant),
    Denied(Denial),
}

/// What a client that is let in gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// The name under which the client is known from here on, `%u` of the access rules.
    pub user_name: Option<Box<str>>,
    /// Rules that came with the decision (from a token, or from who was asked); they go instead of the listener's.
    pub rules: Option<Vec<Rule>>,
    /// After so many milliseconds the client must leave: its token has expired.
    pub valid_for_ms: Option<u64>,
}

/// Why a client is not let in. The list is closed: each is counted under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Denial {
    /// No user name, where one is needed.
    Anonymous,
    /// The user is not known, or the password is wrong: nobody is told which.
    Credentials,
    /// The token is not valid, or not for this client.
    Token,
    TokenExpired,
    /// Who is to be asked has refused.
    Refused,
    /// Who is to be asked did not answer, or not in time.
    Unavailable,
    /// Too many logins wait already.
    Busy,
    /// The address or the client is banned.
    Banned,
    /// The user or the address has as many connections as it may have.
    Quota,
}

impl Denial {
    pub const ALL: [Self; 9] = [
        Self::Anonymous,
        Self::Credentials,
        Self::Token,
        Self::TokenExpired,
        Self::Refused,
        Self::Unavailable,
        Self::Busy,
        Self::Banned,
        Self::Quota,
    ];

    /// Its name in counters and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Credentials => "credentials",
            Self::Token => "token",
            Self::TokenExpired => "token-expired",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Busy => "busy",
            Self::Banned => "banned",
            Self::Quota => "quota",
        }
    }

    /// The reason code of the CONNACK (section 3.2.2.2).
    pub fn reason(self) -> ReasonCode {
        match self {
            Self::Credentials => ReasonCode::BadUserNameOrPassword,
            Self::Anonymous | Self::Token | Self::TokenExpired | Self::Refused => ReasonCode::NotAuthorized,
            Self::Unavailable => ReasonCode::ServerUnavailable,
            Self::Busy => ReasonCode::ServerBusy,
            Self::Banned => ReasonCode::Banned,
            Self::Quota => ReasonCode::QuotaExceeded,
        }
    }
}
