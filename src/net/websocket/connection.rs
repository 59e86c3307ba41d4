//! One WebSocket that carries MQTT (MQTT 5.0, section 6).

use std::ops::Range;

use super::control::{close_code, close_frame, pong_frame};
use super::failure::WebSocketFailure;
use super::frames::{FrameDecoder, MessageKind, Piece};
use super::header::FrameHeader;
use crate::limits::{WEBSOCKET_EMPTY_FRAMES_MAX, WEBSOCKET_PONGS_MAX};

/// The state of one connection behind its handshake: 32 bytes, and 131 more while a header or a control frame is in parts.
#[derive(Debug, Default)]
pub struct WebSocket {
    frames: FrameDecoder,
    /// Data frames without payload since the last one with payload.
    empty_frames: u16,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// A close frame was sent, and the client's has not come.
    Closing,
    Closed,
}

/// What came out of received bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// What the binary messages carried, in its place in the receive buffer; it came before the end, if there is one.
    pub plain: &'a [u8],
    pub end: Option<End>,
}

/// Why no more is read. What is left to do is to send what `out` has, then to close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Both sides have sent a close frame; with the client's status code.
    Closed(Option<u16>),
    /// The client broke a rule.
    Failed(WebSocketFailure),
    /// It had ended before; the bytes are ignored (section 5.5.1).
    Ended,
}

impl WebSocket {
    /// Takes received bytes, and appends to `out` what is to be sent for them: pongs, and at the end a close frame.
    ///
    /// `out` must still hold what earlier calls appended and the socket has not taken: that is how pongs are bounded. Beyond
    /// `WEBSOCKET_PONGS_MAX` a ping gets no answer, so a client that sends pings and does not read costs no more than this.
    ///
    /// After [`WebSocket::close`] messages are ignored, and what comes is read for the client's close frame only.
    pub fn receive<'a>(&mut self, bytes: &'a mut [u8], out: &mut Vec<u8>) -> Received<'a> {
        if self.state == State::Closed {
            return Received { plain: &[], end: Some(End::Ended) };
        }
        let mut plain = 0..0;
        let mut position = 0;
        let mut end = None;
        while end.is_none() {
            match self.frames.next(bytes, &mut position) {
                Ok(Some(Piece::Data { .. })) if self.state == State::Closing => {}
                Ok(Some(Piece::Data { kind, payload, ends_frame, .. })) => {
                    match self.check(kind, payload.is_empty() && ends_frame) {
                        Ok(()) => plain = joined(bytes, plain, payload),
                        Err(failure) => end = Some(End::Failed(failure)),
                    }
                }
                Ok(Some(Piece::Ping(payload))) => self.pong(&payload, out),
                Ok(Some(Piece::Pong(_))) => {}
                Ok(Some(Piece::Close(payload))) => {
                    end = Some(close_code(&payload).map_or_else(End::Failed, End::Closed));
                }
                Ok(None) => break,
                Err(failure) => end = Some(End::Failed(failure)),
            }
        }
        if let Some(end) = end {
            let code = match end {
                End::Failed(failure) => Some(failure.close_code()),
                End::Closed(code) => code,
                End::Ended => None,
            };
            self.send_close(code, out);
            *self = Self { state: State::Closed, ..Self::default() };
        }
        Received { plain: bytes.get(plain).unwrap_or_default(), end }
    }

    /// The header that goes before `length` bytes of MQTT.
    pub fn header(length: usize) -> FrameHeader {
        FrameHeader::binary(length)
    }

    /// Appends a close frame with `code` (section 7.4.1), unless one was sent. Nothing may be sent after it.
    pub fn close(&mut self, code: u16, out: &mut Vec<u8>) {
        self.send_close(Some(code), out);
    }

    fn send_close(&mut self, code: Option<u16>, out: &mut Vec<u8>) {
        if self.state == State::Open {
            close_frame(code, out);
            self.state = State::Closing;
        }
    }

    fn check(&mut self, kind: MessageKind, is_empty: bool) -> Result<(), WebSocketFailure> {
        if kind == MessageKind::Text {
            return Err(WebSocketFailure::TextMessage);
        }
        self.empty_frames = if is_empty { self.empty_frames + 1 } else { 0 };
        if self.empty_frames > WEBSOCKET_EMPTY_FRAMES_MAX { Err(WebSocketFailure::EmptyFrames) } else { Ok(()) }
    }

    fn pong(&self, payload: &[u8], out: &mut Vec<u8>) {
        // Nothing may follow a close frame.
        if self.state == State::Open && out.len() + PONG_HEADER_SIZE + payload.len() <= WEBSOCKET_PONGS_MAX {
            pong_frame(payload, out);
        }
    }
}

/// `payload` of `bytes` moved to the end of `plain`, over the headers between them: one piece for the receiver.
#[inline]
fn joined(bytes: &mut [u8], plain: Range<usize>, payload: Range<usize>) -> Range<usize> {
    if plain.is_empty() {
        return payload;
    }
    let end = plain.end + payload.len();
    bytes.copy_within(payload, plain.end);
    plain.start..end
}

/// A pong has at most 125 bytes of payload.
const PONG_HEADER_SIZE: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small() {
        assert_eq!(size_of::<WebSocket>(), 32);
    }
}
