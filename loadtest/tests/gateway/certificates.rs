//! An authority, and what it has signed.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use std::path::PathBuf;
use std::sync::Arc;

/// Certificates in files, which go away with this value.
pub struct Certificates {
    directory: tempfile::TempDir,
    authority: CertificateDer<'static>,
    server: (CertificateDer<'static>, PrivateKeyDer<'static>),
}

impl Certificates {
    /// `ca.pem`, `client.pem` and `client.key` in files, and a server's for 127.0.0.1 and broker.example.
    pub fn new() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let signed = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let key = KeyPair::generate().unwrap();
            (CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap(), key)
        };
        let (server, server_key) = signed(&["127.0.0.1", "broker.example"]);
        let (client, client_key) = signed(&["client"]);
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in
            [("ca.pem", authority.pem()), ("client.pem", client.pem()), ("client.key", client_key.serialize_pem())]
        {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let server_key = PrivateKeyDer::try_from(server_key.serialize_der()).unwrap();
        Self { directory, authority: authority.der().clone(), server: (server.der().clone(), server_key) }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// With or without the wish for a client's certificate.
    pub fn server_config(&self, asks_clients: bool) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(rustls::ALL_VERSIONS).unwrap();
        let builder = if asks_clients {
            let mut roots = RootCertStore::empty();
            roots.add(self.authority.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let (certificate, key) = &self.server;
        Arc::new(builder.with_single_cert(vec![certificate.clone()], key.clone_key()).unwrap())
    }
}
