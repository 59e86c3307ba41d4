//! The packets, as values that borrow from the frame they were decoded from.

use super::properties::{
    AckProperties, ConnAckProperties, ConnectProperties, PublishProperties, SubscribeProperties, UserProperties,
    WillProperties,
};
use super::reason::ReasonCode;

/// The version that a CONNECT named (section 3.1.2.2 of each version).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Version {
    /// MQTT 3.1, protocol name "MQIsdp", level 3.
    V3_1 = 3,
    /// MQTT 3.1.1, protocol name "MQTT", level 4.
    V3_1_1 = 4,
    /// MQTT 5.0, protocol name "MQTT", level 5.
    V5_0 = 5,
}

impl std::fmt::Display for Version {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::V3_1 => "3.1",
            Self::V3_1_1 => "3.1.1",
            Self::V5_0 => "5.0",
        })
    }
}

/// Quality of service (section 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Qos {
    #[default]
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

impl Qos {
    /// `None` for 3, which no version allows.
    pub fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// One control packet, in either direction.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(Ack<'a>),
    PubRec(Ack<'a>),
    PubRel(Ack<'a>),
    PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(SubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

/// CONNECT (section 3.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Connect<'a> {
    pub version: Version,
    /// A bridge sets the high bit of the protocol level (mosquitto's and others' custom); it is taken off `version`.
    pub bridge: bool,
    /// Clean Start; Clean Session before 5.0.
    pub clean_start: bool,
    /// Seconds; 0 is "no keep-alive".
    pub keep_alive_s: u16,
    pub client_id: &'a str,
    pub will: Option<Will<'a>>,
    pub user_name: Option<&'a str>,
    pub password: Option<&'a [u8]>,
    pub properties: ConnectProperties<'a>,
}

/// The will of a CONNECT (sections 3.1.2.5 and 3.1.3.2).
#[derive(Clone, Debug, PartialEq)]
pub struct Will<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: Qos,
    pub retain: bool,
    pub properties: WillProperties<'a>,
}

/// CONNACK (section 3.2).
#[derive(Clone, Debug, PartialEq)]
pub struct ConnAck<'a> {
    pub session_present: bool,
    /// In 3.x decoded from the return code: 1 UnsupportedProtocolVersion, 2 ClientIdentifierNotValid,
    /// 3 ServerUnavailable, 4 BadUserNameOrPassword, 5 NotAuthorized.
    pub reason: ReasonCode,
    pub properties: ConnAckProperties<'a>,
}

/// PUBLISH (section 3.3).
#[derive(Clone, Debug, PartialEq)]
pub struct Publish<'a> {
    pub dup: bool,
    pub qos: Qos,
    pub retain: bool,
    /// Empty when a topic alias stands for it (5.0). Otherwise a valid topic name.
    pub topic: &'a str,
    /// 0 when `qos` is 0, and never otherwise.
    pub packet_id: u16,
    pub properties: PublishProperties<'a>,
    pub payload: &'a [u8],
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7).
#[derive(Clone, Debug, PartialEq)]
pub struct Ack<'a> {
    pub packet_id: u16,
    /// `Success` where the packet leaves it out.
    pub reason: ReasonCode,
    pub properties: AckProperties<'a>,
}

/// SUBSCRIBE (section 3.8). The filters are checked when the packet is decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribe<'a> {
    pub packet_id: u16,
    pub properties: SubscribeProperties<'a>,
    pub filters: Vec<SubscribeFilter<'a>>,
}

/// One entry of a SUBSCRIBE's payload (section 3.8.3).
#[derive(Clone, Debug, PartialEq)]
pub struct SubscribeFilter<'a> {
    /// The whole filter, `$share/name/` included. Well-formed UTF-8; whether it is a valid filter is
    /// `topic::Filter::parse`'s to say, because an invalid one costs a SUBACK code (0x8F), not the connection.
    pub filter: &'a str,
    pub options: SubscriptionOptions,
}

/// Subscription options (section 3.8.3.1). Before 5.0 all but `qos` have these defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionOptions {
    pub qos: Qos,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
}

/// When a subscription is sent retained messages (section 3.8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum RetainHandling {
    #[default]
    Send = 0,
    SendIfNew = 1,
    DoNotSend = 2,
}

/// SUBACK and UNSUBACK (sections 3.9 and 3.11).
#[derive(Clone, Debug, PartialEq)]
pub struct SubAck<'a> {
    pub packet_id: u16,
    /// The codes as on the wire, one a filter; empty for UNSUBACK before 5.0. The sender checks them.
    pub reasons: &'a [u8],
    pub properties: AckProperties<'a>,
}

/// UNSUBSCRIBE (section 3.10).
#[derive(Clone, Debug, PartialEq)]
pub struct Unsubscribe<'a> {
    pub packet_id: u16,
    pub user_properties: UserProperties<'a>,
    pub filters: Vec<&'a str>,
}

/// DISCONNECT (section 3.14).
#[derive(Clone, Debug, PartialEq)]
pub struct Disconnect<'a> {
    pub reason: ReasonCode,
    pub session_expiry_s: Option<u32>,
    pub reason_string: Option<&'a str>,
    pub server_reference: Option<&'a str>,
    pub user_properties: UserProperties<'a>,
}

/// AUTH (section 3.15).
#[derive(Clone, Debug, PartialEq)]
pub struct Auth<'a> {
    pub reason: ReasonCode,
    pub method: Option<&'a str>,
    pub data: Option<&'a [u8]>,
    pub reason_string: Option<&'a str>,
    pub user_properties: UserProperties<'a>,
}
