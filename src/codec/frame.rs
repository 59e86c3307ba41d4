//! Finds where a packet ends. Knows the fixed header (section 2.1) and nothing else.

use super::violation::Violation;

/// One whole packet: the first byte (type and flags) and what follows the Remaining Length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub first_byte: u8,
    pub body: &'a [u8],
}

/// What is known of the packet that starts at the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub first_byte: u8,
    /// Bytes of the fixed header, 2 to 5.
    pub header_size: usize,
    /// Bytes of the whole packet, fixed header included.
    pub packet_size: usize,
}

/// Reads the fixed header; `None` when more bytes are needed. Refuses a Remaining Length of more than four bytes, and
/// a packet larger than `packet_size_max` as soon as its length is known.
#[inline]
pub fn header(bytes: &[u8], packet_size_max: u32) -> Result<Option<Header>, Violation> {
    let _ = (bytes, packet_size_max);
    unimplemented!()
}

/// The first whole frame of `bytes` and its size; `None` when more bytes are needed.
#[inline]
pub fn find(bytes: &[u8], packet_size_max: u32) -> Result<Option<(Frame<'_>, usize)>, Violation> {
    let _ = (bytes, packet_size_max);
    unimplemented!()
}
