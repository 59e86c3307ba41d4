//! Reads certificates, keys and revocation lists.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::error::{TlsError, TlsWarning};
use crate::limits::TLS_FILE_SIZE_MAX;

/// All certificates of a PEM file, at least one.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| pem_error(file, error))?;
    if found.is_empty() {
        return Err(TlsError::NothingFound { file: file.into(), wanted: "certificate", section: "CERTIFICATE" });
    }
    Ok(found)
}

/// The first private key of a PEM file.
pub fn private_key(file: &Path, warnings: &mut Vec<TlsWarning>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(file)?;
    let key = match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => key,
        Err(_) if is_encrypted(&bytes) => return Err(TlsError::EncryptedKey { file: file.into() }),
        Err(pem::Error::NoItemsFound) => {
            return Err(TlsError::NothingFound { file: file.into(), wanted: "private key", section: "PRIVATE KEY" });
        }
        Err(error) => return Err(pem_error(file, error)),
    };
    let mode = file.metadata().map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o004 != 0 {
        warnings.push(TlsWarning::KeyReadableByAll { file: file.into() });
    }
    Ok(key)
}

/// All revocation lists of a PEM file, or the one that a DER file is.
pub fn revocation_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    /// An ASN.1 SEQUENCE, with which no PEM begins.
    const DER_SEQUENCE: u8 = 0x30;
    let bytes = read(file)?;
    if bytes.first() == Some(&DER_SEQUENCE) {
        return Ok(vec![bytes.to_vec().into()]);
    }
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| pem_error(file, error))?;
    if found.is_empty() {
        return Err(TlsError::NothingFound { file: file.into(), wanted: "revocation list", section: "X509 CRL" });
    }
    Ok(found)
}

/// It may hold a key, so it is wiped when it is dropped; room is taken at once, so that no copy stays behind.
fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unreadable = |error| TlsError::Unreadable { file: file.into(), error };
    let opened = File::open(file).map_err(unreadable)?;
    let size = opened.metadata().map_err(unreadable)?.len();
    let too_large = || TlsError::TooLarge { file: file.into(), size_max: TLS_FILE_SIZE_MAX };
    if size > TLS_FILE_SIZE_MAX {
        return Err(too_large());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(size as usize + 1));
    opened.take(TLS_FILE_SIZE_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > TLS_FILE_SIZE_MAX {
        return Err(too_large());
    }
    Ok(bytes)
}

/// PKCS #8 says so in its label, the older forms in a header.
fn is_encrypted(pem: &[u8]) -> bool {
    [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| memchr::memmem::find(pem, mark).is_some())
}

fn pem_error(file: &Path, error: pem::Error) -> TlsError {
    // What it quotes may be a piece of a key.
    let problem = match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end",
        pem::Error::IllegalSectionStart { .. } => "a section begins wrongly",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "it has no section of the right kind",
    };
    TlsError::Pem { file: file.into(), problem: problem.into() }
}
