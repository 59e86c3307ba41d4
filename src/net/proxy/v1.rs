//! Version 1, a line of text (section 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Header, ProxyFailure};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line, CRLF included.
const LINE_MAX: usize = 107;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProxyFailure> {
    let searched = bytes.get(..LINE_MAX).unwrap_or(bytes);
    let Some(end) = memchr::memmem::find(searched, b"\r\n") else {
        return if searched.len() < LINE_MAX { Ok(None) } else { Err(ProxyFailure::LineTooLong) };
    };
    let line = bytes.get(SIGNATURE.len()..end).unwrap_or_default();
    Ok(Some((header(line)?, end + 2)))
}

/// Reads what is behind the signature.
fn header(line: &[u8]) -> Result<Header, ProxyFailure> {
    let mut words = line.split(|&byte| byte == b' ');
    match words.next() {
        Some(b"TCP4") => addresses::<Ipv4Addr>(words),
        Some(b"TCP6") => addresses::<Ipv6Addr>(words),
        // What follows is to be ignored.
        Some(b"UNKNOWN") => Ok(Header::default()),
        _ => Err(ProxyFailure::Protocol),
    }
}

fn addresses<'a, A: FromStr + Into<IpAddr>>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<Header, ProxyFailure> {
    let mut next = || words.next().and_then(|word| str::from_utf8(word).ok()).ok_or(ProxyFailure::Address);
    let [source, destination] = [next()?, next()?];
    let [source_port, destination_port] = [next()?, next()?];
    let socket = |address: &str, port| Ok(SocketAddr::new(parsed::<A>(address)?.into(), self::port(port)?));
    let header = Header {
        source: Some(socket(source, source_port)?),
        destination: Some(socket(destination, destination_port)?),
        tls: None,
    };
    if words.next().is_none() { Ok(header) } else { Err(ProxyFailure::Address) }
}

fn parsed<T: FromStr>(word: &str) -> Result<T, ProxyFailure> {
    word.parse().map_err(|_| ProxyFailure::Address)
}

/// A decimal number without sign or leading zeros.
fn port(word: &str) -> Result<u16, ProxyFailure> {
    let is_canonical = word == "0" || word.starts_with(|first: char| matches!(first, '1'..='9'));
    if is_canonical { parsed(word) } else { Err(ProxyFailure::Address) }
}
