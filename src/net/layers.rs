//! What lies between a socket's bytes and MQTT: TLS, WebSocket, or WebSocket inside of TLS.

use std::fmt;
use std::sync::Arc;

use super::SendParts;
use super::proxy::ProxyFailure;
use super::tls::{self, TlsFailure, TlsSession};
use super::websocket::{End, Handshake, Progress, WebSocket, WebSocketConfig, WebSocketFailure};

/// The server ends a WebSocket that nothing is wrong with (RFC 6455, section 7.4.1).
const CLOSE_NORMAL: u16 = 1000;

/// The layers of one connection. They may move to another thread, with their socket.
#[derive(Debug)]
pub struct Layers {
    tls: Option<Box<TlsSession>>,
    websocket: Option<WebSocketLayer>,
    forwarded_for: Option<Box<str>>,
}

#[derive(Debug)]
enum WebSocketLayer {
    Opening(Box<Handshake>, Arc<WebSocketConfig>),
    Open(WebSocket),
}

/// Why a connection cannot go on below MQTT. What its peer is told is in the output already.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerFailure {
    Tls(TlsFailure),
    /// The opening handshake was refused.
    WebSocketRefused(&'static str),
    WebSocket(WebSocketFailure),
    Proxy(ProxyFailure),
    /// Who connected may not say for whom.
    ProxyNotTrusted,
    /// The first packet was not whole in time.
    HandshakeTimeout,
    /// The kernel has no room for another socket that waits for its first packet (fs.epoll.max_user_watches).
    NoRoomToWait,
    /// The peer makes the server answer, and does not read the answers.
    Unread,
}

/// MQTT's bytes as they go to the socket.
#[derive(Debug)]
pub enum Sealed {
    /// Encrypted into a buffer of their own.
    Copied { sealed: Vec<u8>, parts: SendParts },
    /// The same bytes with so many of a header before them.
    Framed { parts: SendParts, header_len: usize },
}

impl Layers {
    pub fn new(tls: Option<TlsSession>, websocket: Option<Arc<WebSocketConfig>>) -> Self {
        let websocket = websocket.map(|config| WebSocketLayer::Opening(Box::default(), config));
        Self { tls: tls.map(Box::new), websocket, forwarded_for: None }
    }

    /// Takes bytes that came from the socket, which it may change. Calls `plain` with what is MQTT of them, and appends to `out`
    /// what must go to the peer. False: the peer has said that it ends.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        plain: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, LayerFailure> {
        let Some(tls) = &mut self.tls else {
            return match &mut self.websocket {
                Some(websocket) => websocket.receive(bytes, out, plain, &mut self.forwarded_for),
                None => {
                    plain(bytes);
                    Ok(true)
                }
            };
        };
        let Some(websocket) = &mut self.websocket else {
            let received = tls.receive(bytes, out, plain).map_err(LayerFailure::Tls)?;
            return Ok(received == tls::Received::Open);
        };
        // Unmasking changes what TLS gives to be read only, hence a copy.
        let mut inner = Vec::new();
        let received =
            tls.receive(bytes, out, &mut |chunk| inner.extend_from_slice(chunk)).map_err(LayerFailure::Tls)?;
        let mut answer = Vec::new();
        let goes_on = match inner.is_empty() {
            true => Ok(true),
            false => websocket.receive(&mut inner, &mut answer, plain, &mut self.forwarded_for),
        };
        if !answer.is_empty() {
            tls.send([&answer[..]], out).map_err(LayerFailure::Tls)?;
        }
        Ok(goes_on? && received == tls::Received::Open)
    }

    /// MQTT's bytes for the socket; only after some have been received. `buffer` is empty, and used if they are encrypted.
    pub fn seal(&mut self, mut parts: SendParts, buffer: impl FnOnce() -> Vec<u8>) -> Result<Sealed, LayerFailure> {
        let header = self.websocket.as_ref().map(|_| WebSocket::header(parts.len()));
        let header = header.as_ref().map_or(&[][..], |header| &header[..]);
        match &mut self.tls {
            Some(tls) => {
                let mut sealed = buffer();
                let slices = [header].into_iter().filter(|header| !header.is_empty()).chain(parts.slices_after(0));
                tls.send(slices, &mut sealed).map_err(LayerFailure::Tls)?;
                Ok(Sealed::Copied { sealed, parts })
            }
            None => {
                parts.push_front(header);
                Ok(Sealed::Framed { parts, header_len: header.len() })
            }
        }
    }

    /// Appends what tells the peer that nothing more comes.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        let mut farewell = Vec::new();
        if let Some(WebSocketLayer::Open(websocket)) = &mut self.websocket {
            websocket.close(CLOSE_NORMAL, &mut farewell);
        }
        match &mut self.tls {
            Some(tls) => {
                if !farewell.is_empty() && tls.is_established() {
                    let _ = tls.send([&farewell[..]], out);
                }
                tls.close(out);
            }
            None => out.append(&mut farewell),
        }
    }

    /// The name in the client's certificate, if it has shown a valid one.
    pub fn certificate_name(&self) -> Option<&str> {
        self.tls.as_ref()?.peer_name()
    }

    /// What a proxy said in X-Forwarded-For.
    pub fn forwarded_for(&self) -> Option<&str> {
        self.forwarded_for.as_deref()
    }
}

