//! A client of another implementation's buffered API and a session of ours, with bytes between them in memory.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use ringmq::net::tls::{Received, TlsConfig, TlsFailure, TlsServer, TlsSession};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, SupportedProtocolVersion};

use crate::authority::{Authority, Pair};

/// A clock that stands still.
#[derive(Debug)]
pub struct Clock(pub u64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

/// Seconds since 1970 at the begin of a year, roughly.
pub fn year(year: u64) -> u64 {
    (year - 1970) * 31_556_952
}

pub fn load(config: &TlsConfig) -> TlsServer {
    TlsServer::load(config, Arc::new(Clock(year(2026)))).unwrap()
}

/// A client that trusts `authority`, and shows `pair` if there is one.
pub fn client_config(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    pair: Option<&Pair>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Clock(year(2026))))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match pair {
        Some(pair) => builder.with_client_auth_cert(pair.chain.clone(), pair.key.clone_key()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::in_memory_sessions(8);
    config
}

/// How bytes are cut on their way to the server.
pub enum Cut {
    Whole,
    /// Into pieces of one byte.
    Bytes,
    /// At random.
    Random(Random),
}

/// xorshift64*, good enough to cut bytes.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }
}

pub struct Link {
    pub client: ClientConnection,
    pub session: TlsSession,
    pub cut: Cut,
    /// What the server has decrypted.
    pub plain: Vec<u8>,
    pub received: Received,
}

impl Link {
    pub fn new(server: &TlsServer, client: &Arc<ClientConfig>, name: &str) -> Self {
        let name = ServerName::try_from(name.to_string()).unwrap();
        Self {
            client: ClientConnection::new(client.clone(), name).unwrap(),
            session: server.accept().unwrap(),
            cut: Cut::Whole,
            plain: Vec::new(),
            received: Received::Open,
        }
    }

    /// A link whose handshake is over.
    pub fn established(server: &TlsServer, client: &Arc<ClientConfig>) -> Self {
        let mut link = Self::new(server, client, "localhost");
        link.run().unwrap();
        assert!(link.session.is_established() && !link.client.is_handshaking());
        link
    }

    /// Carries bytes both ways until nobody has any; the first failure of the server ends it, after the client has got the alert.
    pub fn run(&mut self) -> Result<(), TlsFailure> {
        loop {
            let mut bytes = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut bytes).unwrap();
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let mut out = Vec::new();
            let result = self.give(&mut bytes, &mut out);
            self.deliver(&out);
            result?;
        }
    }

    /// Gives the server `bytes` in pieces.
    pub fn give(&mut self, mut bytes: &mut [u8], out: &mut Vec<u8>) -> Result<(), TlsFailure> {
        while !bytes.is_empty() {
            let size = match &mut self.cut {
                Cut::Whole => bytes.len(),
                Cut::Bytes => 1,
                Cut::Random(random) => match random.below(4) {
                    0 => 1 + random.below(8),
                    1 => 1 + random.below(300),
                    _ => 1 + random.below(40_000),
                },
            };
            let (piece, rest) = bytes.split_at_mut(size.min(bytes.len()));
            let plain = &mut self.plain;
            self.received = self.session.receive(piece, out, &mut |bytes| plain.extend_from_slice(bytes))?;
            bytes = rest;
        }
        Ok(())
    }

    /// Gives the client what the server has for it. Its error is asked for later, by `client_error`.
    pub fn deliver(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.client.read_tls(&mut bytes).unwrap();
            if self.client.process_new_packets().is_err() {
                return;
            }
        }
    }

    pub fn client_error(&mut self) -> rustls::Error {
        self.client.process_new_packets().unwrap_err()
    }

    /// From the client to the server.
    pub fn client_sends(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = self.client.writer().write(rest).unwrap();
            rest = &rest[written..];
            self.run().unwrap();
        }
        assert!(self.plain == bytes, "{} bytes came of {}", self.plain.len(), bytes.len());
        self.plain.clear();
    }

    /// From the server to the client, in these parts.
    pub fn server_sends(&mut self, parts: &[&[u8]]) {
        let mut out = Vec::new();
        self.session.send(parts.iter().copied(), &mut out).unwrap();
        let came = self.client_reads(&out);
        assert!(came == parts.concat(), "{} bytes came of {}", came.len(), parts.concat().len());
    }

    /// What the client makes of records.
    pub fn client_reads(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut came = Vec::new();
        while !bytes.is_empty() {
            self.client.read_tls(&mut bytes).unwrap();
            let state = self.client.process_new_packets().unwrap();
            let start = came.len();
            came.resize(start + state.plaintext_bytes_to_read(), 0);
            self.client.reader().read_exact(&mut came[start..]).unwrap();
        }
        came
    }
}
