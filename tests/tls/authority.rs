//! Authorities, certificates and revocation lists, made when a test runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// A certificate with its key, as values and as files.
pub struct Pair {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
    pub chain_file: PathBuf,
    pub key_file: PathBuf,
}

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: CertificateDer<'static>,
    pub file: PathBuf,
    directory: TempDir,
}

/// What is special about a certificate.
#[derive(Default)]
pub struct Special {
    pub common_name: Option<&'static str>,
    pub organization: Option<&'static str>,
    pub alternative_names: Vec<SanType>,
    pub serial: Option<u64>,
    /// Year of its first and last day.
    pub years: Option<(i32, i32)>,
    pub algorithm: Option<&'static rcgen::SignatureAlgorithm>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("authority.pem");
        fs::write(&file, certificate.pem()).unwrap();
        Self { certificate: certificate.der().clone(), issuer: Issuer::new(params, key), file, directory }
    }

    /// A certificate for servers with these DNS names.
    pub fn server(&self, names: &[&str]) -> Pair {
        let names: Vec<_> = names.iter().map(|name| SanType::DnsName((*name).try_into().unwrap())).collect();
        self.issue(ExtendedKeyUsagePurpose::ServerAuth, Special { alternative_names: names, ..Special::default() })
    }

    pub fn client(&self, special: Special) -> Pair {
        self.issue(ExtendedKeyUsagePurpose::ClientAuth, special)
    }

    pub fn issue(&self, usage: ExtendedKeyUsagePurpose, special: Special) -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = special.organization {
            params.distinguished_name.push(DnType::OrganizationName, name);
        }
        if let Some(name) = special.common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.subject_alt_names = special.alternative_names;
        params.extended_key_usages = vec![usage];
        params.serial_number = special.serial.map(SerialNumber::from);
        if let Some((first, last)) = special.years {
            params.not_before = date_time_ymd(first, 1, 1);
            params.not_after = date_time_ymd(last, 12, 31);
        }
        let key = KeyPair::generate_for(special.algorithm.unwrap_or(&rcgen::PKCS_ECDSA_P256_SHA256)).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let number = fs::read_dir(self.directory.path()).unwrap().count();
        let chain_file = self.directory.path().join(format!("{number}.pem"));
        let key_file = self.directory.path().join(format!("{number}.key"));
        fs::write(&chain_file, certificate.pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
        Pair {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::from_pem_file(&key_file).unwrap(),
            chain_file,
            key_file,
        }
    }

    /// A revocation list with these serial numbers, that is to be replaced at the end of `last_year`.
    pub fn revoke(&self, serials: &[u64], last_year: i32) -> rcgen::CertificateRevocationList {
        let revoked = serials.iter().map(|&serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(last_year, 12, 31),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap()
    }

    /// A file beside the certificates.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.directory.path().join(name);
        fs::write(&file, content).unwrap();
        file
    }
}
