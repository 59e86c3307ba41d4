//! Every packet of MQTT 3.1 and 3.1.1, byte by byte.

use ringmq::codec::Version::{V3_1, V3_1_1};
use ringmq::codec::*;

use crate::{check, decode, encode};

fn connect_3_1_1(client_id: &str) -> Connect<'_> {
    Connect {
        version: V3_1_1,
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

fn ack(packet_id: u16) -> Ack<'static> {
    Ack { packet_id, reason: ReasonCode::Success, properties: AckProperties::default() }
}

#[test]
fn connect_of_3_1_1() {
    check(V3_1_1, b"\x10\x0E\0\x04MQTT\x04\x02\0\x3C\0\x02id", Packet::Connect(connect_3_1_1("id")));
    check(V3_1_1, b"\x10\x0C\0\x04MQTT\x04\x02\0\x3C\0\0", Packet::Connect(connect_3_1_1("")));
}

#[test]
fn connect_with_everything() {
    let will = Will {
        topic: "a/b",
        payload: b"\0\xFF",
        qos: Qos::ExactlyOnce,
        retain: true,
        properties: WillProperties::default(),
    };
    let packet = Connect {
        clean_start: false,
        keep_alive_s: 0xABCD,
        will: Some(will),
        user_name: Some("u"),
        password: Some(b"p\0"),
        ..connect_3_1_1("id")
    };
    let bytes = b"\x10\x1E\0\x04MQTT\x04\xF4\xAB\xCD\0\x02id\0\x03a/b\0\x02\0\xFF\0\x01u\0\x02p\0";
    check(V3_1_1, bytes, Packet::Connect(packet));
}

#[test]
fn connect_of_3_1() {
    let packet = Connect { version: V3_1, ..connect_3_1_1("id") };
    check(V3_1, b"\x10\x10\0\x06MQIsdp\x03\x02\0\x3C\0\x02id", Packet::Connect(packet));
}

#[test]
fn connect_of_bridges() {
    let packet = Connect { bridge: true, ..connect_3_1_1("id") };
    check(V3_1_1, b"\x10\x0E\0\x04MQTT\x84\x02\0\x3C\0\x02id", Packet::Connect(packet));
    let packet = Connect { version: V3_1, bridge: true, ..connect_3_1_1("id") };
    check(V3_1, b"\x10\x10\0\x06MQIsdp\x83\x02\0\x3C\0\x02id", Packet::Connect(packet));
}

/// MQTT 3.1, section 3.1: the Remaining Length goes before the user name flag and the password flag; the reserved bit
/// is not used, and will QoS and retain are disregarded without a will.
#[test]
fn connect_of_3_1_is_read_leniently() {
    let packet = Packet::Connect(Connect { version: V3_1, ..connect_3_1_1("id") });
    let with_flags = |flags: u8| [b"\x10\x10\0\x06MQIsdp\x03", &[flags][..], b"\0\x3C\0\x02id"].concat();
    for flags in [0b1100_0010, 0b1000_0010, 0b0000_0011, 0b0011_1010] {
        assert_eq!(decode(V3_1, &with_flags(flags)), Ok(packet.clone()), "{flags:#010b}");
    }
    let bytes = b"\x10\x13\0\x06MQIsdp\x03\xC2\0\x3C\0\x02id\0\x01u";
    let Ok(Packet::Connect(connect)) = decode(V3_1, bytes) else { panic!("the user name alone is enough") };
    assert_eq!((connect.user_name, connect.password), (Some("u"), None));
}

#[test]
fn connect_tells_its_version_before_it_is_whole() {
    assert_eq!(decode::connect_version(b"\0\x04MQTT\x05"), Some(Version::V5_0));
    assert_eq!(decode::connect_version(b"\0\x04MQTT\x84\xFF"), Some(V3_1_1));
    assert_eq!(decode::connect_version(b"\0\x06MQIsdp\x03"), Some(V3_1));
    assert_eq!(decode::connect_version(b"\0\x04MQTT\x06"), None);
    assert_eq!(decode::connect_version(b"\0\x04MQTT"), None);
}

#[test]
fn connack() {
    let packet =
        ConnAck { session_present: true, reason: ReasonCode::Success, properties: ConnAckProperties::default() };
    check(V3_1_1, b"\x20\x02\x01\x00", Packet::ConnAck(packet.clone()));
    assert_eq!(encode(V3_1, &Packet::ConnAck(packet.clone())), b"\x20\x02\0\0", "3.1 has no Session Present");
    for (code, reason) in [
        (1, ReasonCode::UnsupportedProtocolVersion),
        (2, ReasonCode::ClientIdentifierNotValid),
        (3, ReasonCode::ServerUnavailable),
        (4, ReasonCode::BadUserNameOrPassword),
        (5, ReasonCode::NotAuthorized),
    ] {
        let packet = Packet::ConnAck(ConnAck { session_present: false, reason, ..packet.clone() });
        check(V3_1_1, &[0x20, 2, 0, code], packet.clone());
        check(V3_1, &[0x20, 2, 0, code], packet);
    }
    let packet = ConnAck { session_present: false, reason: ReasonCode::MalformedPacket, ..packet };
    assert_eq!(encode(V3_1_1, &Packet::ConnAck(packet)), b"\x20\x02\0\x03", "no return code says this");
    assert!(decode(V3_1, b"\x20\x02\xFF\0").is_ok(), "3.1 does not use the first byte");
}

