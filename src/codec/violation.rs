//! The rules that a peer can break, one variant each.
//!
//! Most are found by decoding; the last group needs the state of the connection and is found by the broker. Variants
//! are named after what the packet got wrong. Clause numbers are those of MQTT 5.0.

use super::reason::ReasonCode;

/// A rule of the specification that the received bytes break. Displays as one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    // The fixed header.
    #[error("the Remaining Length has more than four bytes")]
    RemainingLengthTooLong,
    #[error("the packet is larger than the maximum packet size")]
    PacketTooLarge,
    #[error("the packet type is reserved in this version of the protocol")]
    PacketTypeReserved,
    #[error("the reserved flags of the fixed header do not have the values that this packet type prescribes")]
    HeaderFlagsReserved,

    // Data representations and what all packets have in common.
    #[error("the packet ends in the middle of a field")]
    Truncated,
    #[error("the packet has bytes after its last field")]
    TrailingBytes,
    #[error("a string is not well-formed UTF-8")]
    StringNotUtf8,
    #[error("a string contains the character U+0000")]
    StringHasNul,
    #[error("a variable byte integer has more than four bytes")]
    VariableByteIntegerTooLong,
    #[error("a variable byte integer has more bytes than its value needs")]
    VariableByteIntegerNotMinimal,
    #[error("the packet identifier is 0")]
    PacketIdentifierZero,
    #[error("the reason code is not one that this packet type can carry")]
    ReasonCodeNotAllowed,

    // Properties.
    #[error("a property identifier is not one of the specification's")]
    PropertyUnknown,
    #[error("the packet has a property that its type cannot carry")]
    PropertyNotAllowed,
    #[error("the packet has a property twice that it may have only once")]
    PropertyDuplicate,
    #[error("a property that can only be 0 or 1 has another value")]
    PropertyNotZeroOrOne,
    #[error("the Receive Maximum is 0")]
    ReceiveMaximumZero,
    #[error("the Maximum Packet Size is 0")]
    MaximumPacketSizeZero,
    #[error("the Subscription Identifier is 0")]
    SubscriptionIdentifierZero,
    #[error("the Topic Alias is 0")]
    TopicAliasZero,
    #[error("the packet has Authentication Data but no Authentication Method")]
    AuthenticationDataWithoutMethod,
    #[error("the AUTH packet has no Authentication Method")]
    AuthenticationMethodMissing,

    // CONNECT and CONNACK.
    #[error("the protocol name is neither \"MQTT\" nor \"MQIsdp\"")]
    ProtocolNameUnknown,
    #[error("the protocol version is not one that the server supports under this protocol name")]
    ProtocolVersionUnsupported,
    #[error("the reserved bit of the connect flags is set")]
    ConnectFlagReserved,
    #[error("the Will QoS is 3")]
    WillQosInvalid,
    #[error("the connect flags have a Will QoS but no will")]
    WillQosWithoutWill,
    #[error("the connect flags have Will Retain but no will")]
    WillRetainWithoutWill,
    #[error("the connect flags have a password but no user name, which only MQTT 5.0 allows")]
    PasswordWithoutUserName,
    #[error("the reserved bits of the connect acknowledge flags are set")]
    ConnAckFlagsReserved,
    #[error("the CONNACK refuses the connection and yet says that a session is present")]
    SessionPresentOnRefusal,

    // PUBLISH and topic names.
    #[error("the QoS of the PUBLISH is 3")]
    QosInvalid,
    #[error("the PUBLISH has the DUP flag and QoS 0")]
    DupWithQos0,
    #[error("the PUBLISH has neither a topic name nor a Topic Alias")]
    TopicNameMissing,
    #[error("the topic name is empty")]
    TopicNameEmpty,
    #[error("the topic name contains a wildcard character")]
    TopicNameWildcard,
    #[error("the topic name contains the character U+0000")]
    TopicNameHasNul,
    #[error("the topic name is longer than the server allows")]
    TopicNameTooLong,
    #[error("the topic name has more levels than the server allows")]
    TopicNameTooManyLevels,
    #[error("the Response Topic contains a wildcard character")]
    ResponseTopicWildcard,
    #[error("the Response Topic is empty")]
    ResponseTopicEmpty,

    // SUBSCRIBE, UNSUBSCRIBE and topic filters.
    #[error("the SUBSCRIBE has no topic filter")]
    SubscribeEmpty,
    #[error("the UNSUBSCRIBE has no topic filter")]
    UnsubscribeEmpty,
    #[error("the reserved bits of the subscription options are set")]
    SubscriptionOptionsReserved,
    #[error("the maximum QoS of the subscription is 3")]
    SubscriptionQosInvalid,
    #[error("the Retain Handling of the subscription is 3")]
    RetainHandlingInvalid,
    #[error("the subscription is shared and has the No Local option")]
    NoLocalOnSharedSubscription,
    #[error("the topic filter is empty")]
    TopicFilterEmpty,
    #[error("the topic filter contains the character U+0000")]
    TopicFilterHasNul,
    #[error("the topic filter is longer than the server allows")]
    TopicFilterTooLong,
    #[error("the topic filter has more levels than the server allows")]
    TopicFilterTooManyLevels,
    #[error("the wildcard \"#\" is not the whole last level of the topic filter")]
    MultiLevelWildcardMisplaced,
    #[error("the wildcard \"+\" is not a whole level of the topic filter")]
    SingleLevelWildcardMisplaced,
    #[error("the share name of the shared subscription is empty")]
    ShareNameEmpty,
    #[error("the share name of the shared subscription contains a wildcard character")]
    ShareNameWildcard,
    #[error("the shared subscription has no topic filter after its share name")]
    ShareFilterMissing,

    // What only the state of the connection shows.
    #[error("the first packet of the connection is not a CONNECT")]
    FirstPacketNotConnect,
    #[error("the connection has had a CONNECT already")]
    SecondConnect,
    #[error("a client has sent a packet that only a server sends")]
    ServerPacketFromClient,
    #[error("a client has sent a PUBLISH with a Subscription Identifier")]
    SubscriptionIdentifierFromClient,
    #[error("the Topic Alias is above the Topic Alias Maximum")]
    TopicAliasAboveMaximum,
    #[error("the Topic Alias has not been given a topic name")]
    TopicAliasUnknown,
    #[error("there are more unacknowledged messages than the Receive Maximum allows")]
    ReceiveMaximumExceeded,
    #[error("the DISCONNECT has a Session Expiry Interval although the CONNECT had none")]
    SessionExpiryAfterZero,
    #[error("the QoS of the PUBLISH is above the server's Maximum QoS")]
    QosAboveMaximum,
    #[error("the PUBLISH is to be retained, which the server does not offer")]
    RetainNotAvailable,
    #[error("the SUBSCRIBE has a Subscription Identifier, which the server does not offer")]
    SubscriptionIdentifierNotAvailable,
    #[error("the payload is declared UTF-8 (Payload Format Indicator 1) and is not")]
    PayloadNotUtf8,
    #[error("an AUTH was not expected, or has the wrong reason code")]
    AuthUnexpected,
    #[error("the Authentication Method is not the one of the CONNECT")]
    AuthenticationMethodChanged,
}

