//! Records, as bytes: a kind, the length of the body (7 bits a byte, lowest first), the body.
//!
//! | kind | body |
//! |---|---|
//! | 1 message | u32 CRC-32 of the rest, u64 stamp, u64 hash of the publisher, u8 flags (QoS in bits 0 and 1, 4 RETAIN, 8 expires), if it expires u64 when, u16 and u32 lengths of topic and properties, topic, properties, payload |
//! | 2 session | u64 id, u8 flags (1 ends, 2 will, 4 will expires, 8 will is due), u32 expiry in seconds, if it ends u64 when, u16 length of the client id, client id, if there is a will: u32 delay in seconds, if it expires u32 after how many seconds, if it is due u64 when, a message |
//! | 3 end of a session | u64 id |
//! | 4 subscription | u64 session, u8 options (as in SUBSCRIBE), u32 identifier, filter |
//! | 5 end of a subscription | u64 session, filter |
//! | 6 entry | u64 session, u64 number, u64 stamp, u8 flags ([`EntryFlags`]), if it is not queued u64 sequence, if it has details: u32 CRC-32 of the rest, u16 count and as many u32 subscription identifiers, u16 length of the share name, name, filter |
//! | 7 end of an entry | u64 session, u64 number |
//! | 8 unreleased, 9 released | u64 session, u16 packet identifier |
//! | 10 retain, 11 forget | u64 stamp |
//!
//! Times are milliseconds since 1970. What is read back singly has a checksum of its own.

mod entry;
mod message;
mod session;

use crate::broker::Millis;
use crate::codec::{Qos, RetainHandling, SubscriptionOptions};
use crate::routing::Subscription;
use message::MESSAGE_EXPIRES;

pub use entry::{ENTRY_LEN_MAX, EntryFlags, EntryState, decode_entry, encode_entry, simple_entry};
pub use message::{MESSAGE_OVERHEAD_MAX, content_len, decode_message, encode_message};
pub use session::{decode_session, encode_session};

/// Bytes of a record's kind and length at most.
pub const RECORD_HEADER_MAX: usize = 6;

/// The shards' clock and the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Milliseconds since 1970 when the shards' clock was 0.
    pub wall_at_zero_ms: u64,
}

impl Clock {
    pub fn to_wall(self, time: Millis) -> u64 {
        self.wall_at_zero_ms.saturating_add(time)
    }

    /// A time before the clock's zero is its zero.
    pub fn to_shards(self, wall_ms: u64) -> Millis {
        wall_ms.saturating_sub(self.wall_at_zero_ms)
    }
}

/// A record whose parts are decoded as far as the index needs them.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// `content_len`: of topic, properties and payload. `expires_at_ms` is 0 for never, in wall-clock time.
    Message {
        stamp: u64,
        content_len: u32,
        expires_at_ms: u64,
        body: &'a [u8],
    },
    Session {
        id: u64,
        body: &'a [u8],
    },
    EndSession {
        id: u64,
    },
    Subscription {
        session: u64,
        filter: &'a str,
        subscription: Subscription,
    },
    EndSubscription {
        session: u64,
        filter: &'a str,
    },
    Entry {
        session: u64,
        number: u64,
        stamp: u64,
        flags: EntryFlags,
        body: &'a [u8],
    },
    EndEntry {
        session: u64,
        number: u64,
    },
    Unreleased {
        session: u64,
        packet_id: u16,
    },
    Released {
        session: u64,
        packet_id: u16,
    },
    Retain {
        stamp: u64,
    },
    Forget {
        stamp: u64,
    },
}

impl<'a> Record<'a> {
    /// The record at the start of `bytes`, and its length; `None` if there is none.
    pub fn decode(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (kind, body_start, len) = decode_header(bytes)?;
        let body = bytes.get(body_start..len)?;
        let mut parts = Parts(body);
        let record = match kind {
            1 => {
                parts.take(4)?;
                let stamp = parts.u64()?;
                parts.u64()?;
                let flags = parts.u8()?;
                let expires_at_ms = if flags & MESSAGE_EXPIRES != 0 { parts.u64()? } else { 0 };
                let (topic_len, properties_len) = (parts.u16()?, parts.u32()?);
                let content_len = u32::try_from(parts.0.len()).ok()?;
                if u64::from(topic_len) + u64::from(properties_len) > u64::from(content_len) {
                    return None;
                }
                return Some((Self::Message { stamp, content_len, expires_at_ms, body }, len));
            }
            2 => return Some((Self::Session { id: parts.u64()?, body }, len)),
            3 => Self::EndSession { id: parts.u64()? },
            4 => {
                let session = parts.u64()?;
                let options = options_from_bits(parts.u8()?)?;
                let subscription = Subscription { options, subscription_id: parts.u32()? };
                Self::Subscription { session, filter: parts.rest_as_text()?, subscription }
            }
            5 => Self::EndSubscription { session: parts.u64()?, filter: parts.rest_as_text()? },
            6 => {
                let (session, number, stamp) = (parts.u64()?, parts.u64()?, parts.u64()?);
                let flags = EntryFlags(parts.u8()?);
                if flags.state() == EntryState::Expired {
                    return None;
                }
                return Some((Self::Entry { session, number, stamp, flags, body }, len));
            }
            7 => Self::EndEntry { session: parts.u64()?, number: parts.u64()? },
            8 => Self::Unreleased { session: parts.u64()?, packet_id: parts.u16()? },
            9 => Self::Released { session: parts.u64()?, packet_id: parts.u16()? },
            10 => Self::Retain { stamp: parts.u64()? },
            11 => Self::Forget { stamp: parts.u64()? },
            _ => return None,
        };
        parts.0.is_empty().then_some((record, len))
    }
}

