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
        for kind in [1, 24] {
            for size in [[0, 0x3f, 0xff], [0, 0xff, 0xff], [0xff, 0xff, 0xff]] {
                let mut forger = Forger::new(version);
                let mut result = forger.send(HANDSHAKE, &[&[kind][..], &size].concat()).0;
                let mut kilobytes = 0;
                while result.is_ok() && kilobytes < 20 {
                    result = forger.send(HANDSHAKE, &[0; 1_000]).0;
                    kilobytes += 1;
                }
                assert_eq!(result.unwrap_err().reason, TlsFailureReason::Protocol, "{kind} {size:?}");
            }
        }
    }
}

#[test]
fn what_nobody_may_send_after_the_handshake_is_refused() {
    for (version, kind, payload, alert) in [
        // RFC 8446, sections 4.1.2, 4.6.3, 5 and 6.
        (&TLS13, HANDSHAKE, &[1, 0, 0, 0][..], Some(10)),
        (&TLS13, HANDSHAKE, &[4, 0, 0, 0], Some(10)),
        (&TLS13, HANDSHAKE, &[24, 0, 0, 1, 7], Some(47)),
        (&TLS13, HANDSHAKE, &[24, 0, 0, 0], Some(50)),
        (&TLS13, HANDSHAKE, &[24, 0, 0, 1, 0, 24], Some(10)),
        (&TLS13, HANDSHAKE, &[], Some(10)),
        (&TLS13, CHANGE_CIPHER_SPEC, &[1], Some(10)),
        (&TLS13, 99, b"x", Some(10)),
        (&TLS13, 0, b"", Some(10)),
        (&TLS13, 0, &[0; 100], Some(10)),
        (&TLS13, ALERT, &[1, 41], None),
        (&TLS13, ALERT, &[2, 80], None),
        (&TLS13, ALERT, &[3, 80], Some(47)),
        (&TLS13, ALERT, &[2], Some(50)),
        (&TLS13, ALERT, &[1, 0, 1, 0], Some(50)),
        (&TLS12, CHANGE_CIPHER_SPEC, &[1], Some(10)),
        (&TLS12, 24, b"x", Some(10)),
        (&TLS12, ALERT, &[2, 40], None),
        (&TLS12, HANDSHAKE, &[], Some(10)),
        (&TLS12, HANDSHAKE, &[20, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], Some(10)),
    ] {
        let mut forger = Forger::new(version);
        let (result, answers) = forger.send(kind, payload);
        println!("{kind} {payload:?}: {result:?} {answers:?}");
        assert!(result.is_err(), "{kind} {payload:?}");
        let told: Vec<_> = answers.iter().filter(|(kind, _)| *kind == ALERT).map(|(_, alert)| alert[1]).collect();
        assert_eq!(told, Vec::from_iter(alert), "{kind} {payload:?}");
        assert!(forger.plain.is_empty());
    }
}

#[test]
fn padding_is_taken_off_and_bounded() {
    let mut forger = Forger::new(&TLS13);
    // The type in front of the padding, whose last byte stands where the type does otherwise.
    let padded =
        |content: usize, padding: usize| [&vec![7; content][..], &[APPLICATION_DATA], &vec![0; padding - 1]].concat();
    for (content, padding) in [(5, 1), (0, 9), (300, 2_000), (1, 16_383), (16_383, 1)] {
        forger.send(0, &padded(content, padding)).0.unwrap();
        assert_eq!(std::mem::take(&mut forger.plain), vec![7; content]);
    }
    for (content, padding) in [(1, 16_384), (16_384, 1)] {
        let mut forger = Forger::new(&TLS13);
        let (result, answers) = forger.send(0, &padded(content, padding));
        assert_eq!(result.unwrap_err().reason, TlsFailureReason::Protocol);
        assert_eq!(answers, [(ALERT, vec![2, 22])]);
    }
}

