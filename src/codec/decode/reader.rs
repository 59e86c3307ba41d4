//! A bounds-checked cursor over the body of a packet; reads the data types of section 1.5.

use memchr::memchr;

use crate::codec::topic;
use crate::codec::violation::Violation;

/// Reads from the front of a packet's body. What is not there is [`Violation::Truncated`].
#[derive(Clone, Debug)]
pub(in crate::codec) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes all that is left.
    #[inline]
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Bytes that are left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Refuses bytes that are left.
    #[inline]
    pub fn finish(&self) -> Result<(), Violation> {
        if self.rest.is_empty() { Ok(()) } else { Err(Violation::TrailingBytes) }
    }

    #[inline]
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Violation> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Violation::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Violation::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline]
    pub fn u8(&mut self) -> Result<u8, Violation> {
        self.array().map(u8::from_be_bytes)
    }

    /// Two Byte Integer (section 1.5.2).
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Violation> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four Byte Integer (section 1.5.3).
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Violation> {
        self.array().map(u32::from_be_bytes)
    }

    /// Variable Byte Integer (section 1.5.5) of a property length or a Subscription Identifier, at most 268,435,455.
    #[inline]
    pub fn variable_byte_integer(&mut self) -> Result<u32, Violation> {
        let first = self.u8()?;
        if first < 0x80 {
            return Ok(u32::from(first));
        }
        let mut value = u32::from(first & 0x7F);
        for shift in [7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7F) << shift;
            if byte == 0 {
                return Err(Violation::VariableByteIntegerNotMinimal);
            }
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Violation::VariableByteIntegerTooLong)
    }

    /// Binary Data (section 1.5.6).
    #[inline]
    pub fn binary(&mut self) -> Result<&'a [u8], Violation> {
        let length = self.u16()?;
        self.bytes(usize::from(length))
    }

    /// UTF-8 Encoded String (section 1.5.4).
    #[inline]
    pub fn string(&mut self) -> Result<&'a str, Violation> {
        let bytes = self.binary()?;
        let string = well_formed(bytes)?;
        if memchr(0, bytes).is_some() {
            return Err(Violation::StringHasNul);
        }
        Ok(string)
    }

    /// A string that is a topic name or empty: a string without wildcards (section 4.7).
    #[inline]
    pub fn topic_name(&mut self) -> Result<&'a str, Violation> {
        let bytes = self.binary()?;
        let name = well_formed(bytes)?;
        match topic::find_forbidden(bytes) {
            None => Ok(name),
            Some(0) => Err(Violation::StringHasNul),
            Some(_) => Err(Violation::TopicNameWildcard),
        }
    }

    /// A packet identifier, which is never 0 (section 2.2.1).
    #[inline]
    pub fn packet_identifier(&mut self) -> Result<u16, Violation> {
        match self.u16()? {
            0 => Err(Violation::PacketIdentifierZero),
            packet_id => Ok(packet_id),
        }
    }

    /// The encoded properties, without their length (section 2.2.2.1).
    #[inline]
    pub fn property_block(&mut self) -> Result<&'a [u8], Violation> {
        let length = self.variable_byte_integer()?;
        self.bytes(length as usize)
    }
}

#[inline]
fn well_formed(bytes: &[u8]) -> Result<&str, Violation> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| Violation::StringNotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_variable_byte_integers() {
        let read = |bytes| Reader::new(bytes).variable_byte_integer();
        assert_eq!(read(&[0x00]), Ok(0));
        assert_eq!(read(&[0x7F]), Ok(127));
        assert_eq!(read(&[0x80, 0x01]), Ok(128));
        assert_eq!(read(&[0xFF, 0xFF, 0xFF, 0x7F]), Ok(268_435_455));
        assert_eq!(read(&[0x80]), Err(Violation::Truncated));
        assert_eq!(read(&[0x80, 0x00]), Err(Violation::VariableByteIntegerNotMinimal));
        assert_eq!(read(&[0xFF, 0x80, 0x00]), Err(Violation::VariableByteIntegerNotMinimal));
        assert_eq!(read(&[0x80, 0x80, 0x80, 0x01]), Ok(1 << 21), "a byte without value bits in the middle is right");
        assert_eq!(read(&[0xFF, 0xFF, 0xFF, 0xFF]), Err(Violation::VariableByteIntegerTooLong));
    }

    #[test]
    fn refuses_ill_formed_strings() {
        let read = |bytes| Reader::new(bytes).string();
        assert_eq!(read(b"\0\x02\xC3\xBC"), Ok("ü"));
        assert_eq!(read(b"\0\x03\xEF\xBB\xBF"), Ok("\u{FEFF}"), "a byte order mark is kept ([MQTT-1.5.4-3])");
        assert_eq!(read(b"\0\x02\xC0\x80"), Err(Violation::StringNotUtf8), "overlong NUL");
        assert_eq!(read(b"\0\x03\xED\xA0\x80"), Err(Violation::StringNotUtf8), "surrogate");
        assert_eq!(read(b"\0\x04\xF4\x90\x80\x80"), Err(Violation::StringNotUtf8), "above U+10FFFF");
        assert_eq!(read(b"\0\x02a\0"), Err(Violation::StringHasNul));
        assert_eq!(read(b"\0\x02a"), Err(Violation::Truncated));
        assert_eq!(read(b"\0"), Err(Violation::Truncated));
    }

    #[test]
    fn refuses_wildcards_in_topic_names() {
        let read = |bytes| Reader::new(bytes).topic_name();
        assert_eq!(read(b"\0\x03a/b"), Ok("a/b"));
        assert_eq!(read(b"\0\0"), Ok(""));
        assert_eq!(read(b"\0\x03a/+"), Err(Violation::TopicNameWildcard));
        assert_eq!(read(b"\0\x03a/#"), Err(Violation::TopicNameWildcard));
        assert_eq!(read(b"\0\x03a/\0"), Err(Violation::StringHasNul));
        assert_eq!(read(b"\0\x03a/\xFF"), Err(Violation::StringNotUtf8));
    }
}