/// Kind, start of the body and end of the record at the start of `bytes`, that need not be there to its end.
pub fn decode_header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let kind = *bytes.first()?;
    let mut body_len = 0_usize;
    for (index, byte) in bytes.iter().skip(1).take(RECORD_HEADER_MAX - 1).enumerate() {
        body_len |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((kind, index + 2, index + 2 + body_len));
        }
    }
    None
}

/// Appends a record whose body `fill` appends.
fn encode_with(bytes: &mut Vec<u8>, kind: u8, body_len: usize, fill: impl FnOnce(&mut Vec<u8>)) {
    bytes.push(kind);
    let mut left = body_len;
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    let start = bytes.len();
    fill(bytes);
    debug_assert_eq!(bytes.len() - start, body_len);
}

pub fn encode_end_session(bytes: &mut Vec<u8>, id: u64) {
    encode_with(bytes, 3, 8, |bytes| bytes.extend_from_slice(&id.to_le_bytes()));
}

pub fn encode_subscription(bytes: &mut Vec<u8>, session: u64, filter: &str, subscription: &Subscription) {
    encode_with(bytes, 4, 8 + 1 + 4 + filter.len(), |bytes| {
        bytes.extend_from_slice(&session.to_le_bytes());
        bytes.push(options_to_bits(subscription.options));
        bytes.extend_from_slice(&subscription.subscription_id.to_le_bytes());
        bytes.extend_from_slice(filter.as_bytes());
    });
}

pub fn encode_end_subscription(bytes: &mut Vec<u8>, session: u64, filter: &str) {
    encode_with(bytes, 5, 8 + filter.len(), |bytes| {
        bytes.extend_from_slice(&session.to_le_bytes());
        bytes.extend_from_slice(filter.as_bytes());
    });
}

pub fn encode_end_entry(bytes: &mut Vec<u8>, session: u64, number: u64) {
    encode_with(bytes, 7, 16, |bytes| {
        bytes.extend_from_slice(&session.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
    });
}

pub fn encode_unreleased(bytes: &mut Vec<u8>, session: u64, packet_id: u16) {
    encode_packet_id(bytes, 8, session, packet_id);
}

pub fn encode_released(bytes: &mut Vec<u8>, session: u64, packet_id: u16) {
    encode_packet_id(bytes, 9, session, packet_id);
}

fn encode_packet_id(bytes: &mut Vec<u8>, kind: u8, session: u64, packet_id: u16) {
    encode_with(bytes, kind, 10, |bytes| {
        bytes.extend_from_slice(&session.to_le_bytes());
        bytes.extend_from_slice(&packet_id.to_le_bytes());
    });
}

pub fn encode_retain(bytes: &mut Vec<u8>, stamp: u64) {
    encode_with(bytes, 10, 8, |bytes| bytes.extend_from_slice(&stamp.to_le_bytes()));
}

pub fn encode_forget(bytes: &mut Vec<u8>, stamp: u64) {
    encode_with(bytes, 11, 8, |bytes| bytes.extend_from_slice(&stamp.to_le_bytes()));
}

fn options_to_bits(options: SubscriptionOptions) -> u8 {
    let flags = u8::from(options.no_local) << 2 | u8::from(options.retain_as_published) << 3;
    options.qos as u8 | flags | (options.retain_handling as u8) << 4
}

fn options_from_bits(bits: u8) -> Option<SubscriptionOptions> {
    let retain_handling = match bits >> 4 {
        0 => RetainHandling::Send,
        1 => RetainHandling::SendIfNew,
        2 => RetainHandling::DoNotSend,
        _ => return None,
    };
    Some(SubscriptionOptions {
        qos: Qos::from_bits(bits & 3)?,
        no_local: bits & 4 != 0,
        retain_as_published: bits & 8 != 0,
        retain_handling,
    })
}

/// What is left of a body.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn rest_as_text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(std::mem::take(&mut self.0)).ok()
    }
}
