//! Packets to bytes.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ringmq::codec::encode::{self, AckKind};
use ringmq::codec::{Qos, Version};
use ringmq_benches::naive::codec as naive;
use ringmq_benches::packets::{self, PAYLOAD, TOPIC};
use ringmq_benches::steps::write_publish;

pub fn bench(criterion: &mut Criterion) {
    let properties = packets::properties();
    let cases = [
        ("publish_qos0_v3", Version::V3_1_1, Qos::AtMostOnce, &[][..]),
        ("publish_qos1_v3", Version::V3_1_1, Qos::AtLeastOnce, &[]),
        ("publish_qos0_v5", Version::V5_0, Qos::AtMostOnce, &[]),
        ("publish_qos1_v5_properties", Version::V5_0, Qos::AtLeastOnce, &properties),
    ];
    for (name, version, qos, properties) in cases {
        let is_v5 = version == Version::V5_0;
        let expected = naive::publish(is_v5, qos as u8, TOPIC, 1, properties, &PAYLOAD);
        let mut group = criterion.benchmark_group(format!("encode/{name}"));
        group.throughput(Throughput::Bytes(expected.len() as u64));
        let mut out = Vec::with_capacity(1_024);
        group.bench_function("ringmq", |bencher| {
            bencher.iter(|| {
                out.clear();
                write_publish(&mut out, version, qos, 1, black_box(properties));
                assert_eq!(out.len(), expected.len());
            });
        });
        assert!(out.is_empty() || out == expected, "{name}");
        group.bench_function("naive", |bencher| {
            bencher.iter(|| {
                out.clear();
                out.extend(naive::publish(is_v5, qos as u8, TOPIC, 1, black_box(properties), &PAYLOAD));
                assert_eq!(out.len(), expected.len());
            });
        });
    }

    let mut group = criterion.benchmark_group("encode/puback");
    let mut out = Vec::with_capacity(1_024);
    group.bench_function("ringmq", |bencher| {
        bencher.iter(|| {
            out.clear();
            encode::ack_success(&mut out, AckKind::PubAck, black_box(7));
            assert_eq!(out, [0x40, 2, 0, 7]);
        });
    });
    group.bench_function("naive", |bencher| {
        bencher.iter(|| {
            out.clear();
            out.extend(naive::ack(4, black_box(7)));
            assert_eq!(out, [0x40, 2, 0, 7]);
        });
    });
}
