//! WebSocket frames, each copied out of the buffer that holds them all.

/// What all whole frames of `bytes` carry.
pub fn payloads(mut bytes: Vec<u8>) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while bytes.len() >= 2 {
        let (length, start) = match bytes[1] & 0x7F {
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            127 => (u64::from_be_bytes(bytes[2..10].try_into().expect("eight bytes")) as usize, 10),
            length => (usize::from(length), 2),
        };
        if bytes.len() < start + 4 + length {
            break;
        }
        let mask: Vec<u8> = bytes[start..start + 4].to_vec();
        let frame: Vec<u8> = bytes.drain(..start + 4 + length).collect();
        let masked = frame[start + 4..].iter().zip(mask.iter().cycle());
        payloads.push(masked.map(|(byte, mask)| byte ^ mask).collect());
    }
    payloads
}
