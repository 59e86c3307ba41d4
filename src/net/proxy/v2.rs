//! Version 2, in binary (section 2.2).

use std::net::{IpAddr, SocketAddr};

use super::{Header, ProxyFailure, tlv};
use crate::limits::PROXY_HEADER_MAX;

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length.
const FIXED_SIZE: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProxyFailure> {
    let after = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    match after.first() {
        None | Some(&(LOCAL | PROXY)) => {}
        Some(version) if version >> 4 == 2 => return Err(ProxyFailure::Command),
        Some(_) => return Err(ProxyFailure::Version),
    }
    let [command, family, length @ ..] = after else { return Ok(None) };
    let Some(length) = length.first_chunk() else { return Ok(None) };
    let size = FIXED_SIZE + usize::from(u16::from_be_bytes(*length));
    if size > PROXY_HEADER_MAX {
        return Err(ProxyFailure::TooLong);
    }
    let Some(whole) = bytes.get(..size) else { return Ok(None) };
    // A connection of the proxy's own, to see whether this server lives: all the rest is to be ignored.
    let header = if *command == LOCAL { Header::default() } else { proxied(*family, whole)? };
    Ok(Some((header, size)))
}

/// What a proxy says of a connection that it passes on; `whole` is the header from its signature on.
fn proxied(family: u8, whole: &[u8]) -> Result<Header, ProxyFailure> {
    let block = whole.get(FIXED_SIZE..).unwrap_or_default();
    let ((source, destination), fields) = match family {
        // TCP over IPv4, over IPv6.
        0x11 => ip_addresses::<4>(block)?,
        0x21 => ip_addresses::<16>(block)?,
        // Unspecified, datagrams, unix sockets: the addresses say nothing here, the fields behind them do.
        0x00..=0x02 => ((None, None), block),
        0x10 | 0x12 => ((None, None), behind(block, 12)?),
        0x20 | 0x22 => ((None, None), behind(block, 36)?),
        0x30..=0x32 => ((None, None), behind(block, 216)?),
        _ => return Err(ProxyFailure::Family),
    };
    let tls = tlv::read(fields, whole)?;
    Ok(Header { source, destination, tls })
}

type Addresses = (Option<SocketAddr>, Option<SocketAddr>);

/// Two addresses of `SIZE` bytes, two ports, and what is behind them.
fn ip_addresses<const SIZE: usize>(block: &[u8]) -> Result<(Addresses, &[u8]), ProxyFailure>
where
    IpAddr: From<[u8; SIZE]>,
{
    let cut = ProxyFailure::AddressesCut;
    let (source, block) = block.split_first_chunk::<SIZE>().ok_or(cut)?;
    let (destination, block) = block.split_first_chunk::<SIZE>().ok_or(cut)?;
    let (source_port, block) = block.split_first_chunk().ok_or(cut)?;
    let (destination_port, fields) = block.split_first_chunk().ok_or(cut)?;
    let socket = |address, port| SocketAddr::new(IpAddr::from(address), u16::from_be_bytes(port));
    Ok(((Some(socket(*source, *source_port)), Some(socket(*destination, *destination_port))), fields))
}

fn behind(block: &[u8], size: usize) -> Result<&[u8], ProxyFailure> {
    block.get(size..).ok_or(ProxyFailure::AddressesCut)
}
