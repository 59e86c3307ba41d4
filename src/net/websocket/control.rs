//! Control frames: close (RFC 6455, sections 5.5.1 and 7.4) and pong (section 5.5.3).

use super::failure::WebSocketFailure;
use super::header::{FrameHeader, Opcode};

/// The status code in the payload of a close frame, if it has one. A code that must not be sent, and a reason that is not UTF-8, are
/// failures.
pub fn close_code(payload: &[u8]) -> Result<Option<u16>, WebSocketFailure> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(WebSocketFailure::CloseCodeCut) };
    };
    let code = u16::from_be_bytes(*code);
    // 1004 is reserved; 1005, 1006 and 1015 are for programming interfaces only; 1012 to 1014 have been registered since.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(WebSocketFailure::CloseCodeInvalid);
    }
    simdutf8::basic::from_utf8(reason).map_err(|_| WebSocketFailure::CloseReasonNotUtf8)?;
    Ok(Some(code))
}

/// Appends a close frame with `code`, or with none.
pub fn close_frame(code: Option<u16>, out: &mut Vec<u8>) {
    let code = code.map(u16::to_be_bytes);
    control_frame(Opcode::Close, code.as_ref().map_or(&[], |code| code), out);
}

/// Appends the answer to a ping with `payload`.
pub fn pong_frame(payload: &[u8], out: &mut Vec<u8>) {
    control_frame(Opcode::Pong, payload, out);
}

fn control_frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&FrameHeader::new(opcode, payload.len()));
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_that_may_be_sent() {
        let valid: Vec<u16> =
            (0..=u16::MAX).filter(|code| close_code(&code.to_be_bytes()) == Ok(Some(*code))).collect();
        let expected = (1000..=1003).chain(1007..=1014).chain(3000..=4999);
        assert!(valid.iter().copied().eq(expected), "{valid:?}");
    }

    #[test]
    fn payloads() {
        assert_eq!(close_code(b""), Ok(None));
        assert_eq!(close_code(b"\x03"), Err(WebSocketFailure::CloseCodeCut));
        assert_eq!(close_code(b"\x03\xE8bye"), Ok(Some(1000)));
        assert_eq!(close_code(b"\x03\xE8\xFF"), Err(WebSocketFailure::CloseReasonNotUtf8));
    }
}
