//! The records of established sessions, under every cipher suite.

use std::io::Write;
use std::sync::Arc;

use ringmq::net::tls::{CertificateFiles, TlsConfig, TlsFailureReason, TlsServer};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{AlertDescription, ClientConfig, ClientConnection, Error, RootCertStore, SupportedCipherSuite};

use crate::authority::{Authority, Special};
use crate::rig::{Clock, Cut, Link, Random, load, year};

struct Setup {
    server: TlsServer,
    authority: Authority,
}

impl Setup {
    /// A server with a certificate for each kind of signature, so that every cipher suite can be had.
    fn new() -> Self {
        let authority = Authority::new("A");
        let certificates = [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_RSA_SHA256].map(|algorithm| {
            let names = vec![rcgen::SanType::DnsName("localhost".try_into().unwrap())];
            let special = Special { alternative_names: names, algorithm: Some(algorithm), ..Special::default() };
            let pair = authority.issue(rcgen::ExtendedKeyUsagePurpose::ServerAuth, special);
            CertificateFiles { chain: pair.chain_file, key: pair.key_file, names: Vec::new() }
        });
        let [first, _] = &certificates;
        let mut config = TlsConfig::new(&first.chain, &first.key);
        config.certificates = certificates.to_vec();
        Self { server: load(&config), authority }
    }

    /// A client that has this cipher suite only.
    fn client(&self, suite: SupportedCipherSuite) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate.clone()).unwrap();
        let provider = CryptoProvider { cipher_suites: vec![suite], ..aws_lc_rs::default_provider() };
        let config = ClientConfig::builder_with_details(Arc::new(provider), Arc::new(Clock(year(2026))))
            .with_protocol_versions(&[suite.version()])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    /// An established link with this cipher suite.
    fn link(&self, suite: SupportedCipherSuite) -> Link {
        let link = Link::established(&self.server, &self.client(suite));
        assert_eq!(link.session.cipher_suite(), suite.suite().as_str());
        link
    }
}

fn bytes(random: &mut Random, size: usize) -> Vec<u8> {
    (0..size).map(|_| random.below(256) as u8).collect()
}

/// A record with these bytes, from the client.
fn record(client: &mut ClientConnection, content: &[u8]) -> Vec<u8> {
    client.writer().write_all(content).unwrap();
    let mut record = Vec::new();
    client.write_tls(&mut record).unwrap();
    record
}

#[test]
fn every_cipher_suite_carries_data_both_ways() {
    let setup = Setup::new();
    assert_eq!(aws_lc_rs::ALL_CIPHER_SUITES.len(), 9);
    for &suite in aws_lc_rs::ALL_CIPHER_SUITES {
        let mut link = setup.link(suite);
        for seed in 0..10 {
            println!("{suite:?}, seed {seed}");
            let mut random = Random::new(seed);
            link.cut = if seed == 0 { Cut::Bytes } else { Cut::Random(Random::new(seed)) };
            let size_max = [100, 3_000, 70_000][random.below(3)];
            let size = 1 + random.below(size_max);
            let sent = bytes(&mut random, size);
            link.client_sends(&sent);
            let (first, second) = sent.split_at(random.below(size));
            link.server_sends(&[first, second]);
        }
        let mut out = Vec::new();
        link.session.close(&mut out);
        link.client.read_tls(&mut &out[..]).unwrap();
        assert!(link.client.process_new_packets().unwrap().peer_has_closed());
    }
}

