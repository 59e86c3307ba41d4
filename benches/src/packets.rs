//! The packets that clients send in the benchmarks, encoded.

use ringmq::codec::{
    Ack, AckProperties, Connect, ConnectProperties, Packet, Publish, PublishProperties, Qos, ReasonCode, Subscribe,
    SubscribeFilter, SubscribeProperties, SubscriptionOptions, Version, encode, write_user_property,
};

/// A topic of usual length: 31 bytes, four levels.
pub const TOPIC: &str = "site/0042/device/000017/reading";

/// A payload of usual length.
pub const PAYLOAD: [u8; 64] = [b'x'; 64];

fn bytes_of(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::packet(&mut bytes, version, packet, u32::MAX);
    bytes
}

/// CONNECT with a clean session and a keep-alive of one minute.
pub fn connect(version: Version, client_id: &str) -> Vec<u8> {
    let packet = Connect {
        version,
        bridge: false,
        clean_start: true,
        keep_alive_s: 60,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties::default(),
    };
    bytes_of(version, &Packet::Connect(packet))
}

/// PUBLISH without properties. Its packet identifier is 1, unless its QoS is 0.
pub fn publish(version: Version, qos: Qos, topic: &str, payload: &[u8]) -> Vec<u8> {
    publish_with(version, qos, topic, payload, &[])
}

/// PUBLISH of 5.0 with a content type, a response topic, correlation data and one user property.
pub fn publish_with_properties(qos: Qos, topic: &str, payload: &[u8]) -> Vec<u8> {
    publish_with(Version::V5_0, qos, topic, payload, &properties())
}

/// Encoded properties, fit to be forwarded: 61 bytes.
pub fn properties() -> Vec<u8> {
    let mut block =
        b"\x03\x00\x10application/json\x08\x00\x09answers/7\x09\x00\x08\x01\x02\x03\x04\x05\x06\x07\x08".to_vec();
    write_user_property(&mut block, "trace", "0af7651916");
    block
}

fn publish_with(version: Version, qos: Qos, topic: &str, payload: &[u8], block: &[u8]) -> Vec<u8> {
    let packet = Publish {
        dup: false,
        qos,
        retain: false,
        topic,
        packet_id: if qos == Qos::AtMostOnce { 0 } else { 1 },
        properties: PublishProperties { block, ..PublishProperties::default() },
        payload,
    };
    bytes_of(version, &Packet::Publish(packet))
}

/// PUBLISH of 3.1.1 with QoS 0 and the RETAIN flag.
pub fn publish_retained(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = publish(Version::V3_1_1, Qos::AtMostOnce, topic, payload);
    bytes[0] |= 1;
    bytes
}

/// PUBACK with the reason left out.
pub fn puback(packet_id: u16) -> Vec<u8> {
    let packet = Ack { packet_id, reason: ReasonCode::Success, properties: AckProperties::default() };
    bytes_of(Version::V3_1_1, &Packet::PubAck(packet))
}

/// SUBSCRIBE with packet identifier 1.
pub fn subscribe(version: Version, filters: &[&str], qos: Qos) -> Vec<u8> {
    let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
    let filters = filters.iter().map(|filter| SubscribeFilter { filter, options }).collect();
    let packet = Subscribe { packet_id: 1, properties: SubscribeProperties::default(), filters };
    bytes_of(version, &Packet::Subscribe(packet))
}
