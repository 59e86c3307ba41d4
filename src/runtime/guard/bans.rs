//! The bans of a server: who must not connect, until when, and why.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use foldhash::quality::FixedState;
use hashbrown::HashMap;
use ipnet::IpNet;

use crate::access::BanSubject;
use crate::broker::{Millis, NEVER};
use crate::limits::{BAN_REASON_SIZE_MAX, BANS_BYTES_MAX, BANS_MAX};

/// A ban, as it is made and as it is listed. It is in memory only: the end of the server lifts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    pub subject: BanSubject,
    /// How much longer; `None` until it is lifted.
    pub left: Option<Duration>,
    /// For people; what is longer than 256 bytes is cut.
    pub reason: String,
}

/// There are as many bans as there can be, so that no other was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there are {BANS_MAX} bans, or {BANS_BYTES_MAX} bytes of them, and there cannot be more: lift some, or ban networks"
)]
pub struct TooManyBans;

#[derive(Debug)]
pub struct BanList {
    bans: HashMap<BanSubject, Entry, FixedState>,
    bytes: usize,
    /// How many bans there are of networks with this length: a look for an address is one for each length.
    lengths: [BTreeMap<u8, usize>; 2],
    /// When there are so many, it is worth a look which have ended.
    purge_at: usize,
}

#[derive(Debug)]
struct Entry {
    until: Millis,
    reason: Box<str>,
}

const PURGE_MIN: usize = 64;

impl BanList {
    pub fn new(hash_seed: u64) -> Self {
        let bans = HashMap::with_hasher(FixedState::with_seed(hash_seed));
        Self { bans, bytes: 0, lengths: Default::default(), purge_at: PURGE_MIN }
    }

    /// Adds a ban, or replaces that of the same subject. Returns when it ends.
    pub fn insert(&mut self, ban: &Ban, now: Millis) -> Result<Millis, TooManyBans> {
        let Ban { subject, left, reason } = ban;
        let until = left.map_or(NEVER, |left| now.saturating_add(u64::try_from(left.as_millis()).unwrap_or(NEVER)));
        let reason = &reason[..reason.floor_char_boundary(BAN_REASON_SIZE_MAX)];
        let entry = Entry { until, reason: reason.into() };
        if self.bans.len() >= self.purge_at {
            self.purge(now);
            self.purge_at = (self.bans.len() * 2).clamp(PURGE_MIN, BANS_MAX);
        }
        let (earlier, earlier_size) = self.bans.get(subject).map_or((0, 0), |entry| (1, size(subject, entry)));
        let bytes = self.bytes - earlier_size + size(subject, &entry);
        if self.bans.len() - earlier >= BANS_MAX || bytes > BANS_BYTES_MAX {
            return Err(TooManyBans);
        }
        self.remove(subject);
        self.bytes = bytes;
        if let BanSubject::Address(network) = subject {
            *self.lengths_mut(network).entry(network.prefix_len()).or_default() += 1;
        }
        self.bans.insert(subject.clone(), entry);
        Ok(until)
    }

    /// Whether there was one.
    pub fn remove(&mut self, subject: &BanSubject) -> bool {
        let Some(entry) = self.bans.remove(subject) else { return false };
        self.bytes -= size(subject, &entry);
        if let BanSubject::Address(network) = subject {
            let lengths = self.lengths_mut(network);
            if let Some(count) = lengths.get_mut(&network.prefix_len()) {
                *count -= 1;
            }
            lengths.retain(|_, count| *count > 0);
        }
        true
    }

    /// Forgets those that have ended.
    pub fn purge(&mut self, now: Millis) {
        let ended = self.bans.iter().filter(|(_, entry)| entry.until <= now);
        let ended: Vec<BanSubject> = ended.map(|(subject, _)| subject.clone()).collect();
        for subject in ended {
            self.remove(&subject);
        }
    }

    pub fn is_banned(&self, address: IpAddr, now: Millis) -> bool {
        let address = address.to_canonical();
        self.lengths[usize::from(address.is_ipv6())].keys().any(|length| {
            let network = IpNet::new(address, *length).map(|network| BanSubject::Address(network.trunc()));
            network.is_ok_and(|network| self.bans.get(&network).is_some_and(|entry| entry.until > now))
        })
    }

    /// Bans of addresses.
    pub fn address_count(&self) -> usize {
        self.lengths.iter().flat_map(BTreeMap::values).sum()
    }

