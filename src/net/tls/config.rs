//! What a listener's TLS is made of.

use std::path::PathBuf;

/// Files and choices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// The first is for clients that name no server, or one that nobody is.
    pub certificates: Vec<CertificateFiles>,
    pub client_certificates: ClientCertificates,
    /// The part of a client's certificate that is its name.
    pub identity: CertificateIdentity,
    /// TLS 1.2 is offered, too.
    pub allow_1_2: bool,
}

/// A certificate with its chain, and its key, as PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    pub chain: PathBuf,
    pub key: PathBuf,
    /// Server names (SNI, RFC 6066 section 3) that it is for, `*.` in front for any first label; empty: those in it.
    pub names: Vec<String>,
}

/// Whether clients show a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    #[default]
    None,
    Optional(ClientAuthorities),
    Required(ClientAuthorities),
}

/// Who signs the clients' certificates, as PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientAuthorities {
    pub authorities: Vec<PathBuf>,
    /// Revocation lists (RFC 5280 section 5).
    pub revocation_lists: Vec<PathBuf>,
}

/// Which part of a certificate is the name of who shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateIdentity {
    #[default]
    CommonName,
    /// The first DNS name, mail address or URI of the Subject Alternative Name.
    SubjectAltName,
    /// The whole subject (RFC 4514), as mosquitto's `use_subject_as_username`.
    Subject,
}
