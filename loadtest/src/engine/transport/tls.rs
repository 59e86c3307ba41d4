//! TLS for clients: certificates, versions, and what a handshake came to.

use super::tickets::Tickets;
use crate::cli::{TlsVersion, TransportArgs};
use anyhow::{Context, bail};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConnection, DigitallySignedStruct, HandshakeKind, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    version,
};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Makes connections that are set up alike.
#[derive(Debug)]
pub struct Connector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// What both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    pub is_resumed: bool,
    /// Version, cipher suite and, where there was one, key exchange.
    pub agreed: String,
}

impl Connector {
    /// # Errors
    /// If a file cannot be read, holds nothing of what it should, or if nothing says whom to trust.
    pub fn new(args: &TransportArgs, host: &str) -> anyhow::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions(args))?;
        let builder = match &args.ca {
            Some(path) => builder.with_root_certificates(roots(path)?),
            None if args.insecure => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAnyone { provider }))
            }
            None => bail!("--tls needs --ca FILE, the authority that the broker's certificate is from, or --insecure"),
        };
        let mut config = match (&args.cert, &args.key) {
            (Some(cert), Some(key)) => builder
                .with_client_auth_cert(certificates(cert)?, private_key(key)?)
                .with_context(|| format!("{} and {}", cert.display(), key.display()))?,
            _ => builder.with_no_client_auth(),
        };
        config.resumption =
            if args.no_resumption { Resumption::disabled() } else { Resumption::store(Arc::new(Tickets::default())) };
        let name = args.sni.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).with_context(|| format!("{name:?} is no name of a server"))?;
        Ok(Self { config: Arc::new(config), name })
    }

    /// A connection that has its first message ready.
    pub fn connect(&self) -> io::Result<ClientConnection> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut connection = connection.map_err(io::Error::other)?;
        // What a socket does not take is kept by the connection around this one, whatever its size.
        connection.set_buffer_limit(None);
        Ok(connection)
    }
}

impl Handshake {
    /// `None` while the handshake is not over.
    pub fn of(connection: &ClientConnection) -> Option<Self> {
        let kind = connection.handshake_kind()?;
        let version = connection.protocol_version()?.as_str().unwrap_or("unknown version").replace('_', ".");
        let suite = connection.negotiated_cipher_suite()?.suite();
        let suite = suite.as_str().unwrap_or("unknown suite");
        let group = connection
            .negotiated_key_exchange_group()
            .map_or(String::new(), |group| format!(", {}", group.name().as_str().unwrap_or("unknown key exchange")));
        let agreed = format!("{version}, {suite}{group}");
        Some(Self { is_resumed: kind == HandshakeKind::Resumed, agreed })
    }
}

fn versions(args: &TransportArgs) -> &'static [&'static SupportedProtocolVersion] {
    static V12: [&SupportedProtocolVersion; 1] = [&version::TLS12];
    static V13: [&SupportedProtocolVersion; 1] = [&version::TLS13];
    match args.tls_version {
        None => rustls::ALL_VERSIONS,
        Some(TlsVersion::V12) => &V12,
        Some(TlsVersion::V13) => &V13,
    }
}

fn roots(path: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).with_context(|| format!("{}", path.display()))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let certificates = read().with_context(|| format!("cannot read certificates from {}", path.display()))?;
    if certificates.is_empty() {
        bail!("{} has no certificate in it", path.display());
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).with_context(|| format!("cannot read a private key from {}", path.display()))
}

/// Whoever the broker says to be, it is. That saves the generator the CPU of two or more signatures for each full handshake.
#[derive(Debug)]
struct TrustAnyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for TrustAnyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