#[test]
fn publish() {
    let packet = Publish {
        dup: false,
        qos: Qos::AtMostOnce,
        retain: false,
        topic: "a/b",
        packet_id: 0,
        properties: PublishProperties::default(),
        payload: b"hi",
    };
    for version in [V3_1, V3_1_1] {
        check(version, b"\x30\x07\0\x03a/bhi", Packet::Publish(packet.clone()));
        let retained = Publish { retain: true, payload: b"", ..packet.clone() };
        check(version, b"\x31\x05\0\x03a/b", Packet::Publish(retained));
        let qos_1 = Publish { qos: Qos::AtLeastOnce, dup: true, packet_id: 0x1234, ..packet.clone() };
        check(version, b"\x3A\x09\0\x03a/b\x12\x34hi", Packet::Publish(qos_1));
        let qos_2 = Publish { qos: Qos::ExactlyOnce, packet_id: 0xFFFF, ..packet.clone() };
        check(version, b"\x34\x09\0\x03a/b\xFF\xFFhi", Packet::Publish(qos_2));
    }
}

#[test]
fn acknowledgements() {
    for version in [V3_1, V3_1_1] {
        check(version, b"\x40\x02\x12\x34", Packet::PubAck(ack(0x1234)));
        check(version, b"\x50\x02\x12\x34", Packet::PubRec(ack(0x1234)));
        check(version, b"\x62\x02\x12\x34", Packet::PubRel(ack(0x1234)));
        check(version, b"\x70\x02\x12\x34", Packet::PubComp(ack(0x1234)));
        let refused = Ack { reason: ReasonCode::QuotaExceeded, ..ack(1) };
        assert_eq!(encode(version, &Packet::PubAck(refused)), b"\x40\x02\0\x01", "there is no reason to give");
    }
}

#[test]
fn subscribe_and_unsubscribe() {
    let filter = |filter, qos| SubscribeFilter { filter, options: SubscriptionOptions { qos, ..Default::default() } };
    let filters = vec![filter("a/+", Qos::AtLeastOnce), filter("#", Qos::ExactlyOnce)];
    let subscribe = Packet::Subscribe(Subscribe { packet_id: 10, properties: Default::default(), filters });
    let unsubscribe = Packet::Unsubscribe(Unsubscribe {
        packet_id: 10,
        user_properties: Default::default(),
        filters: vec!["a/+", "#"],
    });
    for version in [V3_1, V3_1_1] {
        check(version, b"\x82\x0C\0\x0A\0\x03a/+\x01\0\x01#\x02", subscribe.clone());
        check(version, b"\xA2\x0A\0\x0A\0\x03a/+\0\x01#", unsubscribe.clone());
    }
    assert_eq!(decode(V3_1, b"\x8A\x0C\0\x0A\0\x03a/+\x01\0\x01#\x02"), Ok(subscribe), "3.1 may send it again");
    assert_eq!(decode(V3_1, b"\xAA\x0A\0\x0A\0\x03a/+\0\x01#"), Ok(unsubscribe), "3.1 may send it again");
    assert_eq!(decode(V3_1, b"\x6A\x02\0\x01"), Ok(Packet::PubRel(ack(1))), "3.1 may send it again");
}

#[test]
fn suback_and_unsuback() {
    let suback = |reasons| SubAck { packet_id: 10, reasons, properties: AckProperties::default() };
    for version in [V3_1, V3_1_1] {
        check(version, b"\x90\x06\0\x0A\x00\x01\x02\x80", Packet::SubAck(suback(b"\x00\x01\x02\x80")));
        check(version, b"\xB0\x02\0\x0A", Packet::UnsubAck(suback(b"")));
        assert_eq!(encode(version, &Packet::SubAck(suback(b"\x01\x8F\x97"))), b"\x90\x05\0\x0A\x01\x80\x80");
        assert_eq!(encode(version, &Packet::UnsubAck(suback(b"\x00\x11"))), b"\xB0\x02\0\x0A");
    }
}

#[test]
fn packets_without_a_body() {
    let disconnect = Disconnect {
        reason: ReasonCode::Success,
        session_expiry_s: None,
        reason_string: None,
        server_reference: None,
        user_properties: UserProperties::default(),
    };
    for version in [V3_1, V3_1_1] {
        check(version, b"\xC0\0", Packet::PingReq);
        check(version, b"\xD0\0", Packet::PingResp);
        check(version, b"\xE0\0", Packet::Disconnect(disconnect.clone()));
    }
}
