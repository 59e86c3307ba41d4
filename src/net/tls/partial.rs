//! What of the received bytes cannot be taken or given back yet, and where records end (RFC 8446, section 5.1).

/// Type, version and length.
pub const HEADER_SIZE: usize = 5;

/// Bytes behind the header: 2^14 of plaintext and what encryption may add (RFC 5246, section 6.2.3).
const PAYLOAD_SIZE_MAX: usize = 16_384 + 2_048;

/// Records that are part of an unfinished message of the handshake, and at most one record that has not come whole. It holds no
/// memory while it is empty.
#[derive(Default)]
pub struct Partial {
    bytes: Vec<u8>,
    /// Bytes at the front that are whole records.
    whole: usize,
}

impl Partial {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes `bytes`, of which the first `whole` are whole records. Must be empty before.
    pub fn keep(&mut self, bytes: &[u8], whole: usize) {
        debug_assert!(self.is_empty());
        self.whole = whole;
        self.bytes = bytes.to_vec();
    }

    /// Takes of `bytes` what completes the record that has begun, or that begins now, and says how many bytes that were.
    pub fn fill(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        loop {
            let begun = self.bytes.get(self.whole..).unwrap_or_default();
            let missing = match announced_size(begun) {
                Some(size) => size.saturating_sub(begun.len()),
                None => HEADER_SIZE.saturating_sub(begun.len()),
            };
            let rest = bytes.get(taken..).unwrap_or_default();
            let (piece, _) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            // It doubles, but never past the record: a stranger's five bytes shall not take 16 KiB.
            self.bytes.reserve_exact(piece.len().max(missing.min(self.bytes.len())));
            self.bytes.extend_from_slice(piece);
            taken += piece.len();
            // Behind the header is more to come, unless that was all.
            if piece.is_empty() {
                return taken;
            }
        }
    }

    /// Whether there are whole records that [`taken`](Self::taken) has not been told of.
    pub fn completes_record(&self) -> bool {
        let begun = self.bytes.get(self.whole..).unwrap_or_default();
        announced_size(begun).is_some_and(|size| begun.len() >= size)
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// All of it has been shown to the TLS library, which is done with the first `discard` bytes.
    pub fn taken(&mut self, discard: usize) {
        if discard >= self.bytes.len() {
            *self = Self::default();
        } else {
            self.bytes.drain(..discard);
            self.whole = self.bytes.len();
        }
    }
}

/// Bytes of the whole records at the front of `bytes`; of the first one only, if `only_one`. Bytes that are no record count
/// as one, so that the TLS library sees and refuses them.
pub fn whole_records(bytes: &[u8], only_one: bool) -> usize {
    let mut whole = 0;
    while let Some(size) = bytes.get(whole..).and_then(announced_size)
        && bytes.len() - whole >= size
    {
        whole += size;
        if only_one || size == 0 {
            break;
        }
    }
    whole
}

/// Bytes of the record that `bytes` begin with; all there are if that cannot be a record.
fn announced_size(bytes: &[u8]) -> Option<usize> {
    let &[kind, major, _, high, low, ..] = bytes else { return None };
    let payload_size = usize::from(u16::from_be_bytes([high, low]));
    let is_record = matches!(kind, 20..=24) && major == 3 && payload_size <= PAYLOAD_SIZE_MAX;
    Some(if is_record { HEADER_SIZE + payload_size } else { bytes.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(payload_size: usize) -> Vec<u8> {
        let mut record = vec![23, 3, 3];
        record.extend_from_slice(&(payload_size as u16).to_be_bytes());
        record.resize(5 + payload_size, 7);
        record
    }

    #[test]
    fn whole_records_are_counted() {
        let bytes = [record(3), record(0), record(9)].concat();
        for end in 0..=bytes.len() {
            let whole = [27, 13, 8, 0].into_iter().find(|whole| *whole <= end).unwrap();
            assert_eq!(whole_records(&bytes[..end], false), whole);
            assert_eq!(whole_records(&bytes[..end], true), whole.min(8));
        }
        assert_eq!(whole_records(b"GET / HTTP/1.1", false), 14);
        assert_eq!(whole_records(b"GET ", false), 0);
    }

    #[test]
    fn a_record_is_completed_and_no_more() {
        let bytes = [record(100), record(50)].concat();
        for first in 1..105 {
            for second in 0..50 {
                let mut partial = Partial::default();
                partial.keep(&bytes[..first], 0);
                let taken = partial.fill(&bytes[first..first + second]);
                assert_eq!(taken, second.min(105 - first));
                assert_eq!(partial.completes_record(), first + second >= 105);
                let taken = taken + partial.fill(&bytes[first + taken..]);
                assert_eq!(first + taken, 105);
                assert!(partial.completes_record());
                partial.taken(0);
                assert!(!partial.completes_record());
                assert_eq!(partial.fill(&bytes[105..]), 55);
                assert!(partial.completes_record());
                partial.taken(160);
                assert_eq!((partial.bytes.capacity(), partial.whole), (0, 0));
            }
        }
    }
}
