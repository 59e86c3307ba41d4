//! What a listener's TLS is built from.

use std::path::PathBuf;

use crate::limits::TLS_CACHED_SESSIONS_MAX_DEFAULT;

/// What a listener's TLS is built from, as paths; [`TlsServer::load`](super::TlsServer::load) reads and validates them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// At least one. Which of them a client gets follows from the server name that it asks for (RFC 6066, section 3) and from
    /// the signatures that it can verify. A client that asks for a name that none has, or for no name, gets the first.
    pub certificates: Vec<CertificateFiles>,
    pub client_certificates: ClientCertificates,
    pub versions: TlsVersions,
    /// Protocols of ALPN, the preferred first: `mqtt` for MQTT over TLS, `http/1.1` for secure WebSocket. A client that offers
    /// none is accepted; one that offers others only is refused (RFC 7301, section 3.2). Empty: what clients offer is ignored.
    pub application_protocols: Vec<String>,
    /// What of a client's certificate becomes its name.
    pub identity: CertificateIdentity,
    pub resumption: SessionResumption,
}

/// One certificate with its chain and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the certificate, then those that lead to an authority.
    pub chain: PathBuf,
    /// PEM: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
    /// Server names that it is for, such as `mqtt.example.org` or `*.example.org`. Empty: those that the certificate itself
    /// has as DNS names, or its common name.
    pub names: Vec<String>,
}

/// Whether clients show certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    None,
    /// They may connect without one; one that they show must be valid.
    Optional(ClientCertificateFiles),
    /// They must show a valid one.
    Required(ClientCertificateFiles),
}

/// How the certificates of clients are verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificateFiles {
    /// PEM: certificates of the authorities that are trusted. At least one.
    pub authorities: Vec<PathBuf>,
    /// Revocation lists, PEM or DER. A certificate is looked up in the list of its issuer, and so is each certificate between it and
    /// the authority. One whose issuer has no list here passes: a list is demanded of nobody. A list stays in force past its next
    /// update, because what it revokes stays revoked; loading it then warns.
    pub revocation_lists: Vec<PathBuf>,
}

/// Versions of the protocol that clients may use. Older ones are broken (RFC 8996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    #[default]
    Tls12AndTls13,
    Tls13,
}

/// What of a client's certificate becomes its name. A certificate that lacks it gives no name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateIdentity {
    /// The subject's most specific common name.
    #[default]
    CommonName,
    /// The first DNS name among the subject's alternative names (RFC 5280, section 4.2.1.6).
    DnsName,
    /// The first e-mail address there.
    EmailAddress,
    /// The first URI there.
    Uri,
    /// The whole subject as a string of RFC 4514: `CN=meter 7,O=Example,C=CH`.
    Subject,
}

/// How clients that come back spare the full handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionResumption {
    /// The session is given to the client, encrypted under keys that change every 6 hours and are accepted for 12: the server keeps
    /// nothing (RFC 5077; RFC 8446, section 4.6.1).
    Tickets,
    /// The server keeps this many sessions, those used last. It costs memory and a lock that all shards share; nothing
    /// that the client holds can be decrypted later.
    Cache { sessions_max: usize },
    /// Each connection is a full handshake.
    Disabled,
}

impl TlsConfig {
    /// One certificate, no client certificates, `mqtt`.
    pub fn new(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let certificate = CertificateFiles { chain: chain.into(), key: key.into(), names: Vec::new() };
        Self {
            certificates: vec![certificate],
            client_certificates: ClientCertificates::None,
            versions: TlsVersions::default(),
            application_protocols: vec!["mqtt".into()],
            identity: CertificateIdentity::default(),
            resumption: SessionResumption::Tickets,
        }
    }
}

impl ClientCertificates {
    /// The files, unless clients show no certificates.
    pub fn files(&self) -> Option<&ClientCertificateFiles> {
        match self {
            Self::None => None,
            Self::Optional(files) | Self::Required(files) => Some(files),
        }
    }
}

impl SessionResumption {
    /// A cache of the default size.
    pub const CACHE: Self = Self::Cache { sessions_max: TLS_CACHED_SESSIONS_MAX_DEFAULT };
}
