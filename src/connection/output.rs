//! Bytes on their way to a client: small packets copied one after the other, large payloads by reference between them.

use bytes::Bytes;

/// What a connection has to send, in order. Exists only while there is something to send.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// Payloads to be sent by reference, each with the position in `bytes` before which it goes; ascending.
    shared: Vec<(usize, Bytes)>,
    shared_len: usize,
}

impl Output {
    /// An output that reuses `bytes`, which must be empty.
    pub fn with_buffer(bytes: Vec<u8>) -> Self {
        debug_assert!(bytes.is_empty());
        Self { bytes, shared: Vec::new(), shared_len: 0 }
    }

    /// Where small packets are appended.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends `payload` by reference.
    pub fn push_shared(&mut self, payload: Bytes) {
        self.shared_len += payload.len();
        self.shared.push((self.bytes.len(), payload));
    }

    /// Bytes to send in all.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared_len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole as one slice, when nothing in it is by reference.
    #[inline]
    pub fn as_contiguous(&self) -> Option<&[u8]> {
        self.shared.is_empty().then_some(&self.bytes)
    }

    /// All parts in the order in which they go out; none is empty.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        let mut parts: Vec<&[u8]> = Vec::with_capacity(2 * self.shared.len() + 1);
        for (position, payload) in &self.shared {
            parts.push(self.bytes.get(start..*position).unwrap_or_default());
            parts.push(payload);
            start = *position;
        }
        parts.push(self.bytes.get(start..).unwrap_or_default());
        parts.into_iter().filter(|part| !part.is_empty())
    }

    /// The copied bytes, and the payloads by reference, each with the position before which it goes.
    pub fn into_parts(self) -> (Vec<u8>, Vec<(usize, Bytes)>) {
        (self.bytes, self.shared)
    }

    /// The output that `into_parts` took apart.
    pub fn from_parts(bytes: Vec<u8>, shared: Vec<(usize, Bytes)>) -> Self {
        let shared_len = shared.iter().map(|(_, payload)| payload.len()).sum();
        Self { bytes, shared, shared_len }
    }

    /// Gives the buffer back for another output.
    pub fn into_buffer(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.clear();
        bytes
    }
}
