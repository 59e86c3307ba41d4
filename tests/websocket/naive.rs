//! A decoder that has all bytes at once, and takes them frame by frame from the front. Written from RFC 6455 without a look at the
//! other one.

use ringmq::net::websocket::{End, WebSocketFailure as Failure};

use crate::wire::{FINAL, Outcome};

pub fn decode(bytes: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.end = run(bytes, &mut outcome).unwrap_or_else(|failure| Some(End::Failed(failure)));
    let code = match outcome.end {
        Some(End::Failed(failure)) => Some(failure.close_code()),
        Some(End::Closed(code)) => code,
        _ => return outcome,
    };
    outcome.out.push(0x88);
    match code {
        Some(code) => outcome.out.extend([2, (code >> 8) as u8, code as u8]),
        None => outcome.out.push(0),
    }
    outcome
}

fn run(bytes: &[u8], outcome: &mut Outcome) -> Result<Option<End>, Failure> {
    let mut at = 0;
    let mut message: Option<u8> = None;
    let mut empty = 0;
    loop {
        let Some(&first) = bytes.get(at) else { return Ok(None) };
        let Some(&second) = bytes.get(at + 1) else { return Ok(None) };
        at += 2;
        let opcode = first % 16;
        if (first / 16) % 8 != 0 {
            return Err(Failure::ReservedBits);
        }
        if ![0, 1, 2, 8, 9, 10].contains(&opcode) {
            return Err(Failure::ReservedOpcode);
        }
        if second < 128 {
            return Err(Failure::NotMasked);
        }
        if opcode >= 8 && first < FINAL {
            return Err(Failure::ControlFragmented);
        }
        if opcode >= 8 && second - 128 > 125 {
            return Err(Failure::ControlTooLong);
        }
        let length_size = match second - 128 {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if bytes.len() < at + length_size {
            return Ok(None);
        }
        let mut length = u64::from(second - 128);
        if length_size > 0 {
            length = bytes[at..at + length_size].iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
            if length < 126 || (length_size == 8 && length < 65_536) {
                return Err(Failure::LengthNotMinimal);
            }
            if length >= 1 << 63 {
                return Err(Failure::LengthTooLarge);
            }
        }
        at += length_size;
        if bytes.len() < at + 4 {
            return Ok(None);
        }
        let mask = &bytes[at..at + 4];
        at += 4;
        let there = ((bytes.len() - at) as u64).min(length) as usize;
        let payload: Vec<u8> = (0..there).map(|position| bytes[at + position] ^ mask[position % 4]).collect();
        at += there;
        let is_whole = there as u64 == length;
        match opcode {
            8..=10 if !is_whole => return Ok(None),
            8 => return close(&payload).map(|code| Some(End::Closed(code))),
            9 if outcome.out.len() + 2 + payload.len() <= 4_096 => {
                outcome.out.extend([0x8A, payload.len() as u8]);
                outcome.out.extend(payload);
            }
            9 | 10 => {}
            _ => {
                match (opcode, message) {
                    (0, None) => return Err(Failure::NothingToContinue),
                    (1 | 2, Some(_)) => return Err(Failure::MessageNotEnded),
                    (0, Some(_)) => {}
                    _ => message = Some(opcode),
                }
                if length > 0 && there == 0 {
                    return Ok(None);
                }
                if message == Some(1) {
                    return Err(Failure::TextMessage);
                }
                empty = if length == 0 { empty + 1 } else { 0 };
                if empty > 1_024 {
                    return Err(Failure::EmptyFrames);
                }
                outcome.plain.extend(payload);
                if !is_whole {
                    return Ok(None);
                }
                if first >= FINAL {
                    message = None;
                }
            }
        }
    }
}

fn close(payload: &[u8]) -> Result<Option<u16>, Failure> {
    let (high, low, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(Failure::CloseCodeCut),
        [high, low, reason @ ..] => (*high, *low, reason),
    };
    let code = u16::from(high) * 256 + u16::from(low);
    let is_valid = (1000..1015).contains(&code) && ![1004, 1005, 1006].contains(&code) || (3000..5000).contains(&code);
    if !is_valid {
        return Err(Failure::CloseCodeInvalid);
    }
    String::from_utf8(reason.to_vec()).map_err(|_| Failure::CloseReasonNotUtf8)?;
    Ok(Some(code))
}
