//! Peers that break the rules, speak something else, or stop in the middle.

use std::sync::Arc;

use ringmq::net::tls::{ClientCertificateFiles, ClientCertificates, Received, TlsConfig, TlsFailureReason, TlsServer};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, Error};

use crate::authority::{Authority, Special};
use crate::rig::{Link, Random, client_config, load};

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

fn server() -> (TlsServer, Authority) {
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    (load(&TlsConfig::new(&pair.chain_file, &pair.key_file)), authority)
}

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let size = (payload.len() as u16).to_be_bytes();
    [&[kind, 3, 3], &size[..], payload].concat()
}

/// What a fresh session makes of these bytes, in pieces of `piece` bytes.
fn outcome(server: &TlsServer, bytes: &[u8], piece: usize) -> (Result<Received, TlsFailureReason>, Vec<u8>) {
    let mut session = server.accept().unwrap();
    let mut out = Vec::new();
    let mut result = Ok(Received::Open);
    for bytes in bytes.to_vec().chunks_mut(piece) {
        result = session.receive(bytes, &mut out, &mut |_| panic!("plaintext")).map_err(|failure| failure.reason);
    }
    assert!(!session.is_established());
    (result, out)
}

#[test]
fn other_protocols_are_recognised() {
    let (server, _) = server();
    let connect = b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03abc";
    let websocket = b"GET /mqtt HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
    for bytes in
        [&connect[..], websocket, b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", b"\0\0\0\0\0", b"\x16\x02\x00\x00\x05"]
    {
        for piece in [1, 5, 1_000] {
            let (result, out) = outcome(&server, bytes, piece);
            assert_eq!(result, Err(TlsFailureReason::NotTls), "{bytes:?}");
            assert_eq!(out[0], ALERT);
            assert_eq!(out.len(), 7);
        }
    }
}

#[test]
fn older_versions_are_refused() {
    let (server, _) = server();
    // TLS 1.1, a random number, no session, one cipher suite, no compression, no extension.
    let hello = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0, 0x2f, 1, 0]].concat();
    let bytes = record(HANDSHAKE, &[&[1, 0, 0, hello.len() as u8][..], &hello].concat());
    let (result, out) = outcome(&server, &bytes, bytes.len());
    assert_eq!(result, Err(TlsFailureReason::NoSharedVersion));
    assert_eq!(out[0], ALERT);
}

#[test]
fn a_failure_is_told_again() {
    let (server, _) = server();
    let mut session = server.accept().unwrap();
    let mut out = Vec::new();
    let first = session.receive(&mut b"GET / HTTP/1.1".to_vec(), &mut out, &mut |_| ()).unwrap_err();
    let size = out.len();
    assert_eq!(session.receive(&mut [1, 2, 3], &mut out, &mut |_| ()), Err(first.clone()));
    assert_eq!(session.send([&b"x"[..]], &mut out), Err(first.clone()));
    session.close(&mut out);
    assert_eq!(out.len(), size);
    assert!(first.to_string().starts_with("not-tls: "), "{first}");
}

#[test]
fn a_handshake_without_end_is_cut() {
    let (server, _) = server();
    // A ClientHello that announces 65,535 bytes; the library gives up at its end, at the latest.
    let hello = [&[1, 0, 0xff, 0xff][..], &[0; 0xffff]].concat();
    let bytes: Vec<u8> = hello.chunks(16_384).flat_map(|part| record(HANDSHAKE, part)).collect();
    assert_eq!(outcome(&server, &bytes, 1_000).0, Err(TlsFailureReason::Protocol));
    // The same byte by byte in records of their own: five times as many bytes.
    let bytes: Vec<u8> = hello.chunks(1).flat_map(|part| record(HANDSHAKE, part)).collect();
    assert_eq!(outcome(&server, &bytes, 1_000).0, Err(TlsFailureReason::HandshakeTooLarge));
    assert_eq!(outcome(&server, &bytes, bytes.len()).0, Err(TlsFailureReason::HandshakeTooLarge));
    // One that announces more.
    let bytes = record(HANDSHAKE, &[1, 1, 0, 0]);
    assert_eq!(outcome(&server, &bytes, 1).0, Err(TlsFailureReason::Protocol));
    let bytes = record(HANDSHAKE, &[]).repeat(100);
    assert_eq!(outcome(&server, &bytes, 3).0, Err(TlsFailureReason::Protocol));
}

#[test]
fn a_record_of_any_announced_size_is_bounded() {
    let (server, authority) = server();
    for size in [16_384 + 2_049, 65_535_u16] {
        let mut link = Link::established(&server, &Arc::new(client_config(&authority, &[&TLS13], None)));
        let [high, low] = size.to_be_bytes();
        let mut bytes = [APPLICATION_DATA, 3, 3, high, low];
        let mut out = Vec::new();
        let failure = link.give(&mut bytes, &mut out).unwrap_err();
        assert_eq!(failure.reason, TlsFailureReason::Protocol);
        link.deliver(&out);
        assert!(matches!(link.client_error(), Error::AlertReceived(_)));
    }
}

