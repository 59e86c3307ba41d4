//! Who is kept out, and how many connections a user may have.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// What a ban is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BanSubject {
    /// Everybody who connects from there.
    Address(IpNet),
    ClientId(Box<str>),
    /// The name under which a client is let in, or that it gives.
    UserName(Box<str>),
}

impl BanSubject {
    /// The kind's name, as [`BanSubject::parse`] takes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::ClientId(_) => "client_id",
            Self::UserName(_) => "user_name",
        }
    }

    /// The value, as [`BanSubject::parse`] takes it. An address is shown without the length of its network if it is alone in it.
    pub fn value(&self) -> String {
        match self {
            Self::Address(network) if network.prefix_len() == network.max_prefix_len() => network.addr().to_string(),
            Self::Address(network) => network.to_string(),
            Self::ClientId(name) | Self::UserName(name) => name.to_string(),
        }
    }

    /// Reads a subject from its kind and value. An address may be a network (RFC 4632, section 3.1); what is left of it beyond its
    /// length is dropped, and an IPv4 address inside of IPv6 (RFC 4291, section 2.5.5.2) is that IPv4 address.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(kind: &str, value: &str) -> Result<Self, &'static str> {
        match kind {
            "address" => {
                let alone = value.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
                let network = alone.or_else(|_| value.parse::<IpNet>());
                network.map(|network| Self::Address(network.trunc())).map_err(|_| {
                    "the value is no address and no network: write one such as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/64"
                })
            }
            "client_id" | "user_name" if value.is_empty() => Err("the value is empty"),
            "client_id" => Ok(Self::ClientId(value.into())),
            "user_name" => Ok(Self::UserName(value.into())),
            _ => Err("the kind is not known: it is address, client_id or user_name"),
        }
    }
}

impl fmt::Display for BanSubject {
    /// Names are escaped: strangers have chosen them.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(_) => write!(out, "address {}", self.value()),
            Self::ClientId(name) => write!(out, "client id {name:?}"),
            Self::UserName(name) => write!(out, "user name {name:?}"),
        }
    }
}

/// Counts the open connections of each user over all shards. It is asked once when a client is let in, and once when it goes.
pub trait UserConnections {
    /// A connection of this user begins; false if it is one too many, and then it is not counted. With `is_replacing` an
    /// earlier connection of the user ends for it, so it is never one too many.
    fn enter(&self, user_name: &str, is_replacing: bool) -> bool;

    /// A connection that was counted has ended.
    fn leave(&self, user_name: &str);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_as_it_is_shown() {
        for (kind, value) in [
            ("address", "192.0.2.1"),
            ("address", "10.0.0.0/8"),
            ("address", "2001:db8::/64"),
            ("client_id", "a/b c"),
            ("user_name", "ü"),
        ] {
            let subject = BanSubject::parse(kind, value).unwrap();
            assert_eq!((subject.kind(), subject.value().as_str()), (kind, value));
        }
        assert_eq!(BanSubject::parse("address", "10.1.2.3/8"), BanSubject::parse("address", "10.0.0.0/8"));
        assert_eq!(BanSubject::parse("address", "::ffff:10.1.2.3"), BanSubject::parse("address", "10.1.2.3"));
        for (kind, value) in [("address", "host"), ("address", "10.0.0.0/33"), ("client_id", ""), ("name", "a")] {
            assert!(BanSubject::parse(kind, value).is_err(), "{kind} {value}");
        }
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(BanSubject::ClientId("a\nb".into()).to_string(), r#"client id "a\nb""#);
    }
}
