//! The handshake of one connection, which is the TLS library's.

use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{HandshakeKind, SupportedCipherSuite};

use super::failure::{TlsFailure, TlsFailureReason};
use super::identity::PeerIdentity;
use super::outgoing::{append, append_close_notify, append_waiting};
use super::records::Records;
use super::secrets::TrafficSecrets;
use super::server::Shared;
use crate::limits::TLS_HANDSHAKE_SIZE_MAX;

/// A handshake that goes on.
pub struct Handshake {
    connection: UnbufferedServerConnection,
    secrets: Arc<TrafficSecrets>,
    shared: Arc<Shared>,
    /// Of all records so far, in bytes.
    received: usize,
    peer_name: Option<Box<str>>,
}

/// What a handshake came to.
pub struct Agreed {
    pub suite: SupportedCipherSuite,
    pub application_protocol: Option<Box<[u8]>>,
    pub peer_name: Option<Box<str>>,
    pub has_peer_certificate: bool,
    pub was_resumed: bool,
}

/// How far it is after some records.
pub enum Progress {
    /// The library is done with this many bytes at the front; the others are of a message that is not whole.
    GoesOn {
        done: usize,
    },
    Over,
}

impl Handshake {
    pub fn new(shared: Arc<Shared>) -> Result<Self, TlsFailure> {
        let secrets = Arc::new(TrafficSecrets::default());
        // A copy of its own, which is freed with it: where the secrets of this connection go is part of the settings.
        let mut config = shared.config.as_ref().clone();
        config.key_log = secrets.clone();
        let connection = UnbufferedServerConnection::new(Arc::new(config))
            .map_err(|_| TlsFailure::new(TlsFailureReason::Internal))?;
        Ok(Self { connection, secrets, shared, received: 0, peer_name: None })
    }

    /// Gives the library whole records, and does what it wants done. At most one of them is new, so that there is none behind the last one of
    /// the handshake.
    pub fn receive(&mut self, records: &mut [u8], out: &mut Vec<u8>) -> Result<Progress, TlsFailure> {
        let mut done = 0;
        loop {
            let waiting = records.get_mut(done..).unwrap_or_default();
            let UnbufferedStatus { discard, state, .. } = self.connection.process_tls_records(waiting);
            done += discard;
            match state {
                Ok(ConnectionState::EncodeTlsData(data)) => append(data, out),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::BlockedHandshake) => return Ok(Progress::GoesOn { done }),
                Ok(ConnectionState::WriteTraffic(_)) => {
                    // In TLS 1.3 the server could send before the client has finished.
                    if self.connection.is_handshaking() {
                        return Ok(Progress::GoesOn { done });
                    }
                    let waiting = records.get_mut(done..).unwrap_or_default();
                    // Keys change at the end of a record (RFC 8446, section 5.1), which the library sees to.
                    let identified = match waiting.is_empty() {
                        true => self.identify(),
                        false => Err(TlsFailure::new(TlsFailureReason::Internal)),
                    };
                    identified.inspect_err(|_| append_close_notify(&mut self.connection, waiting, out))?;
                    return Ok(Progress::Over);
                }
                // Early data is not offered, and there is no other before the end.
                Ok(_) => return Err(TlsFailure::new(TlsFailureReason::Internal)),
                Err(error) => {
                    let is_first = self.connection.protocol_version().is_none();
                    append_waiting(&mut self.connection, records.get_mut(done..).unwrap_or_default(), out);
                    return Err(TlsFailure::of(error, is_first));
                }
            }
        }
    }

    /// So many more bytes of records came.
    pub fn bound(&mut self, more: usize) -> Result<(), TlsFailure> {
        self.received += more;
        if self.received > TLS_HANDSHAKE_SIZE_MAX {
            return Err(TlsFailure::new(TlsFailureReason::HandshakeTooLarge));
        }
        Ok(())
    }

    /// What is left when it is over.
    pub fn finish(self) -> Result<(Records, Agreed), TlsFailure> {
        let connection = &self.connection;
        let agreed = Agreed {
            suite: connection.negotiated_cipher_suite().ok_or(TlsFailure::new(TlsFailureReason::Internal))?,
            application_protocol: connection.alpn_protocol().map(Into::into),
            peer_name: self.peer_name,
            has_peer_certificate: connection.peer_certificates().is_some(),
            was_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        };
        Ok((Records::take_over(self.connection, &self.secrets)?, agreed))
    }

    /// Takes the name from the client's certificate. One that was shown when a session began may have expired since:
    /// resumption does not look at it again.
    fn identify(&mut self) -> Result<(), TlsFailure> {
        let Some(certificate) = self.connection.peer_certificates().and_then(<[_]>::first) else { return Ok(()) };
        let identity = PeerIdentity::of(certificate, self.shared.identity)
            .ok_or_else(|| TlsFailure::new(TlsFailureReason::CertificateInvalid))?;
        let now = self.shared.config.time_provider.current_time();
        let now = now.ok_or_else(|| TlsFailure::new(TlsFailureReason::Internal))?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now > identity.valid_until_s {
            return Err(TlsFailure::new(TlsFailureReason::CertificateExpired));
        }
        self.peer_name = identity.name;
        Ok(())
    }
}
