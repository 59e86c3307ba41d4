//! The opening handshake (RFC 6455, section 4.2): bytes until the request is whole, then one answer.

use httparse::{EMPTY_HEADER, Request, Status};
use ipnet::IpNet;

use super::request;
use super::response::{Refusal, switching_protocols};
use crate::limits::{WEBSOCKET_REQUEST_FIELDS_MAX, WEBSOCKET_REQUEST_MAX};

/// What a listener says about WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketConfig {
    /// Paths that requests may name, without a query; `*` is any.
    pub paths: Vec<String>,
    /// Origins whose pages may connect, as in `https://example.org`; empty means any. Only browsers send an origin, so a request without
    /// one is accepted (section 10.2).
    pub origins: Vec<String>,
    /// Sub-protocols that are spoken here, of which a client must offer one; empty means that none is asked for.
    pub subprotocols: Vec<String>,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for WebSocketConfig {
    /// MQTT ([MQTT-6.0.0-3], [MQTT-6.0.0-4]; the name of version 3.1 is older), at the paths that its clients ask for by
    /// themselves.
    fn default() -> Self {
        Self {
            paths: ["/mqtt", "/"].map(String::from).into(),
            origins: Vec::new(),
            subprotocols: ["mqtt", "mqttv3.1"].map(String::from).into(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// A handshake that goes on.
#[derive(Debug, Default)]
pub struct Handshake {
    /// What was received, until the request is whole.
    received: Vec<u8>,
}

/// How far a handshake has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    NeedMore,
    /// The answer is to be sent, and frames follow.
    Accepted(Accepted),
    /// The answer is to be sent, then the connection to be closed.
    Refused(Refused),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub response: Vec<u8>,
    /// Of the bytes that were given last, how many belong to the request; the others are frames.
    pub consumed: usize,
    /// As the client wrote it, without its query.
    pub path: String,
    /// All values of X-Forwarded-For, for [`client_address`](super::client_address).
    pub forwarded_for: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub response: Vec<u8>,
    /// HTTP's status code.
    pub status: u16,
    pub reason: &'static str,
}

impl Handshake {
    /// Takes received bytes. To be called until it does not need more, at most once with an answer.
    ///
    /// What does not begin as HTTP is refused with the first bytes; a request longer than `WEBSOCKET_REQUEST_MAX` is
    /// refused when that is known.
    pub fn receive(&mut self, config: &WebSocketConfig, bytes: &[u8]) -> Progress {
        let before = self.received.len();
        let room = WEBSOCKET_REQUEST_MAX - before;
        self.received.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        // The end may have begun in the bytes before.
        let searched = before.saturating_sub(END.len() - 1);
        let unsearched = self.received.get(searched..).unwrap_or_default();
        let end = memchr::memmem::find(unsearched, END).map(|found| searched + found + END.len());
        if end.is_none() && before > 0 && bytes.len() < room {
            return Progress::NeedMore;
        }
        let head = self.received.get(..end.unwrap_or(self.received.len())).unwrap_or_default();
        match answer(config, head) {
            Ok(None) if end.is_some() => Refusal::NOT_HTTP.into(),
            Ok(None) if bytes.len() < room => Progress::NeedMore,
            Ok(None) => Refusal::TOO_LARGE.into(),
            Ok(Some(accepted)) => {
                Progress::Accepted(Accepted { consumed: head.len().saturating_sub(before), ..accepted })
            }
            Err(refusal) => refusal.into(),
        }
    }
}

const END: &[u8] = b"\r\n\r\n";

/// The answer to `head`; `None` when it is not a whole request.
fn answer(config: &WebSocketConfig, head: &[u8]) -> Result<Option<Accepted>, Refusal> {
    let mut fields = [EMPTY_HEADER; WEBSOCKET_REQUEST_FIELDS_MAX];
    let mut request = Request::new(&mut fields);
    match request.parse(head) {
        Ok(Status::Complete(size)) if size == head.len() && head.ends_with(END) => {}
        // Its lines end in LF alone: others on the way may see another end.
        Ok(Status::Complete(_)) => return Err(Refusal::NOT_HTTP),
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TOO_LARGE),
        Err(_) => return Err(Refusal::NOT_HTTP),
    }
    let opening = request::check(config, &request)?;
    Ok(Some(Accepted {
        response: switching_protocols(opening.key, opening.subprotocol),
        consumed: 0,
        path: opening.path.into(),
        forwarded_for: opening.forwarded_for,
    }))
}
