//! Packets a client sends, appended to a buffer of the caller's.

use super::{Session, Version};

/// CONNECT (section 3.1) of a client without will, user name and password.
///
/// With MQTT 5.0 the Receive Maximum is left out, which means 65,535 (section 3.1.2.11.3): what is measured is the
/// broker's flow control, not ours.
pub fn connect(out: &mut Vec<u8>, version: Version, client_id: &str, keep_alive_seconds: u16, session: Session) {
    // Session Expiry Interval (section 3.1.2.11.2). MQTT 3.1.1 has none: its sessions last until a clean one.
    let expiry = SESSION_EXPIRY_SECONDS.to_be_bytes();
    let with_expiry = [5, 0x11, expiry[0], expiry[1], expiry[2], expiry[3]];
    let properties: &[u8] = match (version, session) {
        (Version::V311, _) => &[],
        (Version::V5, Session::Clean) => &[0],
        (Version::V5, Session::Persistent) => &with_expiry,
    };
    fixed_header(out, 0x10, 10 + properties.len() + 2 + client_id.len());
    string(out, "MQTT");
    out.push(if version == Version::V5 { 5 } else { 4 });
    out.push(if session == Session::Clean { 0b0000_0010 } else { 0 });
    out.extend_from_slice(&keep_alive_seconds.to_be_bytes());
    out.extend_from_slice(properties);
    string(out, client_id);
}

/// Longer than any of our runs waits between two connections of a client.
const SESSION_EXPIRY_SECONDS: u32 = 3_600;

/// SUBSCRIBE (section 3.8) with these topic filters.
pub fn subscribe(
    out: &mut Vec<u8>,
    version: Version,
    packet_id: u16,
    filters: impl IntoIterator<Item = impl AsRef<str>>,
    qos: u8,
) {
    let mut list = Vec::new();
    for filter in filters {
        string(&mut list, filter.as_ref());
        list.push(qos);
    }
    packet_id_and_list(out, 0x82, version, packet_id, &list);
}

/// UNSUBSCRIBE (section 3.10) with these topic filters.
pub fn unsubscribe(
    out: &mut Vec<u8>,
    version: Version,
    packet_id: u16,
    filters: impl IntoIterator<Item = impl AsRef<str>>,
) {
    let mut list = Vec::new();
    filters.into_iter().for_each(|filter| string(&mut list, filter.as_ref()));
    packet_id_and_list(out, 0xA2, version, packet_id, &list);
}

/// SUBSCRIBE and UNSUBSCRIBE, without properties.
fn packet_id_and_list(out: &mut Vec<u8>, first_byte: u8, version: Version, packet_id: u16, list: &[u8]) {
    let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    fixed_header(out, first_byte, 2 + properties.len() + list.len());
    out.extend_from_slice(&packet_id.to_be_bytes());
    out.extend_from_slice(properties);
    out.extend_from_slice(list);
}

/// PUBACK (section 3.4) that reports success.
pub fn pub_ack(out: &mut Vec<u8>, packet_id: u16) {
    packet_id_only(out, 0x40, packet_id);
}

/// PUBREC (section 3.5) that reports success.
pub fn pub_rec(out: &mut Vec<u8>, packet_id: u16) {
    packet_id_only(out, 0x50, packet_id);
}

/// PUBREL (section 3.6) that reports success. Its reserved flags are 0b0010 [MQTT-3.6.1-1].
pub fn pub_rel(out: &mut Vec<u8>, packet_id: u16) {
    packet_id_only(out, 0x62, packet_id);
}

/// PUBCOMP (section 3.7) that reports success.
pub fn pub_comp(out: &mut Vec<u8>, packet_id: u16) {
    packet_id_only(out, 0x70, packet_id);
}

/// PINGREQ (section 3.12).
pub fn ping_request(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xC0, 0]);
}

/// DISCONNECT (section 3.14), normal: two bytes in both versions.
pub fn disconnect(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xE0, 0]);
}

/// Everything of a PUBLISH (section 3.3) that is the same for all messages of one stream: they differ only in packet
/// identifier and payload, so the rest is encoded once.
#[derive(Debug)]
pub struct PublishTemplate {
    head: Vec<u8>,
    /// Where the packet identifier goes; `None` for QoS 0.
    packet_id_offset: Option<usize>,
}

impl PublishTemplate {
    /// A template for messages of exactly `payload_bytes`.
    pub fn new(version: Version, topic: &str, qos: u8, retain: bool, payload_bytes: usize) -> Self {
        let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        let packet_id_bytes = if qos == 0 { 0 } else { 2 };
        let mut head = Vec::new();
        let remaining_length = 2 + topic.len() + packet_id_bytes + properties.len() + payload_bytes;
        fixed_header(&mut head, 0x30 | qos << 1 | u8::from(retain), remaining_length);
        string(&mut head, topic);
        let packet_id_offset = (qos > 0).then_some(head.len());
        head.resize(head.len() + packet_id_bytes, 0);
        head.extend_from_slice(properties);
        Self { head, packet_id_offset }
    }

