//! What goes to the peer of an established connection.

use aws_lc_rs::error::Unspecified;
use rustls::AlertDescription;

use super::keys::Form;
use super::{ALERT, APPLICATION_DATA, CONTENT_SIZE_MAX, HANDSHAKE, Records};
use crate::net::tls::failure::{TlsFailure, TlsFailureReason};

const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// A KeyUpdate that asks for none in return (RFC 8446, section 4.6.3).
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

impl Records {
    /// Appends records with the concatenation of `parts`: as few as there can be. Each byte is copied once, and encrypted where it is then.
    pub fn send<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) -> Result<(), TlsFailure> {
        let mut begun = None;
        for part in parts {
            let mut rest = part;
            while !rest.is_empty() {
                let content = match begun {
                    Some(content) => content,
                    None => {
                        self.renew_keys(out)?;
                        self.sending.begin(out)
                    }
                };
                let room = CONTENT_SIZE_MAX.saturating_sub(out.len() - content);
                let (piece, behind) = rest.split_at_checked(room).unwrap_or((rest, &[]));
                out.extend_from_slice(piece);
                rest = behind;
                begun = Some(content);
                if piece.len() == room {
                    self.sending.seal(APPLICATION_DATA, content, out).map_err(internal)?;
                    begun = None;
                }
            }
        }
        match begun {
            Some(content) => self.sending.seal(APPLICATION_DATA, content, out).map_err(internal),
            None => Ok(()),
        }
    }

    /// Appends close_notify, unless that or an alert is there already.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.append_alert(WARNING, AlertDescription::CloseNotify, out);
        self.is_closed = true;
    }

    /// Appends the alert that says why the connection ends.
    pub fn abort(&mut self, alert: AlertDescription, out: &mut Vec<u8>) {
        self.append_alert(FATAL, alert, out);
        self.is_closed = true;
    }

    /// The peer of TLS 1.2 may go on with the keys that it has (RFC 5246, section 7.2.2).
    pub fn refuse_renegotiation(&mut self, out: &mut Vec<u8>) {
        self.append_alert(WARNING, AlertDescription::NoRenegotiation, out);
    }

    fn append_alert(&mut self, level: u8, alert: AlertDescription, out: &mut Vec<u8>) {
        if self.is_closed || (self.owes_key_update && self.update_keys(out).is_err()) {
            return;
        }
        // If there are no keys for it, the end of the network connection says it.
        let _ = self.append_record(ALERT, &[level, u8::from(alert)], out);
    }

    /// New keys if the peer has asked for them, or if those there are have sealed what they may but for the update itself. TLS 1.2 cannot: it ends.
    fn renew_keys(&mut self, out: &mut Vec<u8>) -> Result<(), TlsFailure> {
        let sent = self.sending.sequence();
        match self.sending.form() {
            Form::Tls13 if self.owes_key_update || sent.saturating_add(1) >= self.sent_max => {
                self.update_keys(out).map_err(internal)
            }
            Form::Tls12Explicit | Form::Tls12Implicit if sent >= self.sent_max => {
                self.close(out);
                Err(TlsFailure::new(TlsFailureReason::KeysExhausted))
            }
            _ => Ok(()),
        }
    }

    fn update_keys(&mut self, out: &mut Vec<u8>) -> Result<(), Unspecified> {
        self.append_record(HANDSHAKE, &KEY_UPDATE, out)?;
        self.owes_key_update = false;
        self.sending.update()
    }

    fn append_record(&mut self, kind: u8, content: &[u8], out: &mut Vec<u8>) -> Result<(), Unspecified> {
        let start = self.sending.begin(out);
        out.extend_from_slice(content);
        self.sending.seal(kind, start, out)
    }
}

fn internal(_: Unspecified) -> TlsFailure {
    TlsFailure::new(TlsFailureReason::Internal)
}
