//! Clients that have the keys and break the rules with them: their records are made here.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ringmq::net::tls::{Received, TlsConfig, TlsFailure, TlsFailureReason, TlsSession};
use rustls::version::{TLS12, TLS13};
use rustls::{ConnectionTrafficSecrets, SupportedProtocolVersion};

use crate::authority::Authority;
use crate::rig::{Link, client_config, load};

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// One direction of a client's keys.
struct Keys {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
    is_1_3: bool,
}

/// Type and content of a record that came back.
type Answer = (u8, Vec<u8>);

/// A client that is nothing but its keys.
struct Forger {
    session: TlsSession,
    sending: Keys,
    receiving: Keys,
    plain: Vec<u8>,
}

impl Forger {
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        let authority = Authority::new("A");
        let pair = authority.server(&["localhost"]);
        let server = load(&TlsConfig::new(&pair.chain_file, &pair.key_file));
        let mut config = client_config(&authority, &[version], None);
        config.enable_secret_extraction = true;
        let Link { client, session, .. } = Link::established(&server, &Arc::new(config));
        let secrets = client.dangerous_extract_secrets().unwrap();
        let is_1_3 = *version == TLS13;
        let keys = |(sequence, secrets)| {
            let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else { panic!("another cipher") };
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
            Keys { key, iv: iv.as_ref().try_into().unwrap(), sequence, is_1_3 }
        };
        Self { session, sending: keys(secrets.tx), receiving: keys(secrets.rx), plain: Vec::new() }
    }

    /// Sends one record.
    fn send(&mut self, kind: u8, payload: &[u8]) -> (Result<Received, TlsFailure>, Vec<Answer>) {
        let mut record = self.sending.seal(kind, payload);
        let mut out = Vec::new();
        let plain = &mut self.plain;
        let result = self.session.receive(&mut record, &mut out, &mut |bytes| plain.extend_from_slice(bytes));
        let mut answers = Vec::new();
        while !out.is_empty() {
            let size = 5 + usize::from(u16::from_be_bytes([out[3], out[4]]));
            answers.push(self.receiving.open(&out[..size]));
            out.drain(..size);
        }
        (result, answers)
    }
}

