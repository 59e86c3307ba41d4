//! Why a connection's TLS failed, as one of a few reasons that can be counted.

use std::fmt;

use rustls::{CertificateError, Error, InvalidMessage, PeerIncompatible};

/// Why a connection's TLS failed. The alert that tells the peer is in the output already.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsFailure {
    pub reason: TlsFailureReason,
    /// What the TLS library says of it.
    error: Option<Error>,
}

/// A closed list, for counters and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFailureReason {
    /// What came is not TLS: MQTT or HTTP without encryption, most likely.
    NotTls,
    NoSharedVersion,
    /// No cipher suite, group or signature scheme that both sides have.
    NoSharedCipher,
    /// No application protocol that both sides have (RFC 7301).
    NoSharedProtocol,
    CertificateMissing,
    CertificateExpired,
    CertificateNotYetValid,
    CertificateRevoked,
    CertificateUnknownAuthority,
    /// It is damaged, badly signed, or for another purpose.
    CertificateInvalid,
    /// More bytes than any handshake needs.
    HandshakeTooLarge,
    /// The client gave up, most often because it does not trust the server's certificate.
    AlertFromPeer,
    /// A record was forged or damaged on its way.
    BadRecord,
    /// The peer broke a rule of the protocol.
    Protocol,
    /// A TLS 1.2 connection has sent as many records as its cipher is safe for: it must connect again.
    KeysExhausted,
    /// Something failed in here.
    Internal,
}

impl TlsFailure {
    pub(super) fn new(reason: TlsFailureReason) -> Self {
        Self { reason, error: None }
    }

    /// `is_first`: no message of the peer has been understood yet.
    pub(super) fn of(error: Error, is_first: bool) -> Self {
        let reason = match &error {
            Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion)
                if is_first =>
            {
                TlsFailureReason::NotTls
            }
            Error::PeerIncompatible(incompatible) => of_incompatible(incompatible),
            Error::InvalidCertificate(certificate) => of_certificate(certificate),
            Error::NoCertificatesPresented => TlsFailureReason::CertificateMissing,
            Error::NoApplicationProtocol => TlsFailureReason::NoSharedProtocol,
            Error::AlertReceived(_) => TlsFailureReason::AlertFromPeer,
            Error::DecryptError => TlsFailureReason::BadRecord,
            Error::EncryptError
            | Error::General(_)
            | Error::Other(_)
            | Error::FailedToGetCurrentTime
            | Error::FailedToGetRandomBytes => TlsFailureReason::Internal,
            _ => TlsFailureReason::Protocol,
        };
        Self { reason, error: Some(error) }
    }
}

impl TlsFailureReason {
    pub const ALL: [Self; 16] = [
        Self::NotTls,
        Self::NoSharedVersion,
        Self::NoSharedCipher,
        Self::NoSharedProtocol,
        Self::CertificateMissing,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::CertificateRevoked,
        Self::CertificateUnknownAuthority,
        Self::CertificateInvalid,
        Self::HandshakeTooLarge,
        Self::AlertFromPeer,
        Self::BadRecord,
        Self::Protocol,
        Self::KeysExhausted,
        Self::Internal,
    ];

    /// For counters and logs; it never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotTls => "not-tls",
            Self::NoSharedVersion => "no-shared-version",
            Self::NoSharedCipher => "no-shared-cipher",
            Self::NoSharedProtocol => "no-shared-protocol",
            Self::CertificateMissing => "certificate-missing",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateNotYetValid => "certificate-not-yet-valid",
            Self::CertificateRevoked => "certificate-revoked",
            Self::CertificateUnknownAuthority => "certificate-unknown-authority",
            Self::CertificateInvalid => "certificate-invalid",
            Self::HandshakeTooLarge => "handshake-too-large",
            Self::AlertFromPeer => "alert-from-peer",
            Self::BadRecord => "bad-record",
            Self::Protocol => "protocol",
            Self::KeysExhausted => "keys-exhausted",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.reason.name())?;
        match &self.error {
            Some(error) => write!(formatter, ": {error}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TlsFailure {}

fn of_incompatible(incompatible: &PeerIncompatible) -> TlsFailureReason {
    match incompatible {
        // TLS 1.1 and older have no such extension; the library looks for it before it looks at the version.
        PeerIncompatible::SignatureAlgorithmsExtensionRequired => TlsFailureReason::NoSharedVersion,
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => TlsFailureReason::NoSharedVersion,
        _ => TlsFailureReason::NoSharedCipher,
    }
}

fn of_certificate(error: &CertificateError) -> TlsFailureReason {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFailureReason::CertificateExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFailureReason::CertificateNotYetValid
        }
        CertificateError::Revoked => TlsFailureReason::CertificateRevoked,
        CertificateError::UnknownIssuer => TlsFailureReason::CertificateUnknownAuthority,
        _ => TlsFailureReason::CertificateInvalid,
    }
}
