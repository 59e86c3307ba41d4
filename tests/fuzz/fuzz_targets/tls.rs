//! A TLS session of the server's side: bytes in front of, in the middle of and behind a handshake, in pieces. Nothing panics, what waits is
//! bounded, no plaintext comes that the client did not send, and a failure is final.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use ringmq::net::tls::{TlsConfig, TlsServer};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::time_provider::DefaultTimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, SupportedProtocolVersion};

struct Setup {
    server: TlsServer,
    clients: [Arc<ClientConfig>; 2],
}

static SETUP: LazyLock<Setup> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (chain, key) = (directory.path().join("chain.pem"), directory.path().join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let server = TlsServer::load(&TlsConfig::new(&chain, &key), Arc::new(DefaultTimeProvider)).unwrap();
    let client = |version: &'static SupportedProtocolVersion| {
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Arc::new(config)
    };
    Setup { server, clients: [client(&TLS12), client(&TLS13)] }
});

fuzz_target!(|input: (u8, u16, u16, &[u8])| {
    let (version, position, piece, strange) = input;
    let Some(client) = SETUP.clients.get(usize::from(version)) else {
        return give_alone(strange, piece);
    };
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let mut session = SETUP.server.accept().unwrap();
    let mut left = usize::from(position % 2_000);
    let mut spliced = false;
    while !spliced {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        if left <= bytes.len() || bytes.is_empty() {
            bytes.splice(left.min(bytes.len()).., strange.iter().copied());
            spliced = true;
        }
        left = left.saturating_sub(bytes.len());
        let mut out = Vec::new();
        for piece in bytes.chunks_mut(usize::from(piece).max(1)) {
            let result = session.receive(piece, &mut out, &mut |_| panic!("plaintext that nobody sent"));
            if let Err(failure) = result {
                assert_eq!(session.receive(&mut [22, 3], &mut Vec::new(), &mut |_| ()), Err(failure));
                return;
            }
        }
        assert!(out.len() < 16_384);
        client.read_tls(&mut &out[..]).unwrap();
        if client.process_new_packets().is_err() {
            return;
        }
    }
});

fn give_alone(bytes: &[u8], piece: u16) {
    let mut session = SETUP.server.accept().unwrap();
    let mut out = Vec::new();
    for piece in bytes.to_vec().chunks_mut(usize::from(piece).max(1)) {
        let _ = session.receive(piece, &mut out, &mut |_| panic!("plaintext without a key"));
    }
    assert!(out.len() < 16_384);
}
