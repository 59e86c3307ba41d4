//! What guards the door: how often an address connects, how many connections it and each user have, who is banned.
//!
//! One for all shards. It is asked once when a connection comes and once when it goes, and what is not configured costs nothing.

mod addresses;
mod bans;
mod config;
mod flapping;
mod forgetful;
mod guests;
mod users;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use super::mailbox::{Mail, Mailboxes};
use crate::access::{Address, BanSubject};
use crate::broker::Millis;
use addresses::{AddressKey, Addresses};
use bans::BanList;
use users::{SharedUsers, Users};

pub use bans::{Ban, TooManyBans};
pub use config::{Flapping, GuardConfig};
pub use flapping::FlappingClients;
pub use guests::{Guest, Guests};

/// Why a connection is closed before anything is known but where it comes from. The list is closed: each is counted under its
/// name, and has its lines in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// The address is banned.
    AddressBanned,
    /// The address connects more often than it may.
    ConnectRate,
    /// The address has as many connections as it may have.
    AddressConnections,
}

impl Refusal {
    pub const ALL: [Self; 3] = [Self::AddressBanned, Self::ConnectRate, Self::AddressConnections];

    /// Its name in counters and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::AddressBanned => "address-banned",
            Self::ConnectRate => "connect-rate",
            Self::AddressConnections => "address-connections",
        }
    }
}

/// What shards are told of bans.
#[derive(Clone, Debug)]
pub enum BanChange {
    Made(BanSubject, Millis),
    Lifted(BanSubject),
}

/// The guard of one server.
#[derive(Debug)]
pub struct Guard {
    config: RwLock<GuardConfig>,
    /// Made when something is bounded for the first time.
    addresses: OnceLock<Addresses>,
    users: OnceLock<Arc<Users>>,
    bans: Mutex<BanList>,
    /// How many bans of addresses there are, so that without any nobody takes the lock.
    banned_addresses: AtomicUsize,
    /// Times that an address was forgotten for another one, or not remembered, because there was no room.
    forgotten: AtomicU64,
    mailboxes: Arc<Mailboxes>,
    hash_seed: u64,
}

impl Guard {
    /// `hash_seed` must be secret.
    pub fn new(config: GuardConfig, mailboxes: Arc<Mailboxes>, hash_seed: u64) -> Self {
        let guard = Self {
            addresses: OnceLock::new(),
            users: OnceLock::new(),
            bans: Mutex::new(BanList::new(hash_seed)),
            banned_addresses: AtomicUsize::new(0),
            forgotten: AtomicU64::new(0),
            config: RwLock::default(),
            mailboxes,
            hash_seed,
        };
        guard.set_config(config);
        guard
    }

