//! What is agreed on: versions, names, protocols.

use std::sync::Arc;

use ringmq::net::tls::{CertificateFiles, TlsConfig, TlsFailureReason, TlsVersions};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, Error};

use crate::authority::{Authority, Pair, Special};
use crate::rig::{Cut, Link, Random, client_config, load};

fn files(pair: &Pair, names: &[&str]) -> CertificateFiles {
    CertificateFiles {
        chain: pair.chain_file.clone(),
        key: pair.key_file.clone(),
        names: names.iter().map(|name| name.to_string()).collect(),
    }
}

#[test]
fn both_versions_work_however_the_bytes_are_cut() {
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    let server = load(&TlsConfig::new(&pair.chain_file, &pair.key_file));
    assert!(server.warnings().is_empty(), "{:?}", server.warnings());
    for (version, name) in [(&TLS12, "TLSv1_2"), (&TLS13, "TLSv1_3")] {
        let cuts = [Cut::Whole, Cut::Bytes].into_iter().chain((0..50).map(|seed| Cut::Random(Random::new(seed))));
        for (round, cut) in cuts.enumerate() {
            println!("{name}, round {round}: the seed is that less 2");
            let client = Arc::new(client_config(&authority, &[version], None));
            let mut link = Link::new(&server, &client, "localhost");
            link.cut = cut;
            assert!(!link.session.is_established());
            assert_eq!(link.session.version(), None);
            link.run().unwrap();
            assert!(link.session.is_established());
            assert!(!link.session.was_resumed());
            assert!(!link.session.has_peer_certificate());
            assert_eq!(link.session.version(), Some(name));
            assert!(link.session.cipher_suite().unwrap().starts_with("TLS"));
            link.client_sends(b"to the server");
            link.server_sends(&[b"to the ", b"client"]);
        }
    }
}

#[test]
fn a_server_may_want_1_3_only() {
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    let mut config = TlsConfig::new(&pair.chain_file, &pair.key_file);
    config.versions = TlsVersions::Tls13;
    let server = load(&config);
    let mut link = Link::new(&server, &Arc::new(client_config(&authority, &[&TLS12], None)), "localhost");
    assert_eq!(link.run().unwrap_err().reason, TlsFailureReason::NoSharedVersion);
    assert_eq!(link.client_error(), Error::AlertReceived(AlertDescription::ProtocolVersion));
    Link::established(&server, &Arc::new(client_config(&authority, &[&TLS12, &TLS13], None)));
}

#[test]
fn no_shared_cipher_has_its_reason() {
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    let server = load(&TlsConfig::new(&pair.chain_file, &pair.key_file));
    let mut config = client_config(&authority, &[&TLS12], None);
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    // The certificate's key is an elliptic one.
    provider.cipher_suites = vec![rustls::crypto::aws_lc_rs::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    config = rustls::ClientConfig::builder_with_details(Arc::new(provider), config.time_provider.clone())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut link = Link::new(&server, &Arc::new(config), "localhost");
    assert_eq!(link.run().unwrap_err().reason, TlsFailureReason::NoSharedCipher);
    assert_eq!(link.client_error(), Error::AlertReceived(AlertDescription::HandshakeFailure));
}

#[test]
fn the_name_that_a_client_asks_for_chooses_the_certificate() {
    let authority = Authority::new("A");
    let first = authority.server(&["localhost", "a.example"]);
    let second = authority.server(&["b.example", "*.c.example"]);
    let third = authority.server(&["given.example", "own.example"]);
    let mut config = TlsConfig::new(&first.chain_file, &first.key_file);
    config.certificates = vec![files(&first, &[]), files(&second, &[]), files(&third, &["Given.Example"])];
    let server = load(&config);
    let client = Arc::new(client_config(&authority, &[&TLS12, &TLS13], None));
    for (name, pair) in [
        ("a.example", &first),
        ("b.example", &second),
        ("B.Example", &second),
        ("x.c.example", &second),
        ("given.example", &third),
    ] {
        let mut link = Link::new(&server, &client, name);
        link.run().unwrap();
        assert_eq!(link.client.peer_certificates().unwrap(), pair.chain, "{name}");
    }
    // Those get the first, which they do not like.
    for name in ["x.y.c.example", "c.example", "own.example", "unknown.example"] {
        let mut link = Link::new(&server, &client, name);
        link.run().unwrap_err();
        assert!(matches!(link.client_error(), Error::InvalidCertificate(_)), "{name}");
    }
    // An address is no name to ask for.
    let mut link = Link::new(&server, &client, "127.0.0.1");
    assert_eq!(link.run().unwrap_err().reason, TlsFailureReason::AlertFromPeer);
}

#[test]
fn of_two_certificates_for_a_name_the_client_gets_one_that_it_can_verify() {
    let authority = Authority::new("A");
    let elliptic = authority.server(&["localhost"]);
    let names = vec![rcgen::SanType::DnsName("localhost".try_into().unwrap())];
    let special = Special { alternative_names: names, algorithm: Some(&rcgen::PKCS_ED25519), ..Special::default() };
    let edwards = authority.issue(rcgen::ExtendedKeyUsagePurpose::ServerAuth, special);
    let mut config = TlsConfig::new(&edwards.chain_file, &edwards.key_file);
    config.certificates = vec![files(&edwards, &[]), files(&elliptic, &[])];
    let server = load(&config);
    let both = Arc::new(client_config(&authority, &[&TLS13], None));
    let link = Link::established(&server, &both);
    assert_eq!(link.client.peer_certificates().unwrap(), edwards.chain);
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let all = provider.signature_verification_algorithms;
    let mapping: Vec<_> =
        all.mapping.iter().filter(|(scheme, _)| *scheme != rustls::SignatureScheme::ED25519).copied().collect();
    provider.signature_verification_algorithms.mapping = mapping.leak();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    let one = rustls::ClientConfig::builder_with_details(Arc::new(provider), both.time_provider.clone())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let link = Link::established(&server, &Arc::new(one));
    assert_eq!(link.client.peer_certificates().unwrap(), elliptic.chain);
}

#[test]
fn application_protocols_are_chosen_as_rfc_7301_says() {
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    let mut config = TlsConfig::new(&pair.chain_file, &pair.key_file);
    for (ours, theirs, chosen) in [
        (&["mqtt"][..], &["mqtt"][..], Ok(Some("mqtt"))),
        (&["mqtt"], &[], Ok(None)),
        (&["http/1.1"], &["h2", "http/1.1"], Ok(Some("http/1.1"))),
        (&["mqtt"], &["h2"], Err(TlsFailureReason::NoSharedProtocol)),
        (&[], &["h2"], Ok(None)),
    ] {
        config.application_protocols = ours.iter().map(|name| name.to_string()).collect();
        let server = load(&config);
        for version in [&TLS12, &TLS13] {
            let mut client = client_config(&authority, &[version], None);
            client.alpn_protocols = theirs.iter().map(|name| name.as_bytes().to_vec()).collect();
            let mut link = Link::new(&server, &Arc::new(client), "localhost");
            let result = link.run().map_err(|failure| failure.reason);
            let agreed = link.session.application_protocol().map(|name| str::from_utf8(name).unwrap());
            assert_eq!(result.map(|()| agreed), chosen, "{ours:?} {theirs:?}");
            if chosen.is_err() {
                assert_eq!(link.client_error(), Error::AlertReceived(AlertDescription::NoApplicationProtocol));
            }
        }
    }
}
