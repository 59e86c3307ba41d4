//! Which of a listener's certificates a client gets.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, SignatureScheme};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::config::CertificateFiles;
use super::error::{TlsError, TlsWarning};
use super::files;

/// All certificates of a listener, in the order of the configuration.
#[derive(Debug)]
pub struct Certificates {
    all: Vec<Arc<CertifiedKey>>,
    /// Positions in `all` by lower-case name; `*.example.org` is a name like others here.
    by_name: HashMap<String, Vec<usize>>,
}

impl Certificates {
    pub fn load(
        configured: &[CertificateFiles],
        provider: &CryptoProvider,
        now: UnixTime,
        warnings: &mut Vec<TlsWarning>,
    ) -> Result<Self, TlsError> {
        if configured.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let mut certificates = Self { all: Vec::new(), by_name: HashMap::new() };
        for files in configured {
            let (certified, names) = load_one(files, provider, now, warnings)?;
            let position = certificates.all.len();
            certificates.all.push(Arc::new(certified));
            for name in names {
                let positions = certificates.by_name.entry(name.to_ascii_lowercase()).or_default();
                if !positions.contains(&position) {
                    positions.push(position);
                }
            }
        }
        Ok(certificates)
    }

    /// Those for the name itself, else those for its wildcard, which stands for one label (RFC 6125, section 6.4.3).
    fn positions(&self, name: &str) -> &[usize] {
        let name = name.to_ascii_lowercase();
        let exact = self.by_name.get(&name);
        let wildcard = || name.split_once('.').and_then(|(_, parent)| self.by_name.get(&format!("*.{parent}")));
        exact.or_else(wildcard).map_or(&[], Vec::as_slice)
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let usable = |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(schemes).is_some();
        let named = name.map_or(&[][..], |name| self.positions(name));
        let mut named = named.iter().filter_map(|&position| self.all.get(position));
        // If there is none that the client can verify it gets the first, and the library says why it cannot be.
        named.find(usable).or_else(|| self.all.iter().find(usable)).or_else(|| self.all.first()).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(client_hello.server_name(), client_hello.signature_schemes())
    }
}

fn load_one(
    files: &CertificateFiles,
    provider: &CryptoProvider,
    now: UnixTime,
    warnings: &mut Vec<TlsWarning>,
) -> Result<(CertifiedKey, Vec<String>), TlsError> {
    let chain = files::certificates(&files.chain)?;
    let key = files::private_key(&files.key, warnings)?;
    let names = inspect(&files.chain, chain.first(), now, warnings)?;
    let names = if files.names.is_empty() { names } else { files.names.clone() };
    if names.is_empty() {
        warnings.push(TlsWarning::NoNames { file: files.chain.clone() });
    }
    let certified = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(_) => TlsError::KeyMismatch { key: files.key.clone(), chain: files.chain.clone() },
        Error::InvalidCertificate(error) => {
            TlsError::Certificate { file: files.chain.clone(), problem: format!("{error:?}") }
        }
        error => TlsError::Key { file: files.key.clone(), problem: error.to_string() },
    })?;
    Ok((certified, names))
}

/// The names that the certificate itself has. Warns if it is not valid now.
fn inspect(
    file: &Path,
    certificate: Option<&CertificateDer<'_>>,
    now: UnixTime,
    warnings: &mut Vec<TlsWarning>,
) -> Result<Vec<String>, TlsError> {
    let damaged = |problem: String| TlsError::Certificate { file: file.into(), problem };
    let certificate = certificate.map_or(&[][..], |certificate| certificate);
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| damaged(error.to_string()))?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now > certificate.validity().not_after.timestamp() {
        warnings.push(TlsWarning::Expired { file: file.into() });
    } else if now < certificate.validity().not_before.timestamp() {
        warnings.push(TlsWarning::NotYetValid { file: file.into() });
    }
    let alternative = certificate.subject_alternative_name().map_err(|error| damaged(error.to_string()))?;
    let alternative = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let mut names: Vec<String> = alternative
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).into()),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        let common = certificate.subject().iter_common_name();
        names.extend(common.filter_map(|name| name.as_str().ok()).map(String::from));
    }
    Ok(names)
}
