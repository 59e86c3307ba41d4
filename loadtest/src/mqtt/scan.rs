//! Packets a broker sends, found and read in place.
//!
//! The scanner is strict about what a broker may send to these clients, because a measurement of a broker that breaks the
//! protocol is worth nothing. It is lenient in one point: properties of MQTT 5.0 are stepped over, but for the one that
//! limits the sender.

use super::Version;

/// A packet from the broker; its slices point into the bytes scanned.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    ConnAck {
        /// The broker kept a session of this client.
        session_present: bool,
        reason: u8,
        /// QoS 1 and 2 publishes that may wait for their acknowledgement at a time; 65,535 unless the broker says less.
        receive_maximum: u16,
    },
    Publish(Publish<'a>),
    PubAck {
        packet_id: u16,
        reason: u8,
    },
    PubRec {
        packet_id: u16,
        reason: u8,
    },
    PubRel {
        packet_id: u16,
    },
    PubComp {
        packet_id: u16,
        reason: u8,
    },
    SubAck {
        packet_id: u16,
        reasons: &'a [u8],
    },
    UnsubAck {
        packet_id: u16,
        /// Empty in MQTT 3.1.1, where unsubscribing cannot fail.
        reasons: &'a [u8],
    },
    PingResp,
    Disconnect {
        reason: u8,
    },
}

/// An application message.
#[derive(Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    pub qos: u8,
    pub duplicate: bool,
    pub retain: bool,
    /// Zero at QoS 0.
    pub packet_id: u16,
    pub topic: &'a [u8],
    pub payload: &'a [u8],
}

/// The broker broke the protocol; the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    #[error("a Remaining Length of more than four bytes")]
    RemainingLength,
    #[error("a packet with first byte {0:#04x}, which no broker may send here")]
    FirstByte(u8),
    #[error("a packet with first byte {0:#04x} ends inside one of its fields")]
    Truncated(u8),
    #[error("a packet with first byte {0:#04x} goes on after its last field")]
    TrailingBytes(u8),
    #[error("a packet identifier of zero [MQTT-2.2.1-3]")]
    PacketIdZero,
    #[error("a packet with first byte {0:#04x} has malformed properties")]
    Properties(u8),
}

/// Reads the packet at the start of `bytes` and tells its length; `None` means that it is not complete yet.
pub fn scan(version: Version, bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>, ScanError> {
    let Some((head_length, remaining_length)) = frame(bytes)? else { return Ok(None) };
    let total = head_length + remaining_length;
    if bytes.len() < total {
        return Ok(None);
    }
    let packet = parse(version, bytes[0], &bytes[head_length..total])?;
    Ok(Some((packet, total)))
}

/// Length of the packet at the start of `bytes`, if its fixed header is there and is one.
pub fn frame_length(bytes: &[u8]) -> Option<usize> {
    frame(bytes).ok().flatten().map(|(head_length, remaining_length)| head_length + remaining_length)
}

/// Length of the fixed header and the Remaining Length; `None` while the fixed header is incomplete.
fn frame(bytes: &[u8]) -> Result<Option<(usize, usize)>, ScanError> {
    let mut remaining_length = 0;
    for index in 1..=4 {
        let Some(&byte) = bytes.get(index) else { return Ok(None) };
        remaining_length |= ((byte & 0x7F) as usize) << (7 * (index - 1));
        if byte < 0x80 {
            return Ok(Some((index + 1, remaining_length)));
        }
    }
    Err(ScanError::RemainingLength)
}

fn parse(version: Version, first_byte: u8, body: &[u8]) -> Result<Packet<'_>, ScanError> {
    let mut fields = Fields { first_byte, rest: body };
    let packet = match first_byte {
        0x30..=0x3F => return Ok(Packet::Publish(publish(version, fields)?)),
        0x20 => {
            let session_present = fields.byte()? & 1 != 0;
            let reason = fields.byte()?;
            let receive_maximum =
                if version == Version::V5 { conn_ack_receive_maximum(&mut fields)? } else { u16::MAX };
            Packet::ConnAck { session_present, reason, receive_maximum }
        }
        0x40 => {
            let (packet_id, reason) = publish_response(version, &mut fields)?;
            Packet::PubAck { packet_id, reason }
        }
        0x50 => {
            let (packet_id, reason) = publish_response(version, &mut fields)?;
            Packet::PubRec { packet_id, reason }
        }
        0x62 => Packet::PubRel { packet_id: publish_response(version, &mut fields)?.0 },
        0x70 => {
            let (packet_id, reason) = publish_response(version, &mut fields)?;
            Packet::PubComp { packet_id, reason }
        }
        0x90 => {
            let packet_id = fields.packet_id()?;
            if version == Version::V5 {
                fields.properties()?;
            }
            Packet::SubAck { packet_id, reasons: std::mem::take(&mut fields.rest) }
        }
        0xB0 => {
            let packet_id = fields.packet_id()?;
            if version == Version::V5 {
                fields.properties()?;
                return Ok(Packet::UnsubAck { packet_id, reasons: fields.rest });
            }
            Packet::UnsubAck { packet_id, reasons: &[] }
        }
        0xD0 => Packet::PingResp,
        // Only a broker of MQTT 5.0 may say goodbye (section 3.14), and a reason of zero may be left out.
        0xE0 if version == Version::V5 => {
            let reason = if fields.rest.is_empty() { 0 } else { fields.byte()? };
            if !fields.rest.is_empty() {
                fields.properties()?;
            }
            Packet::Disconnect { reason }
        }
        _ => return Err(ScanError::FirstByte(first_byte)),
    };
    if fields.rest.is_empty() { Ok(packet) } else { Err(ScanError::TrailingBytes(first_byte)) }
}

