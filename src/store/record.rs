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

use bytes::Bytes;

use super::format::u32_at;
use crate::broker::batch::{Entry, Progress, SessionRecord, WillRecord};
use crate::broker::{Message, Millis};
use crate::codec::{Qos, RetainHandling, SubscriptionOptions};
use crate::limits::SHARED_PAYLOAD_MIN;
use crate::routing::Subscription;
use crate::session::GroupName;

/// Bytes of a record's kind and length at most.
pub const RECORD_HEADER_MAX: usize = 6;

/// Bytes of a message record without topic, properties and payload at most.
pub const MESSAGE_OVERHEAD_MAX: usize = RECORD_HEADER_MAX + 4 + 8 + 8 + 1 + 8 + 2 + 4;

/// Bytes of an entry record without details at most.
pub const ENTRY_LEN_MAX: usize = RECORD_HEADER_MAX + 8 + 8 + 8 + 1 + 8;

const QOS_MASK: u8 = 3;
const MESSAGE_RETAIN: u8 = 4;
const MESSAGE_EXPIRES: u8 = 8;

const SESSION_ENDS: u8 = 1;
const SESSION_HAS_WILL: u8 = 2;
const WILL_EXPIRES: u8 = 4;
const WILL_IS_DUE: u8 = 8;

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
    pub fn from_wall(self, wall_ms: u64) -> Millis {
        wall_ms.saturating_sub(self.wall_at_zero_ms)
    }
}

/// What the index knows of an entry besides its numbers: how far it has come in bits 0 and 1 ([`EntryState`]), QoS in bits 2
/// and 3, 16 RETAIN, 32 details (subscription identifiers, group), 64 spilled: its shard has forgotten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryFlags(pub u8);

const SPILLED: u8 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    Queued,
    InFlight,
    Received,
    /// Given up by the store, because its message has expired: only in the index, until the shard is told.
    Expired,
}

impl EntryFlags {
    pub fn of(entry: &Entry) -> Self {
        let state = match entry.progress {
            Progress::Queued => 0,
            Progress::Spilled => SPILLED,
            Progress::InFlight { .. } => 1,
            Progress::Received { .. } => 2,
        };
        let has_details = !entry.subscription_ids.is_empty() || entry.group.is_some();
        Self(state | (entry.qos as u8) << 2 | u8::from(entry.retain) << 4 | u8::from(has_details) << 5)
    }

    pub fn state(self) -> EntryState {
        match self.0 & 3 {
            0 => EntryState::Queued,
            1 => EntryState::InFlight,
            2 => EntryState::Received,
            _ => EntryState::Expired,
        }
    }

    pub fn expired(self) -> Self {
        Self(self.0 | 3)
    }

    pub fn is_spilled(self) -> bool {
        self.0 & SPILLED != 0
    }

    /// The same, known to its shard or not.
    pub fn with_spilled(self, is_spilled: bool) -> Self {
        Self(if is_spilled { self.0 | SPILLED } else { self.0 & !SPILLED })
    }

    pub fn qos(self) -> Qos {
        Qos::from_bits(self.0 >> 2 & 3).unwrap_or_default()
    }

    pub fn retain(self) -> bool {
        self.0 & 16 != 0
    }

    pub fn has_details(self) -> bool {
        self.0 & 32 != 0
    }

