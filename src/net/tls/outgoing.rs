//! What the TLS library has to say to the peer.

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError};

/// Appends what waits, such as an alert. `records` are those that the TLS library is not done with, here and below.
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
