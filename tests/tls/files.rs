//! What is wrong with files has a message that names the file and says what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use ringmq::net::tls::{ClientCertificateFiles, ClientCertificates, TlsConfig, TlsServer, TlsWarning};

use crate::authority::{Authority, Special};
use crate::rig::{Clock, load, year};

/// The message of the error that loading this ends with.
#[track_caller]
fn refused(config: &TlsConfig) -> String {
    let error = TlsServer::load(config, Arc::new(Clock(year(2026)))).unwrap_err();
    println!("{error}");
    error.to_string()
}

#[test]
fn certificates_and_keys_are_checked() {
    let authority = Authority::new("A");
    let (pair, other) = (authority.server(&["localhost"]), authority.server(&["localhost"]));
    let empty = authority.write("empty.pem", "nothing here\n");
    let damaged = authority.write("damaged.pem", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    let cut = authority.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let nonsense = authority.write("nonsense.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted = authority.write("encrypted.key", encrypted);
    let strange = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let strange = authority.write("strange.key", strange);
    let absent = authority.file.with_file_name("absent.pem");
    let config = TlsConfig::new;
    for (config, file, what) in [
        (config(&absent, &pair.key_file), &absent, "cannot be read"),
        (config(&empty, &pair.key_file), &empty, "no certificate in it"),
        (config(&damaged, &pair.key_file), &damaged, "not base64"),
        (config(&cut, &pair.key_file), &cut, "no end"),
        (config(&nonsense, &pair.key_file), &nonsense, "cannot be understood"),
        (config(&pair.chain_file, &absent), &absent, "cannot be read"),
        (config(&pair.chain_file, &empty), &empty, "no private key in it"),
        (config(&pair.chain_file, &pair.chain_file), &pair.chain_file, "no private key in it"),
        (config(&pair.chain_file, &encrypted), &encrypted, "encrypted"),
        (config(&pair.chain_file, &strange), &strange, "of no kind"),
        (config(&pair.chain_file, &other.key_file), &other.key_file, "does not belong"),
    ] {
        let message = refused(&config);
        assert!(message.starts_with(&file.display().to_string()) && message.contains(what), "{message}");
    }
    let mut none = config(&pair.chain_file, &pair.key_file);
    none.certificates.clear();
    assert!(refused(&none).contains("no certificate is given"));
    let mut long = config(&pair.chain_file, &pair.key_file);
    long.application_protocols = vec![String::new()];
    assert!(refused(&long).contains("application protocol"));
}

#[test]
fn what_clients_must_show_is_checked() {
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    let empty = authority.write("empty.pem", "nothing here\n");
    let nonsense = authority.write("nonsense.crl", [0x30, 1, 2, 3]);
    let mut config = TlsConfig::new(&pair.chain_file, &pair.key_file);
    let mut load = |authorities: &[_], revocation_lists: &[_]| {
        let (authorities, revocation_lists) = (authorities.to_vec(), revocation_lists.to_vec());
        config.client_certificates =
            ClientCertificates::Required(ClientCertificateFiles { authorities, revocation_lists });
        refused(&config)
    };
    assert!(load(&[], &[]).contains("no authority is given"));
    assert!(load(std::slice::from_ref(&empty), &[]).starts_with(&empty.display().to_string()));
    let trusted = std::slice::from_ref(&authority.file);
    assert!(load(trusted, std::slice::from_ref(&empty)).contains("no revocation list in it"));
    assert!(load(trusted, std::slice::from_ref(&nonsense)).starts_with(&nonsense.display().to_string()));
    let old = authority.write("old.crl", VERSION_1);
    assert!(load(trusted, std::slice::from_ref(&old)).contains("has no number"));
}

/// What `openssl ca -gencrl` writes without `crlnumber`.
const VERSION_1: &str = "-----BEGIN X509 CRL-----
MIGqMFEwCgYIKoZIzj0EAwIwJTEjMCEGA1UEAwwacmluZ21xLWxvYWQgdGVzdCBh
dXRob3JpdHkXDTI2MTEyMzA2NDQzMloXDTI2MTIyMzA2NDQzMlowCgYIKoZIzj0E
AwIDSQAwRgIhAMk3tXXOWbCyw2j6NoDsWg1uuTlUpVwz92Larsc1LqCeAiEA7tuc
lSvJj5avUwELxMz1TUmEe3P0NHFBLMQYBPECIAA=
-----END X509 CRL-----
";

#[test]
fn all_usual_kinds_of_keys_are_taken() {
    let authority = Authority::new("A");
    let (elliptic, edwards) = (&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519);
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, elliptic, edwards, &rcgen::PKCS_RSA_SHA256] {
        let special = Special { common_name: Some("x"), algorithm: Some(algorithm), ..Special::default() };
        let pair = authority.issue(rcgen::ExtendedKeyUsagePurpose::ServerAuth, special);
        assert_eq!(load(&TlsConfig::new(&pair.chain_file, &pair.key_file)).warnings(), []);
    }
}

#[test]
fn what_is_doubtful_is_warned_of() {
    let authority = Authority::new("A");
    let dated = |years, common_name| {
        let special = Special { years: Some(years), common_name, ..Special::default() };
        authority.issue(rcgen::ExtendedKeyUsagePurpose::ServerAuth, special)
    };
    let old = dated((2010, 2020), Some("x"));
    let file = old.chain_file.clone();
    let server = load(&TlsConfig::new(&old.chain_file, &old.key_file));
    assert_eq!(server.warnings(), [TlsWarning::Expired { file }]);
    let future = dated((2040, 2041), None);
    let file = future.chain_file.clone();
    let server = load(&TlsConfig::new(&future.chain_file, &future.key_file));
    assert_eq!(server.warnings(), [TlsWarning::NotYetValid { file: file.clone() }, TlsWarning::NoNames { file }]);
    let open = authority.server(&["localhost"]);
    fs::set_permissions(&open.key_file, fs::Permissions::from_mode(0o644)).unwrap();
    let file = open.key_file.clone();
    let server = load(&TlsConfig::new(&open.chain_file, &open.key_file));
    assert_eq!(server.warnings(), [TlsWarning::KeyReadableByAll { file }]);
    assert!(server.warnings()[0].to_string().contains("chmod"));
}

#[test]
fn nothing_of_a_key_is_in_a_debug_output() {
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    let server = load(&TlsConfig::new(&pair.chain_file, &pair.key_file));
    assert_eq!(format!("{server:?}"), "TlsServer { warnings: [], .. }");
}
