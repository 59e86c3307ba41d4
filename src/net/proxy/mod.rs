//! The PROXY protocol, versions 1 and 2: how a proxy tells the addresses of the connection that it passes on
//! (haproxy's `proxy-protocol.txt`).
//!
//! A listener that expects it must get it first on every connection, and must be reachable by proxies only: the header
//! is believed.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod checksum;
mod tlv;
mod v1;
mod v2;

use std::net::SocketAddr;

use thiserror::Error;

use crate::limits::PROXY_HEADER_MAX;

/// What a proxy says of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The client's address; `None` if the connection is the proxy's own (LOCAL), or the client's is not of TCP over IP.
    pub source: Option<SocketAddr>,
    /// The address that the client connected to.
    pub destination: Option<SocketAddr>,
    /// The client used TLS, which ended at the proxy.
    pub tls: Option<Tls>,
}

/// What a proxy says of a client's TLS connection (section 2.2.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The client presented a certificate, and the proxy verified it.
    pub verified: bool,
    /// The common name in the certificate's subject.
    pub common_name: Option<String>,
}

/// Why bytes are not a PROXY header that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProxyFailure {
    #[error("the connection does not begin with a PROXY header")]
    NoSignature,
    #[error("the PROXY line does not end within 107 bytes")]
    LineTooLong,
    #[error("the PROXY line has a protocol other than TCP4, TCP6 and UNKNOWN")]
    Protocol,
    #[error("the PROXY line has an address or port that is none")]
    Address,
    #[error("the PROXY header has a version other than 2")]
    Version,
    #[error("the PROXY header has a command other than LOCAL and PROXY")]
    Command,
    #[error("the PROXY header has an address family or transport that is not assigned")]
    Family,
    #[error("the PROXY header is longer than {PROXY_HEADER_MAX} bytes")]
    TooLong,
    #[error("the PROXY header ends within its addresses")]
    AddressesCut,
    #[error("the PROXY header ends within a type-length-value field, or one has a wrong length")]
    FieldCut,
    #[error("the PROXY header has a certificate name that is not UTF-8")]
    NameNotUtf8,
    #[error("the PROXY header has a wrong checksum")]
    Checksum,
}