    /// Has other bounds from now on, but for the number of addresses that are known. Nobody is disconnected for them, and who came
    /// when nothing was counted is not counted now.
    pub fn set_config(&self, config: GuardConfig) {
        let counts_addresses = config.connects.is_some() || config.connections_per_address_max.is_some();
        if counts_addresses || self.addresses.get().is_some() {
            self.addresses.get_or_init(|| Addresses::new(&config, self.hash_seed)).set_bounds(&config);
        }
        let per_user_max = config.connections_per_user_max;
        if per_user_max.is_some() || self.users.get().is_some() {
            let most = per_user_max.unwrap_or(usize::MAX);
            self.users.get_or_init(|| Arc::new(Users::new(most, self.hash_seed))).set_connections_max(most);
        }
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// A connection has come from there. What is returned is to be kept as long as it is open.
    pub fn enter(self: &Arc<Self>, address: Address, now: Millis) -> Result<Guest, Refusal> {
        let Address::Ip(address) = address else { return Ok(Guest::default()) };
        let ip = address.ip().to_canonical();
        if self.is_ip_banned(ip, now) {
            return Err(Refusal::AddressBanned);
        }
        let Some(addresses) = self.addresses.get().filter(|_| !self.is_exempt(ip)) else {
            return Ok(Guest::default());
        };
        let key = AddressKey::new(ip);
        let visit = addresses.enter(key, now)?;
        if visit.is_full {
            self.forgotten.fetch_add(1, Ordering::Relaxed);
        }
        Ok(if visit.is_counted { Guest::new(self.clone(), key) } else { Guest::default() })
    }

    /// Whether connections from there are to be closed.
    pub fn is_banned(&self, address: Address, now: Millis) -> bool {
        matches!(address, Address::Ip(address) if self.is_ip_banned(address.ip(), now))
    }

    /// One shard's hold on the connections of users, if those are bounded.
    pub fn users(&self) -> Option<SharedUsers> {
        self.users.get().cloned().map(SharedUsers)
    }

    /// What one shard counts the connects of its clients with, if flapping clients are to be banned.
    pub fn flapping_clients(&self) -> Option<FlappingClients> {
        self.config().flapping.map(|flapping| FlappingClients::new(flapping, self.hash_seed))
    }

    /// Makes a ban, or makes it anew, and has everybody disconnected who is connected under it.
    pub fn ban(&self, ban: &Ban, now: Millis) -> Result<(), TooManyBans> {
        let mut bans = self.lock_bans();
        let made = bans.insert(ban, now);
        self.banned_addresses.store(bans.address_count(), Ordering::Release);
        self.tell(&BanChange::Made(ban.subject.clone(), made?));
        Ok(())
    }

    /// Ends a ban; false if there was none in force.
    pub fn lift_ban(&self, subject: &BanSubject, now: Millis) -> bool {
        let mut bans = self.lock_bans();
        bans.purge(now);
        let was_there = bans.remove(subject);
        self.banned_addresses.store(bans.address_count(), Ordering::Release);
        if was_there {
            self.tell(&BanChange::Lifted(subject.clone()));
        }
        was_there
    }

    /// The bans in force, by kind and value.
    pub fn bans(&self, now: Millis) -> Vec<Ban> {
        self.lock_bans().list(now)
    }

    /// Times that an address was forgotten for another one, or not remembered, because there was no room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// With the lock of the bans held, so that all shards hear of changes in their order.
    fn tell(&self, change: &BanChange) {
        for shard in 0..self.mailboxes.shards() {
            self.mailboxes.push_and_wake(shard, Mail::Ban(Box::new(change.clone())));
        }
    }

    fn is_ip_banned(&self, ip: IpAddr, now: Millis) -> bool {
        self.banned_addresses.load(Ordering::Acquire) > 0 && self.lock_bans().is_banned(ip, now)
    }

    fn is_exempt(&self, ip: IpAddr) -> bool {
        self.config().exempt.iter().any(|network| network.contains(&ip))
    }

    fn leave(&self, key: AddressKey) {
        if let Some(addresses) = self.addresses.get() {
            addresses.leave(key);
        }
    }

    fn config(&self) -> RwLockReadGuard<'_, GuardConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_bans(&self) -> MutexGuard<'_, BanList> {
        self.bans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::broker::NEVER;

    fn guard(config: GuardConfig) -> Arc<Guard> {
        Arc::new(Guard::new(config, Mailboxes::new(2).0, 1))
    }

    fn from(ip: &str) -> Address {
        Address::Ip((ip.parse::<IpAddr>().unwrap(), 1883).into())
    }

    fn address_ban(network: &str, left: Option<Duration>) -> Ban {
        Ban { subject: BanSubject::parse("address", network).unwrap(), left, reason: String::new() }
    }

    #[test]
    fn without_bounds_everybody_comes_in() {
        let guard = guard(GuardConfig::default());
        assert!((0..10_000).all(|_| guard.enter(from("192.0.2.1"), 0).is_ok()));
        assert!(guard.users().is_none() && guard.flapping_clients().is_none());
    }

    #[test]
    fn a_guest_counts_until_it_is_dropped() {
        let guard = guard(GuardConfig { connections_per_address_max: Some(1), ..GuardConfig::default() });
        let guest = guard.enter(from("192.0.2.1"), 0).unwrap();
        assert_eq!(guard.enter(from("192.0.2.1"), 0).err(), Some(Refusal::AddressConnections));
        drop(guest);
        assert!(guard.enter(from("192.0.2.1"), 0).is_ok());
    }

    #[test]
    fn who_is_exempt_is_not_counted_but_can_be_banned() {
        let exempt = vec!["192.0.2.0/24".parse().unwrap()];
        let guard = guard(GuardConfig { connections_per_address_max: Some(0), exempt, ..GuardConfig::default() });
        assert!(guard.enter(from("::ffff:192.0.2.1"), 0).is_ok());
        assert!(guard.enter(Address::Local, 0).is_ok());
        assert_eq!(guard.enter(from("198.51.100.1"), 0).err(), Some(Refusal::AddressConnections));
        guard.ban(&address_ban("192.0.2.1", None), 0).unwrap();
        assert_eq!(guard.enter(from("192.0.2.1"), NEVER - 1).err(), Some(Refusal::AddressBanned));
    }

    #[test]
    fn all_shards_hear_of_bans_in_their_order() {
        let (mailboxes, inboxes) = Mailboxes::new(3);
        let guard = Guard::new(GuardConfig::default(), mailboxes, 1);
        let ban = address_ban("10.0.0.0/8", Some(Duration::from_secs(2)));
        guard.ban(&ban, 1_000).unwrap();
        assert!(guard.lift_ban(&ban.subject, 1_500) && !guard.lift_ban(&ban.subject, 1_500));
        guard.ban(&ban, 2_000).unwrap();
        assert!(!guard.lift_ban(&ban.subject, 4_000), "it has ended by itself");
        for inbox in inboxes {
            let told = std::iter::from_fn(|| inbox.next()).map(|mail| match mail {
                Mail::Ban(change) => match *change {
                    BanChange::Made(_, until) => Some(until),
                    BanChange::Lifted(_) => None,
                },
                other => panic!("{other:?}"),
            });
            assert_eq!(told.collect::<Vec<_>>(), [Some(3_000), None, Some(4_000)]);
        }
    }

    #[test]
    fn names_of_refusals_are_different() {
        let names: std::collections::BTreeSet<_> = Refusal::ALL.into_iter().map(Refusal::name).collect();
        assert_eq!(names.len(), Refusal::ALL.len());
    }
}
