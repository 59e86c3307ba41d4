//! Sessions without what belongs to them.

use super::message::{decode_message, encode_message_body, message_body_len};
use super::{Clock, Parts, encode_with};
use crate::broker::batch::{SessionRecord, WillRecord};

const SESSION_ENDS: u8 = 1;
const SESSION_HAS_WILL: u8 = 2;
const WILL_EXPIRES: u8 = 4;
const WILL_IS_DUE: u8 = 8;

pub fn encode_session(bytes: &mut Vec<u8>, id: u64, record: &SessionRecord, clock: Clock) {
    let mut flags = 0;
    let mut body_len = 8 + 1 + 4 + 2 + record.client_id.len();
    if record.expires_at.is_some() {
        flags |= SESSION_ENDS;
        body_len += 8;
    }
    if let Some(will) = &record.will {
        flags |= SESSION_HAS_WILL;
        body_len += 4 + message_body_len(&will.message);
        if will.message_expiry_s.is_some() {
            flags |= WILL_EXPIRES;
            body_len += 4;
        }
        if will.due_at.is_some() {
            flags |= WILL_IS_DUE;
            body_len += 8;
        }
    }
    encode_with(bytes, 2, body_len, |bytes| {
        bytes.extend_from_slice(&id.to_le_bytes());
        bytes.push(flags);
        bytes.extend_from_slice(&record.expiry_s.to_le_bytes());
        if let Some(time) = record.expires_at {
            bytes.extend_from_slice(&clock.to_wall(time).to_le_bytes());
        }
        bytes.extend_from_slice(&(record.client_id.len() as u16).to_le_bytes());
        bytes.extend_from_slice(record.client_id.as_bytes());
        let Some(will) = &record.will else { return };
        bytes.extend_from_slice(&will.delay_s.to_le_bytes());
        if let Some(seconds) = will.message_expiry_s {
            bytes.extend_from_slice(&seconds.to_le_bytes());
        }
        if let Some(time) = will.due_at {
            bytes.extend_from_slice(&clock.to_wall(time).to_le_bytes());
        }
        encode_message_body(bytes, &will.message, clock);
    });
}

pub fn decode_session(body: &[u8], clock: Clock) -> Option<SessionRecord> {
    let mut parts = Parts(body);
    parts.u64()?;
    let flags = parts.u8()?;
    let expiry_s = parts.u32()?;
    let expires_at = if flags & SESSION_ENDS != 0 { Some(clock.to_shards(parts.u64()?)) } else { None };
    let client_id_len = parts.u16()?;
    let client_id = std::str::from_utf8(parts.take(usize::from(client_id_len))?).ok()?.into();
    let will = if flags & SESSION_HAS_WILL != 0 {
        let delay_s = parts.u32()?;
        let message_expiry_s = if flags & WILL_EXPIRES != 0 { Some(parts.u32()?) } else { None };
        let due_at = if flags & WILL_IS_DUE != 0 { Some(clock.to_shards(parts.u64()?)) } else { None };
        Some(WillRecord { message: decode_message(parts.0, clock)?, delay_s, message_expiry_s, due_at })
    } else {
        parts.0.is_empty().then_some(())?;
        None
    };
    Some(SessionRecord { client_id, expiry_s, expires_at, will })
}
