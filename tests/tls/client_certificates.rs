//! Certificates that clients show.

use std::sync::Arc;

use rcgen::SanType;
use ringmq::net::tls::{
    CertificateIdentity, ClientCertificateFiles, ClientCertificates, TlsConfig, TlsFailureReason, TlsServer, TlsWarning,
};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, Error};

use crate::authority::{Authority, Pair, Special};
use crate::rig::{Link, client_config, load};

fn config(authority: &Authority, client_certificates: ClientCertificates) -> TlsConfig {
    let pair = authority.server(&["localhost"]);
    TlsConfig { client_certificates, ..TlsConfig::new(&pair.chain_file, &pair.key_file) }
}

fn trusting(authority: &Authority) -> ClientCertificateFiles {
    ClientCertificateFiles { authorities: vec![authority.file.clone()], revocation_lists: Vec::new() }
}

fn named(name: &'static str) -> Special {
    Special { common_name: Some(name), ..Special::default() }
}

/// The name that the server gets from a client with `pair`, or why it refuses, in both versions.
fn name(
    server: &TlsServer,
    authority: &Authority,
    pair: Option<&Pair>,
) -> Result<Option<String>, (TlsFailureReason, AlertDescription)> {
    let [one, other] = [&TLS12, &TLS13].map(|version| {
        let client = Arc::new(client_config(authority, &[version], pair));
        let mut link = Link::new(server, &client, "localhost");
        match link.run() {
            Ok(()) => {
                assert_eq!(link.session.has_peer_certificate(), pair.is_some());
                Ok(link.session.peer_name().map(String::from))
            }
            Err(failure) => {
                assert!(!link.session.is_established());
                assert_eq!(link.session.peer_name(), None);
                match link.client_error() {
                    Error::AlertReceived(alert) => Err((failure.reason, alert)),
                    error => panic!("{error}"),
                }
            }
        }
    });
    assert_eq!(one, other);
    one
}

#[test]
fn a_valid_certificate_gives_a_name() {
    let authority = Authority::new("A");
    let pair = authority.client(named("meter 7"));
    for demanded in
        [ClientCertificates::Required(trusting(&authority)), ClientCertificates::Optional(trusting(&authority))]
    {
        let server = load(&config(&authority, demanded));
        assert_eq!(name(&server, &authority, Some(&pair)), Ok(Some("meter 7".into())));
    }
}

#[test]
fn a_certificate_may_be_missing_if_it_is_optional() {
    let authority = Authority::new("A");
    let server = load(&config(&authority, ClientCertificates::Optional(trusting(&authority))));
    assert_eq!(name(&server, &authority, None), Ok(None));
    let server = load(&config(&authority, ClientCertificates::Required(trusting(&authority))));
    for (version, alert) in
        [(&TLS12, AlertDescription::CertificateRequired), (&TLS13, AlertDescription::CertificateRequired)]
    {
        let mut link = Link::new(&server, &Arc::new(client_config(&authority, &[version], None)), "localhost");
        assert_eq!(link.run().unwrap_err().reason, TlsFailureReason::CertificateMissing);
        assert_eq!(link.client_error(), Error::AlertReceived(alert));
    }
}