impl WebSocketLayer {
    fn receive(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        plain: &mut dyn FnMut(&[u8]),
        forwarded_for: &mut Option<Box<str>>,
    ) -> Result<bool, LayerFailure> {
        let mut frames = bytes;
        if let Self::Opening(handshake, config) = self {
            match handshake.receive(config, frames) {
                Progress::NeedMore => return Ok(true),
                Progress::Refused(refused) => {
                    out.extend_from_slice(&refused.response);
                    return Err(LayerFailure::WebSocketRefused(refused.reason));
                }
                Progress::Accepted(accepted) => {
                    out.extend_from_slice(&accepted.response);
                    *forwarded_for = accepted.forwarded_for.map(Into::into);
                    frames = frames.get_mut(accepted.consumed..).unwrap_or_default();
                    *self = Self::Open(WebSocket::default());
                }
            }
        }
        let Self::Open(websocket) = self else { return Ok(true) };
        let received = websocket.receive(frames, out);
        if !received.plain.is_empty() {
            plain(received.plain);
        }
        match received.end {
            None => Ok(true),
            Some(End::Closed(_) | End::Ended) => Ok(false),
            Some(End::Failed(failure)) => Err(LayerFailure::WebSocket(failure)),
        }
    }
}

impl LayerFailure {
    /// Its name in counters and in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tls(failure) => failure.reason.name(),
            Self::WebSocketRefused(_) => "websocket-refused",
            Self::WebSocket(_) => "websocket-protocol",
            Self::Proxy(_) => "proxy-header",
            Self::ProxyNotTrusted => "proxy-not-trusted",
            Self::HandshakeTimeout => "handshake-timeout",
            Self::NoRoomToWait => "no-room-to-wait",
            Self::Unread => "answers-not-read",
        }
    }
}

impl fmt::Display for LayerFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(failure) => failure.fmt(out),
            Self::WebSocketRefused(reason) => write!(out, "WebSocket handshake refused: {reason}"),
            Self::WebSocket(failure) => failure.fmt(out),
            Self::Proxy(failure) => failure.fmt(out),
            Self::ProxyNotTrusted => out.write_str("this address is none of the configured proxies"),
            Self::HandshakeTimeout => out.write_str("no CONNECT in time"),
            Self::NoRoomToWait => {
                out.write_str("no more sockets may wait for their first packet, see fs.epoll.max_user_watches")
            }
            Self::Unread => out.write_str("the peer does not read what it is answered"),
        }
    }
}
