//! Clients that come back.

use std::sync::Arc;

use ringmq::net::tls::{
    ClientCertificateFiles, ClientCertificates, SessionResumption, TlsConfig, TlsFailureReason, TlsServer,
};
use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};

use crate::authority::{Authority, Special};
use crate::rig::{Clock, Link, client_config, load, year};

/// Connects, and says whether that was a resumption, of which client and server agree.
fn resumes(server: &TlsServer, client: &Arc<ClientConfig>) -> bool {
    let link = Link::established(server, client);
    let resumed = link.session.was_resumed();
    assert_eq!(resumed, link.client.handshake_kind() == Some(rustls::HandshakeKind::Resumed));
    resumed
}

#[test]
fn a_clone_resumes_what_another_began() {
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    for version in [&TLS12, &TLS13] {
        for (resumption, expected) in [
            (SessionResumption::Tickets, true),
            (SessionResumption::Cache { sessions_max: 10 }, true),
            (SessionResumption::Disabled, false),
        ] {
            let server = load(&TlsConfig { resumption, ..TlsConfig::new(&pair.chain_file, &pair.key_file) });
            let clone = server.clone();
            let client = Arc::new(client_config(&authority, &[version], None));
            assert!(!resumes(&server, &client));
            for _ in 0..5 {
                assert_eq!(resumes(&clone, &client), expected, "{resumption:?}");
                assert_eq!(resumes(&server, &client), expected, "{resumption:?}");
            }
        }
    }
}

#[test]
fn a_reload_keeps_sessions_and_what_clients_resume() {
    let authority = Authority::new("A");
    let (first, second) = (authority.server(&["localhost"]), authority.server(&["localhost"]));
    for version in [&TLS12, &TLS13] {
        for resumption in [SessionResumption::Tickets, SessionResumption::CACHE] {
            let client = Arc::new(client_config(&authority, &[version], None));
            let stranger = Arc::new(client_config(&authority, &[version], None));
            let config = |pair: &crate::authority::Pair| TlsConfig {
                resumption,
                ..TlsConfig::new(&pair.chain_file, &pair.key_file)
            };
            let server = load(&config(&first));
            let mut link = Link::established(&server, &client);
            let reloaded = server.reload(&config(&second)).unwrap();
            assert!(resumes(&reloaded, &client));
            // A new client gets the new certificate.
            let new = Link::established(&reloaded, &stranger);
            assert_eq!(new.client.peer_certificates().unwrap(), second.chain);
            link.client_sends(b"still here");
            link.server_sends(&[b"me too"]);
        }
    }
}

#[test]
fn a_reload_that_fails_leaves_the_server_as_it_is() {
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    let server = load(&TlsConfig::new(&pair.chain_file, &pair.key_file));
    server.reload(&TlsConfig::new(&pair.chain_file, "/nonexistent")).unwrap_err();
    Link::established(&server, &Arc::new(client_config(&authority, &[&TLS13], None)));
}

#[test]
fn a_certificate_that_was_revoked_does_not_come_back_by_resumption() {
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    let shown = authority.client(Special { common_name: Some("x"), serial: Some(5), ..Special::default() });
    let trusted = ClientCertificateFiles { authorities: vec![authority.file.clone()], revocation_lists: Vec::new() };
    let mut config = TlsConfig {
        client_certificates: ClientCertificates::Required(trusted.clone()),
        ..TlsConfig::new(&pair.chain_file, &pair.key_file)
    };
    for version in [&TLS12, &TLS13] {
        for resumption in [SessionResumption::Tickets, SessionResumption::CACHE] {
            config.resumption = resumption;
            config.client_certificates = ClientCertificates::Required(trusted.clone());
            let server = load(&config);
            let client = Arc::new(client_config(&authority, &[version], Some(&shown)));
            assert!(!resumes(&server, &client));
            let mut link = Link::new(&server, &client, "localhost");
            link.run().unwrap();
            assert!(link.session.was_resumed());
            assert_eq!(link.session.peer_name(), Some("x"));
            // Nothing has changed, so it goes on.
            assert!(resumes(&server.reload(&config).unwrap(), &client));
            let revoked = authority.write("revoked.pem", authority.revoke(&[5], 2030).pem().unwrap());
            let mut trusted = trusted.clone();
            trusted.revocation_lists.push(revoked);
            config.client_certificates = ClientCertificates::Required(trusted);
            let reloaded = server.reload(&config).unwrap();
            let mut link = Link::new(&reloaded, &client, "localhost");
            assert_eq!(link.run().unwrap_err().reason, TlsFailureReason::CertificateRevoked);
        }
    }
}

#[test]
fn a_certificate_that_has_expired_does_not_come_back_by_resumption() {
    #[derive(Debug)]
    struct Moving(std::sync::atomic::AtomicU64);
    impl rustls::time_provider::TimeProvider for Moving {
        fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
            Clock(self.0.load(std::sync::atomic::Ordering::Relaxed)).current_time()
        }
    }
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    let shown = authority.client(Special { common_name: Some("x"), years: Some((2010, 2026)), ..Special::default() });
    let trusted = ClientCertificateFiles { authorities: vec![authority.file.clone()], revocation_lists: Vec::new() };
    let config = TlsConfig {
        client_certificates: ClientCertificates::Required(trusted),
        ..TlsConfig::new(&pair.chain_file, &pair.key_file)
    };
    for version in [&TLS12, &TLS13] {
        // Days before the year ends.
        let clock = Arc::new(Moving((year(2027) - 3 * 86_400).into()));
        let server = TlsServer::load(&config, clock.clone()).unwrap();
        let client = Arc::new(client_config(&authority, &[version], Some(&shown)));
        assert!(!resumes(&server, &client));
        assert!(resumes(&server, &client));
        clock.0.fetch_add(4 * 86_400, std::sync::atomic::Ordering::Relaxed);
        let mut link = Link::new(&server, &client, "localhost");
        // It comes in one piece with the end of the handshake.
        std::io::Write::write_all(&mut link.client.writer(), b"CONNECT").unwrap();
        assert_eq!(link.run().unwrap_err().reason, TlsFailureReason::CertificateExpired);
        assert!(link.plain.is_empty());
    }
}
