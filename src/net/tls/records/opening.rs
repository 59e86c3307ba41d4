//! What comes from the peer of an established connection.

use rustls::{AlertDescription, ContentType, Error, InvalidMessage, PeerMisbehaved};

use super::keys::Form;
use super::message::Expected;
use super::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, CONTENT_SIZE_MAX, HANDSHAKE, HEARTBEAT, Records, Refused};
use crate::limits::TLS_IDLE_RECORDS_MAX;
use crate::net::tls::failure::TlsFailure;
use crate::net::tls::partial::HEADER_SIZE;

impl Records {
    /// Takes whole records, which are decrypted where they are. Calls `plain` with the data of each, and appends to `out` what must go to
    /// the peer. Ignores what comes behind close_notify (RFC 8446, section 6.1).
    pub fn receive(
        &mut self,
        mut records: &mut [u8],
        out: &mut Vec<u8>,
        plain: &mut dyn FnMut(&[u8]),
    ) -> Result<(), TlsFailure> {
        while !records.is_empty() && !self.has_peer_closed {
            let taken = self.open(records).and_then(|(kind, content, rest)| {
                self.take(kind, content, out, plain)?;
                Ok(rest)
            });
            match taken {
                Ok(rest) => records = rest,
                Err(refused) => {
                    if let Some(alert) = refused.alert {
                        self.abort(alert, out);
                    }
                    return Err(TlsFailure::of(refused.error, false));
                }
            }
        }
        Ok(())
    }

