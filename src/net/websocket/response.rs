//! The server's answers to a handshake (RFC 6455, section 4.2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::handshake::{Progress, Refused};

/// Section 1.3.
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The answer that opens the WebSocket.
pub(super) fn switching_protocols(key: &[u8], subprotocol: Option<&str>) -> Vec<u8> {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(ACCEPT_SUFFIX);
    let mut response =
        String::from("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    response.push_str("Sec-WebSocket-Accept: ");
    STANDARD.encode_string(hash.finalize(), &mut response);
    if let Some(subprotocol) = subprotocol {
        response.push_str("\r\nSec-WebSocket-Protocol: ");
        response.push_str(subprotocol);
    }
    response.push_str("\r\n\r\n");
    response.into_bytes()
}

/// Why a request is refused, and how it is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    status: &'static str,
    /// Header fields besides those that every refusal has.
    fields: &'static str,
    reason: &'static str,
}

impl Refusal {
    pub const NOT_HTTP: Self = Self::new("400 Bad Request", "", "not an HTTP request");
    pub const HTTP_VERSION: Self = Self::new("400 Bad Request", "", "not HTTP/1.1");
    pub const HOST: Self = Self::new("400 Bad Request", "", "no Host");
    pub const BODY: Self = Self::new("400 Bad Request", "", "a request with a body cannot open a WebSocket");
    pub const REPEATED: Self = Self::new("400 Bad Request", "", "a header field is repeated that must be there once");
    pub const KEY: Self = Self::new("400 Bad Request", "", "Sec-WebSocket-Key is not 16 bytes in base64");
    pub const SUBPROTOCOL: Self =
        Self::new("400 Bad Request", "", "Sec-WebSocket-Protocol offers none of the sub-protocols spoken here");
    pub const ORIGIN: Self = Self::new("403 Forbidden", "", "the origin is not allowed");
    pub const PATH: Self = Self::new("404 Not Found", "", "no WebSocket at this path");
    pub const METHOD: Self = Self::new("405 Method Not Allowed", "Allow: GET\r\n", "the method is not GET");
    pub const NO_UPGRADE: Self = Self::new("426 Upgrade Required", UPGRADE, "this is a WebSocket server");
    pub const VERSION: Self = Self::new("426 Upgrade Required", UPGRADE, "the version of WebSocket is not 13");
    pub const TOO_LARGE: Self =
        Self::new("431 Request Header Fields Too Large", "", "the request is too large, or has too many header fields");

    const fn new(status: &'static str, fields: &'static str, reason: &'static str) -> Self {
        Self { status, fields, reason }
    }
}

/// With 426 a server must name what it wants (RFC 9110, section 15.5.22), and the version it speaks (RFC 6455, section 4.4).
const UPGRADE: &str = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";

impl From<Refusal> for Progress {
    fn from(Refusal { status, fields, reason }: Refusal) -> Self {
        // Upgrade is a field of this connection (RFC 9110, section 7.8).
        let connection = if fields.starts_with("Upgrade") { "Upgrade, close" } else { "close" };
        let length = reason.len() + 1;
        let response = format!(
            "HTTP/1.1 {status}\r\n{fields}Connection: {connection}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n\
             {reason}\n"
        );
        let number = status.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(400);
        Self::Refused(Refused { response: response.into_bytes(), status: number, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of section 1.3.
    #[test]
    fn the_accept_key_is_that_of_the_rfc() {
        let response = String::from_utf8(switching_protocols(b"dGhlIHNhbXBsZSBub25jZQ==", Some("mqtt"))).unwrap();
        assert!(response.contains(
            "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        ));
    }
}
