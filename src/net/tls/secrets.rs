//! The secrets that the keys of TLS 1.3 come from (RFC 8446, section 7).

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{self, HKDF_SHA256, HKDF_SHA384, KeyType, Prk};
use rustls::KeyLog;
use zeroize::Zeroizing;

/// SHA-384, the largest hash that cipher suites of TLS 1.3 have here.
const SECRET_SIZE_MAX: usize = 48;

/// application_traffic_secret_N of one direction. It is wiped when it is dropped.
pub struct TrafficSecret {
    hash: hkdf::Algorithm,
    bytes: Zeroizing<[u8; SECRET_SIZE_MAX]>,
}

impl TrafficSecret {
    fn new(secret: &[u8]) -> Option<Self> {
        let hash = match secret.len() {
            32 => HKDF_SHA256,
            SECRET_SIZE_MAX => HKDF_SHA384,
            _ => return None,
        };
        let mut bytes = Zeroizing::new([0; SECRET_SIZE_MAX]);
        bytes.get_mut(..secret.len())?.copy_from_slice(secret);
        Some(Self { hash, bytes })
    }

    /// application_traffic_secret_N+1 (RFC 8446, section 7.2).
    pub fn next(&self) -> Result<Self, Unspecified> {
        let mut next = Self { hash: self.hash, bytes: Zeroizing::new([0; SECRET_SIZE_MAX]) };
        let bytes = next.bytes.get_mut(..self.hash.len()).ok_or(Unspecified)?;
        self.expand(b"traffic upd", bytes)?;
        Ok(next)
    }

    /// HKDF-Expand-Label without a context (RFC 8446, section 7.1).
    pub fn expand(&self, label: &[u8], out: &mut [u8]) -> Result<(), Unspecified> {
        let secret = self.bytes.get(..self.hash.len()).ok_or(Unspecified)?;
        let prefix = b"tls13 ";
        let size = u16::try_from(out.len()).map_err(|_| Unspecified)?.to_be_bytes();
        let label_size = u8::try_from(prefix.len() + label.len()).map_err(|_| Unspecified)?;
        let info = [&size[..], &[label_size], prefix, label, &[0]];
        Prk::new_less_safe(self.hash, secret).expand(&info, Size(out.len()))?.fill(out)
    }
}

struct Size(usize);

impl KeyType for Size {
    fn len(&self) -> usize {
        self.0
    }
}

/// The first secrets of a connection, as the TLS library derives them: it tells them to nobody but to a log of keys. This one
/// belongs to one handshake, and writes nothing.
#[derive(Default)]
pub struct TrafficSecrets(Mutex<FirstSecrets>);

/// None in TLS 1.2, and before the handshake is that far.
#[derive(Default)]
pub struct FirstSecrets {
    pub client: Option<TrafficSecret>,
    pub server: Option<TrafficSecret>,
}

impl TrafficSecrets {
    pub fn take(&self) -> FirstSecrets {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl KeyLog for TrafficSecrets {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        let mut secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match label {
            "CLIENT_TRAFFIC_SECRET_0" => secrets.client = TrafficSecret::new(secret),
            "SERVER_TRAFFIC_SECRET_0" => secrets.server = TrafficSecret::new(secret),
            _ => {}
        }
    }

    fn will_log(&self, label: &str) -> bool {
        matches!(label, "CLIENT_TRAFFIC_SECRET_0" | "SERVER_TRAFFIC_SECRET_0")
    }
}

impl fmt::Debug for TrafficSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TrafficSecrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digits: Vec<char> = hexadecimal.chars().filter(|digit| !digit.is_whitespace()).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
    }

    /// RFC 8448, section 3: the server's application traffic keys.
    #[test]
    fn keys_are_those_of_the_trace() {
        let secret = TrafficSecret::new(&bytes(
            "a1 1a f9 f0 55 31 f8 56 ad 47 11 6b 45 a9 50 32 82 04 b4 f4 4b fb 6b 3a 4b 4f 1f 3f cb 63 16 43",
        ))
        .unwrap();
        let (mut key, mut iv) = ([0; 16], [0; 12]);
        secret.expand(b"key", &mut key).unwrap();
        secret.expand(b"iv", &mut iv).unwrap();
        assert_eq!(key[..], bytes("9f 02 28 3b 6c 9c 07 ef c2 6b b9 f2 ac 92 e3 56"));
        assert_eq!(iv[..], bytes("cf 78 2b 88 dd 83 54 9a ad f1 e9 84"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let secrets = TrafficSecrets::default();
        secrets.log("CLIENT_TRAFFIC_SECRET_0", &[], &[7; 48]);
        assert_eq!(format!("{secrets:?}"), "TrafficSecrets");
        assert!(secrets.take().client.is_some());
        assert!(secrets.take().client.is_none());
    }
}