#[test]
fn a_bad_certificate_is_refused_even_if_none_is_demanded() {
    let authority = Authority::new("A");
    let stranger = Authority::new("B");
    let revoked = authority.write("revoked.pem", authority.revoke(&[77], 2030).pem().unwrap());
    let mut trusted = trusting(&authority);
    trusted.revocation_lists.push(revoked);
    let server = load(&config(&authority, ClientCertificates::Optional(trusted)));
    let special = |serial, years| Special { serial: Some(serial), years: Some(years), ..named("x") };
    for (pair, reason, alert) in [
        (
            authority.client(special(1, (2010, 2020))),
            TlsFailureReason::CertificateExpired,
            AlertDescription::CertificateExpired,
        ),
        (
            authority.client(special(2, (2040, 2041))),
            TlsFailureReason::CertificateNotYetValid,
            AlertDescription::CertificateExpired,
        ),
        (
            authority.client(special(77, (2010, 2041))),
            TlsFailureReason::CertificateRevoked,
            AlertDescription::CertificateRevoked,
        ),
        (
            stranger.client(special(3, (2010, 2041))),
            TlsFailureReason::CertificateUnknownAuthority,
            AlertDescription::UnknownCA,
        ),
        (
            authority.issue(rcgen::ExtendedKeyUsagePurpose::ServerAuth, named("x")),
            TlsFailureReason::CertificateInvalid,
            AlertDescription::UnsupportedCertificate,
        ),
    ] {
        assert_eq!(name(&server, &authority, Some(&pair)), Err((reason, alert)));
    }
    let pair = authority.client(special(78, (2010, 2041)));
    assert_eq!(name(&server, &authority, Some(&pair)), Ok(Some("x".into())));
}

#[test]
fn a_revocation_list_is_demanded_of_no_other_authority_and_stays_in_force() {
    let (one, other) = (Authority::new("A"), Authority::new("B"));
    // In DER, and overdue.
    let revoked = one.write("revoked.crl", one.revoke(&[77], 2025).der());
    let trusted = ClientCertificateFiles {
        authorities: vec![one.file.clone(), other.file.clone()],
        revocation_lists: vec![revoked.clone()],
    };
    let server = load(&config(&one, ClientCertificates::Required(trusted)));
    assert_eq!(server.warnings(), [TlsWarning::RevocationListOverdue { file: revoked }]);
    let serial = |serial| Special { serial: Some(serial), ..named("x") };
    assert_eq!(name(&server, &one, Some(&one.client(serial(78)))), Ok(Some("x".into())));
    assert_eq!(name(&server, &one, Some(&other.client(serial(77)))), Ok(Some("x".into())));
    let refused = name(&server, &one, Some(&one.client(serial(77))));
    assert_eq!(refused, Err((TlsFailureReason::CertificateRevoked, AlertDescription::CertificateRevoked)));
}

#[test]
fn the_configuration_says_what_becomes_the_name() {
    let authority = Authority::new("A");
    let special = || Special {
        common_name: Some("meter 7, east"),
        organization: Some("Example"),
        alternative_names: vec![
            SanType::URI("spiffe://example/meter".try_into().unwrap()),
            SanType::Rfc822Name("meter@example.org".try_into().unwrap()),
            SanType::DnsName("meter.example.org".try_into().unwrap()),
            SanType::DnsName("second.example.org".try_into().unwrap()),
        ],
        ..Special::default()
    };
    let full = authority.client(special());
    let bare = authority.client(Special::default());
    let mut config = config(&authority, ClientCertificates::Required(trusting(&authority)));
    for (identity, expected) in [
        (CertificateIdentity::CommonName, "meter 7, east"),
        (CertificateIdentity::DnsName, "meter.example.org"),
        (CertificateIdentity::EmailAddress, "meter@example.org"),
        (CertificateIdentity::Uri, "spiffe://example/meter"),
        (CertificateIdentity::Subject, "CN=meter 7\\, east,O=Example"),
    ] {
        config.identity = identity;
        let server = load(&config);
        assert_eq!(name(&server, &authority, Some(&full)), Ok(Some(expected.into())), "{identity:?}");
        assert_eq!(name(&server, &authority, Some(&bare)), Ok(None), "{identity:?}");
    }
}

#[test]
fn what_cannot_be_a_name_is_none() {
    let authority = Authority::new("A");
    let server = load(&config(&authority, ClientCertificates::Required(trusting(&authority))));
    let long = "x".repeat(1_025).leak();
    for (text, expected) in [
        ("a\0b", None),
        ("a\nb", None),
        (&*long, None),
        (&long[1..], Some(long[1..].into())),
        ("Zähler ☀", Some("Zähler ☀".into())),
    ] {
        let pair = authority.client(named(text));
        assert_eq!(name(&server, &authority, Some(&pair)), Ok(expected), "{text:?}");
    }
}
