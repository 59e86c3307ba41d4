//! What goes to the peer: records with plaintext, and what the TLS library has to say.

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, WriteTraffic};

use super::failure::{TlsFailure, TlsFailureReason};

/// Bytes of plaintext in a record at most (RFC 8446, section 5.1).
const FRAGMENT_SIZE_MAX: usize = 16_384;

/// What encryption adds to a record at most: header, explicit nonce, content type, tag.
const RECORD_OVERHEAD_MAX: usize = 5 + 8 + 1 + 16;

/// Appends records with the concatenation of `parts`. `records` are those that the TLS library is not done with, here and below.
pub fn append_plaintext<'a>(
    connection: &mut UnbufferedServerConnection,
    records: &mut [u8],
    parts: impl Iterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) -> Result<(), TlsFailure> {
    let Ok(ConnectionState::WriteTraffic(mut traffic)) = connection.process_tls_records(records).state else {
        return Err(TlsFailure::new(TlsFailureReason::Internal));
    };
    let mut parts = parts.filter(|part| !part.is_empty()).peekable();
    let mut gathered = Vec::new();
    while let Some(part) = parts.next() {
        // What fills records by itself, or is all there is, need not be gathered.
        if gathered.is_empty() && (part.len() >= FRAGMENT_SIZE_MAX || parts.peek().is_none()) {
            append_encrypted(&mut traffic, part, out)?;
            continue;
        }
        let mut rest = part;
        while !rest.is_empty() {
            let room = FRAGMENT_SIZE_MAX.saturating_sub(gathered.len());
            let (piece, behind) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            gathered.extend_from_slice(piece);
            rest = behind;
            if gathered.len() >= FRAGMENT_SIZE_MAX {
                append_encrypted(&mut traffic, &gathered, out)?;
                gathered.clear();
            }
        }
    }
    append_encrypted(&mut traffic, &gathered, out)
}

/// Appends what the TLS library has for the peer, such as an alert.
pub fn append_waiting(connection: &mut UnbufferedServerConnection, records: &mut [u8], out: &mut Vec<u8>) {
    while connection.wants_write() {
        match connection.process_tls_records(records).state {
            Ok(ConnectionState::EncodeTlsData(data)) => append(data, out),
            _ => return,
        }
    }
}

/// Appends close_notify.
pub fn append_close_notify(connection: &mut UnbufferedServerConnection, records: &mut [u8], out: &mut Vec<u8>) {
    if let Ok(ConnectionState::WriteTraffic(mut traffic)) = connection.process_tls_records(records).state {
        let start = out.len();
        // With no room it says how much it needs.
        if let Err(EncryptError::InsufficientSize(error)) = traffic.queue_close_notify(&mut []) {
            out.resize(start + error.required_size, 0);
            let encoded = traffic.queue_close_notify(out.get_mut(start..).unwrap_or_default());
            out.truncate(start + encoded.unwrap_or(0));
        }
    }
}

/// Appends a piece of a handshake, or an alert.
pub fn append(mut data: EncodeTlsData<'_, ServerConnectionData>, out: &mut Vec<u8>) {
    let start = out.len();
    // With no room it says how much it needs.
    if let Err(EncodeError::InsufficientSize(error)) = data.encode(&mut []) {
        out.resize(start + error.required_size, 0);
        let encoded = data.encode(out.get_mut(start..).unwrap_or_default());
        out.truncate(start + encoded.unwrap_or(0));
    }
}

fn append_encrypted(
    traffic: &mut WriteTraffic<'_, ServerConnectionData>,
    plaintext: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), TlsFailure> {
    if plaintext.is_empty() {
        return Ok(());
    }
    let start = out.len();
    let mut room = plaintext.len() + plaintext.len().div_ceil(FRAGMENT_SIZE_MAX) * RECORD_OVERHEAD_MAX;
    loop {
        out.resize(start + room, 0);
        match traffic.encrypt(plaintext, out.get_mut(start..).unwrap_or_default()) {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(());
            }
            // A key update goes first.
            Err(EncryptError::InsufficientSize(error)) if error.required_size > room => room = error.required_size,
            Err(_) => {
                out.truncate(start);
                return Err(TlsFailure::new(TlsFailureReason::KeysExhausted));
            }
        }
    }
}
