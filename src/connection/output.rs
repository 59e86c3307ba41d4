//! Bytes on their way to a client: small packets copied one after the other, large payloads by reference between them.

use bytes::Bytes;

/// What a connection has to send, in order. Exists only while there is something to send.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// On the heap, because nearly all outputs have none, and each idle connection has an output.
    shared: Option<Box<Shared>>,
}

/// Payloads to be sent by reference.
#[derive(Debug, Default)]
struct Shared {
    /// Each with the position in the copied bytes before which it goes; ascending.
    payloads: Vec<(usize, Bytes)>,
    /// Bytes of all of them.
    len: usize,
}

impl Output {
    /// An output that reuses `bytes`, which must be empty.
    pub fn with_buffer(bytes: Vec<u8>) -> Self {
        debug_assert!(bytes.is_empty());
        Self { bytes, shared: None }
    }

    /// Where small packets are appended.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends `payload` by reference.
    pub fn push_shared(&mut self, payload: Bytes) {
        let shared = self.shared.get_or_insert_default();
        shared.len += payload.len();
        shared.payloads.push((self.bytes.len(), payload));
    }

    /// Bytes to send in all.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared.as_ref().map_or(0, |shared| shared.len)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole as one slice, when nothing in it is by reference.
    #[inline]
    pub fn as_contiguous(&self) -> Option<&[u8]> {
        self.shared.is_none().then_some(&self.bytes)
    }

    /// All parts in the order in which they go out; none is empty.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        let payloads = self.shared.as_ref().map_or(&[][..], |shared| &shared.payloads);
        let mut parts: Vec<&[u8]> = Vec::with_capacity(2 * payloads.len() + 1);
        for (position, payload) in payloads {
            parts.push(self.bytes.get(start..*position).unwrap_or_default());
            parts.push(payload);
            start = *position;
        }
        parts.push(self.bytes.get(start..).unwrap_or_default());
        parts.into_iter().filter(|part| !part.is_empty())
    }

    /// The copied bytes, and the payloads by reference, each with the position before which it goes.
    pub fn into_parts(self) -> (Vec<u8>, Vec<(usize, Bytes)>) {
        (self.bytes, self.shared.map_or(Vec::new(), |shared| shared.payloads))
    }

    /// The output that `into_parts` took apart.
    pub fn from_parts(bytes: Vec<u8>, payloads: Vec<(usize, Bytes)>) -> Self {
        if payloads.is_empty() {
            return Self { bytes, shared: None };
        }
        let len = payloads.iter().map(|(_, payload)| payload.len()).sum();
        Self { bytes, shared: Some(Box::new(Shared { payloads, len })) }
    }

    /// Gives the buffer back for another output.
    pub fn into_buffer(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.clear();
        bytes
    }
}
