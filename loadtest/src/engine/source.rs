//! Which address and port a connection comes from, when there are many.
//!
//! Between one source address and one listener there are only some 28,000 ports, so more connections need more addresses.
//! The kernel could choose the ports, but it is slow at that: at bind(2) it does not know the destination yet and wants
//! a port that is free towards all of them, and it searches long once half of them are in use or in TIME-WAIT from an
//! earlier run. Counting through the ports is quicker, and SO_REUSEADDR lets those in TIME-WAIT be taken.

use anyhow::Context;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

/// Hands out pairs of loopback address and port, the addresses in turn.
#[derive(Debug)]
pub struct Sources {
    ports: RangeInclusive<u16>,
    first_address: Ipv4Addr,
    addresses: u32,
    handed_out: u32,
    /// Another one in each process, so that runs after each other do not take the same ports.
    first_offset: u32,
}

impl Sources {
    /// Sources with `addresses` addresses from 127.0.0.1 on, after the first `skipped`, and the system's range of ports.
    pub fn new(skipped: u32, addresses: u32) -> anyhow::Result<Self> {
        const PATH: &str = "/proc/sys/net/ipv4/ip_local_port_range";
        let text = std::fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
        let ports = parse_range(&text).with_context(|| format!("{PATH} is {text:?}"))?;
        let first_address = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + skipped);
        let first_offset = std::process::id().wrapping_mul(7_919) % 65_536;
        Ok(Self { ports, first_address, addresses, handed_out: 0, first_offset })
    }

    /// How many different sources there are.
    pub fn count(&self) -> u32 {
        self.addresses * self.ports.len() as u32
    }

    /// The next source; after [`Sources::count`] of them they repeat.
    pub fn take(&mut self) -> SocketAddr {
        let index = self.handed_out;
        self.handed_out = self.handed_out.wrapping_add(1);
        let address = Ipv4Addr::from_bits(self.first_address.to_bits() + index % self.addresses);
        let offset = (self.first_offset + index / self.addresses) % self.ports.len() as u32;
        SocketAddr::from((address, self.ports.start() + offset as u16))
    }
}

fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut bounds = text.split_ascii_whitespace().map(str::parse);
    let (low, high): (u16, u16) = (bounds.next()?.ok()?, bounds.next()?.ok()?);
    (low <= high).then_some(low..=high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn all_sources_are_different_and_in_the_range() {
        let first_address = Ipv4Addr::new(127, 0, 0, 9);
        let ports = 60_000..=60_009;
        let mut sources = Sources { ports, first_address, addresses: 3, handed_out: 0, first_offset: 65_000 };
        let taken: HashSet<SocketAddr> = (0..sources.count()).map(|_| sources.take()).collect();
        assert_eq!(taken.len(), 30);
        let addresses: HashSet<String> = taken.iter().map(|source| source.ip().to_string()).collect();
        assert_eq!(addresses, ["127.0.0.9", "127.0.0.10", "127.0.0.11"].map(String::from).into());
        assert!(taken.iter().all(|source| (60_000..=60_009).contains(&source.port())));
    }

    #[test]
    fn the_range_is_read() {
        assert_eq!(parse_range("32768\t60999\n"), Some(32_768..=60_999));
        assert_eq!(parse_range("9 3"), None);
        assert_eq!(parse_range("9"), None);
    }
}
