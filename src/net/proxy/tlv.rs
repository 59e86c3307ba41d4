//! The fields behind the addresses of version 2: type, length, value (section 2.2).

use super::checksum::crc32c;
use super::{ProxyFailure, Tls};

const CRC32C: u8 = 0x03;
const SSL: u8 = 0x20;
const SSL_COMMON_NAME: u8 = 0x22;

/// Bits of the client field of [`SSL`]: the client used TLS; it presented a certificate on this connection, or in the TLS session.
const CLIENT_SSL: u8 = 0x01;
const CLIENT_CERTIFICATE: u8 = 0x02 | 0x04;

/// Reads the fields; `header` is the whole header with them at its end, which the checksum covers.
pub(super) fn read(mut fields: &[u8], header: &[u8]) -> Result<Option<Tls>, ProxyFailure> {
    let (mut tls, mut checksum) = (None, None);
    while let Some((field_type, value, rest)) = next(fields)? {
        match field_type {
            CRC32C => checksum = Some((value, rest)),
            SSL => tls = read_tls(value)?,
            _ => {}
        }
        fields = rest;
    }
    // Once, however many there are: it reads the whole header.
    if let Some((value, behind)) = checksum {
        check(value, behind, header)?;
    }
    Ok(tls)
}

/// A field's type, its value, and the fields behind it.
type Field<'a> = (u8, &'a [u8], &'a [u8]);

/// Splits the first field off.
fn next(fields: &[u8]) -> Result<Option<Field<'_>>, ProxyFailure> {
    match fields {
        [] => Ok(None),
        [field_type, high, low, rest @ ..] => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let (value, rest) = rest.split_at_checked(length).ok_or(ProxyFailure::FieldCut)?;
            Ok(Some((*field_type, value, rest)))
        }
        _ => Err(ProxyFailure::FieldCut),
    }
}

/// The checksum is that of the header with zeros in the checksum's place (section 2.2.3).
fn check(value: &[u8], behind: &[u8], header: &[u8]) -> Result<(), ProxyFailure> {
    let expected = value.try_into().map_err(|_| ProxyFailure::FieldCut)?;
    let before = header.len().saturating_sub(behind.len() + value.len());
    let before = header.get(..before).unwrap_or_default();
    let is_right = crc32c([before, &[0; 4], behind]) == u32::from_be_bytes(expected);
    if is_right { Ok(()) } else { Err(ProxyFailure::Checksum) }
}

fn read_tls(value: &[u8]) -> Result<Option<Tls>, ProxyFailure> {
    let (&client, value) = value.split_first().ok_or(ProxyFailure::FieldCut)?;
    let (verify, mut fields) = value.split_first_chunk().ok_or(ProxyFailure::FieldCut)?;
    let verified = client & CLIENT_CERTIFICATE != 0 && u32::from_be_bytes(*verify) == 0;
    let mut tls = Tls { verified, common_name: None };
    while let Some((field_type, value, rest)) = next(fields)? {
        if field_type == SSL_COMMON_NAME {
            let name = simdutf8::basic::from_utf8(value).map_err(|_| ProxyFailure::NameNotUtf8)?;
            tls.common_name = Some(name.into());
        }
        fields = rest;
    }
    Ok((client & CLIENT_SSL != 0).then_some(tls))
}
