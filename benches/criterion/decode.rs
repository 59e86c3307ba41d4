//! Bytes to packets.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ringmq::codec::{Packet, Qos, Version, decode, frame};
use ringmq_benches::naive::codec as naive;
use ringmq_benches::packets::{self, PAYLOAD, TOPIC};
use ringmq_benches::steps::sum_of_pubacks;

pub fn bench(criterion: &mut Criterion) {
    use Qos::{AtLeastOnce, AtMostOnce};
    use Version::{V3_1_1, V5_0};
    let publish = |version, qos| packets::publish(version, qos, TOPIC, &PAYLOAD);
    let with_properties = |qos| packets::publish_with_properties(qos, TOPIC, &PAYLOAD);
    let cases = [
        ("publish_qos0_v3", V3_1_1, publish(V3_1_1, AtMostOnce)),
        ("publish_qos1_v3", V3_1_1, publish(V3_1_1, AtLeastOnce)),
        ("publish_qos0_v5", V5_0, publish(V5_0, AtMostOnce)),
        ("publish_qos0_v5_properties", V5_0, with_properties(AtMostOnce)),
        ("publish_qos1_v5_properties", V5_0, with_properties(AtLeastOnce)),
        ("puback", V3_1_1, packets::puback(7)),
        ("subscribe", V5_0, packets::subscribe(V5_0, &[TOPIC, "site/+/device/#"], AtLeastOnce)),
        ("connect", V5_0, packets::connect(V5_0, "device-000017")),
    ];
    for (name, version, bytes) in &cases {
        let mut group = criterion.benchmark_group(format!("decode/{name}"));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("ringmq", |bencher| {
            bencher.iter(|| {
                let (frame, size) = frame::find(black_box(bytes), u32::MAX).unwrap().expect("a whole frame");
                assert_eq!(size, bytes.len());
                black_box(decode::decode(frame, *version).unwrap());
            });
        });
        group.bench_function("naive", |bencher| {
            bencher.iter(|| {
                let (packet, size) = naive::decode(black_box(bytes), *version == V5_0).expect("a whole packet");
                assert_eq!(size, bytes.len());
                black_box(packet);
            });
        });
        agree(*version, bytes);
    }

    let bytes: Vec<u8> = (1..=64).flat_map(packets::puback).collect();
    let mut group = criterion.benchmark_group("decode/buffer_of_64_pubacks");
    group.throughput(Throughput::Elements(64));
    group.bench_function("ringmq", |bencher| {
        bencher.iter(|| assert_eq!(sum_of_pubacks(black_box(&bytes)), 64 * 65 / 2));
    });
    group.bench_function("naive", |bencher| {
        bencher.iter(|| {
            let (mut rest, mut sum) = (black_box(bytes.as_slice()), 0);
            while let Some((naive::Packet::Ack { packet_id, .. }, size)) = naive::decode(rest, false) {
                rest = &rest[size..];
                sum += u32::from(packet_id);
            }
            assert_eq!(sum, 64 * 65 / 2);
        });
    });
}

/// Both decoders read the same out of `bytes`.
fn agree(version: Version, bytes: &[u8]) {
    let (frame, _) = frame::find(bytes, u32::MAX).unwrap().expect("a whole frame");
    let (naive, _) = naive::decode(bytes, version == Version::V5_0).expect("a whole packet");
    let agree = match (decode::decode(frame, version).unwrap(), &naive) {
        (Packet::Publish(one), naive::Packet::Publish { qos, retain, topic, packet_id, properties, payload }) => {
            (one.qos as u8, one.retain, one.topic, one.packet_id) == (*qos, *retain, topic, *packet_id)
                && one.properties.content_type.map(str::as_bytes)
                    == properties.iter().find(|(identifier, _)| *identifier == 3).map(|(_, value)| value.as_slice())
                && one.payload == payload
        }
        (Packet::PubAck(one), naive::Packet::Ack { packet_type: 4, packet_id }) => one.packet_id == *packet_id,
        (Packet::Subscribe(one), naive::Packet::Subscribe { packet_id, filters }) => {
            let of_one = one.filters.iter().map(|filter| (filter.filter.to_owned(), filter.options.qos as u8));
            one.packet_id == *packet_id && of_one.eq(filters.iter().cloned())
        }
        (Packet::Connect(one), naive::Packet::Connect { level, keep_alive_s, client_id }) => {
            (one.version as u8, one.keep_alive_s, one.client_id) == (*level, *keep_alive_s, client_id)
        }
        _ => false,
    };
    assert!(agree, "{naive:?} from {bytes:02X?}");
}
