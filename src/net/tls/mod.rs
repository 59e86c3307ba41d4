//! TLS (RFC 8446, RFC 5246), the server's side.

mod config;

pub use config::{CertificateFiles, CertificateIdentity, ClientAuthorities, ClientCertificates, TlsConfig};
