//! A listener's TLS: certificates, what is demanded of clients, and the keys of session tickets.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::pki_types::UnixTime;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};

use super::certificates::Certificates;
use super::client_certificates::LoadedClientCertificates;
use super::config::{CertificateIdentity, SessionResumption, TlsConfig, TlsVersions};
use super::error::{TlsError, TlsWarning};
use super::failure::TlsFailure;
use super::session::TlsSession;

/// A listener's TLS. Cheap to clone; all shards share one.
#[derive(Clone)]
pub struct TlsServer(Arc<Shared>);

/// What the sessions of a listener share.
pub(super) struct Shared {
    pub config: Arc<ServerConfig>,
    pub identity: CertificateIdentity,
    resumption: SessionResumption,
    /// Of what is demanded of clients.
    fingerprint: [u8; 32],
    warnings: Vec<TlsWarning>,
}

impl TlsServer {
    /// Reads and validates all files. `clock` says whether certificates and tickets are valid, now and in each handshake.
    pub fn load(config: &TlsConfig, clock: Arc<dyn TimeProvider>) -> Result<Self, TlsError> {
        Self::build(config, clock, None)
    }

    /// Reads all files again. Sessions that are established keep what they have. What clients have got for resumption is good
    /// for the new server too, unless what it demands of client certificates differs in the least: a session that is
    /// resumed is not asked for its certificate again, so a revoked one must not come back that way.
    ///
    /// This one stays as it is, and stays usable if the new one has an error.
    pub fn reload(&self, config: &TlsConfig) -> Result<Self, TlsError> {
        Self::build(config, self.0.config.time_provider.clone(), Some(&self.0))
    }

    /// A connection that was accepted.
    pub fn accept(&self) -> Result<TlsSession, TlsFailure> {
        TlsSession::new(self.0.clone())
    }

    /// What is not right with the files, although they could be loaded.
    pub fn warnings(&self) -> &[TlsWarning] {
        &self.0.warnings
    }

    fn build(config: &TlsConfig, clock: Arc<dyn TimeProvider>, before: Option<&Shared>) -> Result<Self, TlsError> {
        let mut warnings = Vec::new();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let now = clock.current_time().unwrap_or(UnixTime::since_unix_epoch(std::time::Duration::ZERO));
        let certificates = Certificates::load(&config.certificates, &provider, now, &mut warnings)?;
        let clients = LoadedClientCertificates::load(&config.client_certificates, &provider, now, &mut warnings)?;
        let fingerprint = clients.fingerprint;
        let mut server_config = server_config(config, provider, clock, certificates, clients)?;
        match before {
            Some(before) if before.fingerprint == fingerprint && before.resumption == config.resumption => {
                server_config.ticketer = before.config.ticketer.clone();
                server_config.session_storage = before.config.session_storage.clone();
            }
            _ => set_resumption(&mut server_config, config.resumption)?,
        }
        Ok(Self(Arc::new(Shared {
            config: Arc::new(server_config),
            identity: config.identity,
            resumption: config.resumption,
            fingerprint,
            warnings,
        })))
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsServer").field("warnings", &self.0.warnings).finish_non_exhaustive()
    }
}

fn server_config(
    config: &TlsConfig,
    provider: Arc<CryptoProvider>,
    clock: Arc<dyn TimeProvider>,
    certificates: Certificates,
    clients: LoadedClientCertificates,
) -> Result<ServerConfig, TlsError> {
    let versions = match config.versions {
        TlsVersions::Tls12AndTls13 => &[&TLS13, &TLS12][..],
        TlsVersions::Tls13 => &[&TLS13],
    };
    let mut built = ServerConfig::builder_with_details(provider, clock)
        .with_protocol_versions(versions)
        .map_err(|error| TlsError::Library(error.to_string()))?
        .with_client_cert_verifier(clients.verifier)
        .with_cert_resolver(Arc::new(certificates));
    for name in &config.application_protocols {
        if !(1..=255).contains(&name.len()) {
            return Err(TlsError::ApplicationProtocol { name: name.clone() });
        }
        built.alpn_protocols.push(name.clone().into_bytes());
    }
    // A client has one connection, so it has use for one ticket; the second that is usual would be bytes and work for nothing.
    built.send_tls13_tickets = 1;
    // The records of established sessions are made without the library.
    built.enable_secret_extraction = true;
    Ok(built)
}

fn set_resumption(config: &mut ServerConfig, resumption: SessionResumption) -> Result<(), TlsError> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    match resumption {
        SessionResumption::Tickets => {
            config.ticketer = Ticketer::new().map_err(|error| TlsError::Library(error.to_string()))?;
        }
        SessionResumption::Cache { sessions_max } => {
            config.session_storage = ServerSessionMemoryCache::new(sessions_max.max(1));
        }
        SessionResumption::Disabled => config.send_tls13_tickets = 0,
    }
    Ok(())
}
