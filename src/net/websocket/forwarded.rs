//! The client's address behind proxies that speak HTTP.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The address of the client, by the X-Forwarded-For of its request and the address of the socket's other end.
///
/// Each proxy appends the address that it was connected from. So the list is walked from its right end, over as many
/// proxies as are trusted; the first that is not trusted is the client, whatever it claims to the left of that (the rule of RFC 7239,
/// section 7.1). What is not an address ends the walk.
pub fn client_address(forwarded_for: &str, trusted: &[IpNet], peer: IpAddr) -> IpAddr {
    let mut address = peer.to_canonical();
    for hop in forwarded_for.rsplit(',') {
        if !trusted.iter().any(|network| network.contains(&address)) {
            break;
        }
        match parse(hop.trim()) {
            Some(hop) => address = hop,
            None => break,
        }
    }
    address
}

/// An address, which some proxies write with its port or, of IPv6, in brackets.
fn parse(hop: &str) -> Option<IpAddr> {
    let in_brackets = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    let address = in_brackets.unwrap_or(hop).parse().or_else(|_| hop.parse::<SocketAddr>().map(|hop| hop.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(forwarded_for: &str, expected: &str) {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let address = client_address(forwarded_for, &trusted, "10.0.0.1".parse().unwrap());
        assert_eq!(address, expected.parse::<IpAddr>().unwrap(), "{forwarded_for:?}");
    }

    #[test]
    fn the_first_that_is_not_trusted_is_the_client() {
        check("", "10.0.0.1");
        check("192.0.2.7", "192.0.2.7");
        check("192.0.2.7, 10.0.0.2", "192.0.2.7");
        check("203.0.113.9, 192.0.2.7,10.0.0.2 , fd00::1", "192.0.2.7");
        check("10.0.0.9,10.0.0.2", "10.0.0.9");
        check("2001:db8::1, [fd00::1]:443", "2001:db8::1");
        check("192.0.2.7:4711", "192.0.2.7");
        check("[2001:db8::1]", "2001:db8::1");
        check("::ffff:192.0.2.7, ::ffff:10.0.0.3", "192.0.2.7");
    }

    #[test]
    fn garbage_ends_the_walk() {
        check("192.0.2.7, unknown, 10.0.0.2", "10.0.0.2");
        check("192.0.2.7,,10.0.0.2", "10.0.0.2");
        check("unknown", "10.0.0.1");
        check("[192.0.2.7", "10.0.0.1");
        check("192.0.2.7, ", "10.0.0.1");
    }

    #[test]
    fn a_peer_that_is_not_trusted_is_not_believed() {
        let peer = "198.51.100.1".parse().unwrap();
        assert_eq!(client_address("192.0.2.7", &["10.0.0.0/8".parse().unwrap()], peer), peer);
        assert_eq!(client_address("192.0.2.7", &[], peer), peer);
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        let client: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(client_address("192.0.2.7", &["10.0.0.0/8".parse().unwrap()], mapped), client);
    }
}
