//! The payload every measured message carries, so that its receiver can tell whose it is, when it was sent, and whether a
//! byte of it changed on the way.
//!
//! | bytes | content, little endian |
//! |---|---|
//! | 0..8 | checksum of everything after it |
//! | 8..12 | number of the run: a retained message or a publisher of another run is not taken for one of ours |
//! | 12..16 | stream |
//! | 16..24 | sequence within the stream, from zero |
//! | 24..32 | nanoseconds since the start of the run: when it was sent, or at a fixed rate should have been |
//! | 32.. | filling; it differs between neighbours, so that a broker that mixes up two payloads is found out |

/// The smallest payload that holds all fields.
pub const PAYLOAD_BYTES_MIN: usize = 32;

/// The fields of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub run: u32,
    pub stream: u32,
    pub sequence: u64,
    pub sent_ns: u64,
}

/// Writes payloads up to a size.
#[derive(Debug)]
pub struct PayloadWriter {
    /// Longer than the longest filling by `FILLING_SHIFTS`: each message takes its filling from another start.
    pattern: Vec<u8>,
}

/// A prime, so that windows of usual sizes do not hit the same start again and again.
const FILLING_SHIFTS: usize = 251;

impl PayloadWriter {
    pub fn new(payload_bytes_max: usize) -> Self {
        let filling_bytes = payload_bytes_max.saturating_sub(PAYLOAD_BYTES_MIN);
        let pattern =
            (0..filling_bytes + FILLING_SHIFTS).map(|index| (index * 167 + (index >> 8) * 59) as u8).collect();
        Self { pattern }
    }

    /// Appends a payload of `payload_bytes`.
    ///
    /// # Panics
    /// If that is below [`PAYLOAD_BYTES_MIN`] or above the largest; the command line refuses that.
    pub fn append(&self, out: &mut Vec<u8>, header: &Header, payload_bytes: usize) {
        let start = out.len();
        let mut fields = [0; PAYLOAD_BYTES_MIN];
        fields[8..12].copy_from_slice(&header.run.to_le_bytes());
        fields[12..16].copy_from_slice(&header.stream.to_le_bytes());
        fields[16..24].copy_from_slice(&header.sequence.to_le_bytes());
        fields[24..32].copy_from_slice(&header.sent_ns.to_le_bytes());
        out.extend_from_slice(&fields);
        let shift = (header.sequence % FILLING_SHIFTS as u64) as usize;
        out.extend_from_slice(&self.pattern[shift..shift + payload_bytes - PAYLOAD_BYTES_MIN]);
        let sum = checksum(&out[start + 8..]);
        out[start..start + 8].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Reads a payload back; `None` means that it is not what was sent, or not of this run.
pub fn read(payload: &[u8], run: u32) -> Option<Header> {
    if payload.len() < PAYLOAD_BYTES_MIN {
        return None;
    }
    if checksum(&payload[8..]) != word(&payload[..8]) {
        return None;
    }
    let run_and_stream = word(&payload[8..16]);
    let header = Header {
        run: run_and_stream as u32,
        stream: (run_and_stream >> 32) as u32,
        sequence: word(&payload[16..24]),
        sent_ns: word(&payload[24..32]),
    };
    (header.run == run).then_some(header)
}

/// A checksum of 64 bits in one multiplication for each 16 bytes. It has to be cheaper than the broker's work and find
/// flipped, moved and foreign bytes; nobody attacks it. Four sums go side by side over long payloads, because each has to
/// wait for its own last multiplication.
fn checksum(bytes: &[u8]) -> u64 {
    let mut blocks = bytes.chunks_exact(64);
    let mut sums = [bytes.len() as u64, 1, 2, 3];
    for block in &mut blocks {
        for (sum, chunk) in sums.iter_mut().zip(block.chunks_exact(16)) {
            *sum = mix(*sum, chunk);
        }
    }
    let [first, others @ ..] = sums;
    let mut sum = others.into_iter().fold(first, |sum, other| fold(sum ^ KEYS[0], other ^ KEYS[1]));
    let mut chunks = blocks.remainder().chunks_exact(16);
    for chunk in &mut chunks {
        sum = mix(sum, chunk);
    }
    let mut last = [0; 16];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    fold(word(&last[..8]) ^ sum ^ KEYS[2], word(&last[8..]) ^ KEYS[3])
}

const KEYS: [u64; 4] = [0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB, 0x8EBC_6AF0_9C88_C6E3, 0x5899_65CC_7537_4CC3];

#[inline]
fn mix(sum: u64, chunk: &[u8]) -> u64 {
    fold(word(&chunk[..8]) ^ sum ^ KEYS[0], word(&chunk[8..]) ^ KEYS[1])
}

fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("callers pass eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { run: 77, stream: 3, sequence: 1_000_001, sent_ns: 123_456_789_012 };

    fn payload(bytes: usize, header: &Header) -> Vec<u8> {
        let mut out = vec![0xEE; 5];
        PayloadWriter::new(bytes).append(&mut out, header, bytes);
        out.split_off(5)
    }

    #[test]
    fn what_was_written_is_read_at_any_size() {
        for bytes in (32..=100).chain([1_000, 65_536]) {
            assert_eq!(read(&payload(bytes, &HEADER), 77), Some(HEADER), "{bytes} bytes");
        }
    }

    #[test]
    fn each_flipped_bit_is_found() {
        for bytes in [32, 64, 75, 211] {
            let good = payload(bytes, &HEADER);
            for bit in 0..bytes * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(read(&bad, 77), None, "bit {bit} of {bytes} bytes");
            }
        }
    }

    #[test]
    fn two_messages_mixed_up_are_found() {
        let first = payload(256, &HEADER);
        let second = payload(256, &Header { sequence: HEADER.sequence + 1, ..HEADER });
        let mixed = [&first[..128], &second[128..]].concat();
        assert_eq!(read(&mixed, 77), None);
    }

    #[test]
    fn pieces_that_change_places_are_found() {
        let good = payload(300, &HEADER);
        for (one, other) in [(48, 64), (48, 112), (40, 264)] {
            let mut bad = good.clone();
            (0..16).for_each(|byte| bad.swap(one + byte, other + byte));
            assert_ne!(bad, good);
            assert_eq!(read(&bad, 77), None, "{one} and {other}");
        }
    }

    #[test]
    fn other_lengths_and_other_runs_are_refused() {
        let good = payload(64, &HEADER);
        assert_eq!(read(&good[..63], 77), None);
        assert_eq!(read(&good, 78), None);
        assert_eq!(read(b"", 77), None);
    }
}
