//! TLS of the server's side: records of an established session, and handshakes, without sockets.

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use ringmq::net::tls::{TlsConfig, TlsServer, TlsSession};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::time_provider::DefaultTimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, SupportedProtocolVersion};

const VERSIONS: [(&str, &SupportedProtocolVersion); 2] = [("1.2", &TLS12), ("1.3", &TLS13)];

pub fn bench(criterion: &mut Criterion) {
    bench_records(criterion);
    for (name, algorithm) in [("P-256", &rcgen::PKCS_ECDSA_P256_SHA256), ("RSA-2048", &rcgen::PKCS_RSA_SHA256)] {
        bench_handshakes(criterion, name, algorithm);
    }
}

fn bench_records(criterion: &mut Criterion) {
    let (server, certificate) = server(&rcgen::PKCS_ECDSA_P256_SHA256);
    let mut group = criterion.benchmark_group("tls/record");
    for (name, version) in VERSIONS {
        for size in [64_usize, 16_384] {
            group.throughput(Throughput::Bytes(size as u64));
            let client = client(&certificate, version);
            let bytes = vec![7; size];
            group.bench_function(format!("{name}/send/{size}"), |bencher| {
                let (_, mut session, _) = handshake(&server, &client);
                let mut out = Vec::new();
                bencher.iter(|| {
                    out.clear();
                    session.send([black_box(&bytes[..])], &mut out).unwrap();
                });
            });
            group.bench_function(format!("{name}/receive/{size}"), |bencher| {
                let (mut client, mut session, _) = handshake(&server, &client);
                bencher.iter_custom(|count| {
                    let mut took = Duration::ZERO;
                    for _ in 0..count {
                        client.writer().write_all(&bytes).unwrap();
                        let mut record = Vec::new();
                        client.write_tls(&mut record).unwrap();
                        let mut came = 0;
                        let began = Instant::now();
                        session.receive(&mut record, &mut Vec::new(), &mut |plain| came += plain.len()).unwrap();
                        took += began.elapsed();
                        assert_eq!(came, size);
                    }
                    took
                });
            });
        }
    }
}

/// The time is the server's share only.
fn bench_handshakes(criterion: &mut Criterion, key: &str, algorithm: &'static rcgen::SignatureAlgorithm) {
    let (server, certificate) = server(algorithm);
    let mut group = criterion.benchmark_group(format!("tls/handshake/{key}"));
    group.throughput(Throughput::Elements(1));
    for (name, version) in VERSIONS {
        let known = client(&certificate, version);
        handshake(&server, &known);
        for resumed in [false, true] {
            let kind = if resumed { "resumed" } else { "full" };
            group.bench_function(format!("{name}/{kind}"), |bencher| {
                bencher.iter_custom(|count| {
                    let mut took = Duration::ZERO;
                    for _ in 0..count {
                        let client = if resumed { known.clone() } else { client(&certificate, version) };
                        let (_, session, server_took) = handshake(&server, &client);
                        assert_eq!(session.was_resumed(), resumed);
                        took += server_took;
                    }
                    took
                });
            });
        }
    }
}

fn server(algorithm: &'static rcgen::SignatureAlgorithm) -> (TlsServer, CertificateDer<'static>) {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (chain_file, key_file) = (directory.path().join("chain.pem"), directory.path().join("key.pem"));
    std::fs::write(&chain_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let server = TlsServer::load(&TlsConfig::new(chain_file, key_file), Arc::new(DefaultTimeProvider)).unwrap();
    (server, certificate.der().clone())
}

fn client(certificate: &CertificateDer<'static>, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

/// Both ends of an established session, and how long the server's took.
fn handshake(server: &TlsServer, client: &Arc<ClientConfig>) -> (ClientConnection, TlsSession, Duration) {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let began = Instant::now();
    let mut session = server.accept().unwrap();
    let mut took = began.elapsed();
    while client.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut out = Vec::new();
        let began = Instant::now();
        session.receive(&mut bytes, &mut out, &mut |_| ()).unwrap();
        took += began.elapsed();
        client.read_tls(&mut &out[..]).unwrap();
        client.process_new_packets().unwrap();
    }
    assert!(session.is_established());
    (client, session, took)
}
