//! The data types of section 1.5, and lengths that are known only after what they count.

use crate::codec::properties::UserProperties;
use crate::codec::property::Property;

/// Appends a Variable Byte Integer (section 1.5.5) of at most 268,435,455.
#[inline]
pub(in crate::codec) fn write_variable_byte_integer(out: &mut Vec<u8>, value: u32) {
    if value < 0x80 {
        out.push(value as u8);
        return;
    }
    let (bytes, size) = variable_byte_integer(value);
    out.extend_from_slice(bytes.get(..size).unwrap_or_default());
}

/// Bytes of a Variable Byte Integer, 1 to 4.
#[inline]
pub(super) fn variable_byte_integer_size(value: u32) -> usize {
    1 + usize::from(value >= 1 << 7) + usize::from(value >= 1 << 14) + usize::from(value >= 1 << 21)
}

/// A Variable Byte Integer at the start of four bytes, and how many of them it takes.
#[inline]
pub(super) fn variable_byte_integer(value: u32) -> ([u8; 4], usize) {
    debug_assert!(value <= 268_435_455, "section 1.5.5");
    let size = variable_byte_integer_size(value);
    let mut bytes = [0; 4];
    for (position, byte) in bytes.iter_mut().enumerate() {
        let more = if position + 1 < size { 0x80 } else { 0 };
        *byte = (value >> (7 * position)) as u8 & 0x7F | more;
    }
    (bytes, size)
}

/// Appends a UTF-8 Encoded String (section 1.5.4).
pub(in crate::codec) fn write_string(out: &mut Vec<u8>, string: &str) {
    debug_assert!(string.len() <= usize::from(u16::MAX), "a string of {} bytes", string.len());
    let fits = |end: &usize| string.is_char_boundary(*end);
    let end = (0..=string.len().min(usize::from(u16::MAX))).rev().find(fits).unwrap_or(0);
    write_binary(out, string.as_bytes().get(..end).unwrap_or_default());
}

/// Appends Binary Data (section 1.5.6).
pub(in crate::codec) fn write_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    debug_assert!(bytes.len() <= usize::from(u16::MAX), "binary data of {} bytes", bytes.len());
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes.get(..usize::from(length)).unwrap_or_default());
}

/// Appends a packet: first byte, Remaining Length and what `write_body` appends.
pub(super) fn write_packet(out: &mut Vec<u8>, first_byte: u8, write_body: impl FnOnce(&mut Vec<u8>)) {
    out.push(first_byte);
    write_with_length(out, write_body);
}

/// Appends a Variable Byte Integer and as many bytes as it says, which `write` appends.
pub(super) fn write_with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let (length, size) = variable_byte_integer((out.len() - start) as u32);
    out.splice(start..start, length.into_iter().take(size));
}

/// What of the reason string and user properties goes into a packet.
#[derive(Clone, Copy)]
pub(super) struct Explanation<'a> {
    pub reason_string: Option<&'a str>,
    pub user_properties: UserProperties<'a>,
}

impl Explanation<'_> {
    pub fn is_empty(&self) -> bool {
        self.reason_string.is_none() && self.user_properties.spans().next().is_none()
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        write_option(out, self.reason_string.map(Property::ReasonString));
        write_user_properties(out, self.user_properties);
    }
}

/// Appends a packet with its explanation; without the reason string, or without both, if it is larger than
/// `packet_size_max` bytes otherwise. `write` appends the whole packet.
pub(super) fn write_within(
    out: &mut Vec<u8>,
    packet_size_max: u32,
    explanation: Explanation<'_>,
    write: impl Fn(&mut Vec<u8>, Explanation<'_>),
) {
    let start = out.len();
    let without_reason_string = Explanation { reason_string: None, ..explanation };
    for attempt in [explanation, without_reason_string] {
        write(out, attempt);
        if out.len() - start <= packet_size_max as usize || attempt.is_empty() {
            return;
        }
        out.truncate(start);
    }
    write(out, Explanation { reason_string: None, user_properties: UserProperties::default() });
}

/// Appends the property if there is one.
pub(super) fn write_option(out: &mut Vec<u8>, property: Option<Property<'_>>) {
    if let Some(property) = property {
        property.write(out);
    }
}

/// Appends the User Properties, and nothing else that may be in their block.
pub(super) fn write_user_properties(out: &mut Vec<u8>, user_properties: UserProperties<'_>) {
    for span in user_properties.spans() {
        out.extend_from_slice(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::decode::Reader;

    #[test]
    fn variable_byte_integers_are_minimal_and_read_back() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455] {
            let mut out = Vec::new();
            write_variable_byte_integer(&mut out, value);
            assert_eq!(out.len(), variable_byte_integer_size(value));
            assert_eq!(Reader::new(&out).variable_byte_integer(), Ok(value));
        }
    }

    #[test]
    fn lengths_of_several_bytes_are_put_before_what_they_count() {
        let mut out = vec![7];
        write_with_length(&mut out, |out| out.extend_from_slice(&[9; 200]));
        assert_eq!(out.get(..4), Some(&[7, 0xC8, 0x01, 9][..]));
        assert_eq!(out.len(), 203);
    }
}