fn publish<'a>(version: Version, mut fields: Fields<'a>) -> Result<Publish<'a>, ScanError> {
    let first_byte = fields.first_byte;
    let qos = first_byte >> 1 & 3;
    if qos == 3 {
        return Err(ScanError::FirstByte(first_byte));
    }
    let topic_length = fields.two_bytes()?;
    let topic = fields.take(topic_length as usize)?;
    let packet_id = if qos > 0 { fields.packet_id()? } else { 0 };
    if version == Version::V5 {
        fields.properties()?;
    }
    Ok(Publish {
        qos,
        duplicate: first_byte & 0b1000 != 0,
        retain: first_byte & 0b0001 != 0,
        packet_id,
        topic,
        payload: fields.rest,
    })
}

/// Packet identifier and reason of PUBACK, PUBREC, PUBREL and PUBCOMP; MQTT 5.0 may leave a reason of zero and the
/// properties out (section 3.4.2.1).
fn publish_response(version: Version, fields: &mut Fields<'_>) -> Result<(u16, u8), ScanError> {
    let packet_id = fields.packet_id()?;
    if version == Version::V311 || fields.rest.is_empty() {
        return Ok((packet_id, 0));
    }
    let reason = fields.byte()?;
    if !fields.rest.is_empty() {
        fields.properties()?;
    }
    Ok((packet_id, reason))
}

/// Receive Maximum (section 3.2.2.3.3) among the properties of a CONNACK.
fn conn_ack_receive_maximum(fields: &mut Fields<'_>) -> Result<u16, ScanError> {
    let malformed = ScanError::Properties(fields.first_byte);
    let mut properties = Fields { first_byte: fields.first_byte, rest: fields.properties()? };
    while !properties.rest.is_empty() {
        match properties.byte()? {
            0x21 => return properties.two_bytes(),
            // Two-byte and four-byte integers, single bytes, strings and pairs of strings (section 2.2.2.2).
            0x13 | 0x22 => drop(properties.take(2)?),
            0x11 | 0x27 => drop(properties.take(4)?),
            0x24 | 0x25 | 0x28 | 0x29 | 0x2A => drop(properties.take(1)?),
            0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => properties.skip_string()?,
            0x26 => {
                properties.skip_string()?;
                properties.skip_string()?;
            }
            _ => return Err(malformed),
        }
    }
    Ok(u16::MAX)
}

