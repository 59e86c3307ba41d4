//! The keys of one direction, and what a record looks like under them.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use rustls::ConnectionTrafficSecrets;
use zeroize::Zeroizing;

use super::super::partial::HEADER_SIZE;
use super::super::secrets::TrafficSecret;
use super::APPLICATION_DATA;

const TAG_SIZE: usize = 16;
const EXPLICIT_NONCE_SIZE: usize = 8;

/// What the records of a connection look like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The type is encrypted, behind the content (RFC 8446, section 5.2).
    Tls13,
    /// AES-GCM, with a part of the nonce in front (RFC 5288, section 3).
    Tls12Explicit,
    /// ChaCha20-Poly1305 (RFC 7905, section 2).
    Tls12Implicit,
}

/// The keys of one direction. They are wiped when they are dropped.
pub struct Keys {
    key: LessSafeKey,
    iv: Zeroizing<[u8; NONCE_LEN]>,
    /// Of the next record.
    sequence: u64,
    form: Form,
    /// What the next keys come from. TLS 1.2 has none.
    secret: Option<TrafficSecret>,
}

impl Keys {
    /// `sequence` is that of the next record. With a `secret` it is TLS 1.3.
    pub fn new(
        (sequence, keys): (u64, ConnectionTrafficSecrets),
        secret: Option<TrafficSecret>,
    ) -> Result<Self, Unspecified> {
        let (algorithm, key, iv, form) = match &keys {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv, Form::Tls12Explicit),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv, Form::Tls12Explicit),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                (&CHACHA20_POLY1305, key, iv, Form::Tls12Implicit)
            }
            _ => return Err(Unspecified),
        };
        Ok(Self {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref())?),
            iv: Zeroizing::new(iv.as_ref().try_into().map_err(|_| Unspecified)?),
            sequence,
            form: if secret.is_some() { Form::Tls13 } else { form },
            secret,
        })
    }

    pub fn form(&self) -> Form {
        self.form
    }

    /// Records that went through these keys.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Goes on to the next keys (RFC 8446, section 7.2).
    pub fn update(&mut self) -> Result<(), Unspecified> {
        let secret = self.secret.as_ref().ok_or(Unspecified)?.next()?;
        let algorithm = self.key.algorithm();
        let mut key = Zeroizing::new([0; 32]);
        let key = key.get_mut(..algorithm.key_len()).ok_or(Unspecified)?;
        secret.expand(b"key", key)?;
        secret.expand(b"iv", self.iv.as_mut())?;
        self.key = LessSafeKey::new(UnboundKey::new(algorithm, key)?);
        self.sequence = 0;
        self.secret = Some(secret);
        Ok(())
    }

    /// Appends room for what is in front of a record's content, and says where the content begins.
    pub fn begin(&self, out: &mut Vec<u8>) -> usize {
        out.resize(out.len() + self.prefix_size(), 0);
        out.len()
    }

    /// Encrypts the content, which is all of `out` from `content` on, and completes the record. If that fails, nothing of it stays in `out`.
    pub fn seal(&mut self, kind: u8, content: usize, out: &mut Vec<u8>) -> Result<(), Unspecified> {
        let start = content.saturating_sub(self.prefix_size());
        let sealed = self.try_seal(kind, start, content, out);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    /// Decrypts a record's `payload` in place. In TLS 1.3, the type and padding are behind the content.
    pub fn open<'a>(&mut self, kind: u8, payload: &'a mut [u8]) -> Result<&'a mut [u8], Unspecified> {
        let mut nonce = self.nonce();
        let payload_size = payload.len();
        let sealed = match self.form {
            Form::Tls13 | Form::Tls12Implicit => payload,
            Form::Tls12Explicit => {
                let (explicit, sealed) = payload.split_at_mut_checked(EXPLICIT_NONCE_SIZE).ok_or(Unspecified)?;
                nonce.get_mut(NONCE_LEN - EXPLICIT_NONCE_SIZE..).ok_or(Unspecified)?.copy_from_slice(explicit);
                sealed
            }
        };
        let (content, tag) = sealed.split_last_chunk_mut::<TAG_SIZE>().ok_or(Unspecified)?;
        let authenticated = self.authenticated(kind, content.len(), payload_size)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let content = self.key.open_in_place_separate_tag(nonce, Aad::from(authenticated.bytes()), tag, content)?;
        self.sequence = self.sequence.checked_add(1).ok_or(Unspecified)?;
        Ok(content)
    }

    fn try_seal(&mut self, kind: u8, start: usize, content: usize, out: &mut Vec<u8>) -> Result<(), Unspecified> {
        let next = self.sequence.checked_add(1).ok_or(Unspecified)?;
        let visible_kind = match self.form {
            Form::Tls13 => {
                out.push(kind);
                APPLICATION_DATA
            }
            _ => kind,
        };
        let nonce = self.nonce();
        let content_size = out.len().checked_sub(content).ok_or(Unspecified)?;
        let payload_size = (content + content_size + TAG_SIZE).checked_sub(start + HEADER_SIZE).ok_or(Unspecified)?;
        let authenticated = self.authenticated(visible_kind, content_size, payload_size)?;
        let record = out.get_mut(start..).ok_or(Unspecified)?;
        let (prefix, plain) = record.split_at_mut_checked(self.prefix_size()).ok_or(Unspecified)?;
        let (header, explicit) = prefix.split_first_chunk_mut().ok_or(Unspecified)?;
        *header = header_of(visible_kind, payload_size)?;
        if !explicit.is_empty() {
            explicit.copy_from_slice(nonce.get(NONCE_LEN - EXPLICIT_NONCE_SIZE..).ok_or(Unspecified)?);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(authenticated.bytes()), plain)?;
        out.extend_from_slice(tag.as_ref());
        self.sequence = next;
        Ok(())
    }

    fn prefix_size(&self) -> usize {
        HEADER_SIZE + if self.form == Form::Tls12Explicit { EXPLICIT_NONCE_SIZE } else { 0 }
    }

    /// The initialization vector, with the record's number in its last 8 bytes (RFC 8446, section 5.3). No two records of one key have the same.
    fn nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonce = *self.iv;
        for (byte, number) in nonce.iter_mut().rev().zip(self.sequence.to_le_bytes()) {
            *byte ^= number;
        }
        nonce
    }

    /// In TLS 1.3, the header as it is (RFC 8446, section 5.2); in TLS 1.2, the number and the header as it would be without
    /// encryption (RFC 5246, section 6.2.3.3). The version is the one that was agreed on, not what the header says.
    fn authenticated(&self, kind: u8, content_size: usize, payload_size: usize) -> Result<Authenticated, Unspecified> {
        Ok(match self.form {
            Form::Tls13 => Authenticated::Tls13(header_of(kind, payload_size)?),
            Form::Tls12Explicit | Form::Tls12Implicit => {
                let mut bytes = [0; 8 + HEADER_SIZE];
                let (number, header) = bytes.split_at_mut(8);
                number.copy_from_slice(&self.sequence.to_be_bytes());
                header.copy_from_slice(&header_of(kind, content_size)?);
                Authenticated::Tls12(bytes)
            }
        })
    }
}

enum Authenticated {
    Tls13([u8; HEADER_SIZE]),
    Tls12([u8; 8 + HEADER_SIZE]),
}

impl Authenticated {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Tls13(bytes) => bytes,
            Self::Tls12(bytes) => bytes,
        }
    }
}

/// Both versions say that they are TLS 1.2.
fn header_of(kind: u8, size: usize) -> Result<[u8; HEADER_SIZE], Unspecified> {
    let [high, low] = u16::try_from(size).map_err(|_| Unspecified)?.to_be_bytes();
    Ok([kind, 3, 3, high, low])
}