#[test]
fn a_damaged_record_ends_the_session() {
    let (server, authority) = server();
    for version in [&TLS12, &TLS13] {
        for position in 5..40 {
            let mut link = Link::established(&server, &Arc::new(client_config(&authority, &[version], None)));
            std::io::Write::write_all(&mut link.client.writer(), &[7; 64]).unwrap();
            let mut bytes = Vec::new();
            link.client.write_tls(&mut bytes).unwrap();
            bytes[position] ^= 1;
            // What follows must not be taken for plaintext, nor panic.
            let mut bytes = [bytes.clone(), bytes].concat();
            let mut out = Vec::new();
            assert_eq!(link.give(&mut bytes, &mut out).unwrap_err().reason, TlsFailureReason::BadRecord);
            assert!(link.plain.is_empty());
            link.deliver(&out);
            assert_eq!(link.client_error(), Error::AlertReceived(AlertDescription::BadRecordMac));
        }
    }
}

#[test]
fn an_alert_of_the_peer_is_its_reason() {
    let (server, _) = server();
    let (result, _) = outcome(&server, &record(ALERT, &[2, 48]), 1);
    assert_eq!(result, Err(TlsFailureReason::AlertFromPeer));
}

/// All that a client sends in its handshake, with a certificate, piece by piece of the exchange.
fn exchange(link: &mut Link, mut change: impl FnMut(&mut Vec<u8>)) -> Result<(), TlsFailureReason> {
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while link.client.wants_write() {
            link.client.write_tls(&mut bytes).unwrap();
        }
        change(&mut bytes);
        let mut out = Vec::new();
        let result = link.give(&mut bytes, &mut out);
        link.deliver(&out);
        result.map_err(|failure| failure.reason)?;
    }
    Ok(())
}

#[test]
fn a_handshake_that_is_truncated_or_flipped_anywhere_does_not_panic() {
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    // Its signatures have one size, so that handshakes have too.
    let algorithm = Some(&rcgen::PKCS_ED25519);
    let shown = authority.client(Special { common_name: Some("x"), algorithm, ..Special::default() });
    let trusted = ClientCertificateFiles { authorities: vec![authority.file.clone()], revocation_lists: Vec::new() };
    let config = TlsConfig {
        client_certificates: ClientCertificates::Required(trusted),
        ..TlsConfig::new(&pair.chain_file, &pair.key_file)
    };
    let server = load(&config);
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(client_config(&authority, &[version], Some(&shown)));
        let mut total = 0;
        let mut link = Link::new(&server, &client, "localhost");
        exchange(&mut link, |bytes| total += bytes.len()).unwrap();
        assert!(link.session.is_established());
        for position in 0..total {
            // Nothing comes from there on.
            let mut left = position;
            let mut link = Link::new(&server, &client, "localhost");
            // The end may be a change_cipher_spec that nobody needs; what comes before must not fail.
            exchange(&mut link, |bytes| {
                bytes.truncate(left);
                left -= bytes.len();
            })
            .unwrap();
            assert!(!link.session.is_established(), "{position} of {total}");
            // One bit is another.
            let mut left = position;
            let mut random = Random::new(position as u64);
            let mut link = Link::new(&server, &client, "localhost");
            let _ = exchange(&mut link, |bytes| {
                if let Some(byte) = bytes.get_mut(left) {
                    *byte ^= 1 << random.below(8);
                }
                left = left.wrapping_sub(bytes.len());
            });
        }
    }
}

#[test]
fn random_bytes_do_not_panic() {
    let (server, authority) = server();
    for seed in 0..3_000 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut bytes = Vec::new();
        for _ in 0..random.below(8) {
            let payload: Vec<u8> = (0..random.below(200)).map(|_| random.below(256) as u8).collect();
            match random.below(3) {
                0 => bytes.extend(record(20 + random.below(5) as u8, &payload)),
                1 => bytes.extend(record(HANDSHAKE, &[&[1, 0, 0, payload.len() as u8][..], &payload].concat())),
                _ => bytes.extend(payload),
            }
        }
        let piece = 1 + random.below(100);
        if seed % 2 == 0 {
            outcome(&server, &bytes, piece).0.ok();
        } else {
            let version = [&TLS12, &TLS13][random.below(2)];
            let mut link = Link::established(&server, &Arc::new(client_config(&authority, &[version], None)));
            for bytes in bytes.chunks_mut(piece) {
                let _ = link.give(bytes, &mut Vec::new());
            }
            assert!(link.plain.is_empty());
        }
    }
}
