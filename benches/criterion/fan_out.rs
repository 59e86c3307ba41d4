//! One message to a thousand receivers, and with QoS 1 the thousand acknowledgements.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ringmq::codec::{Qos, Version};
use ringmq_benches::packets::{self, PAYLOAD, TOPIC};
use ringmq_benches::steps::{RECEIVERS, receivers, write_publish};

pub fn bench(criterion: &mut Criterion) {
    for (version_name, version) in [("v3", Version::V3_1_1), ("v5", Version::V5_0)] {
        for (qos_name, qos) in [("qos0", Qos::AtMostOnce), ("qos1", Qos::AtLeastOnce)] {
            let mut group = criterion.benchmark_group(format!("fan_out/{qos_name}_{version_name}"));
            group.throughput(Throughput::Elements(RECEIVERS.into()));

            let (mut clients, publisher) = receivers(version, qos);
            let publish = packets::publish(version, qos, TOPIC, &PAYLOAD);
            group.bench_function("ringmq", |bencher| {
                bencher.iter(|| {
                    let before = clients.seen;
                    clients.send(publisher, &publish);
                    assert_eq!(clients.seen.publishes, before.publishes + u64::from(RECEIVERS));
                });
            });

            // The twin writes, and does nothing else: no matching, no window, no acknowledgements.
            let mut outputs: Vec<Vec<u8>> = vec![Vec::with_capacity(256); RECEIVERS as usize];
            group.bench_function("only_encode_for_each", |bencher| {
                bencher.iter(|| {
                    for (packet_id, output) in (1..).zip(&mut outputs) {
                        output.clear();
                        write_publish(output, version, qos, packet_id, &[]);
                        assert_eq!(black_box(&output).len(), publish.len());
                    }
                });
            });
        }
    }
}
