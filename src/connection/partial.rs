//! The beginning of a packet whose rest has not arrived.

use crate::codec::Violation;
use crate::codec::frame;

/// A packet under way. Memory grows with what has arrived, not with what its header announces.
#[derive(Debug, Default)]
pub struct Partial {
    bytes: Vec<u8>,
}

/// Allocation up to which the whole announced packet is reserved at once, in bytes.
const RESERVE_WHOLE_MAX: usize = 64 * 1024;

impl Partial {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes of memory held.
    pub fn size(&self) -> usize {
        self.bytes.capacity()
    }

    /// Takes bytes from the front of `input` until the packet is complete, and tells whether it is.
    pub fn fill(&mut self, input: &mut &[u8], packet_size_max: u32) -> Result<bool, Violation> {
        loop {
            let missing = match frame::header(&self.bytes, packet_size_max)? {
                Some(header) => {
                    let missing = header.packet_size.saturating_sub(self.bytes.len());
                    if missing == 0 {
                        return Ok(true);
                    }
                    let reserve =
                        if header.packet_size <= RESERVE_WHOLE_MAX { missing } else { missing.min(input.len()) };
                    self.bytes.reserve(reserve);
                    missing
                }
                None => 1,
            };
            if input.is_empty() {
                return Ok(false);
            }
            let (taken, rest) = input.split_at(missing.min(input.len()));
            self.bytes.extend_from_slice(taken);
            *input = rest;
        }
    }

    /// The complete packet.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