    /// Whether it needs its message.
    pub fn holds_message(self) -> bool {
        matches!(self.state(), EntryState::Queued | EntryState::InFlight)
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

pub fn encode_message(bytes: &mut Vec<u8>, message: &Message, clock: Clock) {
    encode_with(bytes, 1, message_body_len(message), |bytes| encode_message_body(bytes, message, clock));
}

pub fn content_len(message: &Message) -> usize {
    message.topic().len() + message.properties().len() + message.payload().len()
}

fn message_body_len(message: &Message) -> usize {
    let expiry_len = if message.expires_at.is_some() { 8 } else { 0 };
    4 + 8 + 8 + 1 + expiry_len + 2 + 4 + content_len(message)
}

fn encode_message_body(bytes: &mut Vec<u8>, message: &Message, clock: Clock) {
    let start = bytes.len();
    let (topic, properties) = (message.topic(), message.properties());
    let mut flags = message.qos as u8;
    flags |= if message.retain { MESSAGE_RETAIN } else { 0 };
    flags |= if message.expires_at.is_some() { MESSAGE_EXPIRES } else { 0 };
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&message.stamp.to_le_bytes());
    bytes.extend_from_slice(&message.publisher_hash.to_le_bytes());
    bytes.push(flags);
    if let Some(time) = message.expires_at {
        bytes.extend_from_slice(&clock.to_wall(time).to_le_bytes());
    }
    bytes.extend_from_slice(&(topic.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&(properties.len() as u32).to_le_bytes());
    bytes.extend_from_slice(topic.as_bytes());
    bytes.extend_from_slice(properties);
    bytes.extend_from_slice(message.payload());
    let crc = crc32fast::hash(&bytes[start + 4..]);
    bytes[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The message in the body of its record; `None` if that is damaged.
pub fn decode_message(body: &[u8], clock: Clock) -> Option<Message> {
    if crc32fast::hash(body.get(4..)?) != u32_at(body, 0) {
        return None;
    }
    let mut parts = Parts(&body[4..]);
    let (stamp, publisher_hash, flags) = (parts.u64()?, parts.u64()?, parts.u8()?);
    let expires_at = if flags & MESSAGE_EXPIRES != 0 { Some(clock.from_wall(parts.u64()?)) } else { None };
    let (topic_len, properties_len) = (parts.u16()?, parts.u32()?);
    let topic = std::str::from_utf8(parts.take(usize::from(topic_len))?).ok()?;
    let properties = parts.take(properties_len as usize)?;
    let (qos, retain) = (Qos::from_bits(flags & QOS_MASK)?, flags & MESSAGE_RETAIN != 0);
    let mut message = if parts.0.len() >= SHARED_PAYLOAD_MIN {
        Message::with_shared_payload(topic, properties, Bytes::copy_from_slice(parts.0), qos, retain)
    } else {
        Message::new(topic, properties, parts.0, qos, retain)
    };
    message.expires_at = expires_at;
    message.stamp = stamp;
    message.publisher_hash = publisher_hash;
    Some(message)
}

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
    let expires_at = if flags & SESSION_ENDS != 0 { Some(clock.from_wall(parts.u64()?)) } else { None };
    let client_id_len = parts.u16()?;
    let client_id = std::str::from_utf8(parts.take(usize::from(client_id_len))?).ok()?.into();
    let will = if flags & SESSION_HAS_WILL != 0 {
        let delay_s = parts.u32()?;
        let message_expiry_s = if flags & WILL_EXPIRES != 0 { Some(parts.u32()?) } else { None };
        let due_at = if flags & WILL_IS_DUE != 0 { Some(clock.from_wall(parts.u64()?)) } else { None };
        Some(WillRecord { message: decode_message(parts.0, clock)?, delay_s, message_expiry_s, due_at })
    } else {
        parts.0.is_empty().then_some(())?;
        None
    };
    Some(SessionRecord { client_id, expiry_s, expires_at, will })
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

pub fn encode_entry(bytes: &mut Vec<u8>, session: u64, entry: &Entry) {
    let flags = EntryFlags::of(entry);
    let mut body_len = 8 + 8 + 8 + 1;
    let sequence = match entry.progress {
        Progress::Queued | Progress::Spilled => None,
        Progress::InFlight { sequence } | Progress::Received { sequence } => Some(sequence),
    };
    body_len += if sequence.is_some() { 8 } else { 0 };
    let (share, filter) = entry.group.as_ref().map_or(("", ""), |group| (&*group.share, &*group.filter));
    if flags.has_details() {
        body_len += 4 + 2 + 4 * entry.subscription_ids.len() + 2 + share.len() + filter.len();
    }
    encode_with(bytes, 6, body_len, |bytes| {
        bytes.extend_from_slice(&session.to_le_bytes());
        bytes.extend_from_slice(&entry.number.to_le_bytes());
        bytes.extend_from_slice(&entry.stamp.to_le_bytes());
        bytes.push(flags.0);
        if let Some(sequence) = sequence {
            bytes.extend_from_slice(&sequence.to_le_bytes());
        }
        if !flags.has_details() {
            return;
        }
        let start = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&(entry.subscription_ids.len() as u16).to_le_bytes());
        entry.subscription_ids.iter().for_each(|id| bytes.extend_from_slice(&id.to_le_bytes()));
        bytes.extend_from_slice(&(share.len() as u16).to_le_bytes());
        bytes.extend_from_slice(share.as_bytes());
        bytes.extend_from_slice(filter.as_bytes());
        let crc = crc32fast::hash(&bytes[start + 4..]);
        bytes[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    });
}

pub fn decode_entry(body: &[u8]) -> Option<Entry> {
    let mut parts = Parts(body);
    parts.u64()?;
    let (number, stamp, flags) = (parts.u64()?, parts.u64()?, EntryFlags(parts.u8()?));
    let progress = match flags.state() {
        EntryState::Queued if flags.is_spilled() => Progress::Spilled,
        EntryState::Queued => Progress::Queued,
        EntryState::InFlight => Progress::InFlight { sequence: parts.u64()? },
        EntryState::Received => Progress::Received { sequence: parts.u64()? },
        EntryState::Expired => return None,
    };
    let mut entry = simple_entry(number, stamp, flags);
    entry.progress = progress;
    if flags.has_details() {
        let crc = parts.u32()?;
        if crc32fast::hash(parts.0) != crc {
            return None;
        }
        for _ in 0..parts.u16()? {
            entry.subscription_ids.push(parts.u32()?);
        }
        let share_len = parts.u16()?;
        let share: Box<str> = std::str::from_utf8(parts.take(usize::from(share_len))?).ok()?.into();
        let filter: Box<str> = parts.rest_as_text()?.into();
        // A share name has at least one character (section 4.8.2).
        entry.group = (!share.is_empty()).then_some(GroupName { share, filter });
    } else if !parts.0.is_empty() {
        return None;
    }
    Some(entry)
}

/// A queued entry without details, that the index alone can tell.
pub fn simple_entry(number: u64, stamp: u64, flags: EntryFlags) -> Entry {
    Entry {
        number,
        stamp,
        qos: flags.qos(),
        retain: flags.retain(),
        subscription_ids: Default::default(),
        group: None,
        progress: Progress::Queued,
    }
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
