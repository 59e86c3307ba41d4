//! The TLS of one connection.

use std::mem;
use std::sync::Arc;

use super::failure::{TlsFailure, TlsFailureReason};
use super::handshake::{Agreed, Handshake, Progress};
use super::partial::{Partial, whole_records};
use super::records::Records;
use super::server::Shared;

/// One connection's TLS. It may move to another thread, with its socket.
pub struct TlsSession {
    state: State,
    partial: Partial,
}

impl std::fmt::Debug for TlsSession {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.state {
            State::Handshake(_) => "Handshake",
            State::Established(_) => "Established",
            State::Failed(_) => "Failed",
        };
        out.debug_struct("TlsSession").field("state", &state).finish_non_exhaustive()
    }
}

/// What [`TlsSession::receive`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    Open,
    /// The peer will send nothing more (close_notify; RFC 8446, section 6.1). What it sends none the less is ignored. An end of the
    /// network connection without this may be an attacker's, who cut off what was to come.
    PeerClosed,
}

/// Each has what it needs, and no more.
enum State {
    Handshake(Box<Handshake>),
    Established(Box<Established>),
    Failed(Box<TlsFailure>),
}

struct Established {
    records: Records,
    agreed: Agreed,
}

impl TlsSession {
    pub(super) fn new(shared: Arc<Shared>) -> Result<Self, TlsFailure> {
        let state = State::Handshake(Box::new(Handshake::new(shared)?));
        Ok(Self { state, partial: Partial::default() })
    }

