//! Any valid packet, built from a sequence of numbers; a shorter sequence, or smaller numbers, make a simpler packet.

use ringmq::codec::*;

/// Choices, and 0 when there are none left.
pub struct Choices<'a>(pub &'a [u8]);

const TOPICS: &[&str] = &["a", "a/b", "/", "sensors/0001/température", "$SYS/x", "日本/東京", LONG];
const FILTERS: &[&str] = &["a", "#", "+/b", "$share/g/a/#", "", "not+valid", LONG];
const STRINGS: &[&str] = &["", "x", "ü", "\u{FEFF}\u{10FFFF}", LONG];
const BINARIES: &[&[u8]] = &[b"", b"\0", b"\xFF\xFE", LONG.as_bytes()];
const USER_PROPERTIES: &[&[u8]] =
    &[b"", b"\x26\0\x01k\0\x01v", b"\x26\0\0\0\0\x26\0\0\0\0", b"\x26\0\x01a\0\x02\xC3\xBC"];
/// Long enough for a Remaining Length of two bytes.
const LONG: &str = "0123456789012345678901234567890123456789/0123456789012345678901234567890123456789/012345678901234567890123456789012345678901234567890123456789";

impl Choices<'_> {
    fn number(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.number(), self.number()])
    }

    fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    fn boolean(&mut self) -> bool {
        self.number() % 2 == 1
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::from(self.number()) % values.len()]
    }

    fn option<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.boolean() { Some(value(self)) } else { None }
    }

    fn string(&mut self) -> &'static str {
        self.of(STRINGS)
    }

    fn packet_id(&mut self) -> u16 {
        self.u16().max(1)
    }

    fn qos(&mut self) -> Qos {
        self.of(&[Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce])
    }

    fn user_properties(&mut self) -> UserProperties<'static> {
        UserProperties { block: self.of(USER_PROPERTIES) }
    }

    fn reason(&mut self, is_allowed: fn(ReasonCode) -> bool) -> ReasonCode {
        let allowed: Vec<_> = (0..=u8::MAX).filter_map(ReasonCode::from_u8).filter(|code| is_allowed(*code)).collect();
        self.of(&allowed)
    }

    pub fn version(&mut self) -> Version {
        self.of(&[Version::V5_0, Version::V3_1_1, Version::V3_1])
    }

    /// A packet that is valid in `version`, in either direction.
    pub fn packet(&mut self, version: Version) -> Packet<'static> {
        let is_5 = version == Version::V5_0;
        match self.number() % if is_5 { 15 } else { 14 } {
            0 => Packet::Publish(self.publish(version)),
            1 => Packet::Connect(self.connect(version)),
            2 => Packet::ConnAck(self.connack(version)),
            3 => Packet::PubAck(self.ack(version, ReasonCode::is_allowed_in_puback)),
            4 => Packet::PubRec(self.ack(version, ReasonCode::is_allowed_in_puback)),
            5 => Packet::PubRel(self.ack(version, ReasonCode::is_allowed_in_pubrel)),
            6 => Packet::PubComp(self.ack(version, ReasonCode::is_allowed_in_pubrel)),
            7 => Packet::Subscribe(self.subscribe(version)),
            8 => {
                let reasons: &[u8] = if is_5 { b"\x00\x01\x02\x80\x8F\xA2" } else { b"\x00\x01\x02\x80" };
                Packet::SubAck(self.suback(version, reasons))
            }
            9 => Packet::Unsubscribe(Unsubscribe {
                packet_id: self.packet_id(),
                user_properties: if is_5 { self.user_properties() } else { UserProperties::default() },
                filters: (0..=self.number() % 4).map(|_| self.of(FILTERS)).collect(),
            }),
            10 => Packet::UnsubAck(self.suback(version, if is_5 { b"\x00\x11\x8F" } else { b"" })),
            11 => Packet::PingReq,
            12 => Packet::PingResp,
            13 => Packet::Disconnect(self.disconnect(version)),
            _ => Packet::Auth(self.auth()),
        }
    }

    pub fn publish(&mut self, version: Version) -> Publish<'static> {
        let qos = self.qos();
        let mut topic = self.of(TOPICS);
        let mut properties = PublishProperties::default();
        if version == Version::V5_0 {
            properties = self.publish_properties();
            if properties.topic_alias.is_some() && self.boolean() {
                topic = "";
            }
        }
        Publish {
            dup: qos != Qos::AtMostOnce && self.boolean(),
            qos,
            retain: self.boolean(),
            topic,
            packet_id: if qos == Qos::AtMostOnce { 0 } else { self.packet_id() },
            properties,
            payload: self.of(BINARIES),
        }
    }

    /// Properties in their fields, and a block of User Properties only.
    fn publish_properties(&mut self) -> PublishProperties<'static> {
        PublishProperties {
            block: self.of(USER_PROPERTIES),
            forwardable: false,
            message_expiry_s: self.option(Self::u32),
            topic_alias: self.option(|choices| choices.u16().max(1)),
            payload_is_utf8: self.boolean(),
            subscription_id: self.option(Self::subscription_id),
            response_topic: self.option(|choices| choices.of(TOPICS)),
            correlation_data: self.option(|choices| choices.of(BINARIES)),
            content_type: self.option(Self::string),
        }
    }

    fn subscription_id(&mut self) -> u32 {
        self.of(&[1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455])
    }

    fn connect(&mut self, version: Version) -> Connect<'static> {
        let is_5 = version == Version::V5_0;
        let user_name = self.option(Self::string);
        Connect {
            version,
            bridge: !is_5 && self.boolean(),
            clean_start: self.boolean(),
            keep_alive_s: self.u16(),
            client_id: self.string(),
            will: self.option(|choices| choices.will(is_5)),
            user_name,
            password: if is_5 || user_name.is_some() { self.option(|choices| choices.of(BINARIES)) } else { None },
            properties: if is_5 { self.connect_properties() } else { ConnectProperties::default() },
        }
    }

    fn will(&mut self, is_5: bool) -> Will<'static> {
        let mut properties = WillProperties::default();
        if is_5 {
            properties = WillProperties {
                delay_s: self.u32(),
                message_expiry_s: self.option(Self::u32),
                payload_is_utf8: self.boolean(),
                block: self.of(USER_PROPERTIES),
            };
        }
        let (topic, payload) = (self.of(TOPICS), self.of(BINARIES));
        Will { topic, payload, qos: self.qos(), retain: self.boolean(), properties }
    }

    fn connect_properties(&mut self) -> ConnectProperties<'static> {
        let authentication_method = self.option(Self::string);
        ConnectProperties {
            session_expiry_s: self.option(Self::u32),
            receive_maximum: self.option(|choices| choices.u16().max(1)),
            packet_size_max: self.option(|choices| choices.u32().max(1)),
            topic_alias_max: self.option(Self::u16),
            request_response_information: self.boolean(),
            request_problem_information: self.option(Self::boolean),
            user_properties: self.user_properties(),
            authentication_method,
            authentication_data: authentication_method.and_then(|_| self.option(|choices| choices.of(BINARIES))),
        }
    }

    fn connack(&mut self, version: Version) -> ConnAck<'static> {
        if version != Version::V5_0 {
            let reason = ReasonCode::from_connect_return_code(self.number() % 6).unwrap();
            let session_present = version == Version::V3_1_1 && reason == ReasonCode::Success && self.boolean();
            return ConnAck { session_present, reason, properties: ConnAckProperties::default() };
        }
        let reason = self.reason(ReasonCode::is_allowed_in_connack);
        let properties = ConnAckProperties {
            session_expiry_s: self.option(Self::u32),
            receive_maximum: self.option(|choices| choices.u16().max(1)),
            maximum_qos: self.option(|choices| choices.number() % 2),
            retain_available: self.option(Self::boolean),
            packet_size_max: self.option(|choices| choices.u32().max(1)),
            assigned_client_id: self.option(Self::string),
            topic_alias_max: self.option(Self::u16),
            reason_string: self.option(Self::string),
            user_properties: self.user_properties(),
            wildcard_subscription_available: self.option(Self::boolean),
            subscription_identifiers_available: self.option(Self::boolean),
            shared_subscription_available: self.option(Self::boolean),
            server_keep_alive_s: self.option(Self::u16),
            response_information: self.option(Self::string),
            server_reference: self.option(Self::string),
            authentication_method: self.option(Self::string),
            authentication_data: self.option(|choices| choices.of(BINARIES)),
        };
        ConnAck { session_present: reason == ReasonCode::Success && self.boolean(), reason, properties }
    }

    fn ack(&mut self, version: Version, is_allowed: fn(ReasonCode) -> bool) -> Ack<'static> {
        let reason = if version == Version::V5_0 { self.reason(is_allowed) } else { ReasonCode::Success };
        Ack { packet_id: self.packet_id(), reason, properties: self.ack_properties(version) }
    }

    fn ack_properties(&mut self, version: Version) -> AckProperties<'static> {
        if version != Version::V5_0 {
            return AckProperties::default();
        }
        AckProperties { reason_string: self.option(Self::string), user_properties: self.user_properties() }
    }

    fn suback(&mut self, version: Version, reasons: &'static [u8]) -> SubAck<'static> {
        let reasons = &reasons[..usize::from(self.number()) % (reasons.len() + 1)];
        SubAck { packet_id: self.packet_id(), reasons, properties: self.ack_properties(version) }
    }

    fn subscribe(&mut self, version: Version) -> Subscribe<'static> {
        let is_5 = version == Version::V5_0;
        let mut properties = SubscribeProperties::default();
        if is_5 {
            properties.subscription_id = self.option(Self::subscription_id);
            properties.user_properties = self.user_properties();
        }
        let filters = (0..=self.number() % 4).map(|_| self.subscribe_filter(is_5)).collect();
        Subscribe { packet_id: self.packet_id(), properties, filters }
    }

    fn subscribe_filter(&mut self, is_5: bool) -> SubscribeFilter<'static> {
        let filter = self.of(FILTERS);
        let mut options = SubscriptionOptions { qos: self.qos(), ..SubscriptionOptions::default() };
        if is_5 {
            options.no_local = !filter.starts_with("$share/") && self.boolean();
            options.retain_as_published = self.boolean();
            options.retain_handling =
                self.of(&[RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend]);
        }
        SubscribeFilter { filter, options }
    }

    fn disconnect(&mut self, version: Version) -> Disconnect<'static> {
        let is_5 = version == Version::V5_0;
        Disconnect {
            reason: if is_5 { self.reason(ReasonCode::is_allowed_in_disconnect) } else { ReasonCode::Success },
            session_expiry_s: if is_5 { self.option(Self::u32) } else { None },
            reason_string: if is_5 { self.option(Self::string) } else { None },
            server_reference: if is_5 { self.option(Self::string) } else { None },
            user_properties: if is_5 { self.user_properties() } else { UserProperties::default() },
        }
    }

    fn auth(&mut self) -> Auth<'static> {
        Auth {
            reason: self.reason(ReasonCode::is_allowed_in_auth),
            method: Some(self.string()),
            data: self.option(|choices| choices.of(BINARIES)),
            reason_string: self.option(Self::string),
            user_properties: self.user_properties(),
        }
    }
}
