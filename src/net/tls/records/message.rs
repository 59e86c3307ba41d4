//! Handshake messages that come after the handshake, over any number of records. Nothing of them is kept but four bytes.

use rustls::{AlertDescription, Error, HandshakeType, InvalidMessage};

use super::Refused;

/// A renegotiation's ClientHello in one record; it is not read.
const CLIENT_HELLO_SIZE_MAX: u32 = 16_384;

/// The one message that a client may send after its handshake.
#[derive(Clone, Copy)]
pub enum Expected {
    /// TLS 1.3 (RFC 8446, section 4.6.3).
    KeyUpdate,
    /// TLS 1.2: it is a wish to renegotiate, which is refused but may be said (RFC 5246, section 7.4.1.2).
    ClientHello,
}

/// The message that has begun.
#[derive(Default)]
pub struct Message {
    header: [u8; 4],
    /// Bytes of the header that came.
    header_size: u8,
    /// Bytes behind the header that did not come yet.
    left: u32,
}

impl Message {
    pub fn has_begun(&self) -> bool {
        self.header_size > 0
    }

    /// Takes bytes up to the end of the message. Returns its last byte, if it came, and what is behind.
    pub fn take<'a>(&mut self, mut bytes: &'a [u8], expected: Expected) -> Result<(Option<u8>, &'a [u8]), Refused> {
        let mut last = 0;
        while let Some(place) = self.header.get_mut(usize::from(self.header_size)) {
            let Some((&byte, rest)) = bytes.split_first() else { return Ok((None, bytes)) };
            *place = byte;
            self.header_size += 1;
            bytes = rest;
            last = byte;
            self.check(expected)?;
        }
        let (body, rest) = bytes.split_at_checked(self.left as usize).unwrap_or((bytes, &[]));
        self.left = self.left.saturating_sub(body.len() as u32);
        if self.left > 0 {
            return Ok((None, rest));
        }
        *self = Self::default();
        Ok((Some(body.last().copied().unwrap_or(last)), rest))
    }

    /// As soon as a byte of the header shows that it is none of those that may come.
    fn check(&mut self, expected: Expected) -> Result<(), Refused> {
        let [kind, size @ ..] = self.header;
        let (expected_kind, size_min, size_max) = match expected {
            Expected::KeyUpdate => (HandshakeType::KeyUpdate, 1, 1),
            Expected::ClientHello => (HandshakeType::ClientHello, 0, CLIENT_HELLO_SIZE_MAX),
        };
        let got_type = HandshakeType::from(kind);
        if got_type != expected_kind {
            let error = Error::InappropriateHandshakeMessage { expect_types: vec![expected_kind], got_type };
            return Err(Refused::new(AlertDescription::UnexpectedMessage, error));
        }
        if usize::from(self.header_size) == self.header.len() {
            let [high, middle, low] = size;
            self.left = u32::from_be_bytes([0, high, middle, low]);
            if !(size_min..=size_max).contains(&self.left) {
                return Err(Refused::new(AlertDescription::DecodeError, InvalidMessage::HandshakePayloadTooLarge));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_where_it_says() {
        let bytes = [1, 0, 0, 3, 5, 6, 7, 1, 0, 0, 0, 1];
        for cut in 0..=bytes.len() {
            let mut message = Message::default();
            let mut whole = Vec::new();
            for mut piece in [&bytes[..cut], &bytes[cut..]] {
                while !piece.is_empty() {
                    let (last, rest) = message.take(piece, Expected::ClientHello).unwrap();
                    whole.extend(last);
                    piece = rest;
                }
            }
            assert_eq!(whole, [7, 0]);
            assert!(message.has_begun());
        }
    }

    #[test]
    fn what_may_not_come_is_refused_at_once() {
        for (bytes, alert) in [
            (&[1][..], AlertDescription::UnexpectedMessage),
            (&[24, 0, 0, 0], AlertDescription::DecodeError),
            (&[24, 0, 1, 1], AlertDescription::DecodeError),
        ] {
            let refused = Message::default().take(bytes, Expected::KeyUpdate).unwrap_err();
            assert_eq!(refused.alert, Some(alert));
        }
        assert!(Message::default().take(&[24], Expected::ClientHello).is_err());
        assert!(Message::default().take(&[1, 0, 0x40, 1], Expected::ClientHello).is_err());
    }
}