    /// Takes what came from the peer, decrypting it in place. Calls `plain` with each piece of plaintext, and appends to `out` what must
    /// go to the peer. Only a record that has not come whole is copied and kept.
    ///
    /// # Errors
    /// The connection must be closed, after what is in `out` has gone: it has the alert that tells the peer why. Each
    /// further call says the same.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        plain: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, TlsFailure> {
        if let State::Failed(failure) = &self.state {
            return Err(TlsFailure::clone(failure));
        }
        match self.take(bytes, out, plain) {
            Ok(()) if self.has_peer_closed() => Ok(Received::PeerClosed),
            Ok(()) => Ok(Received::Open),
            Err(failure) => Err(self.fail(failure)),
        }
    }

    /// Appends records with the concatenation of `parts` to `out`: as few as there can be.
    ///
    /// # Errors
    /// The session is not established, has failed, or was closed; or a TLS 1.2 connection has sent all records that
    /// its cipher is safe for. The connection must be closed.
    pub fn send<'a>(&mut self, parts: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) -> Result<(), TlsFailure> {
        match &mut self.state {
            State::Failed(failure) => Err(TlsFailure::clone(failure)),
            State::Established(established) if !established.records.is_closed() => {
                let sent = established.records.send(parts.into_iter(), out);
                sent.map_err(|failure| self.fail(failure))
            }
            State::Established(_) | State::Handshake(_) => Err(TlsFailure::new(TlsFailureReason::Internal)),
        }
    }

    /// Tells the peer that nothing more will come (close_notify); nothing can be sent any more. Does nothing if that or an alert
    /// was sent before, and before the handshake is over: then the end of the network connection says it.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if let State::Established(established) = &mut self.state {
            established.records.close(out);
        }
    }

    /// Whether the handshake is over, so that plaintext may go both ways.
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Established(_))
    }

    /// The name in the client's certificate, by [`TlsConfig::identity`](super::TlsConfig::identity). None before the handshake is over,
    /// without a certificate, and if it has no such name or one that cannot be a name: with control characters, or larger
    /// than `TLS_PEER_NAME_SIZE_MAX`. None after a failure, here and below.
    pub fn peer_name(&self) -> Option<&str> {
        self.agreed()?.peer_name.as_deref()
    }

    /// Whether the client has shown a certificate, and it was verified.
    pub fn has_peer_certificate(&self) -> bool {
        self.agreed().is_some_and(|agreed| agreed.has_peer_certificate)
    }

    /// What was agreed on by ALPN.
    pub fn application_protocol(&self) -> Option<&[u8]> {
        self.agreed()?.application_protocol.as_deref()
    }

    /// Such as `TLSv1_3`.
    pub fn version(&self) -> Option<&'static str> {
        self.agreed()?.suite.version().version.as_str()
    }

    /// Such as `TLS13_AES_128_GCM_SHA256`.
    pub fn cipher_suite(&self) -> Option<&'static str> {
        self.agreed()?.suite.suite().as_str()
    }

    /// Whether the client spared the full handshake.
    pub fn was_resumed(&self) -> bool {
        self.agreed().is_some_and(|agreed| agreed.was_resumed)
    }

    fn agreed(&self) -> Option<&Agreed> {
        match &self.state {
            State::Established(established) => Some(&established.agreed),
            State::Handshake(_) | State::Failed(_) => None,
        }
    }

    fn take(
        &mut self,
        mut bytes: &mut [u8],
        out: &mut Vec<u8>,
        plain: &mut dyn FnMut(&[u8]),
    ) -> Result<(), TlsFailure> {
        while !self.partial.is_empty() && !bytes.is_empty() {
            let taken = self.partial.fill(bytes);
            bytes = mem::take(&mut bytes).get_mut(taken..).unwrap_or_default();
            self.bound(taken)?;
            if self.partial.completes_record() {
                let mut partial = mem::take(&mut self.partial);
                let done = self.process(partial.bytes_mut(), out, plain)?;
                partial.taken(done);
                self.partial = partial;
            }
        }
        let (mut start, mut end) = (0, 0);
        while let waiting = bytes.get(end..).unwrap_or_default()
            && let size = whole_records(waiting, self.is_handshaking())
            && size > 0
        {
            end += size;
            self.bound(size)?;
            let records = bytes.get_mut(start..end).unwrap_or_default();
            start += self.process(records, out, plain)?;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        if !rest.is_empty() && !self.has_peer_closed() {
            self.partial.keep(rest, end - start);
        }
        Ok(())
    }

    /// Takes whole records: while the handshake goes on one at a time, so that it is known who the client is before its first plaintext.
    /// Returns how many bytes at the front it is done with.
    fn process(
        &mut self,
        records: &mut [u8],
        out: &mut Vec<u8>,
        plain: &mut dyn FnMut(&[u8]),
    ) -> Result<usize, TlsFailure> {
        match &mut self.state {
            State::Handshake(handshake) => match handshake.receive(records, out)? {
                Progress::GoesOn { done } => return Ok(done),
                Progress::Over => self.establish()?,
            },
            State::Established(established) => established.records.receive(records, out, plain)?,
            State::Failed(failure) => return Err(TlsFailure::clone(failure)),
        }
        Ok(records.len())
    }

    /// Frees what only the handshake needed.
    fn establish(&mut self) -> Result<(), TlsFailure> {
        let meanwhile = State::Failed(Box::new(TlsFailure::new(TlsFailureReason::Internal)));
        if let State::Handshake(handshake) = mem::replace(&mut self.state, meanwhile) {
            let (records, agreed) = handshake.finish()?;
            self.state = State::Established(Box::new(Established { records, agreed }));
        }
        Ok(())
    }

    /// So many more bytes of records came.
    fn bound(&mut self, more: usize) -> Result<(), TlsFailure> {
        match &mut self.state {
            State::Handshake(handshake) => handshake.bound(more),
            State::Established(_) | State::Failed(_) => Ok(()),
        }
    }

    fn is_handshaking(&self) -> bool {
        matches!(self.state, State::Handshake(_))
    }

    fn has_peer_closed(&self) -> bool {
        matches!(&self.state, State::Established(established) if established.records.has_peer_closed())
    }

    fn fail(&mut self, failure: TlsFailure) -> TlsFailure {
        self.partial = Partial::default();
        self.state = State::Failed(Box::new(failure.clone()));
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On the heap come the contexts of two keys, some 600 bytes each.
    #[test]
    fn an_established_session_is_small() {
        assert!(size_of::<TlsSession>() <= 48, "{}", size_of::<TlsSession>());
        assert!(size_of::<Established>() <= 368, "{}", size_of::<Established>());
    }
}
