//! Every packet of MQTT 5.0, byte by byte.

use ringmq::codec::Version::V5_0;
use ringmq::codec::encode::AckKind;
use ringmq::codec::*;

use crate::{check, decode, encode};

/// The User Property ("k", "v"), encoded.
const USER: UserProperties<'_> = UserProperties { block: b"\x26\0\x01k\0\x01v" };

fn connect(client_id: &str) -> Connect<'_> {
    Connect {
        version: V5_0,
        bridge: false,
        clean_start: true,
        keep_alive_s: 60,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties::default(),
    }
}

#[test]
fn connect_without_properties() {
    check(V5_0, b"\x10\x0F\0\x04MQTT\x05\x02\0\x3C\0\0\x02id", Packet::Connect(connect("id")));
    let password_alone = Connect { password: Some(b"p"), ..connect("") };
    check(V5_0, b"\x10\x10\0\x04MQTT\x05\x42\0\x3C\0\0\0\0\x01p", Packet::Connect(password_alone));
}

#[test]
fn connect_with_all_properties() {
    let properties = ConnectProperties {
        session_expiry_s: Some(0x0102_0304),
        receive_maximum: Some(20),
        packet_size_max: Some(1 << 20),
        topic_alias_max: Some(0),
        request_response_information: true,
        request_problem_information: Some(false),
        user_properties: USER,
        authentication_method: Some("m"),
        authentication_data: Some(b"\0"),
    };
    let block =
        b"\x11\x01\x02\x03\x04\x21\0\x14\x27\0\x10\0\0\x22\0\0\x19\x01\x17\0\x15\0\x01m\x16\0\x01\0\x26\0\x01k\0\x01v";
    let bytes = [&b"\x10\x32\0\x04MQTT\x05\x02\0\x3C\x23"[..], block, b"\0\x02id"].concat();
    check(V5_0, &bytes, Packet::Connect(Connect { properties, ..connect("id") }));
}

#[test]
fn connect_with_will() {
    let block = b"\x18\0\0\0\x05\x02\0\0\0\x0A\x01\x01\x03\0\x01t\x08\0\x01r\x09\0\x01\0\x26\0\x01k\0\x01v";
    let properties = WillProperties { delay_s: 5, message_expiry_s: Some(10), payload_is_utf8: true, block };
    let will = Will { topic: "w", payload: b"", qos: Qos::AtLeastOnce, retain: false, properties };
    let bytes = [&b"\x10\x34\0\x04MQTT\x05\x0E\0\x3C\0\0\x02id\x1F"[..], block, b"\0\x01w\0\0"].concat();
    check(V5_0, &bytes, Packet::Connect(Connect { will: Some(will), ..connect("id") }));
}

#[test]
fn will_properties_that_the_block_lacks_are_written_from_the_fields() {
    let properties =
        WillProperties { delay_s: 5, message_expiry_s: Some(10), payload_is_utf8: true, block: USER.block };
    let will = Will { topic: "w", payload: b"", qos: Qos::AtMostOnce, retain: true, properties };
    let bytes = encode(V5_0, &Packet::Connect(Connect { will: Some(will), ..connect("id") }));
    let Ok(Packet::Connect(Connect { will: Some(will), .. })) = decode(V5_0, &bytes) else { panic!("{bytes:02X?}") };
    assert_eq!(will.properties.block, b"\x26\0\x01k\0\x01v\x18\0\0\0\x05\x02\0\0\0\x0A\x01\x01");
    assert!(will.retain);
}