    /// The type and content of the first record, and those behind it. What its header says of the version is ignored
    /// but for the first byte (RFC 8446, section 5.1).
    fn open<'a>(&mut self, records: &'a mut [u8]) -> Result<(u8, &'a [u8], &'a mut [u8]), Refused> {
        let incomplete = || Refused::new(AlertDescription::DecodeError, InvalidMessage::MessageTooShort);
        let (&mut [kind, major, _, high, low], behind) =
            records.split_first_chunk_mut::<HEADER_SIZE>().ok_or_else(incomplete)?;
        let size = usize::from(u16::from_be_bytes([high, low]));
        let (kinds, expansion_max, type_size) = match self.receiving.form() {
            Form::Tls13 => (APPLICATION_DATA..=APPLICATION_DATA, 256, 1),
            Form::Tls12Explicit | Form::Tls12Implicit => (ALERT..=APPLICATION_DATA, 2_048, 0),
        };
        if !(CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind) {
            return Err(Refused::new(AlertDescription::UnexpectedMessage, InvalidMessage::InvalidContentType));
        }
        if major != 3 {
            return Err(Refused::new(AlertDescription::DecodeError, InvalidMessage::UnknownProtocolVersion));
        }
        if !kinds.contains(&kind) {
            return Err(unexpected(kind));
        }
        if size > CONTENT_SIZE_MAX + expansion_max {
            return Err(Refused::new(AlertDescription::RecordOverflow, Error::PeerSentOversizedRecord));
        }
        let (payload, rest) = behind.split_at_mut_checked(size).ok_or_else(incomplete)?;
        let opened = self.receiving.open(kind, payload);
        let opened = opened.map_err(|_| Refused::new(AlertDescription::BadRecordMac, Error::DecryptError))?;
        // Padding counts too (RFC 8446, section 5.4).
        if opened.len() > CONTENT_SIZE_MAX + type_size {
            return Err(Refused::new(AlertDescription::RecordOverflow, Error::PeerSentOversizedRecord));
        }
        let (kind, content) = match self.receiving.form() {
            Form::Tls13 => without_padding(opened)?,
            Form::Tls12Explicit | Form::Tls12Implicit => (kind, &*opened),
        };
        Ok((kind, content, rest))
    }

    fn take(
        &mut self,
        kind: u8,
        content: &[u8],
        out: &mut Vec<u8>,
        plain: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Refused> {
        // RFC 8446, section 5.1.
        if self.message.has_begun() && kind != HANDSHAKE {
            let error = PeerMisbehaved::MessageInterleavedWithHandshakeMessage;
            return Err(Refused::new(AlertDescription::UnexpectedMessage, error));
        }
        match kind {
            APPLICATION_DATA if content.is_empty() => self.bound_idle(PeerMisbehaved::TooManyEmptyFragments),
            APPLICATION_DATA => {
                self.idle = 0;
                plain(content);
                Ok(())
            }
            ALERT => self.take_alert(content),
            HANDSHAKE => self.take_messages(content, out),
            _ => Err(unexpected(kind)),
        }
    }

    fn take_alert(&mut self, content: &[u8]) -> Result<(), Refused> {
        let &[level, description] = content else {
            return Err(Refused::new(
                AlertDescription::DecodeError,
                InvalidMessage::MissingData("AlertMessagePayload"),
            ));
        };
        let description = AlertDescription::from(description);
        let is_1_3 = self.receiving.form() == Form::Tls13;
        match (level, description) {
            (1 | 2, AlertDescription::CloseNotify) => {
                self.has_peer_closed = true;
                Ok(())
            }
            // All others are errors in TLS 1.3, whatever their level (RFC 8446, section 6).
            (1, description) if !is_1_3 || description == AlertDescription::UserCanceled => {
                self.bound_idle(PeerMisbehaved::TooManyWarningAlertsReceived)
            }
            (1 | 2, description) => Err(Refused { alert: None, error: Error::AlertReceived(description) }),
            _ => Err(Refused::new(AlertDescription::IllegalParameter, Error::AlertReceived(description))),
        }
    }

    fn take_messages(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        let (expected, too_many) = match self.receiving.form() {
            Form::Tls13 => (Expected::KeyUpdate, PeerMisbehaved::TooManyKeyUpdateRequests),
            Form::Tls12Explicit | Form::Tls12Implicit => {
                (Expected::ClientHello, PeerMisbehaved::TooManyRenegotiationRequests)
            }
        };
        if content.is_empty() {
            let error = InvalidMessage::InvalidEmptyPayload;
            return Err(Refused::new(AlertDescription::UnexpectedMessage, error));
        }
        let mut rest = content;
        while !rest.is_empty() {
            // A record may have thousands of messages, each with its answer.
            self.bound_idle(too_many.clone())?;
            let (whole, behind) = self.message.take(rest, expected)?;
            rest = behind;
            match (expected, whole) {
                (Expected::KeyUpdate, Some(request)) => self.take_key_update(request, rest.is_empty())?,
                (Expected::ClientHello, Some(_)) => self.refuse_renegotiation(out),
                (_, None) => {}
            }
        }
        Ok(())
    }

    /// `is_last`: it is at the end of its record, as it must be (RFC 8446, section 5.1).
    fn take_key_update(&mut self, request: u8, is_last: bool) -> Result<(), Refused> {
        if !is_last {
            let error = PeerMisbehaved::KeyEpochWithPendingFragment;
            return Err(Refused::new(AlertDescription::UnexpectedMessage, error));
        }
        match request {
            0 => {}
            1 => self.owes_key_update = true,
            _ => return Err(Refused::new(AlertDescription::IllegalParameter, InvalidMessage::InvalidKeyUpdate)),
        }
        let updated = self.receiving.update();
        updated.map_err(|_| Refused::new(AlertDescription::InternalError, Error::EncryptError))
    }

    fn bound_idle(&mut self, too_many: PeerMisbehaved) -> Result<(), Refused> {
        self.idle = self.idle.saturating_add(1);
        if self.idle > TLS_IDLE_RECORDS_MAX {
            return Err(Refused::new(AlertDescription::UnexpectedMessage, too_many));
        }
        Ok(())
    }
}

/// The type is the last byte that is not zero (RFC 8446, section 5.4).
fn without_padding(opened: &[u8]) -> Result<(u8, &[u8]), Refused> {
    let mut content = opened;
    while let Some((&last, rest)) = content.split_last() {
        if last != 0 {
            return Ok((last, rest));
        }
        content = rest;
    }
    Err(Refused::new(AlertDescription::UnexpectedMessage, InvalidMessage::InvalidContentType))
}

fn unexpected(kind: u8) -> Refused {
    let expect_types = vec![ContentType::ApplicationData, ContentType::Handshake, ContentType::Alert];
    let error = Error::InappropriateMessage { expect_types, got_type: ContentType::from(kind) };
    Refused::new(AlertDescription::UnexpectedMessage, error)
}