/// What of a packet's body has not been read yet.
struct Fields<'a> {
    first_byte: u8,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ScanError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ScanError::Truncated(self.first_byte))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, ScanError> {
        Ok(self.take(1)?[0])
    }

    fn two_bytes(&mut self) -> Result<u16, ScanError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn packet_id(&mut self) -> Result<u16, ScanError> {
        match self.two_bytes()? {
            0 => Err(ScanError::PacketIdZero),
            packet_id => Ok(packet_id),
        }
    }

    /// The bytes of a property list, whose length comes first as a Variable Byte Integer (section 2.2.2.1).
    fn properties(&mut self) -> Result<&'a [u8], ScanError> {
        let mut length = 0;
        for index in 0..4 {
            let byte = self.byte()?;
            length |= ((byte & 0x7F) as usize) << (7 * index);
            if byte < 0x80 {
                return self.take(length);
            }
        }
        Err(ScanError::Properties(self.first_byte))
    }

    fn skip_string(&mut self) -> Result<(), ScanError> {
        let length = self.two_bytes()?;
        self.take(length as usize).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Version::{V5, V311};

    fn whole(version: Version, bytes: &[u8]) -> Packet<'_> {
        let (packet, length) = scan(version, bytes).unwrap().unwrap();
        assert_eq!(length, bytes.len());
        packet
    }

    #[test]
    fn each_packet_of_a_broker_is_read() {
        let conn_ack = |reason| Packet::ConnAck { session_present: false, reason, receive_maximum: u16::MAX };
        assert_eq!(whole(V311, b"\x20\x02\x00\x00"), conn_ack(0));
        assert_eq!(whole(V311, b"\x20\x02\x00\x05"), conn_ack(5));
        assert_eq!(whole(V5, b"\x20\x03\x00\x00\x00"), conn_ack(0));
        let resumed = Packet::ConnAck { session_present: true, reason: 0, receive_maximum: u16::MAX };
        assert_eq!(whole(V311, b"\x20\x02\x01\x00"), resumed);
        assert_eq!(whole(V311, b"\x40\x02\x00\x07"), Packet::PubAck { packet_id: 7, reason: 0 });
        assert_eq!(whole(V5, b"\x40\x03\x00\x07\x10"), Packet::PubAck { packet_id: 7, reason: 0x10 });
        assert_eq!(whole(V5, b"\x50\x04\x00\x07\x83\x00"), Packet::PubRec { packet_id: 7, reason: 0x83 });
        assert_eq!(whole(V311, b"\x62\x02\x01\x00"), Packet::PubRel { packet_id: 256 });
        assert_eq!(whole(V311, b"\x70\x02\x00\x01"), Packet::PubComp { packet_id: 1, reason: 0 });
        assert_eq!(whole(V311, b"\x90\x03\x00\x01\x80"), Packet::SubAck { packet_id: 1, reasons: &[0x80] });
        assert_eq!(whole(V5, b"\x90\x05\x00\x01\x00\x01\x02"), Packet::SubAck { packet_id: 1, reasons: &[1, 2] });
        assert_eq!(whole(V311, b"\xb0\x02\x00\x01"), Packet::UnsubAck { packet_id: 1, reasons: &[] });
        assert_eq!(whole(V5, b"\xb0\x04\x00\x01\x00\x11"), Packet::UnsubAck { packet_id: 1, reasons: &[0x11] });
        assert_eq!(whole(V311, b"\xd0\x00"), Packet::PingResp);
        assert_eq!(whole(V5, b"\xe0\x00"), Packet::Disconnect { reason: 0 });
        assert_eq!(whole(V5, b"\xe0\x02\x8e\x00"), Packet::Disconnect { reason: 0x8E });
    }

    #[test]
    fn a_publish_of_each_shape_is_read() {
        let expected = Publish { qos: 0, duplicate: false, retain: false, packet_id: 0, topic: b"t", payload: b"xyz" };
        assert_eq!(whole(V311, b"\x30\x06\x00\x01txyz"), Packet::Publish(expected));
        let expected = Publish { qos: 1, duplicate: true, retain: true, packet_id: 5, topic: b"t", payload: b"" };
        assert_eq!(whole(V5, b"\x3b\x08\x00\x01t\x00\x05\x02\x01\x01"), Packet::Publish(expected));
    }

    #[test]
    fn the_receive_maximum_is_found_among_other_properties() {
        let bytes = b"\x20\x11\x00\x00\x0e\x22\x00\x0a\x12\x00\x01a\x24\x01\x21\x00\x14\x29\x01";
        assert_eq!(whole(V5, bytes), Packet::ConnAck { session_present: false, reason: 0, receive_maximum: 20 });
    }

    #[test]
    fn a_packet_cut_anywhere_is_not_complete_yet() {
        let bytes = b"\x32\x85\x01\x00\x01t\x00\x05";
        let mut packet = bytes.to_vec();
        packet.resize(3 + 133, b'x');
        for cut in 0..packet.len() {
            assert_eq!(scan(V311, &packet[..cut]), Ok(None), "cut at {cut}");
        }
        assert!(scan(V311, &packet).unwrap().is_some());
    }

    #[test]
    fn each_broken_rule_has_its_error() {
        for (version, bytes, expected) in [
            (V311, &b"\x30\xff\xff\xff\xff\x01"[..], ScanError::RemainingLength),
            (V311, b"\x36\x02\x00\x00", ScanError::FirstByte(0x36)),
            (V311, b"\xe0\x00", ScanError::FirstByte(0xE0)),
            (V311, b"\x60\x02\x00\x01", ScanError::FirstByte(0x60)),
            (V311, b"\x10\x00", ScanError::FirstByte(0x10)),
            (V311, b"\x30\x04\x00\x09ab", ScanError::Truncated(0x30)),
            (V311, b"\x32\x04\x00\x01t\x00", ScanError::Truncated(0x32)),
            (V311, b"\x32\x05\x00\x01t\x00\x00", ScanError::PacketIdZero),
            (V311, b"\x40\x03\x00\x01\x00", ScanError::TrailingBytes(0x40)),
            (V311, b"\xd0\x01\x00", ScanError::TrailingBytes(0xD0)),
            (V5, b"\x20\x04\x00\x00\x01\x7f", ScanError::Properties(0x20)),
            (V5, b"\x30\x04\x00\x01t\x05", ScanError::Truncated(0x30)),
        ] {
            assert_eq!(scan(version, bytes), Err(expected), "{bytes:02x?}");
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..24)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    // Small values are frequent so that lengths often fit.
                    if state & 0x100 == 0 { state as u8 & 0x0F } else { state as u8 }
                })
                .collect();
            for version in [V311, V5] {
                let mut rest = &bytes[..];
                while let Ok(Some((_, length))) = scan(version, rest) {
                    rest = &rest[length..];
                }
            }
        }
    }
}