#[test]
fn the_size_of_a_record_is_bounded() {
    for (version, overhead_max) in [(&TLS12, 2_048), (&TLS13, 256)] {
        let mut forger = Forger::new(version);
        forger.send(APPLICATION_DATA, &[7; 16_384]).0.unwrap();
        assert_eq!(forger.plain, [7; 16_384]);
        let (result, answers) = forger.send(APPLICATION_DATA, &[7; 16_385]);
        assert_eq!(result.unwrap_err().reason, TlsFailureReason::Protocol);
        // record_overflow.
        assert_eq!(answers, [(ALERT, vec![2, 22])]);
        // What is larger than any record is refused before it is decrypted.
        for (size, alert) in [(16_384 + overhead_max, 20), (16_384 + overhead_max + 1, 22)] {
            let mut forger = Forger::new(version);
            let mut record = [&[APPLICATION_DATA, 3, 3][..], &(size as u16).to_be_bytes(), &vec![0; size]].concat();
            let mut out = Vec::new();
            forger.session.receive(&mut record, &mut out, &mut |_| panic!("plaintext")).unwrap_err();
            assert_eq!(forger.receiving.open(&out), (ALERT, vec![2, alert]));
        }
    }
}

#[test]
fn the_version_that_a_record_says_is_ignored() {
    for version in [&TLS12, &TLS13] {
        let mut forger = Forger::new(version);
        let mut record = forger.sending.seal(APPLICATION_DATA, b"hello");
        record[2] = 1;
        let mut plain = Vec::new();
        forger.session.receive(&mut record, &mut Vec::new(), &mut |bytes| plain.extend_from_slice(bytes)).unwrap();
        assert_eq!(plain, b"hello");
        // But not all of it: that is no TLS.
        let mut record = forger.sending.seal(APPLICATION_DATA, b"hello");
        record[1] = 2;
        let failed = forger.session.receive(&mut record, &mut Vec::new(), &mut |_| panic!("plaintext"));
        assert_eq!(failed.unwrap_err().reason, TlsFailureReason::Protocol);
    }
}

#[test]
fn what_is_not_encrypted_is_refused() {
    for version in [&TLS12, &TLS13] {
        for (kind, payload) in [(CHANGE_CIPHER_SPEC, &[1][..]), (ALERT, &[1, 0]), (HANDSHAKE, &[24, 0, 0, 1, 0])] {
            let mut forger = Forger::new(version);
            let mut record = [&[kind, 3, 3, 0, payload.len() as u8][..], payload].concat();
            let mut out = Vec::new();
            let failed = forger.session.receive(&mut record, &mut out, &mut |_| panic!("plaintext"));
            println!("{kind}: {failed:?}");
            let reason = failed.unwrap_err().reason;
            assert!(matches!(reason, TlsFailureReason::Protocol | TlsFailureReason::BadRecord));
            let (kind, alert) = forger.receiving.open(&out);
            assert!(kind == ALERT && matches!(alert[..], [2, 10 | 20]), "{alert:?}");
        }
    }
}

#[test]
fn nothing_goes_after_close_notify() {
    for version in [&TLS12, &TLS13] {
        let mut forger = Forger::new(version);
        let mut out = Vec::new();
        forger.session.close(&mut out);
        assert_eq!(forger.receiving.open(&out), (ALERT, vec![1, 0]));
        forger.send(APPLICATION_DATA, b"still open this way").0.unwrap();
        let (result, answers) = forger.send(99, b"x");
        assert!(result.is_err());
        assert!(answers.is_empty());
    }
}

#[test]
fn many_messages_in_one_record_are_bounded() {
    let mut forger = Forger::new(&TLS12);
    let (result, answers) = forger.send(HANDSHAKE, &[1, 0, 0, 0].repeat(4_096));
    assert_eq!(result.unwrap_err().reason, TlsFailureReason::Protocol);
    assert!(answers.len() < 40, "{}", answers.len());
}

#[test]
fn warnings_come_to_an_end() {
    for (version, warning) in [(&TLS12, 41), (&TLS12, 90), (&TLS13, 90)] {
        let mut forger = Forger::new(version);
        forger.send(ALERT, &[1, warning]).0.unwrap();
        let reason = (0..100).find_map(|_| forger.send(ALERT, &[1, warning]).0.err()).unwrap().reason;
        assert_eq!(reason, TlsFailureReason::Protocol);
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
