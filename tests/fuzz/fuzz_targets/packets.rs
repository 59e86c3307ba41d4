//! Decodes every frame in every version; what could be decoded is encoded and decoded again, and must be equal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmq::codec::frame::{self, Frame};
use ringmq::codec::{Packet, Version, decode, encode};

fuzz_target!(|bytes: &[u8]| {
    for version in [Version::V3_1, Version::V3_1_1, Version::V5_0] {
        let mut rest = bytes;
        while let Ok(Some((frame, size))) = frame::find(rest, u32::MAX) {
            check(frame, version);
            rest = &rest[size..];
        }
        // A length that is wrong should not keep the fuzzer from the packet behind it.
        if let Some((first_byte, body)) = bytes.split_first() {
            check(Frame { first_byte: *first_byte, body }, version);
        }
    }
});

fn check(frame: Frame<'_>, version: Version) {
    let packet = match decode::decode(frame, version) {
        Ok(packet) => packet,
        Err(violation) => {
            assert!(violation.reason().is_error());
            return;
        }
    };
    let mut bytes = Vec::new();
    encode::packet(&mut bytes, version, &packet, u32::MAX);
    let (again, size) = frame::find(&bytes, u32::MAX).expect("a valid header").expect("a whole frame");
    assert_eq!(size, bytes.len());
    assert_eq!(decode::decode(again, version).as_ref(), Ok(&packet), "{frame:02X?} in {version:?}");

    if let Packet::Publish(publish) = packet {
        check_forwarding(&publish.properties, version);
    }
}

/// What is forwarded of the properties can be forwarded again as it is.
fn check_forwarding(properties: &ringmq::codec::PublishProperties<'_>, version: Version) {
    let mut forwarded = Vec::new();
    ringmq::codec::write_forwardable(properties.block, &mut forwarded);
    assert_eq!(properties.forwardable, forwarded == properties.block);
    let head = encode::PublishHead {
        version,
        dup: false,
        qos: ringmq::codec::Qos::AtMostOnce,
        retain: false,
        topic: "t",
        packet_id: 0,
        message_expiry_s: properties.message_expiry_s,
        topic_alias: properties.topic_alias,
        subscription_ids: &properties.subscription_ids().collect::<Vec<_>>(),
        properties: &forwarded,
        payload_len: 0,
    };
    let mut bytes = Vec::new();
    encode::publish_head(&mut bytes, &head);
    assert_eq!(head.packet_size(), bytes.len());
    let (frame, _) = frame::find(&bytes, u32::MAX).expect("a valid header").expect("a whole frame");
    let again = decode::publish(frame, version).expect("a valid PUBLISH").properties;
    assert_eq!(again.message_expiry_s, properties.message_expiry_s);
    assert_eq!(again.topic_alias, properties.topic_alias);
    assert_eq!(again.response_topic, properties.response_topic);
    assert_eq!(again.correlation_data, properties.correlation_data);
    assert_eq!(again.content_type, properties.content_type);
    assert_eq!(again.payload_is_utf8, properties.payload_is_utf8);
    assert_eq!(again.user_properties(), properties.user_properties());
    assert!(again.subscription_ids().eq(properties.subscription_ids()));
}
