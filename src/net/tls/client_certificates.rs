//! How the certificates of clients are verified.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateRevocationListDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::config::{ClientCertificateFiles, ClientCertificates};
use super::error::{TlsError, TlsWarning};
use super::files;

/// A verifier, and what it was made of.
#[derive(Debug)]
pub struct LoadedClientCertificates {
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// Two that demand the same of clients have the same: a session that was begun under one may go on under the other.
    pub fingerprint: [u8; 32],
}

impl LoadedClientCertificates {
    pub fn load(
        configured: &ClientCertificates,
        provider: &Arc<CryptoProvider>,
        now: UnixTime,
        warnings: &mut Vec<TlsWarning>,
    ) -> Result<Self, TlsError> {
        let mut fingerprint = Fingerprint::new(configured);
        let Some(files) = configured.files() else {
            return Ok(Self { verifier: WebPkiClientVerifier::no_client_auth(), fingerprint: fingerprint.finish() });
        };
        let authorities = load_authorities(files, &mut fingerprint)?;
        let mut lists = Vec::new();
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider.clone())
            .allow_unknown_revocation_status();
        for file in &files.revocation_lists {
            for list in files::revocation_lists(file)? {
                fingerprint.add(&list);
                inspect(file, &list, now, warnings)?;
                // Tried one by one, so that the error names the file.
                let tried = builder.clone().with_crls([list.clone()]).build();
                if let Err(VerifierBuilderError::InvalidCrl(error)) = tried {
                    return Err(TlsError::RevocationList { file: file.clone(), problem: format!("{error:?}") });
                }
                lists.push(list);
            }
        }
        builder = builder.with_crls(lists);
        if matches!(configured, ClientCertificates::Optional(_)) {
            builder = builder.allow_unauthenticated();
        }
        let verifier = builder.build().map_err(|error| match error {
            VerifierBuilderError::NoRootAnchors => TlsError::NoAuthority,
            error => TlsError::Library(error.to_string()),
        })?;
        Ok(Self { verifier, fingerprint: fingerprint.finish() })
    }
}

fn load_authorities(files: &ClientCertificateFiles, fingerprint: &mut Fingerprint) -> Result<RootCertStore, TlsError> {
    let mut authorities = RootCertStore::empty();
    for file in &files.authorities {
        for certificate in files::certificates(file)? {
            fingerprint.add(&certificate);
            authorities
                .add(certificate)
                .map_err(|error| TlsError::Certificate { file: file.clone(), problem: error.to_string() })?;
        }
    }
    Ok(authorities)
}

/// Refuses one that the TLS library would not take without saying why, and warns if there should be a newer one.
fn inspect(
    file: &Path,
    list: &CertificateRevocationListDer<'_>,
    now: UnixTime,
    warnings: &mut Vec<TlsWarning>,
) -> Result<(), TlsError> {
    let damaged = |problem: String| TlsError::RevocationList { file: file.into(), problem };
    let (_, list) = CertificateRevocationList::from_der(list).map_err(|error| damaged(error.to_string()))?;
    if list.crl_number().is_none() {
        return Err(TlsError::RevocationListNumber { file: file.into() });
    }
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if list.next_update().is_some_and(|next| now > next.timestamp()) {
        warnings.push(TlsWarning::RevocationListOverdue { file: file.into() });
    }
    Ok(())
}

/// A digest of what clients must show.
struct Fingerprint(digest::Context);

impl Fingerprint {
    fn new(configured: &ClientCertificates) -> Self {
        let mut fingerprint = Self(digest::Context::new(&digest::SHA256));
        fingerprint.add(match configured {
            ClientCertificates::None => b"none",
            ClientCertificates::Optional(_) => b"optional",
            ClientCertificates::Required(_) => b"required",
        });
        fingerprint
    }

    /// With its length, so that two lists of parts are equal only if their parts are.
    fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    fn finish(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let digest = self.0.finish();
        bytes.copy_from_slice(digest.as_ref());
        bytes
    }
}