    /// Those in force, by kind and value.
    pub fn list(&self, now: Millis) -> Vec<Ban> {
        let in_force = self.bans.iter().filter(|(_, entry)| entry.until > now);
        let mut bans: Vec<Ban> = in_force
            .map(|(subject, entry)| Ban {
                subject: subject.clone(),
                left: (entry.until != NEVER).then(|| Duration::from_millis(entry.until - now)),
                reason: entry.reason.to_string(),
            })
            .collect();
        bans.sort_by_cached_key(|ban| (ban.subject.kind(), ban.subject.value()));
        bans
    }

    fn lengths_mut(&mut self, network: &IpNet) -> &mut BTreeMap<u8, usize> {
        &mut self.lengths[usize::from(network.addr().is_ipv6())]
    }
}

fn size(subject: &BanSubject, entry: &Entry) -> usize {
    let value = match subject {
        BanSubject::Address(_) => 0,
        BanSubject::ClientId(name) | BanSubject::UserName(name) => name.len(),
    };
    size_of::<(BanSubject, Entry)>() + value + entry.reason.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(kind: &str, value: &str, seconds: Option<u64>) -> Ban {
        let subject = BanSubject::parse(kind, value).unwrap();
        Ban { subject, left: seconds.map(Duration::from_secs), reason: "a test".into() }
    }

    #[test]
    fn a_ban_ends_by_itself_or_is_lifted() {
        let mut bans = BanList::new(1);
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(bans.insert(&ban("address", "192.0.2.0/24", Some(10)), 1_000), Ok(11_000));
        assert!(bans.is_banned(address, 10_999) && !bans.is_banned(address, 11_000));
        assert_eq!(bans.list(2_000), [ban("address", "192.0.2.0/24", Some(9))]);
        assert_eq!(bans.list(11_000), []);
        assert_eq!(bans.insert(&ban("address", "192.0.2.7", None), 11_000), Ok(NEVER));
        assert!(bans.is_banned(address, NEVER - 1));
        assert!(bans.remove(&ban("address", "192.0.2.7", None).subject));
        assert!(!bans.remove(&ban("address", "192.0.2.7", None).subject));
        assert!(!bans.is_banned(address, 11_000));
    }

    #[test]
    fn networks_of_any_length_hold() {
        let mut bans = BanList::new(1);
        for network in ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "2001:db9::1"] {
            bans.insert(&ban("address", network, None), 0).unwrap();
        }
        let is_banned = |address: &str| bans.is_banned(address.parse().unwrap(), 0);
        assert!(
            ["10.255.0.1", "::ffff:10.1.1.1", "192.0.2.1", "2001:db8:ffff::1", "2001:db9::1"].map(is_banned)
                == [true; 5]
        );
        assert!(["11.0.0.1", "192.0.2.2", "2001:db9::2", "::10.1.1.1"].map(is_banned) == [false; 4]);
        bans.insert(&ban("address", "0.0.0.0/0", None), 0).unwrap();
        assert!(bans.is_banned("198.51.100.1".parse().unwrap(), 0));
        assert!(!bans.is_banned("::1".parse().unwrap(), 0));
        assert_eq!(bans.address_count(), 5);
    }

    #[test]
    fn a_subject_has_one_ban() {
        let mut bans = BanList::new(1);
        bans.insert(&ban("client_id", "a", Some(5)), 0).unwrap();
        bans.insert(&ban("client_id", "a", Some(1)), 0).unwrap();
        assert_eq!(bans.list(0), [ban("client_id", "a", Some(1))]);
    }

    #[test]
    fn bans_are_bounded_and_those_that_ended_make_room() {
        let mut bans = BanList::new(1);
        for number in 0..BANS_MAX {
            bans.insert(&ban("client_id", &number.to_string(), Some(1)), 0).unwrap();
        }
        assert_eq!(bans.insert(&ban("client_id", "x", Some(1)), 999), Err(TooManyBans));
        assert!(bans.insert(&ban("client_id", "x", Some(1)), 1_000).is_ok());
        assert_eq!(bans.bans.len(), 1);
        let long = "x".repeat(65_000);
        let made = (0..1_000)
            .take_while(|number| bans.insert(&ban("user_name", &format!("{long}{number}"), None), 1_000).is_ok());
        assert!(made.count() < BANS_BYTES_MAX / 65_000 + 1);
    }

    #[test]
    fn long_reasons_are_cut() {
        let mut bans = BanList::new(1);
        let reason = "ü".repeat(BAN_REASON_SIZE_MAX);
        bans.insert(&Ban { reason, ..ban("client_id", "a", None) }, 0).unwrap();
        assert_eq!(bans.list(0)[0].reason.len(), BAN_REASON_SIZE_MAX);
    }
}