impl Keys {
    fn nonce(&self) -> Nonce {
        let mut nonce = self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= number;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// TLS 1.2 has more of the record in what is authenticated (RFC 5246, section 6.2.3.3; RFC 8446, section 5.2).
    fn additional_data(&self, kind: u8, plain_size: usize) -> Vec<u8> {
        if self.is_1_3 {
            [&[APPLICATION_DATA, 3, 3][..], &(plain_size as u16 + 17).to_be_bytes()].concat()
        } else {
            [&self.sequence.to_be_bytes()[..], &[kind, 3, 3], &(plain_size as u16).to_be_bytes()].concat()
        }
    }

    fn seal(&mut self, kind: u8, payload: &[u8]) -> Vec<u8> {
        let additional = self.additional_data(kind, payload.len());
        let nonce = self.nonce();
        // Of TLS 1.2, the last 8 bytes of the nonce are in front.
        let explicit = if self.is_1_3 { Vec::new() } else { nonce.as_ref()[4..].to_vec() };
        let mut sealed = payload.to_vec();
        if self.is_1_3 {
            sealed.push(kind);
        }
        self.key.seal_in_place_append_tag(nonce, Aad::from(additional), &mut sealed).unwrap();
        self.sequence += 1;
        let kind = if self.is_1_3 { APPLICATION_DATA } else { kind };
        let size = ((explicit.len() + sealed.len()) as u16).to_be_bytes();
        [&[kind, 3, 3], &size[..], &explicit, &sealed].concat()
    }

    fn open(&mut self, record: &[u8]) -> Answer {
        let explicit = if self.is_1_3 { 0 } else { 8 };
        let mut sealed = record[5 + explicit..].to_vec();
        let additional = self.additional_data(record[0], sealed.len() - if self.is_1_3 { 17 } else { 16 });
        let nonce = if self.is_1_3 {
            self.nonce()
        } else {
            Nonce::try_assume_unique_for_key(&[&self.iv[..4], &record[5..13]].concat()).unwrap()
        };
        let mut plain = self.key.open_in_place(nonce, Aad::from(additional), &mut sealed).unwrap().to_vec();
        self.sequence += 1;
        let kind = if self.is_1_3 { plain.pop().unwrap() } else { record[0] };
        (kind, plain)
    }
}

#[test]
fn a_forged_record_is_a_record() {
    for version in [&TLS12, &TLS13] {
        let mut forger = Forger::new(version);
        assert_eq!(forger.send(APPLICATION_DATA, b"hello"), (Ok(Received::Open), Vec::new()));
        assert_eq!(forger.plain, b"hello");
        assert_eq!(forger.send(ALERT, &[1, 0]).0, Ok(Received::PeerClosed));
    }
}

#[test]
fn a_message_in_several_records_does_not_hinder_sending() {
    let mut forger = Forger::new(&TLS13);
    // A key update without a request for one, byte by byte.
    for byte in [24, 0, 0, 1] {
        assert_eq!(forger.send(HANDSHAKE, &[byte]), (Ok(Received::Open), Vec::new()));
        let mut out = Vec::new();
        forger.session.send([&b"meanwhile"[..]], &mut out).unwrap();
        assert_eq!(forger.receiving.open(&out), (APPLICATION_DATA, b"meanwhile".to_vec()));
    }
    assert_eq!(forger.send(HANDSHAKE, &[0]), (Ok(Received::Open), Vec::new()));
    // Another kind of record in the middle of a message is forbidden (RFC 8446, section 5.1).
    let mut forger = Forger::new(&TLS13);
    forger.send(HANDSHAKE, &[24]).0.unwrap();
    assert_eq!(forger.send(APPLICATION_DATA, b"x").0.unwrap_err().reason, TlsFailureReason::Protocol);
    assert!(forger.plain.is_empty());
}

#[test]
fn renegotiation_is_refused() {
    let mut forger = Forger::new(&TLS12);
    let hello = [&[1, 0, 0, 41, 3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2c, 1, 0]].concat();
    let (result, answers) = forger.send(HANDSHAKE, &hello);
    assert!(result.is_ok());
    // A warning: no_renegotiation (RFC 5246, section 7.2.2). The connection goes on.
    assert_eq!(answers, [(ALERT, vec![1, 100])]);
    forger.send(APPLICATION_DATA, b"still here").0.unwrap();
    assert_eq!(forger.plain, b"still here");
    // But not for ever.
    let reason = (0..100).find_map(|_| forger.send(HANDSHAKE, &hello).0.err()).unwrap().reason;
    assert_eq!(reason, TlsFailureReason::Protocol);
}

#[test]
fn a_message_without_end_after_the_handshake_is_bounded() {
    for version in [&TLS12, &TLS13] {
        let mut forger = Forger::new(version);
        assert!(forger.send(HANDSHAKE, &[1, 0, 0xff, 0xff]).0.is_ok());
        let failed = (0..100).find_map(|round| forger.send(HANDSHAKE, &[0; 1_000]).0.err().map(|error| (round, error)));
        let (round, failure) = failed.unwrap();
        assert_eq!(failure.reason, TlsFailureReason::Protocol);
        assert!(round < 20, "{round} kilobytes");
    }
}

#[test]
fn what_nobody_may_send_after_the_handshake_is_refused() {
    for (version, kind, payload, alert) in [
        (&TLS13, HANDSHAKE, &[1, 0, 0, 0][..], 50),
        (&TLS13, HANDSHAKE, &[24, 0, 0, 1, 7], 47),
        (&TLS13, CHANGE_CIPHER_SPEC, &[1], 10),
        (&TLS13, 99, b"x", 50),
        (&TLS13, ALERT, &[1, 41], 50),
        (&TLS12, CHANGE_CIPHER_SPEC, &[1], 50),
        (&TLS12, HANDSHAKE, &[20, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 10),
    ] {
        let mut forger = Forger::new(version);
        let (result, answers) = forger.send(kind, payload);
        println!("{kind} {payload:?}: {result:?} {answers:?}");
        assert!(result.is_err(), "{kind} {payload:?}");
        let told: Vec<_> = answers.iter().filter(|(kind, _)| *kind == ALERT).map(|(_, alert)| alert[1]).collect();
        assert!(told.is_empty() || told == [alert], "{kind} {payload:?}: {told:?}");
        assert!(forger.plain.is_empty());
    }
}

#[test]
fn records_that_carry_nothing_come_to_an_end() {
    for version in [&TLS12, &TLS13] {
        let mut forger = Forger::new(version);
        let reason = (0..1_000).find_map(|_| forger.send(APPLICATION_DATA, &[]).0.err()).unwrap().reason;
        assert_eq!(reason, TlsFailureReason::Protocol);
    }
}

#[test]
fn key_updates_that_ask_for_more_do_not_pile_up() {
    let mut forger = Forger::new(&TLS13);
    let update = [24, 0, 0, 1, 1];
    assert_eq!(forger.send(HANDSHAKE, &update), (Ok(Received::Open), Vec::new()));
    // The answer waits for what is sent next. This one comes under keys that are no longer the client's.
    let mut record = forger.sending.seal(HANDSHAKE, &update);
    let mut out = Vec::new();
    let failure = forger.session.receive(&mut record, &mut out, &mut |_| ()).unwrap_err();
    assert_eq!(failure.reason, TlsFailureReason::BadRecord);
    // The answer and the alert.
    assert_eq!(out.len(), (5 + 5 + 1 + 16) + (5 + 2 + 1 + 16));
}
