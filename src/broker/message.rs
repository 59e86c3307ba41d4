//! An application message as it is kept and routed: one allocation that several receivers share.

use std::cell::Cell;

use bytes::Bytes;

use super::Millis;
use crate::codec::Qos;
use crate::limits::SHARED_PAYLOAD_MIN;

/// Where the publishing shard begins in [`Message::stamp`].
pub const STAMP_SHARD_SHIFT: u32 = 56;

/// Topic, forwardable properties and payload of a PUBLISH, immutable.
#[derive(Debug)]
pub struct Message {
    /// Topic, then properties, then the payload unless that is in `payload`.
    head: Bytes,
    /// A large payload, by reference into the frame it came in.
    payload: Option<Bytes>,
    topic_len: u16,
    properties_len: u32,
    pub qos: Qos,
    /// The RETAIN flag as published.
    pub retain: bool,
    /// When it expires.
    pub expires_at: Option<Millis>,
    /// Names a publish over all shards: the publishing shard in the bits from [`STAMP_SHARD_SHIFT`] on, and how many it
    /// had published before.
    pub stamp: u64,
    /// Hash of the publisher's client id (for shared subscriptions by client id).
    pub publisher_hash: u64,
    /// Queues and windows of this shard that hold it.
    holders: Cell<u32>,
}

/// A copy for another shard: shares the bytes, and is held by nobody yet.
impl Clone for Message {
    fn clone(&self) -> Self {
        Self { head: self.head.clone(), payload: self.payload.clone(), holders: Cell::new(0), ..*self }
    }
}

impl Message {
    /// Copies all three into one allocation, but a payload that is sent by reference into its own.
    pub fn new(topic: &str, properties: &[u8], payload: &[u8], qos: Qos, retain: bool) -> Self {
        if payload.len() >= SHARED_PAYLOAD_MIN {
            return Self::with_shared_payload(topic, properties, Bytes::copy_from_slice(payload), qos, retain);
        }
        let mut head = Vec::with_capacity(topic.len() + properties.len() + payload.len());
        head.extend_from_slice(topic.as_bytes());
        head.extend_from_slice(properties);
        head.extend_from_slice(payload);
        Self {
            head: head.into(),
            payload: None,
            topic_len: topic.len() as u16,
            properties_len: properties.len() as u32,
            qos,
            retain,
            expires_at: None,
            stamp: 0,
            publisher_hash: 0,
            holders: Cell::new(0),
        }
    }

    /// Copies topic and properties, keeps `payload` by reference.
    pub fn with_shared_payload(topic: &str, properties: &[u8], payload: Bytes, qos: Qos, retain: bool) -> Self {
        Self { payload: Some(payload), ..Self::new(topic, properties, &[], qos, retain) }
    }

    pub fn topic(&self) -> &str {
        let bytes = self.head.get(..usize::from(self.topic_len)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    pub fn properties(&self) -> &[u8] {
        let start = usize::from(self.topic_len);
        self.head.get(start..start + self.properties_len as usize).unwrap_or_default()
    }

    pub fn payload(&self) -> &[u8] {
        match &self.payload {
            Some(payload) => payload,
            None => self.head.get(usize::from(self.topic_len) + self.properties_len as usize..).unwrap_or_default(),
        }
    }

    /// The payload by reference, when it is kept that way.
    pub fn shared_payload(&self) -> Option<&Bytes> {
        self.payload.as_ref()
    }

    /// Bytes that it occupies, for the bounds.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.head.len() + self.payload.as_ref().map_or(0, Bytes::len)
    }

    /// One more queue or window holds it. Returns the bytes that the shard's budget is charged with: a message that many
    /// receivers wait for is charged once.
    pub fn hold(&self) -> usize {
        let holders = self.holders.get();
        self.holders.set(holders + 1);
        if holders == 0 { self.size() } else { 0 }
    }

    /// One queue or window less holds it. Returns the bytes that the shard's budget gets back.
    pub fn release(&self) -> usize {
        let holders = self.holders.get() - 1;
        self.holders.set(holders);
        if holders == 0 { self.size() } else { 0 }
    }
}