/// Reads the header at the start of `bytes`, and says how many bytes it has; `None` when more bytes are needed. Other bytes are
/// refused as early as they differ from both versions' signatures.
pub fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProxyFailure> {
    let begins = |signature: &[u8]| bytes.iter().zip(signature).all(|(byte, expected)| byte == expected);
    if begins(v2::SIGNATURE) {
        v2::parse(bytes)
    } else if begins(v1::SIGNATURE) {
        v1::parse(bytes)
    } else {
        Err(ProxyFailure::NoSignature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPV4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0x07, 0x5B];

    /// A header of version 2.
    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [v2::SIGNATURE, &[command, family], &length, block].concat()
    }

    fn field(field_type: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[field_type][..], &length, value].concat()
    }

    fn header(source: &str, destination: &str) -> Header {
        Header { source: Some(source.parse().unwrap()), destination: Some(destination.parse().unwrap()), tls: None }
    }

    /// All of `bytes` is the header `expected`, with MQTT behind it or not; and any part of it needs more.
    #[track_caller]
    fn check(bytes: &[u8], expected: &Header) {
        assert_eq!(parse(bytes), Ok(Some((expected.clone(), bytes.len()))), "{}", bytes.escape_ascii());
        assert_eq!(parse(&[bytes, b"\x10\r\nPROXY"].concat()), Ok(Some((expected.clone(), bytes.len()))));
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Ok(None), "{end} bytes of {}", bytes.escape_ascii());
        }
    }

    /// `bytes` fail; a part of them may need more, and must not fail in another way.
    #[track_caller]
    fn check_failure(bytes: &[u8], failure: ProxyFailure) {
        assert_eq!(parse(bytes), Err(failure), "{}", bytes.escape_ascii());
        for end in 0..bytes.len() {
            let part = parse(&bytes[..end]);
            assert!(part == Ok(None) || part == Err(failure), "{part:?} for {end} bytes of {}", bytes.escape_ascii());
        }
    }

    /// The examples of section 2.1.
    #[test]
    fn lines_of_the_specification() {
        let highest = "255.255.255.255:65535";
        check(b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", &header(highest, highest));
        let all_bits = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let highest = format!("[{all_bits}]:65535");
        check(format!("PROXY TCP6 {all_bits} {all_bits} 65535 65535\r\n").as_bytes(), &header(&highest, &highest));
        check(b"PROXY UNKNOWN\r\n", &Header::default());
        let longest = format!("PROXY UNKNOWN {all_bits} {all_bits} 65535 65535\r\n");
        assert_eq!(longest.len(), 107);
        check(longest.as_bytes(), &Header::default());
        let one = header("192.168.0.1:56324", "192.168.0.11:443");
        check(b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", &one);
        check(b"PROXY TCP6 2001:db8::1 ::1 1 0\r\n", &header("[2001:db8::1]:1", "[::1]:0"));
    }

    #[test]
    fn lines_that_are_none() {
        use ProxyFailure::{Address, LineTooLong, NoSignature, Protocol};
        for (line, failure) in [
            ("GET / HTTP/1.1\r\n\r\n", NoSignature),
            ("proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n", NoSignature),
            ("PROXY\r\n", NoSignature),
            ("PROXY \r\n", Protocol),
            ("PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", Protocol),
            ("PROXY UNKNOWNS\r\n", Protocol),
            ("PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n", Protocol),
            ("PROXY TCP4\r\n", Address),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", Address),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", Address),
            ("PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n", Address),
            ("PROXY TCP4 1.2.3.4 1.2.3.04 1 1\r\n", Address),
            ("PROXY TCP4 1.2.3.4 1.2.3.256 1 1\r\n", Address),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", Address),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", Address),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n", Address),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 -1\r\n", Address),
            ("PROXY TCP4 ::1 ::1 1 1\r\n", Address),
            ("PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", Address),
            ("PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n", Address),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n\r\n", Address),
        ] {
            check_failure(line.as_bytes(), failure);
        }
        check_failure(format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)).as_bytes(), LineTooLong);
    }

    #[test]
    fn binary_headers() {
        let ipv4 = header("192.0.2.7:12345", "198.51.100.1:1883");
        check(&v2(0x21, 0x11, &IPV4), &ipv4);
        let mut ipv6 = [0; 36];
        [ipv6[0], ipv6[1], ipv6[15]] = [0x20, 0x01, 1];
        check(&v2(0x21, 0x21, &ipv6), &header("[2001::1]:0", "[::]:0"));
        // Known to nobody here, or of the proxy itself.
        for (command, family, size) in [
            (0x21, 0x00, 0),
            (0x21, 0x12, 12),
            (0x21, 0x22, 36),
            (0x21, 0x31, 216),
            (0x20, 0x00, 0),
            (0x20, 0x11, 12),
            (0x20, 0xFF, 3),
        ] {
            check(&v2(command, family, &vec![7; size]), &Header::default());
        }
        // Fields that nobody asks for: ALPN, a host name, padding, one that is not assigned.
        let fields =
            [field(0x01, b"mqtt"), field(0x02, b"a.example"), field(0x04, &[0; 300]), field(0xEE, b"")].concat();
        check(&v2(0x21, 0x11, &[&IPV4[..], &fields].concat()), &ipv4);
    }

    #[test]
    fn binary_headers_that_are_none() {
        use ProxyFailure::{AddressesCut, Command, Family, FieldCut, NoSignature, TooLong, Version};
        for command in [0x22, 0x2F] {
            check_failure(&v2(command, 0x11, &IPV4), Command);
        }
        for version in [0x01, 0x11, 0x31, 0xFF] {
            check_failure(&v2(version, 0x11, &IPV4), Version);
        }
        for family in [0x03, 0x13, 0x41, 0xF1] {
            check_failure(&v2(0x21, family, &IPV4), Family);
        }
        for (family, size) in [(0x11, 11), (0x12, 0), (0x21, 35), (0x22, 12), (0x31, 215)] {
            check_failure(&v2(0x21, family, &vec![0; size]), AddressesCut);
        }
        for fields in [&[1][..], &[1, 0], &[1, 0, 1], &[1, 0, 0, 1, 0xFF, 0xFF, 0]] {
            check_failure(&v2(0x21, 0x11, &[&IPV4, fields].concat()), FieldCut);
        }
        check_failure(&v2(0x21, 0x11, &[0; PROXY_HEADER_MAX - 15]), TooLong);
        check(&v2(0x20, 0x11, &[0; PROXY_HEADER_MAX - 16]), &Header::default());
        let mut signature = v2(0x21, 0x11, &IPV4);
        signature[11] = b'\r';
        check_failure(&signature, NoSignature);
    }

    #[test]
    fn the_clients_tls() {
        let with_tls = |client: u8, verify: u32, fields: &[u8]| {
            let value = [&[client][..], &verify.to_be_bytes(), fields].concat();
            parse(&v2(0x21, 0x11, &[&IPV4[..], &field(0x20, &value)].concat())).map(|parsed| parsed.unwrap().0.tls)
        };
        let tls = |verified, name: Option<&str>| Ok(Some(Tls { verified, common_name: name.map(String::from) }));
        let names = [field(0x21, b"TLSv1.3"), field(0x22, "Tür 7".as_bytes())].concat();
        assert_eq!(with_tls(0x07, 0, &names), tls(true, Some("Tür 7")));
        assert_eq!(with_tls(0x05, 0, &names), tls(true, Some("Tür 7")));
        assert_eq!(with_tls(0x03, 1, &names), tls(false, Some("Tür 7")));
        // Zero although there was no certificate.
        assert_eq!(with_tls(0x01, 0, b""), tls(false, None));
        assert_eq!(with_tls(0x00, 0, &names), Ok(None));
        assert_eq!(with_tls(0x03, 0, &field(0x22, b"\xFF")), Err(ProxyFailure::NameNotUtf8));
        assert_eq!(with_tls(0x03, 0, &[0x22, 0, 2, b'a']), Err(ProxyFailure::FieldCut));
        let cut = v2(0x21, 0x11, &[&IPV4[..], &field(0x20, &[1, 0, 0, 0])].concat());
        assert_eq!(parse(&cut), Err(ProxyFailure::FieldCut));
    }

    #[test]
    fn the_checksum_is_of_the_whole_header() {
        let block = [&IPV4[..], &field(0x05, b"id"), &field(0x03, &[0; 4]), &field(0x04, &[0; 3])].concat();
        let mut bytes = v2(0x21, 0x11, &block);
        check_failure(&bytes, ProxyFailure::Checksum);
        let sum = checksum::crc32c([&bytes, b"", b""]);
        let position = bytes.len() - 10;
        bytes[position..position + 4].copy_from_slice(&sum.to_be_bytes());
        check(&bytes, &header("192.0.2.7:12345", "198.51.100.1:1883"));
        // In all bytes but the one that says that there is a checksum.
        let says_so = position - 3;
        for damaged in (16..bytes.len()).filter(|damaged| *damaged != says_so) {
            let mut bytes = bytes.clone();
            bytes[damaged] ^= 1;
            assert!(parse(&bytes).is_err(), "a flipped bit in byte {damaged} is not seen");
        }
        let short = v2(0x21, 0x11, &[&IPV4[..], &field(0x03, &[0; 3])].concat());
        check_failure(&short, ProxyFailure::FieldCut);
    }
}