#[test]
fn connack() {
    let plain = ConnAck { session_present: false, reason: ReasonCode::Success, properties: Default::default() };
    check(V5_0, b"\x20\x03\0\0\0", Packet::ConnAck(plain.clone()));
    check(V5_0, b"\x20\x03\x01\0\0", Packet::ConnAck(ConnAck { session_present: true, ..plain.clone() }));
    check(V5_0, b"\x20\x03\0\x8A\0", Packet::ConnAck(ConnAck { reason: ReasonCode::Banned, ..plain.clone() }));
    let properties = ConnAckProperties {
        session_expiry_s: Some(1),
        receive_maximum: Some(2),
        maximum_qos: Some(1),
        retain_available: Some(true),
        packet_size_max: Some(3),
        assigned_client_id: Some("c"),
        topic_alias_max: Some(4),
        reason_string: Some("s"),
        user_properties: USER,
        wildcard_subscription_available: Some(false),
        subscription_identifiers_available: Some(true),
        shared_subscription_available: Some(false),
        server_keep_alive_s: Some(5),
        response_information: Some("i"),
        server_reference: Some("r"),
        authentication_method: Some("m"),
        authentication_data: Some(b"d"),
    };
    let block =
        b"\x11\0\0\0\x01\x21\0\x02\x24\x01\x25\x01\x27\0\0\0\x03\x12\0\x01c\x22\0\x04\x28\0\x29\x01\x2A\0\x13\0\x05\
        \x1A\0\x01i\x1C\0\x01r\x15\0\x01m\x16\0\x01d\x1F\0\x01s\x26\0\x01k\0\x01v";
    let bytes = [&b"\x20\x3F\0\0\x3C"[..], block].concat();
    check(V5_0, &bytes, Packet::ConnAck(ConnAck { properties, ..plain }));
}

fn publish() -> Publish<'static> {
    Publish {
        dup: false,
        qos: Qos::AtMostOnce,
        retain: false,
        topic: "a/b",
        packet_id: 0,
        properties: PublishProperties::default(),
        payload: b"hi",
    }
}

#[test]
fn publish_without_properties() {
    check(V5_0, b"\x30\x08\0\x03a/b\0hi", Packet::Publish(publish()));
    let qos_2 = Publish { dup: true, qos: Qos::ExactlyOnce, retain: true, packet_id: 7, ..publish() };
    check(V5_0, b"\x3D\x0A\0\x03a/b\0\x07\0hi", Packet::Publish(qos_2));
}

#[test]
fn publish_with_all_properties() {
    let block =
        b"\x01\x01\x02\0\0\0\x10\x23\0\x05\x08\0\x01r\x09\0\x01\0\x0B\x80\x01\x03\0\x01t\x0B\x01\x26\0\x01k\0\x01v";
    let properties = PublishProperties {
        block,
        forwardable: false,
        message_expiry_s: Some(16),
        topic_alias: Some(5),
        payload_is_utf8: true,
        subscription_id: Some(128),
        response_topic: Some("r"),
        correlation_data: Some(b"\0"),
        content_type: Some("t"),
    };
    let packet = Publish { topic: "", properties, ..publish() };
    assert_eq!(packet.properties.subscription_ids().collect::<Vec<_>>(), [128, 1]);
    assert_eq!(packet.properties.user_properties().iter().collect::<Vec<_>>(), [("k", "v")]);
    let bytes = [&b"\x30\x27\0\0\x22"[..], block, b"hi"].concat();
    check(V5_0, &bytes, Packet::Publish(packet));
}

#[test]
fn publish_says_whether_its_properties_can_be_forwarded() {
    for (property, forwardable) in [
        (&b"\x01\x01"[..], true),
        (b"\x03\0\x01t", true),
        (b"\x08\0\x01r", true),
        (b"\x09\0\x01\0", true),
        (b"\x26\0\x01k\0\x01v", true),
        (b"\x02\0\0\0\x10", false),
        (b"\x23\0\x05", false),
        (b"\x0B\x01", false),
    ] {
        let bytes = [&[0x30, 6 + property.len() as u8, 0, 3], &b"a/b"[..], &[property.len() as u8], property].concat();
        let Ok(Packet::Publish(publish)) = decode(V5_0, &bytes) else { panic!("{bytes:02X?}") };
        assert_eq!(publish.properties.forwardable, forwardable, "{property:02X?}");
    }
}

#[test]
fn publish_properties_that_the_block_lacks_are_written_from_the_fields() {
    let properties = PublishProperties { block: USER.block, response_topic: Some("r"), ..Default::default() };
    let bytes = encode(V5_0, &Packet::Publish(Publish { properties, ..publish() }));
    assert_eq!(bytes, b"\x30\x13\0\x03a/b\x0B\x26\0\x01k\0\x01v\x08\0\x01rhi");
}

