//! CRC-32C (RFC 3720, appendix B.4), for headers of a few dozen bytes, once per connection.

/// The polynomial of Castagnoli, lowest bit first.
const POLYNOMIAL: u32 = 0x82F6_3B78;

pub(super) fn crc32c(parts: [&[u8]; 3]) -> u32 {
    let mut crc = !0;
    for byte in parts.into_iter().flatten() {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3720, and the check value of the catalogues.
    #[test]
    fn known_values() {
        assert_eq!(crc32c([b"1234", b"", b"56789"]), 0xE306_9283);
        assert_eq!(crc32c([&[0; 32], b"", b""]), 0x8A91_36AA);
        assert_eq!(crc32c([&[0xFF; 16], &[0xFF; 16], b""]), 0x62A8_AB43);
    }
}
