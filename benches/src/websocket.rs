//! What a client sends on a WebSocket.

/// Bytes that a frame carries.
pub const FRAME_PAYLOAD: usize = 64;

/// Binary messages of [`FRAME_PAYLOAD`] bytes, as a client sends them, in one frame each.
pub fn messages(count: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..count {
        bytes.extend([0x82, 0x80 | FRAME_PAYLOAD as u8]);
        bytes.extend(number.to_le_bytes());
        bytes.extend([number as u8; FRAME_PAYLOAD]);
    }
    bytes
}

/// The request of a browser, with what MQTT.js adds to it.
pub const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: broker.example:8083\r\nConnection: Upgrade\r\nPragma: no-cache\r\n\
    Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/139.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\nOrigin: https://page.example\r\nSec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate\r\nAccept-Language: en-US,en;q=0.9\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
