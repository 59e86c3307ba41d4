//! The TLS of one connection.

use std::mem;
use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};

use super::failure::{TlsFailure, TlsFailureReason};
use super::identity::PeerIdentity;
use super::outgoing::{append, append_close_notify, append_plaintext, append_waiting};
use super::partial::{Partial, RECORD_SIZE_MAX, whole_records};
use super::server::Shared;
use crate::limits::TLS_HANDSHAKE_SIZE_MAX;

/// One connection's TLS. It may move to another thread, with its socket.
pub struct TlsSession {
    connection: UnbufferedServerConnection,
    partial: Partial,
    shared: Arc<Shared>,
    state: State,
    /// The peer was told that nothing more will come.
    is_closed: bool,
    peer_name: Option<Box<str>>,
}

impl std::fmt::Debug for TlsSession {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("TlsSession").field("state", &self.state).finish_non_exhaustive()
    }
}

/// What [`TlsSession::receive`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    Open,
    /// The peer will send nothing more (close_notify; RFC 8446, section 6.1). What it sends none the less is ignored. An end of the
    /// network connection without this may be an attacker's, who cut off what was to come.
    PeerClosed,
}

#[derive(Debug)]
enum State {
    Handshake {
        /// Of all records so far, in bytes.
        received: usize,
    },
    Established,
    PeerClosed,
    Failed(Box<TlsFailure>),
}

impl TlsSession {
    pub(super) fn new(shared: Arc<Shared>) -> Result<Self, TlsFailure> {
        let connection = UnbufferedServerConnection::new(shared.config.clone())
            .map_err(|_| TlsFailure::new(TlsFailureReason::Internal))?;
        let state = State::Handshake { received: 0 };
        Ok(Self { connection, partial: Partial::default(), shared, state, is_closed: false, peer_name: None })
    }