#[test]
fn records_are_refused_that_are_forged_repeated_lost_swapped_or_cut() {
    let setup = Setup::new();
    for &suite in aws_lc_rs::ALL_CIPHER_SUITES {
        for what in ["flipped", "repeated", "lost", "swapped", "cut", "lengthened", "empty"] {
            for seed in 0..5 {
                println!("{suite:?}, {what}, seed {seed}");
                let mut random = Random::new(seed);
                let mut link = setup.link(suite);
                link.cut = Cut::Random(Random::new(seed));
                let [first, second] = [b"first", b"other"].map(|content| record(&mut link.client, content));
                let mut changed = second.clone();
                let (mut bytes, came): (Vec<u8>, &[u8]) = match what {
                    "flipped" => {
                        changed[5 + random.below(second.len() - 5)] ^= 1 << random.below(8);
                        ([first, changed].concat(), b"first")
                    }
                    "repeated" => ([&first[..], &first, &second].concat(), b"first"),
                    "lost" => (second, b""),
                    "swapped" => ([second, first].concat(), b""),
                    "cut" => {
                        changed.truncate(5 + random.below(second.len() - 5));
                        changed[4] = changed.len() as u8 - 5;
                        ([first, changed].concat(), b"first")
                    }
                    "lengthened" => {
                        changed.push(0);
                        changed[4] += 1;
                        ([first, changed].concat(), b"first")
                    }
                    _ => ([&first[..], &[23, 3, 3, 0, 0]].concat(), b"first"),
                };
                let mut out = Vec::new();
                let failure = link.give(&mut bytes, &mut out).unwrap_err();
                assert_eq!(failure.reason, TlsFailureReason::BadRecord);
                assert_eq!(link.plain, came);
                link.deliver(&out);
                assert_eq!(link.client_error(), Error::AlertReceived(AlertDescription::BadRecordMac));
            }
        }
    }
}

#[test]
fn keys_change_both_ways_in_the_middle_of_traffic() {
    let setup = Setup::new();
    for suite in aws_lc_rs::ALL_CIPHER_SUITES.iter().copied().filter(|suite| suite.tls13().is_some()) {
        for seed in 0..10 {
            println!("{suite:?}, seed {seed}");
            let mut random = Random::new(seed);
            let mut link = setup.link(suite);
            link.cut = Cut::Random(Random::new(seed));
            let mut expected = Vec::new();
            for _ in 0..100 {
                match random.below(4) {
                    // Several before anything is answered, now and then.
                    0 => link.client.refresh_traffic_keys().unwrap(),
                    1 => link.server_sends(&[&bytes(&mut random, 2_000)]),
                    _ => {
                        let sent = bytes(&mut random, 2_000);
                        link.client.writer().write_all(&sent).unwrap();
                        expected.extend(sent);
                    }
                }
                if random.below(2) == 0 {
                    link.run().unwrap();
                }
            }
            link.run().unwrap();
            assert!(link.plain == expected);
        }
    }
}

#[test]
fn a_session_that_ends_in_the_middle_of_a_key_change_says_so() {
    let setup = Setup::new();
    for suite in aws_lc_rs::ALL_CIPHER_SUITES.iter().copied().filter(|suite| suite.tls13().is_some()) {
        let mut link = setup.link(suite);
        link.client.refresh_traffic_keys().unwrap();
        link.run().unwrap();
        let mut out = Vec::new();
        link.session.close(&mut out);
        link.client.read_tls(&mut &out[..]).unwrap();
        assert!(link.client.process_new_packets().unwrap().peer_has_closed());
    }
}

#[test]
fn data_behind_the_end_of_the_handshake_comes_under_every_cipher_suite() {
    let setup = Setup::new();
    for &suite in aws_lc_rs::ALL_CIPHER_SUITES {
        for seed in 0..20 {
            println!("{suite:?}, seed {seed}");
            let mut link = Link::new(&setup.server, &setup.client(suite), "localhost");
            link.cut = if seed == 0 { Cut::Whole } else { Cut::Random(Random::new(seed)) };
            // Written before the handshake begins: it goes with the client's last message of it.
            link.client.writer().write_all(b"CONNECT").unwrap();
            link.run().unwrap();
            assert_eq!(link.plain, b"CONNECT");
            link.server_sends(&[b"CONNACK"]);
        }
    }
}
