//! The records of a connection whose handshake is over (RFC 8446, section 5; RFC 5246, section 6.2). The TLS library has given up its keys,
//! so that nothing of what it needs for handshakes is kept.

mod keys;
mod message;
mod opening;
mod sealing;

use rustls::server::UnbufferedServerConnection;
use rustls::{AlertDescription, Error};

use self::keys::Keys;
use self::message::Message;
use super::failure::{TlsFailure, TlsFailureReason};
use super::secrets::TrafficSecrets;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

/// Bytes of content in a record at most (RFC 8446, section 5.1).
const CONTENT_SIZE_MAX: usize = 16_384;

/// Both directions of an established connection.
pub struct Records {
    sending: Keys,
    receiving: Keys,
    /// Records that may go through one key (RFC 8446, section 5.5).
    sent_max: u64,
    /// The handshake message that has come in part.
    message: Message,
    /// Records and messages in a row that brought no data.
    idle: u8,
    /// The peer has asked for other keys, which it gets with what is sent next: so there is one answer, however often it asks.
    owes_key_update: bool,
    is_closed: bool,
    has_peer_closed: bool,
}

/// Why the connection cannot go on, and what the peer is told.
#[derive(Debug)]
struct Refused {
    alert: Option<AlertDescription>,
    error: Error,
}

impl Records {
    /// Takes over from the TLS library. The handshake is over, and all that came was read.
    pub fn take_over(connection: UnbufferedServerConnection, secrets: &TrafficSecrets) -> Result<Self, TlsFailure> {
        let secrets = secrets.take();
        let sent_max = connection.negotiated_cipher_suite().map(|suite| match suite {
            rustls::SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
            rustls::SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
        });
        let is_1_3 = connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
        // Without its secrets, TLS 1.3 would be taken for TLS 1.2.
        if secrets.client.is_some() != is_1_3 || secrets.server.is_some() != is_1_3 {
            return Err(TlsFailure::new(TlsFailureReason::Internal));
        }
        let (keys, _) = connection.dangerous_into_kernel_connection().map_err(|error| TlsFailure::of(error, false))?;
        let internal = |_| TlsFailure::new(TlsFailureReason::Internal);
        Ok(Self {
            sending: Keys::new(keys.tx, secrets.server).map_err(internal)?,
            receiving: Keys::new(keys.rx, secrets.client).map_err(internal)?,
            sent_max: sent_max.ok_or(TlsFailure::new(TlsFailureReason::Internal))?,
            message: Message::default(),
            idle: 0,
            owes_key_update: false,
            is_closed: false,
            has_peer_closed: false,
        })
    }

    /// Nothing can be sent any more.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Nothing more comes.
    pub fn has_peer_closed(&self) -> bool {
        self.has_peer_closed
    }
}

impl Refused {
    fn new(alert: AlertDescription, error: impl Into<Error>) -> Self {
        Self { alert: Some(alert), error: error.into() }
    }
}
