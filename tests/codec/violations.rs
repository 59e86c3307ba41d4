//! A packet for each rule that the codec can see broken.

use std::collections::HashSet;

use ringmq::codec::Version::{V3_1, V3_1_1, V5_0};
use ringmq::codec::frame::{self, Frame};
use ringmq::codec::topic::{self, Filter};
use ringmq::codec::{Version, Violation, decode};

/// First byte and body of a packet that breaks exactly the rule.
const PACKETS: &[(Violation, Version, u8, &[u8])] = &[
    (Violation::PacketTypeReserved, V5_0, 0x00, b""),
    (Violation::PacketTypeReserved, V3_1_1, 0x05, b""),
    (Violation::PacketTypeReserved, V3_1_1, 0xF0, b""),
    (Violation::PacketTypeReserved, V3_1, 0xF0, b""),
    (Violation::HeaderFlagsReserved, V5_0, 0x11, b"\0\x04MQTT\x05\x02\0\0\0\0\0"),
    (Violation::HeaderFlagsReserved, V5_0, 0x28, b"\0\0\0"),
    (Violation::HeaderFlagsReserved, V3_1_1, 0x42, b"\0\x01"),
    (Violation::HeaderFlagsReserved, V5_0, 0x51, b"\0\x01"),
    (Violation::HeaderFlagsReserved, V5_0, 0x60, b"\0\x01"),
    (Violation::HeaderFlagsReserved, V3_1_1, 0x6A, b"\0\x01"),
    (Violation::HeaderFlagsReserved, V3_1, 0x63, b"\0\x01"),
    (Violation::HeaderFlagsReserved, V5_0, 0x72, b"\0\x01"),
    (Violation::HeaderFlagsReserved, V5_0, 0x80, b"\0\x01\0\0\x01a\0"),
    (Violation::HeaderFlagsReserved, V3_1_1, 0x8A, b"\0\x01\0\x01a\0"),
    (Violation::HeaderFlagsReserved, V5_0, 0x91, b"\0\x01\0\0"),
    (Violation::HeaderFlagsReserved, V5_0, 0xA0, b"\0\x01\0\0\x01a"),
    (Violation::HeaderFlagsReserved, V5_0, 0xB8, b"\0\x01\0\0"),
    (Violation::HeaderFlagsReserved, V5_0, 0xC1, b""),
    (Violation::HeaderFlagsReserved, V5_0, 0xD2, b""),
    (Violation::HeaderFlagsReserved, V5_0, 0xE4, b""),
    (Violation::HeaderFlagsReserved, V5_0, 0xF8, b""),
    // Bodies that are too short or too long.
    (Violation::Truncated, V5_0, 0x10, b"\0\x04MQTT\x05\x02\0\0\0\0\x01"),
    (Violation::Truncated, V5_0, 0x20, b"\0\0"),
    (Violation::Truncated, V3_1_1, 0x30, b"\0\x04a/b"),
    (Violation::Truncated, V3_1_1, 0x32, b"\0\x03a/b\0"),
    (Violation::Truncated, V5_0, 0x30, b"\0\x03a/b"),
    (Violation::Truncated, V5_0, 0x30, b"\0\x03a/b\x05\x26\0\0\0"),
    (Violation::Truncated, V5_0, 0x40, b"\0"),
    (Violation::Truncated, V5_0, 0x82, b"\0\x01\0\0\x01a"),
    (Violation::Truncated, V5_0, 0x90, b"\0\x01"),
    (Violation::Truncated, V5_0, 0xF0, b"\x18"),
    (Violation::TrailingBytes, V5_0, 0x10, b"\0\x04MQTT\x05\x02\0\0\0\0\0\0"),
    (Violation::TrailingBytes, V3_1_1, 0x20, b"\0\0\0"),
    (Violation::TrailingBytes, V3_1_1, 0x40, b"\0\x01\0"),
    (Violation::TrailingBytes, V5_0, 0x40, b"\0\x01\0\0\0"),
    (Violation::TrailingBytes, V3_1_1, 0xB0, b"\0\x01\0"),
    (Violation::TrailingBytes, V5_0, 0xC0, b"\0"),
    (Violation::TrailingBytes, V3_1_1, 0xD0, b"\0"),
    (Violation::TrailingBytes, V3_1_1, 0xE0, b"\0"),
    (Violation::TrailingBytes, V5_0, 0xF0, b"\0\0\0"),
    // Data representations.
    (Violation::StringNotUtf8, V3_1_1, 0x30, b"\0\x01\xFF"),
    (Violation::StringNotUtf8, V3_1_1, 0x82, b"\0\x01\0\x03\xED\xA0\x80\0"),
    (Violation::StringNotUtf8, V5_0, 0x30, b"\0\x01a\x07\x26\0\x01k\0\x01\xFF"),
    (Violation::StringHasNul, V3_1_1, 0x30, b"\0\x02a\0"),
    (Violation::StringHasNul, V3_1_1, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\x01\0"),
    (Violation::StringHasNul, V5_0, 0x82, b"\0\x01\0\0\x01\0\0"),
    (Violation::VariableByteIntegerTooLong, V5_0, 0x30, b"\0\x01a\xFF\xFF\xFF\xFF\x01"),
    (Violation::VariableByteIntegerNotMinimal, V5_0, 0x30, b"\0\x01a\x80\0"),
    (Violation::VariableByteIntegerNotMinimal, V5_0, 0x82, b"\0\x01\x03\x0B\x81\0\0\x01a\0"),
    (Violation::PacketIdentifierZero, V3_1_1, 0x32, b"\0\x01a\0\0"),
    (Violation::PacketIdentifierZero, V5_0, 0x34, b"\0\x01a\0\0\0"),
    (Violation::PacketIdentifierZero, V3_1_1, 0x40, b"\0\0"),
    (Violation::PacketIdentifierZero, V3_1_1, 0x62, b"\0\0"),
    (Violation::PacketIdentifierZero, V3_1_1, 0x82, b"\0\0\0\x01a\0"),
    (Violation::PacketIdentifierZero, V3_1_1, 0xA2, b"\0\0\0\x01a"),
    (Violation::PacketIdentifierZero, V3_1_1, 0x90, b"\0\0\0"),
    (Violation::PacketIdentifierZero, V3_1_1, 0xB0, b"\0\0"),
    (Violation::ReasonCodeNotAllowed, V5_0, 0x20, b"\0\x01\0"),
    (Violation::ReasonCodeNotAllowed, V3_1_1, 0x20, b"\0\x06"),
    (Violation::ReasonCodeNotAllowed, V5_0, 0x40, b"\0\x01\x92"),
    (Violation::ReasonCodeNotAllowed, V5_0, 0x50, b"\0\x01\x05"),
    (Violation::ReasonCodeNotAllowed, V5_0, 0x62, b"\0\x01\x10"),
    (Violation::ReasonCodeNotAllowed, V5_0, 0x70, b"\0\x01\x80"),
    (Violation::ReasonCodeNotAllowed, V5_0, 0x90, b"\0\x01\0\x03"),
    (Violation::ReasonCodeNotAllowed, V3_1_1, 0x90, b"\0\x01\x87"),
    (Violation::ReasonCodeNotAllowed, V5_0, 0xB0, b"\0\x01\0\x01"),
    (Violation::ReasonCodeNotAllowed, V5_0, 0xE0, b"\x01"),
    (Violation::ReasonCodeNotAllowed, V5_0, 0xF0, b"\x80\0"),
    // Properties.
    (Violation::PropertyUnknown, V5_0, 0x30, b"\0\x01a\x02\x04\0"),
    (Violation::PropertyUnknown, V5_0, 0x30, b"\0\x01a\x02\x7F\0"),
    (Violation::PropertyUnknown, V5_0, 0x30, b"\0\x01a\x03\x81\x01\0"),
    (Violation::PropertyNotAllowed, V5_0, 0x10, b"\0\x04MQTT\x05\x02\0\0\x03\x23\0\x01\0\0"),
    (Violation::PropertyNotAllowed, V5_0, 0x10, b"\0\x04MQTT\x05\x06\0\0\0\0\0\x03\x23\0\x01\0\x01w\0\0"),
    (Violation::PropertyNotAllowed, V5_0, 0x20, b"\0\0\x02\x01\0"),
    (Violation::PropertyNotAllowed, V5_0, 0x30, b"\0\x01a\x05\x18\0\0\0\x01"),
    (Violation::PropertyNotAllowed, V5_0, 0x40, b"\0\x01\0\x02\x01\0"),
    (Violation::PropertyNotAllowed, V5_0, 0x82, b"\0\x01\x04\x1F\0\x01s\0\x01a\0"),
    (Violation::PropertyNotAllowed, V5_0, 0x90, b"\0\x01\x02\x0B\x01\0"),
    (Violation::PropertyNotAllowed, V5_0, 0xA2, b"\0\x01\x02\x0B\x01\0\x01a"),
    (Violation::PropertyNotAllowed, V5_0, 0xE0, b"\0\x03\x21\0\x01"),
    (Violation::PropertyNotAllowed, V5_0, 0xF0, b"\0\x03\x21\0\x01"),
    (Violation::PropertyDuplicate, V5_0, 0x10, b"\0\x04MQTT\x05\x02\0\0\x06\x21\0\x01\x21\0\x01\0\0"),
    (Violation::PropertyDuplicate, V5_0, 0x30, b"\0\x01a\x06\x23\0\x01\x23\0\x01"),
    (Violation::PropertyDuplicate, V5_0, 0x82, b"\0\x01\x04\x0B\x01\x0B\x02\0\x01a\0"),
    (Violation::PropertyDuplicate, V5_0, 0x40, b"\0\x01\0\x06\x1F\0\0\x1F\0\0"),
    (Violation::PropertyNotZeroOrOne, V5_0, 0x10, b"\0\x04MQTT\x05\x02\0\0\x02\x17\x02\0\0"),
    (Violation::PropertyNotZeroOrOne, V5_0, 0x20, b"\0\0\x02\x24\x02"),
    (Violation::PropertyNotZeroOrOne, V5_0, 0x30, b"\0\x01a\x02\x01\xFF"),
    (Violation::ReceiveMaximumZero, V5_0, 0x10, b"\0\x04MQTT\x05\x02\0\0\x03\x21\0\0\0\0"),
    (Violation::ReceiveMaximumZero, V5_0, 0x20, b"\0\0\x03\x21\0\0"),
    (Violation::MaximumPacketSizeZero, V5_0, 0x10, b"\0\x04MQTT\x05\x02\0\0\x05\x27\0\0\0\0\0\0"),
    (Violation::SubscriptionIdentifierZero, V5_0, 0x82, b"\0\x01\x02\x0B\0\0\x01a\0"),
    (Violation::TopicAliasZero, V5_0, 0x30, b"\0\x01a\x03\x23\0\0"),
    (Violation::AuthenticationDataWithoutMethod, V5_0, 0x10, b"\0\x04MQTT\x05\x02\0\0\x03\x16\0\0\0\0"),
    (Violation::AuthenticationMethodMissing, V5_0, 0xF0, b"\x18\0"),
    (Violation::AuthenticationMethodMissing, V5_0, 0xF0, b"\0\x03\x16\0\0"),
    // CONNECT and CONNACK.
    (Violation::ProtocolNameUnknown, V5_0, 0x10, b"\0\x04MQTX\x05\x02\0\0\0\0\0"),
    (Violation::ProtocolNameUnknown, V5_0, 0x10, b"\0\x04mqtt\x04\x02\0\0\0\0"),
    (Violation::ProtocolVersionUnsupported, V5_0, 0x10, b"\0\x04MQTT\x06\x02\0\0\0\0\0"),
    (Violation::ProtocolVersionUnsupported, V5_0, 0x10, b"\0\x04MQTT\x03\x02\0\0\0\0"),
    (Violation::ProtocolVersionUnsupported, V5_0, 0x10, b"\0\x04MQTT\x85\x02\0\0\0\0\0"),
    (Violation::ProtocolVersionUnsupported, V5_0, 0x10, b"\0\x06MQIsdp\x04\x02\0\0\0\0"),
    (Violation::ConnectFlagReserved, V3_1_1, 0x10, b"\0\x04MQTT\x04\x03\0\0\0\0"),
    (Violation::ConnectFlagReserved, V5_0, 0x10, b"\0\x04MQTT\x05\x03\0\0\0\0\0"),
    (Violation::WillQosInvalid, V3_1, 0x10, b"\0\x06MQIsdp\x03\x1E\0\0\0\0\0\x01w\0\0"),
    (Violation::WillQosInvalid, V5_0, 0x10, b"\0\x04MQTT\x05\x1E\0\0\0\0\0\0\0\x01w\0\0"),
    (Violation::WillQosWithoutWill, V3_1_1, 0x10, b"\0\x04MQTT\x04\x0A\0\0\0\0"),
    (Violation::WillRetainWithoutWill, V3_1_1, 0x10, b"\0\x04MQTT\x04\x22\0\0\0\0"),
    (Violation::PasswordWithoutUserName, V3_1_1, 0x10, b"\0\x04MQTT\x04\x42\0\0\0\0\0\0"),
    (Violation::PasswordWithoutUserName, V3_1, 0x10, b"\0\x06MQIsdp\x03\x42\0\0\0\0\0\0"),
    (Violation::ConnAckFlagsReserved, V3_1_1, 0x20, b"\x02\0"),
    (Violation::ConnAckFlagsReserved, V5_0, 0x20, b"\x80\0\0"),
    (Violation::SessionPresentOnRefusal, V3_1_1, 0x20, b"\x01\x05"),
    (Violation::SessionPresentOnRefusal, V5_0, 0x20, b"\x01\x87\0"),
    // PUBLISH and topic names.
    (Violation::QosInvalid, V3_1, 0x36, b"\0\x01a\0\x01"),
    (Violation::QosInvalid, V5_0, 0x36, b"\0\x01a\0\x01\0"),
    (Violation::DupWithQos0, V3_1_1, 0x38, b"\0\x01a"),
    (Violation::TopicNameMissing, V5_0, 0x30, b"\0\0\0"),
    (Violation::TopicNameEmpty, V3_1_1, 0x30, b"\0\0"),
    (Violation::TopicNameEmpty, V3_1_1, 0x10, b"\0\x04MQTT\x04\x06\0\0\0\0\0\0\0\0"),
    (Violation::TopicNameWildcard, V3_1_1, 0x30, b"\0\x03a/+"),
    (Violation::TopicNameWildcard, V5_0, 0x30, b"\0\x03a/#\0"),
    (Violation::TopicNameWildcard, V3_1_1, 0x10, b"\0\x04MQTT\x04\x06\0\0\0\0\0\x01#\0\0"),
    (Violation::ResponseTopicWildcard, V5_0, 0x30, b"\0\x01a\x04\x08\0\x01#"),
    (Violation::ResponseTopicWildcard, V5_0, 0x10, b"\0\x04MQTT\x05\x06\0\0\0\0\0\x04\x08\0\x01+\0\x01w\0\0"),
    (Violation::ResponseTopicEmpty, V5_0, 0x30, b"\0\x01a\x03\x08\0\0"),
    // SUBSCRIBE and UNSUBSCRIBE.
    (Violation::SubscribeEmpty, V3_1_1, 0x82, b"\0\x01"),
    (Violation::SubscribeEmpty, V5_0, 0x82, b"\0\x01\0"),
    (Violation::UnsubscribeEmpty, V3_1_1, 0xA2, b"\0\x01"),
    (Violation::UnsubscribeEmpty, V5_0, 0xA2, b"\0\x01\0"),
    (Violation::SubscriptionOptionsReserved, V5_0, 0x82, b"\0\x01\0\0\x01a\x40"),
    (Violation::SubscriptionOptionsReserved, V5_0, 0x82, b"\0\x01\0\0\x01a\x80"),
    (Violation::SubscriptionOptionsReserved, V3_1_1, 0x82, b"\0\x01\0\x01a\x04"),
    (Violation::SubscriptionQosInvalid, V3_1_1, 0x82, b"\0\x01\0\x01a\x03"),
    (Violation::SubscriptionQosInvalid, V5_0, 0x82, b"\0\x01\0\0\x01a\x03"),
    (Violation::RetainHandlingInvalid, V5_0, 0x82, b"\0\x01\0\0\x01a\x30"),
    (Violation::NoLocalOnSharedSubscription, V5_0, 0x82, b"\0\x01\0\0\x0A$share/g/a\x04"),
];

/// Topic filters that break exactly the rule, under bounds of 16 bytes and 4 levels.
const FILTERS: &[(Violation, &str)] = &[
    (Violation::TopicFilterEmpty, ""),
    (Violation::TopicFilterHasNul, "a\0"),
    (Violation::TopicFilterTooLong, "aaaaaaaaaaaaaaaaa"),
    (Violation::TopicFilterTooManyLevels, "a/a/a/a/a"),
    (Violation::MultiLevelWildcardMisplaced, "#/a"),
    (Violation::SingleLevelWildcardMisplaced, "a+"),
    (Violation::ShareNameEmpty, "$share//a"),
    (Violation::ShareNameWildcard, "$share/+/a"),
    (Violation::ShareFilterMissing, "$share/a"),
];

/// Topic names likewise.
const NAMES: &[(Violation, &str)] = &[
    (Violation::TopicNameEmpty, ""),
    (Violation::TopicNameWildcard, "a/#"),
    (Violation::TopicNameHasNul, "a\0"),
    (Violation::TopicNameTooLong, "aaaaaaaaaaaaaaaaa"),
    (Violation::TopicNameTooManyLevels, "a/a/a/a/a"),
];

/// Frames that are refused before their packet is looked at, under a maximum of 100 bytes.
const FRAMES: &[(Violation, &[u8])] =
    &[(Violation::RemainingLengthTooLong, b"\x30\xFF\xFF\xFF\xFF"), (Violation::PacketTooLarge, b"\x30\x63")];

/// Rules that only the broker can see broken.
const OF_THE_CONNECTION: &[Violation] = &[
    Violation::FirstPacketNotConnect,
    Violation::SecondConnect,
    Violation::ServerPacketFromClient,
    Violation::SubscriptionIdentifierFromClient,
    Violation::TopicAliasAboveMaximum,
    Violation::TopicAliasUnknown,
    Violation::ReceiveMaximumExceeded,
    Violation::SessionExpiryAfterZero,
    Violation::QosAboveMaximum,
    Violation::RetainNotAvailable,
    Violation::SubscriptionIdentifierNotAvailable,
    Violation::PayloadNotUtf8,
    Violation::AuthUnexpected,
    Violation::AuthenticationMethodChanged,
];

#[test]
fn packets_that_break_a_rule_are_refused_with_that_rule() {
    for (violation, version, first_byte, body) in PACKETS {
        let result = decode::decode(Frame { first_byte: *first_byte, body }, *version);
        assert_eq!(result, Err(*violation), "{version:?} {first_byte:02X} {body:02X?}");
    }
}

#[test]
fn filters_names_and_frames_that_break_a_rule_are_refused_with_that_rule() {
    for (violation, filter) in FILTERS {
        assert_eq!(Filter::parse(filter, 16, 4), Err(*violation), "{filter:?}");
        assert_eq!(violation.reason() as u8, 0x8F, "{violation:?}");
    }
    for (violation, name) in NAMES {
        assert_eq!(topic::check_name(name, 16, 4), Err(*violation), "{name:?}");
        assert_eq!(violation.reason() as u8, 0x90, "{violation:?}");
    }
    for (violation, bytes) in FRAMES {
        assert_eq!(frame::find(bytes, 100), Err(*violation), "{bytes:02X?}");
    }
}

#[test]
fn every_rule_has_a_vector() {
    let tested: HashSet<Violation> = (PACKETS.iter().map(|(violation, ..)| *violation))
        .chain(FILTERS.iter().chain(NAMES).map(|(violation, _)| *violation))
        .chain(FRAMES.iter().map(|(violation, _)| *violation))
        .chain(OF_THE_CONNECTION.iter().copied())
        .collect();
    let variants = include_str!("../../src/codec/violation.rs").matches("    #[error(").count();
    assert_eq!(tested.len(), variants, "a variant of Violation has no vector here");
    for violation in tested {
        assert!(violation.reason().is_error(), "{violation:?}");
        assert!(!violation.clause().is_empty(), "{violation:?}");
    }
}
