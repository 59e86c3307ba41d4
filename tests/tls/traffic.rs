//! What goes over an established session.

use std::sync::Arc;

use ringmq::net::tls::{Received, TlsConfig, TlsFailureReason, TlsServer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};

use crate::authority::Authority;
use crate::rig::{Cut, Link, Random, client_config, load};

fn server() -> (TlsServer, Authority) {
    let authority = Authority::new("A");
    let pair = authority.server(&["localhost"]);
    (load(&TlsConfig::new(&pair.chain_file, &pair.key_file)), authority)
}

fn client(authority: &Authority, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    Arc::new(client_config(authority, &[version], None))
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index % 251) as u8).collect()
}

#[test]
fn a_mebibyte_goes_both_ways_however_it_is_cut() {
    let (server, authority) = server();
    let bytes = pattern(1 << 20);
    for version in [&TLS12, &TLS13] {
        for seed in 0..20 {
            println!("seed {seed}");
            let mut random = Random::new(seed);
            let mut link = Link::established(&server, &client(&authority, version));
            link.cut = if seed == 0 { Cut::Whole } else { Cut::Random(Random::new(seed)) };
            link.client_sends(&bytes);
            let mut parts = Vec::new();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let size = [1, 100, 16_384, 16_385, 40_000][random.below(5)].min(rest.len());
                parts.push(&rest[..random.below(size + 1)]);
                rest = &rest[parts.last().unwrap().len()..];
            }
            link.server_sends(&parts);
        }
    }
}

#[test]
fn parts_become_as_few_records_as_there_can_be() {
    let (server, authority) = server();
    let bytes = pattern(40_000);
    for (version, overhead) in [(&TLS12, 29), (&TLS13, 22)] {
        let mut link = Link::established(&server, &client(&authority, version));
        let whole = |sizes: &[usize]| {
            let mut rest = &bytes[..];
            let parts = sizes.iter().map(|&size| {
                let (part, behind) = rest.split_at(size);
                rest = behind;
                part
            });
            parts.collect::<Vec<_>>()
        };
        for (sizes, records) in [
            (&[][..], 0),
            (&[0, 0], 0),
            (&[64], 1),
            (&[2, 30, 0, 500], 1),
            (&[16_384], 1),
            (&[16_383, 1], 1),
            (&[16_384, 1], 2),
            (&[1, 16_384], 2),
            (&[10_000, 10_000, 10_000], 2),
            (&[40_000], 3),
        ] {
            let mut out = vec![9];
            link.session.send(whole(sizes), &mut out).unwrap();
            let size: usize = sizes.iter().sum();
            // AES-GCM, which both prefer.
            assert_eq!(out.len(), 1 + size + records * overhead, "{sizes:?}");
            assert_eq!(out[0], 9);
            assert!(link.client_reads(&out[1..]) == bytes[..size]);
        }
    }
}

#[test]
fn plaintext_in_the_same_piece_as_the_end_of_the_handshake_comes() {
    let (server, authority) = server();
    let mut link = Link::new(&server, &client(&authority, &TLS13), "localhost");
    let mut bytes = Vec::new();
    link.client.write_tls(&mut bytes).unwrap();
    let mut out = Vec::new();
    link.give(&mut bytes, &mut out).unwrap();
    link.deliver(&out);
    std::io::Write::write_all(&mut link.client.writer(), b"CONNECT").unwrap();
    link.run().unwrap();
    assert_eq!(link.plain, b"CONNECT");
}

#[test]
fn a_record_that_has_not_come_whole_does_not_hinder_sending() {
    let (server, authority) = server();
    for version in [&TLS12, &TLS13] {
        let mut link = Link::established(&server, &client(&authority, version));
        for size in [1, 4, 5, 6, 40] {
            std::io::Write::write_all(&mut link.client.writer(), &[7; 64]).unwrap();
            let mut bytes = Vec::new();
            link.client.write_tls(&mut bytes).unwrap();
            let (begun, rest) = bytes.split_at_mut(size);
            link.give(begun, &mut Vec::new()).unwrap();
            link.server_sends(&[b"meanwhile"]);
            assert!(link.plain.is_empty());
            link.give(rest, &mut Vec::new()).unwrap();
            assert_eq!(std::mem::take(&mut link.plain), [7; 64]);
        }
        // Nor closing.
        let mut out = Vec::new();
        link.give(&mut [23, 3, 3, 0, 99, 1, 2], &mut out).unwrap();
        link.session.close(&mut out);
        link.client.read_tls(&mut &out[..]).unwrap();
        assert!(link.client.process_new_packets().unwrap().peer_has_closed());
    }
}