#[test]
fn publish_head_writes_what_it_is_given() {
    let head = encode::PublishHead {
        version: V5_0,
        dup: false,
        qos: Qos::AtLeastOnce,
        retain: true,
        topic: "t",
        packet_id: 0x0102,
        message_expiry_s: Some(9),
        topic_alias: Some(3),
        subscription_ids: &[1, 300],
        properties: USER.block,
        payload_len: 200,
    };
    let mut bytes = Vec::new();
    encode::publish_head(&mut bytes, &head);
    let properties = b"\x14\x02\0\0\0\x09\x23\0\x03\x0B\x01\x0B\xAC\x02\x26\0\x01k\0\x01v";
    assert_eq!(bytes, [&b"\x33\xE2\x01\0\x01t\x01\x02"[..], properties].concat());
    assert_eq!(head.packet_size(), bytes.len() + 200);

    let head = encode::PublishHead { version: Version::V3_1_1, qos: Qos::AtMostOnce, ..head };
    bytes.clear();
    encode::publish_head(&mut bytes, &head);
    assert_eq!(bytes, b"\x31\xCB\x01\0\x01t", "3.1.1 has none of the properties");
    assert_eq!(head.packet_size(), bytes.len() + 200);
}

#[test]
fn acknowledgements() {
    let ack = |reason, properties| Ack { packet_id: 0x1234, reason, properties };
    let explained = AckProperties { reason_string: Some("s"), user_properties: USER };
    let success = ack(ReasonCode::Success, AckProperties::default());
    check(V5_0, b"\x40\x02\x12\x34", Packet::PubAck(success.clone()));
    check(V5_0, b"\x50\x02\x12\x34", Packet::PubRec(success.clone()));
    check(V5_0, b"\x62\x02\x12\x34", Packet::PubRel(success.clone()));
    check(V5_0, b"\x70\x02\x12\x34", Packet::PubComp(success.clone()));
    assert_eq!(decode(V5_0, b"\x40\x03\x12\x34\0"), Ok(Packet::PubAck(success.clone())));
    assert_eq!(decode(V5_0, b"\x40\x04\x12\x34\0\0"), Ok(Packet::PubAck(success)));
    let none = ack(ReasonCode::NoMatchingSubscribers, AckProperties::default());
    check(V5_0, b"\x50\x03\x12\x34\x10", Packet::PubRec(none));
    let not_found = ack(ReasonCode::PacketIdentifierNotFound, explained.clone());
    check(V5_0, b"\x62\x0F\x12\x34\x92\x0B\x1F\0\x01s\x26\0\x01k\0\x01v", Packet::PubRel(not_found.clone()));
    check(V5_0, b"\x70\x0F\x12\x34\x92\x0B\x1F\0\x01s\x26\0\x01k\0\x01v", Packet::PubComp(not_found));
    let success = ack(ReasonCode::Success, explained);
    check(V5_0, b"\x40\x0F\x12\x34\0\x0B\x1F\0\x01s\x26\0\x01k\0\x01v", Packet::PubAck(success));
}

