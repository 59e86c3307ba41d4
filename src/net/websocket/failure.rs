//! What a client can do wrong after the handshake.

use thiserror::Error;

/// A broken rule of RFC 6455, or of MQTT over it; the connection has failed (section 7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WebSocketFailure {
    /// Section 5.2: no extension was negotiated that gives the bits a meaning.
    #[error("a reserved bit of a frame is set")]
    ReservedBits,
    #[error("a frame has a reserved opcode")]
    ReservedOpcode,
    /// Section 5.1.
    #[error("a frame is not masked")]
    NotMasked,
    /// Section 5.2: the length is in the fewest bytes that can hold it.
    #[error("a frame's length is in more bytes than it needs")]
    LengthNotMinimal,
    #[error("a frame's length has its highest bit set")]
    LengthTooLarge,
    /// Section 5.5.
    #[error("a control frame has more than 125 bytes")]
    ControlTooLong,
    #[error("a control frame is fragmented")]
    ControlFragmented,
    /// Section 5.4.
    #[error("a continuation frame has no message to continue")]
    NothingToContinue,
    #[error("a message begins before the one before it has ended")]
    MessageNotEnded,
    /// Section 5.5.1.
    #[error("a close frame has a payload of one byte")]
    CloseCodeCut,
    #[error("a close frame has a code that must not be sent")]
    CloseCodeInvalid,
    #[error("the reason in a close frame is not UTF-8")]
    CloseReasonNotUtf8,
    /// [MQTT-6.0.0-1].
    #[error("a message is text; MQTT is in binary messages")]
    TextMessage,
    #[error("too many frames without payload")]
    EmptyFrames,
}

impl WebSocketFailure {
    /// The status code that tells the peer (section 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Self::TextMessage => 1003,
            Self::CloseReasonNotUtf8 => 1007,
            Self::EmptyFrames => 1008,
            _ => 1002,
        }
    }
}