#[test]
fn nothing_is_sent_before_the_handshake_is_over() {
    let (server, _) = server();
    let mut session = server.accept().unwrap();
    let mut out = Vec::new();
    session.close(&mut out);
    assert_eq!(session.send([&b"early"[..]], &mut out).unwrap_err().reason, TlsFailureReason::Internal);
    assert!(out.is_empty());
}

#[test]
fn close_notify_goes_both_ways() {
    let (server, authority) = server();
    for version in [&TLS12, &TLS13] {
        let mut link = Link::established(&server, &client(&authority, version));
        assert_eq!(link.received, Received::Open);
        link.client_sends(b"last");
        link.client.send_close_notify();
        link.run().unwrap();
        assert_eq!(link.received, Received::PeerClosed);
        // What comes behind it is ignored.
        let mut out = Vec::new();
        let mut more = [23, 3, 3, 0, 32].to_vec();
        more.resize(37, 0);
        assert_eq!(link.session.receive(&mut more, &mut out, &mut |_| panic!()).unwrap(), Received::PeerClosed);
        assert!(out.is_empty());
        // The other direction is open still.
        link.server_sends(&[b"goodbye"]);
        link.session.close(&mut out);
        link.client.read_tls(&mut &out[..]).unwrap();
        assert!(link.client.process_new_packets().unwrap().peer_has_closed());
        let size = out.len();
        link.session.close(&mut out);
        assert_eq!(out.len(), size);
        assert_eq!(link.session.send([&b"late"[..]], &mut out).unwrap_err().reason, TlsFailureReason::Internal);
    }
}

#[test]
fn a_key_update_of_the_peer_is_answered() {
    let (server, authority) = server();
    for seed in 0..20 {
        println!("seed {seed}");
        let mut link = Link::established(&server, &client(&authority, &TLS13));
        link.cut = Cut::Random(Random::new(seed));
        for _ in 0..5 {
            link.client.refresh_traffic_keys().unwrap();
            link.client_sends(b"under the new keys");
            // The answer is in front of what is sent next, and is no plaintext.
            let mut out = Vec::new();
            link.session.send([&b"here too"[..]], &mut out).unwrap();
            let plain_record = 5 + 8 + 1 + 16;
            let key_update_record = 5 + 5 + 1 + 16;
            assert_eq!(out.len(), key_update_record + plain_record);
            assert_eq!(link.client_reads(&out), b"here too");
        }
    }
}

#[test]
fn a_session_moves_to_another_thread() {
    let (server, authority) = server();
    let link = Link::established(&server, &client(&authority, &TLS13));
    std::thread::spawn(move || {
        let mut link = link;
        link.client_sends(b"from there");
    })
    .join()
    .unwrap();
}

/// AES-GCM keys are good for 2^24 records (RFC 8446, section 5.5): a busy subscriber has that in hours.
#[test]
#[ignore = "encrypts 34 million records: half a minute"]
fn keys_that_are_used_up_are_changed_or_end_the_session() {
    const RECORDS_MAX: usize = 1 << 24;
    let (server, authority) = server();
    let mut session = Link::established(&server, &client(&authority, &TLS13)).session;
    let mut out = Vec::new();
    let mut updates = 0;
    for _ in 0..RECORDS_MAX + 10 {
        out.clear();
        session.send([&b"x"[..]], &mut out).unwrap();
        updates += usize::from(out.len() > 1 + 22);
    }
    assert_eq!(updates, 1);
    let Link { mut client, mut session, .. } = Link::established(&server, &client(&authority, &TLS12));
    let failed = (0..RECORDS_MAX).find_map(|_| {
        out.clear();
        session.send([&b"x"[..]], &mut out).err()
    });
    assert_eq!(failed.unwrap().reason, TlsFailureReason::KeysExhausted);
    // Only close_notify goes still. The client has not seen what was in front of it, so it takes it for a forgery.
    assert_eq!(out.len(), 2 + 29);
    assert_eq!(out[0], 21);
    client.read_tls(&mut &out[..]).unwrap();
    client.process_new_packets().unwrap_err();
}
