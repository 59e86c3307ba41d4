//! What is counted by address: how often it connects, and how many of its connections are open.

use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use foldhash::quality::FixedState;

use super::GuardConfig;
use super::Refusal;
use super::forgetful::{Forgetful, Memory, Worth};
use crate::access::Rate;
use crate::broker::Millis;
use crate::limits::GUARD_PARTS;

/// What counts as one address: an IPv4 address, or the first 64 bits of an IPv6 address, because whoever has one of those has
/// all that begin with them (RFC 4291, section 2.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressKey(IpAddr);

/// All addresses that are known. In parts, each with a lock of its own, so that shards seldom meet at one.
#[derive(Debug)]
pub struct Addresses {
    bounds: RwLock<Bounds>,
    parts: Vec<Mutex<Forgetful<AddressKey, Visits>>>,
    hasher: FixedState,
}

/// What is bounded; another one after a reload.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    connects: Option<Connects>,
    connections_max: Option<usize>,
}

/// What was found out about a connection that comes.
#[derive(Debug, PartialEq, Eq)]
pub struct Visit {
    /// Whether it is counted among the open ones.
    pub is_counted: bool,
    /// Another address has been forgotten for this one, or there was no room for this one.
    pub is_full: bool,
}

/// A rate as the generic cell rate algorithm has it (ITU-T I.371, annex A), in microseconds.
#[derive(Clone, Copy, Debug)]
struct Connects {
    interval: u64,
    tolerance: u64,
}

#[derive(Debug, Default)]
struct Visits {
    /// When the next connection is due at the configured rate, in microseconds. It may come so much earlier as the burst allows.
    due: u64,
    /// Connections that are open.
    open: usize,
}

const MILLISECOND: u64 = 1_000;
const SECOND: u64 = 1_000_000;

impl AddressKey {
    pub fn new(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address => address,
        })
    }
}

impl Addresses {
    pub fn new(config: &GuardConfig, hash_seed: u64) -> Self {
        let entries_max = config.addresses_max.div_ceil(GUARD_PARTS).max(1);
        let part = |_| Mutex::new(Forgetful::new(entries_max, hash_seed));
        Self {
            bounds: RwLock::new(Bounds::new(config)),
            parts: (0..GUARD_PARTS).map(part).collect(),
            hasher: FixedState::with_seed(hash_seed.rotate_left(32)),
        }
    }

    /// Has other bounds from now on, but for the number of addresses. What was counted counts.
    pub fn set_bounds(&self, config: &GuardConfig) {
        *self.bounds.write().unwrap_or_else(PoisonError::into_inner) = Bounds::new(config);
    }

    /// A connection has come.
    pub fn enter(&self, key: AddressKey, now: Millis) -> Result<Visit, Refusal> {
        let Bounds { connects, connections_max } = *self.bounds.read().unwrap_or_else(PoisonError::into_inner);
        let mut part = self.part(key);
        let entry = part.get_or_insert(key, now);
        let has_evicted = entry.has_evicted;
        let Some(visits) = entry.value else { return Ok(Visit { is_counted: false, is_full: true }) };
        if connections_max.is_some_and(|most| visits.open >= most) {
            return Err(Refusal::AddressConnections);
        }
        if let Some(connects) = connects {
            visits.take(connects, now)?;
        }
        let is_counted = connections_max.is_some();
        visits.open += usize::from(is_counted);
        Ok(Visit { is_counted, is_full: has_evicted })
    }

    /// A connection that was counted has ended.
    pub fn leave(&self, key: AddressKey) {
        if let Some(visits) = self.part(key).get_mut(&key) {
            visits.open = visits.open.saturating_sub(1);
        }
    }