#[test]
fn subscribe_and_unsubscribe() {
    let options = SubscriptionOptions {
        qos: Qos::ExactlyOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    let if_new = SubscriptionOptions { retain_handling: RetainHandling::SendIfNew, ..Default::default() };
    let filters = vec![
        SubscribeFilter { filter: "a/+", options },
        SubscribeFilter { filter: "$share/g/#", options: if_new },
        // Not a valid filter, which costs a reason code and not the connection.
        SubscribeFilter { filter: "", options: SubscriptionOptions::default() },
    ];
    let properties = SubscribeProperties { subscription_id: Some(268_435_455), user_properties: USER };
    check(
        V5_0,
        b"\x82\x25\0\x0A\x0C\x0B\xFF\xFF\xFF\x7F\x26\0\x01k\0\x01v\0\x03a/+\x2E\0\x0A$share/g/#\x10\0\0\0",
        Packet::Subscribe(Subscribe { packet_id: 10, properties, filters }),
    );
    let unsubscribe = Unsubscribe { packet_id: 10, user_properties: USER, filters: vec!["a/+", "#"] };
    check(V5_0, b"\xA2\x12\0\x0A\x07\x26\0\x01k\0\x01v\0\x03a/+\0\x01#", Packet::Unsubscribe(unsubscribe));
}

#[test]
fn suback_and_unsuback() {
    let properties = AckProperties { reason_string: Some("s"), user_properties: USER };
    let suback = SubAck { packet_id: 10, reasons: b"\x00\x01\x02\x8F\xA2", properties };
    check(V5_0, b"\x90\x13\0\x0A\x0B\x1F\0\x01s\x26\0\x01k\0\x01v\x00\x01\x02\x8F\xA2", Packet::SubAck(suback));
    let unsuback = SubAck { packet_id: 10, reasons: b"\x00\x11\x87", properties: AckProperties::default() };
    check(V5_0, b"\xB0\x06\0\x0A\0\x00\x11\x87", Packet::UnsubAck(unsuback));
}

#[test]
fn disconnect_and_auth() {
    let disconnect = Disconnect {
        reason: ReasonCode::Success,
        session_expiry_s: None,
        reason_string: None,
        server_reference: None,
        user_properties: UserProperties::default(),
    };
    check(V5_0, b"\xE0\0", Packet::Disconnect(disconnect.clone()));
    assert_eq!(decode(V5_0, b"\xE0\x01\0"), Ok(Packet::Disconnect(disconnect.clone())));
    let with_will = Disconnect { reason: ReasonCode::DisconnectWithWillMessage, ..disconnect.clone() };
    assert_eq!(decode(V5_0, b"\xE0\x01\x04"), Ok(Packet::Disconnect(with_will.clone())), "no property length");
    check(V5_0, b"\xE0\x02\x04\0", Packet::Disconnect(with_will));
    let moved = Disconnect {
        reason: ReasonCode::ServerMoved,
        session_expiry_s: Some(1),
        reason_string: Some("s"),
        server_reference: Some("r"),
        user_properties: USER,
    };
    let block = b"\x11\0\0\0\x01\x1C\0\x01r\x1F\0\x01s\x26\0\x01k\0\x01v";
    check(V5_0, &[&b"\xE0\x16\x9D\x14"[..], block].concat(), Packet::Disconnect(moved));

    let auth = Auth {
        reason: ReasonCode::Success,
        method: None,
        data: None,
        reason_string: None,
        user_properties: UserProperties::default(),
    };
    check(V5_0, b"\xF0\0", Packet::Auth(auth.clone()));
    assert_eq!(decode(V5_0, b"\xF0\x02\0\0"), Ok(Packet::Auth(auth)));
    let auth = Auth {
        reason: ReasonCode::ContinueAuthentication,
        method: Some("m"),
        data: Some(b"\0"),
        reason_string: Some("s"),
        user_properties: USER,
    };
    let block = b"\x15\0\x01m\x16\0\x01\0\x1F\0\x01s\x26\0\x01k\0\x01v";
    check(V5_0, &[&b"\xF0\x15\x18\x13"[..], block].concat(), Packet::Auth(auth));
}

#[test]
fn pings() {
    check(V5_0, b"\xC0\0", Packet::PingReq);
    check(V5_0, b"\xD0\0", Packet::PingResp);
}

/// [MQTT-3.4.2-2], [MQTT-3.4.2-3] and their likes: first the reason string goes, then the User Properties too.
#[test]
fn explanations_are_left_out_of_packets_that_are_too_large() {
    let properties = AckProperties { reason_string: Some("s"), user_properties: USER };
    let packet = Ack { packet_id: 1, reason: ReasonCode::QuotaExceeded, properties };
    let encoded = |packet_size_max| {
        let mut bytes = vec![0xAA];
        encode::ack(&mut bytes, V5_0, AckKind::PubAck, &packet, packet_size_max);
        bytes
    };
    let whole = b"\xAA\x40\x0F\0\x01\x97\x0B\x1F\0\x01s\x26\0\x01k\0\x01v";
    assert_eq!(encoded(17), whole);
    assert_eq!(encoded(16), b"\xAA\x40\x0B\0\x01\x97\x07\x26\0\x01k\0\x01v");
    assert_eq!(encoded(13), b"\xAA\x40\x0B\0\x01\x97\x07\x26\0\x01k\0\x01v");
    assert_eq!(encoded(12), b"\xAA\x40\x03\0\x01\x97");
    assert_eq!(encoded(1), b"\xAA\x40\x03\0\x01\x97", "what must be said is said; the caller sees its size");

    let properties = ConnAckProperties {
        topic_alias_max: Some(1),
        reason_string: Some("s"),
        user_properties: USER,
        ..Default::default()
    };
    let packet = ConnAck { session_present: false, reason: ReasonCode::Success, properties };
    let mut bytes = Vec::new();
    encode::connack(&mut bytes, V5_0, &packet, 12);
    assert_eq!(bytes, b"\x20\x06\0\0\x03\x22\0\x01", "the other properties stay");
}