    /// Appends what comes before the payload. `packet_id` is ignored at QoS 0.
    pub fn append(&self, out: &mut Vec<u8>, packet_id: u16) {
        let start = out.len();
        out.extend_from_slice(&self.head);
        if let Some(offset) = self.packet_id_offset {
            out[start + offset..start + offset + 2].copy_from_slice(&packet_id.to_be_bytes());
        }
    }
}

/// A packet of four bytes; MQTT 5.0 lets a reason of success and the properties be left out (section 3.4.2.1).
fn packet_id_only(out: &mut Vec<u8>, first_byte: u8, packet_id: u16) {
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[first_byte, 2, high, low]);
}

/// The packet's first byte and its Remaining Length (section 2.2.3 of 3.1.1, 2.1.4 of 5.0).
fn fixed_header(out: &mut Vec<u8>, first_byte: u8, remaining_length: usize) {
    assert!(remaining_length <= REMAINING_LENGTH_MAX, "no packet can hold {remaining_length} bytes");
    out.push(first_byte);
    let mut rest = remaining_length;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Four bytes of seven bits each.
const REMAINING_LENGTH_MAX: usize = (1 << 28) - 1;

fn string(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("client identifiers and topics are made here and are short");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_of_each_version_is_what_the_specification_draws() {
        let mut out = Vec::new();
        connect(&mut out, Version::V311, "ab", 60, Session::Clean);
        assert_eq!(out, b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02ab");
        out.clear();
        connect(&mut out, Version::V5, "ab", 0, Session::Clean);
        assert_eq!(out, b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x02ab");
        out.clear();
        connect(&mut out, Version::V311, "ab", 60, Session::Persistent);
        assert_eq!(out, b"\x10\x0e\x00\x04MQTT\x04\x00\x00\x3c\x00\x02ab");
        out.clear();
        connect(&mut out, Version::V5, "ab", 0, Session::Persistent);
        assert_eq!(out, b"\x10\x14\x00\x04MQTT\x05\x00\x00\x00\x05\x11\x00\x00\x0e\x10\x00\x02ab");
    }

    #[test]
    fn a_subscribe_of_each_version_is_what_the_specification_draws() {
        let mut out = Vec::new();
        subscribe(&mut out, Version::V311, 7, ["a/#"], 1);
        assert_eq!(out, b"\x82\x08\x00\x07\x00\x03a/#\x01");
        out.clear();
        subscribe(&mut out, Version::V5, 0x0102, ["a", "b"], 2);
        assert_eq!(out, b"\x82\x0b\x01\x02\x00\x00\x01a\x02\x00\x01b\x02");
        out.clear();
        unsubscribe(&mut out, Version::V311, 7, ["a", "b"]);
        assert_eq!(out, b"\xa2\x08\x00\x07\x00\x01a\x00\x01b");
    }

    #[test]
    fn a_template_leaves_room_for_the_packet_identifier_only_when_there_is_one() {
        let mut out = Vec::new();
        PublishTemplate::new(Version::V311, "t", 0, false, 3).append(&mut out, 9);
        assert_eq!(out, b"\x30\x06\x00\x01t");
        out.clear();
        PublishTemplate::new(Version::V5, "t", 2, true, 3).append(&mut out, 0x0A0B);
        assert_eq!(out, b"\x35\x09\x00\x01t\x0a\x0b\x00");
    }

    #[test]
    fn packets_of_two_or_four_bytes_are_what_the_specification_draws() {
        let mut out = Vec::new();
        pub_ack(&mut out, 1);
        pub_rec(&mut out, 2);
        pub_rel(&mut out, 3);
        pub_comp(&mut out, 0x0405);
        ping_request(&mut out);
        disconnect(&mut out);
        assert_eq!(out, b"\x40\x02\x00\x01\x50\x02\x00\x02\x62\x02\x00\x03\x70\x02\x04\x05\xc0\x00\xe0\x00");
    }

    #[test]
    fn remaining_lengths_grow_by_seven_bits() {
        for (length, expected) in [
            (127, &[0x30, 0x7F][..]),
            (128, &[0x30, 0x80, 0x01]),
            (16_383, &[0x30, 0xFF, 0x7F]),
            (16_384, &[0x30, 0x80, 0x80, 0x01]),
            (REMAINING_LENGTH_MAX, &[0x30, 0xFF, 0xFF, 0xFF, 0x7F]),
        ] {
            let mut out = Vec::new();
            fixed_header(&mut out, 0x30, length);
            assert_eq!(out, expected);
        }
    }
}