    /// Takes what came from the peer, decrypting it in place. Calls `plain` with each piece of plaintext, and appends to `out` what must
    /// go to the peer. Only a record that has not come whole is copied and kept.
    ///
    /// # Errors
    /// The connection must be closed, after what is in `out` has gone: it has the alert that tells the peer why. Each
    /// further call says the same.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        plain: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, TlsFailure> {
        if let State::Failed(failure) = &self.state {
            return Err(TlsFailure::clone(failure));
        }
        match self.take(bytes, out, plain) {
            Ok(()) if matches!(self.state, State::PeerClosed) => Ok(Received::PeerClosed),
            Ok(()) => Ok(Received::Open),
            Err(failure) => Err(self.fail(failure)),
        }
    }

    /// Appends records with the concatenation of `parts` to `out`: as few as there can be.
    ///
    /// # Errors
    /// The session is not established, has failed, or was closed; or a TLS 1.2 connection has sent all records that
    /// its cipher is safe for. The connection must be closed.
    pub fn send<'a>(&mut self, parts: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) -> Result<(), TlsFailure> {
        if let State::Failed(failure) = &self.state {
            return Err(TlsFailure::clone(failure));
        }
        if !self.is_established() || self.is_closed {
            return Err(TlsFailure::new(TlsFailureReason::Internal));
        }
        let (connection, records) = (&mut self.connection, self.partial.bytes_mut());
        append_plaintext(connection, records, parts.into_iter(), out).map_err(|failure| {
            append_waiting(&mut self.connection, self.partial.bytes_mut(), out);
            self.fail(failure)
        })
    }

    /// Tells the peer that nothing more will come (close_notify); nothing can be sent any more. Does nothing if that or an alert
    /// was sent before, and before the handshake is over: then the end of the network connection says it.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if self.is_established() && !self.is_closed {
            self.is_closed = true;
            append_close_notify(&mut self.connection, self.partial.bytes_mut(), out);
        }
    }

    /// Whether the handshake is over, so that plaintext may go both ways.
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Established | State::PeerClosed)
    }

    /// The name in the client's certificate, by [`TlsConfig::identity`](super::TlsConfig::identity). None before the handshake is over,
    /// without a certificate, and if it has no such name or one that cannot be a name: with control characters, or larger
    /// than `TLS_PEER_NAME_SIZE_MAX`.
    pub fn peer_name(&self) -> Option<&str> {
        self.peer_name.as_deref()
    }

    /// Whether the client has shown a certificate, and it was verified.
    pub fn has_peer_certificate(&self) -> bool {
        self.is_established() && self.connection.peer_certificates().is_some()
    }

    /// What was agreed on by ALPN.
    pub fn application_protocol(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// Such as `TLSv1_3`.
    pub fn version(&self) -> Option<&'static str> {
        self.connection.protocol_version()?.as_str()
    }

    /// Such as `TLS13_AES_128_GCM_SHA256`.
    pub fn cipher_suite(&self) -> Option<&'static str> {
        self.connection.negotiated_cipher_suite()?.suite().as_str()
    }

    /// Whether the client spared the full handshake.
    pub fn was_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    fn take(
        &mut self,
        mut bytes: &mut [u8],
        out: &mut Vec<u8>,
        plain: &mut dyn FnMut(&[u8]),
    ) -> Result<(), TlsFailure> {
        while !self.partial.is_empty() && !bytes.is_empty() {
            let taken = self.partial.fill(bytes);
            bytes = mem::take(&mut bytes).get_mut(taken..).unwrap_or_default();
            if self.partial.completes_record() {
                let mut partial = mem::take(&mut self.partial);
                let discard = self.process(partial.bytes_mut(), out, plain)?;
                partial.taken(discard);
                self.partial = partial;
            }
            self.check_bounds(taken, self.partial.len())?;
        }
        let (mut start, mut end) = (0, 0);
        while let waiting = bytes.get(end..).unwrap_or_default()
            && let size = whole_records(waiting, self.is_handshaking())
            && size > 0
        {
            end += size;
            let records = bytes.get_mut(start..end).unwrap_or_default();
            start += self.process(records, out, plain)?;
            self.check_bounds(size, end - start)?;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        if !rest.is_empty() && !matches!(self.state, State::PeerClosed) {
            self.partial.keep(rest, end - start);
        }
        Ok(())
    }

    /// Gives the TLS library whole records and does what it wants done. Returns how many bytes at the front it is done with.
    ///
    /// While the handshake goes on it gets one record at a time, so that it is known who the client is before its first plaintext.
    fn process(
        &mut self,
        records: &mut [u8],
        out: &mut Vec<u8>,
        plain: &mut dyn FnMut(&[u8]),
    ) -> Result<usize, TlsFailure> {
        let mut done = 0;
        loop {
            let waiting = records.get_mut(done..).unwrap_or_default();
            let UnbufferedStatus { discard, state, .. } = self.connection.process_tls_records(waiting);
            done += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|error| TlsFailure::of(error, false))?;
                        done += record.discard;
                        plain(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => append(data, out),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => {
                    self.state = State::PeerClosed;
                    return Ok(records.len());
                }
                Ok(ConnectionState::Closed) => return Ok(records.len()),
                Ok(ConnectionState::BlockedHandshake) => return Ok(done),
                Ok(ConnectionState::WriteTraffic(_)) => {
                    if self.is_handshaking() && !self.connection.is_handshaking() {
                        let established = self.establish();
                        established.inspect_err(|_| {
                            let waiting = records.get_mut(done..).unwrap_or_default();
                            append_close_notify(&mut self.connection, waiting, out);
                        })?;
                    }
                    return Ok(done);
                }
                // Early data is not offered.
                Ok(_) => return Err(TlsFailure::new(TlsFailureReason::Internal)),
                Err(error) => {
                    let is_first = self.connection.protocol_version().is_none();
                    append_waiting(&mut self.connection, records.get_mut(done..).unwrap_or_default(), out);
                    return Err(TlsFailure::of(error, is_first));
                }
            }
        }
    }

    /// Takes the name from the client's certificate. One that was shown when a session began may have expired since:
    /// resumption does not look at it again.
    fn establish(&mut self) -> Result<(), TlsFailure> {
        if let Some(certificate) = self.connection.peer_certificates().and_then(<[_]>::first) {
            let identity = PeerIdentity::of(certificate, self.shared.identity)
                .ok_or_else(|| TlsFailure::new(TlsFailureReason::CertificateInvalid))?;
            let now = self.shared.config.time_provider.current_time();
            let now = now.ok_or_else(|| TlsFailure::new(TlsFailureReason::Internal))?;
            let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            if now > identity.valid_until_s {
                return Err(TlsFailure::new(TlsFailureReason::CertificateExpired));
            }
            self.peer_name = identity.name;
        }
        self.state = State::Established;
        Ok(())
    }

    /// `received` more bytes of records came, and `kept` bytes wait for more.
    fn check_bounds(&mut self, more: usize, kept: usize) -> Result<(), TlsFailure> {
        match &mut self.state {
            State::Handshake { received } => {
                *received += more;
                if *received > TLS_HANDSHAKE_SIZE_MAX {
                    return Err(TlsFailure::new(TlsFailureReason::HandshakeTooLarge));
                }
            }
            // All handshake messages that a client may send from here on fit into one record.
            _ if kept > RECORD_SIZE_MAX => return Err(TlsFailure::new(TlsFailureReason::Protocol)),
            _ => {}
        }
        Ok(())
    }

    fn is_handshaking(&self) -> bool {
        matches!(self.state, State::Handshake { .. })
    }

    fn fail(&mut self, failure: TlsFailure) -> TlsFailure {
        self.partial = Partial::default();
        self.state = State::Failed(Box::new(failure.clone()));
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,088 of them are the library's. On the heap come 2.5 KB of the library's, most of it the contexts of two keys.
    #[test]
    fn a_session_is_small() {
        assert!(size_of::<TlsSession>() <= 1_168, "{}", size_of::<TlsSession>());
    }
}