impl Violation {
    /// The reason code that the specification names for a DISCONNECT or CONNACK. Where it names none: Malformed Packet
    /// for what cannot be parsed, Protocol Error for what can be but is not allowed (the definitions of section 1.2).
    pub fn reason(self) -> ReasonCode {
        self.rule().1
    }

    /// The clause, such as `MQTT-3.3.1-4`; where the specification states the rule without a number, its section,
    /// such as `3.1.2.11.3`.
    pub fn clause(self) -> &'static str {
        self.rule().0
    }

    fn rule(self) -> (&'static str, ReasonCode) {
        use ReasonCode::{
            MalformedPacket as Malformed, PacketTooLarge, PayloadFormatInvalid, ProtocolError, QosNotSupported,
            ReceiveMaximumExceeded, RetainNotSupported, SubscriptionIdentifiersNotSupported, TopicAliasInvalid,
            TopicFilterInvalid, TopicNameInvalid, UnsupportedProtocolVersion,
        };
        match self {
            Self::RemainingLengthTooLong => ("1.5.5", Malformed),
            Self::PacketTooLarge => ("MQTT-3.2.2-15", PacketTooLarge),
            Self::PacketTypeReserved => ("2.1.2", Malformed),
            Self::HeaderFlagsReserved => ("MQTT-2.1.3-1", Malformed),

            Self::Truncated | Self::TrailingBytes => ("2.1.4", Malformed),
            Self::StringNotUtf8 => ("MQTT-1.5.4-1", Malformed),
            Self::StringHasNul => ("MQTT-1.5.4-2", Malformed),
            Self::VariableByteIntegerTooLong => ("1.5.5", Malformed),
            Self::VariableByteIntegerNotMinimal => ("MQTT-1.5.5-1", Malformed),
            Self::PacketIdentifierZero => ("MQTT-2.2.1-3", ProtocolError),
            Self::ReasonCodeNotAllowed => ("2.4", ProtocolError),

            Self::PropertyUnknown | Self::PropertyNotAllowed => ("2.2.2.2", Malformed),
            Self::PropertyDuplicate | Self::PropertyNotZeroOrOne => ("2.2.2.2", ProtocolError),
            Self::ReceiveMaximumZero => ("3.1.2.11.3", ProtocolError),
            Self::MaximumPacketSizeZero => ("3.1.2.11.4", ProtocolError),
            Self::SubscriptionIdentifierZero => ("3.8.2.1.2", ProtocolError),
            Self::TopicAliasZero => ("MQTT-3.3.2-8", TopicAliasInvalid),
            Self::AuthenticationDataWithoutMethod => ("3.1.2.11.10", ProtocolError),
            Self::AuthenticationMethodMissing => ("3.15.2.2.2", ProtocolError),

            Self::ProtocolNameUnknown => ("MQTT-3.1.2-1", UnsupportedProtocolVersion),
            Self::ProtocolVersionUnsupported => ("MQTT-3.1.2-2", UnsupportedProtocolVersion),
            Self::ConnectFlagReserved => ("MQTT-3.1.2-3", Malformed),
            Self::WillQosInvalid => ("MQTT-3.1.2-12", Malformed),
            Self::WillQosWithoutWill => ("MQTT-3.1.2-11", Malformed),
            Self::WillRetainWithoutWill => ("MQTT-3.1.2-13", Malformed),
            // The number is that of MQTT 3.1.1: in 5.0 the rule is gone and the number another rule's.
            Self::PasswordWithoutUserName => ("MQTT-3.1.2-22", Malformed),
            Self::ConnAckFlagsReserved => ("MQTT-3.2.2-1", Malformed),
            Self::SessionPresentOnRefusal => ("MQTT-3.2.2-6", ProtocolError),

            Self::QosInvalid => ("MQTT-3.3.1-4", Malformed),
            Self::DupWithQos0 => ("MQTT-3.3.1-2", ProtocolError),
            Self::TopicNameMissing => ("3.3.2.1", ProtocolError),
            Self::TopicNameEmpty => ("MQTT-4.7.3-1", TopicNameInvalid),
            Self::TopicNameWildcard => ("MQTT-3.3.2-2", TopicNameInvalid),
            Self::TopicNameHasNul => ("MQTT-4.7.3-2", TopicNameInvalid),
            Self::TopicNameTooLong => ("MQTT-4.7.3-3", TopicNameInvalid),
            Self::TopicNameTooManyLevels => ("4.7.3", TopicNameInvalid),
            Self::ResponseTopicWildcard => ("MQTT-3.3.2-14", TopicNameInvalid),
            Self::ResponseTopicEmpty => ("MQTT-4.7.3-1", TopicNameInvalid),

            Self::SubscribeEmpty => ("MQTT-3.8.3-2", ProtocolError),
            Self::UnsubscribeEmpty => ("MQTT-3.10.3-2", ProtocolError),
            Self::SubscriptionOptionsReserved => ("MQTT-3.8.3-5", Malformed),
            Self::SubscriptionQosInvalid => ("3.8.3.1", ProtocolError),
            Self::RetainHandlingInvalid => ("3.8.3.1", ProtocolError),
            Self::NoLocalOnSharedSubscription => ("MQTT-3.8.3-4", ProtocolError),
            Self::TopicFilterEmpty => ("MQTT-4.7.3-1", TopicFilterInvalid),
            Self::TopicFilterHasNul => ("MQTT-4.7.3-2", TopicFilterInvalid),
            Self::TopicFilterTooLong => ("MQTT-4.7.3-3", TopicFilterInvalid),
            Self::TopicFilterTooManyLevels => ("4.7.3", TopicFilterInvalid),
            Self::MultiLevelWildcardMisplaced => ("MQTT-4.7.1-1", TopicFilterInvalid),
            Self::SingleLevelWildcardMisplaced => ("MQTT-4.7.1-2", TopicFilterInvalid),
            Self::ShareNameEmpty => ("MQTT-4.8.2-1", TopicFilterInvalid),
            Self::ShareNameWildcard | Self::ShareFilterMissing => ("MQTT-4.8.2-2", TopicFilterInvalid),

            Self::FirstPacketNotConnect => ("MQTT-3.1.0-1", ProtocolError),
            Self::SecondConnect => ("MQTT-3.1.0-2", ProtocolError),
            Self::ServerPacketFromClient => ("2.1.2", ProtocolError),
            Self::SubscriptionIdentifierFromClient => ("MQTT-3.3.4-6", ProtocolError),
            Self::TopicAliasAboveMaximum => ("MQTT-3.3.2-9", TopicAliasInvalid),
            Self::TopicAliasUnknown => ("3.3.2.3.4", ProtocolError),
            Self::ReceiveMaximumExceeded => ("MQTT-3.3.4-7", ReceiveMaximumExceeded),
            Self::SessionExpiryAfterZero => ("3.14.2.2.2", ProtocolError),
            Self::QosAboveMaximum => ("MQTT-3.2.2-11", QosNotSupported),
            Self::RetainNotAvailable => ("MQTT-3.2.2-14", RetainNotSupported),
            Self::SubscriptionIdentifierNotAvailable => ("3.2.2.3.12", SubscriptionIdentifiersNotSupported),
            Self::PayloadNotUtf8 => ("3.3.2.3.2", PayloadFormatInvalid),
            Self::AuthUnexpected => ("4.12", ProtocolError),
            Self::AuthenticationMethodChanged => ("MQTT-4.12.0-5", ProtocolError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_reason_codes_of_the_specification() {
        assert_eq!(Violation::PacketTooLarge.reason() as u8, 0x95);
        assert_eq!(Violation::ProtocolVersionUnsupported.reason() as u8, 0x84);
        assert_eq!(Violation::TopicAliasZero.reason() as u8, 0x94);
        assert_eq!(Violation::ReceiveMaximumExceeded.reason() as u8, 0x93);
        assert_eq!(Violation::MultiLevelWildcardMisplaced.reason() as u8, 0x8F);
        assert_eq!(Violation::TopicNameWildcard.reason() as u8, 0x90);
        assert_eq!(Violation::Truncated.reason() as u8, 0x81);
        assert_eq!(Violation::SecondConnect.reason() as u8, 0x82);
    }

    #[test]
    fn displays_as_a_sentence() {
        assert_eq!(Violation::QosInvalid.to_string(), "the QoS of the PUBLISH is 3");
        assert_eq!(Violation::QosInvalid.clause(), "MQTT-3.3.1-4");
    }
}