    fn part(&self, key: AddressKey) -> MutexGuard<'_, Forgetful<AddressKey, Visits>> {
        let part = self.hasher.hash_one(key) as usize % self.parts.len();
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bounds {
    fn new(config: &GuardConfig) -> Self {
        Self { connects: config.connects.map(Connects::new), connections_max: config.connections_per_address_max }
    }
}

impl Connects {
    fn new(rate: Rate) -> Self {
        let interval = (SECOND / rate.per_second.max(1)).max(1);
        Self { interval, tolerance: interval.saturating_mul(rate.burst.saturating_sub(1)) }
    }
}

impl Visits {
    /// Takes a connection from what may come now. One that is refused costs nothing.
    fn take(&mut self, connects: Connects, now: Millis) -> Result<(), Refusal> {
        let now = now.saturating_mul(MILLISECOND);
        if self.due > now.saturating_add(connects.tolerance) {
            return Err(Refusal::ConnectRate);
        }
        self.due = self.due.max(now).saturating_add(connects.interval);
        Ok(())
    }
}

impl Memory for Visits {
    fn worth(&self, now: Millis) -> Worth {
        if self.open > 0 {
            Worth::Everything
        } else if self.due <= now.saturating_mul(MILLISECOND) {
            Worth::Nothing
        } else {
            Worth::UsedAt(self.due)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(connects: Option<(u64, u64)>, connections_max: Option<usize>, addresses_max: usize) -> Addresses {
        let connects = connects.map(|(per_second, burst)| Rate { per_second, burst });
        let connections_per_address_max = connections_max;
        let config = GuardConfig { connects, connections_per_address_max, addresses_max, ..GuardConfig::default() };
        Addresses::new(&config, 7)
    }

    fn key(text: &str) -> AddressKey {
        AddressKey::new(text.parse().unwrap())
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let addresses = addresses(Some((10, 3)), None, 1_000);
        let passed = |now| (0..100).filter(|_| addresses.enter(key("192.0.2.1"), now).is_ok()).count();
        assert_eq!([passed(0), passed(99), passed(100), passed(250), passed(1_000), passed(9_000)], [3, 0, 1, 1, 3, 3]);
        assert_eq!(addresses.enter(key("192.0.2.1"), 9_000), Err(Refusal::ConnectRate));
        assert!(addresses.enter(key("192.0.2.2"), 9_000).is_ok());
    }

    #[test]
    fn in_the_long_run_the_rate_holds() {
        let addresses = addresses(Some((7, 2)), None, 1_000);
        let passed = (0..100_000).filter(|&now| addresses.enter(key("192.0.2.1"), now).is_ok()).count();
        assert!((700..=703).contains(&passed), "{passed}");
    }

    #[test]
    fn open_connections_are_counted_until_they_end() {
        let addresses = addresses(None, Some(2), 1_000);
        let counted = Ok(Visit { is_counted: true, is_full: false });
        assert_eq!(addresses.enter(key("192.0.2.1"), 0), counted);
        assert_eq!(addresses.enter(key("192.0.2.1"), 0), counted);
        assert_eq!(addresses.enter(key("192.0.2.1"), 0), Err(Refusal::AddressConnections));
        addresses.leave(key("192.0.2.1"));
        assert_eq!(addresses.enter(key("192.0.2.1"), 0), counted);
    }

    #[test]
    fn ipv6_counts_by_its_first_half_and_ipv4_inside_of_it_as_ipv4() {
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), key("2001:db8:1:2::1"));
        assert_ne!(key("2001:db8:1:2::"), key("2001:db8:1:3::"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("::ffff:192.0.2.1"), key("::ffff:192.0.2.2"));
    }

    #[test]
    fn a_flood_of_addresses_takes_no_more_than_its_room_and_open_connections_stay_counted() {
        let addresses = addresses(Some((1, 1)), Some(1), 640);
        let regular = key("198.51.100.1");
        assert!(addresses.enter(regular, 0).is_ok());
        let mut full = 0;
        for number in 0..100_000_u32 {
            let stranger = AddressKey::new(IpAddr::from(number.to_be_bytes()));
            if let Ok(visit) = addresses.enter(stranger, 0) {
                full += u32::from(visit.is_full);
                if visit.is_counted {
                    addresses.leave(stranger);
                }
            }
        }
        assert!((99_000..100_000).contains(&full), "{full}");
        assert_eq!(addresses.enter(regular, 5_000), Err(Refusal::AddressConnections));
    }

    #[test]
    fn extremes_do_not_overflow() {
        for rate in [(0, 0), (u64::MAX, u64::MAX), (1, u64::MAX), (u64::MAX, 0)] {
            let addresses = addresses(Some(rate), None, 1);
            for now in [0, 1, u64::MAX] {
                let _ = addresses.enter(key("192.0.2.1"), now);
            }
        }
    }
}
