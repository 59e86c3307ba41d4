//! What one message from client to client costs the core, without sockets: decoded, routed, put into the session's
//! window, encoded, acknowledged.

use criterion::Criterion;
use ringmq::codec::{Qos, Version};
use ringmq_benches::broker::OneShard;
use ringmq_benches::clients::{Broker, Clients, Seen};
use ringmq_benches::naive;
use ringmq_benches::packets::{self, PAYLOAD, TOPIC};

pub fn bench(criterion: &mut Criterion) {
    for (name, qos) in [("qos0", Qos::AtMostOnce), ("qos1", Qos::AtLeastOnce), ("qos2", Qos::ExactlyOnce)] {
        let ringmq = bench_exchange(criterion, &format!("session/{name}/ringmq"), qos, OneShard::new(2));
        let naive = bench_exchange(criterion, &format!("session/{name}/naive"), qos, naive::broker::Broker::default());
        assert_eq!(ringmq, naive, "both brokers say the same to their clients");
    }
}

/// What the clients were sent for one message.
fn bench_exchange(criterion: &mut Criterion, name: &str, qos: Qos, broker: impl Broker) -> Seen {
    let mut clients = Clients::new(broker);
    let publisher = clients.connect(Version::V3_1_1, "publisher");
    let subscriber = clients.connect(Version::V3_1_1, "subscriber");
    clients.send(subscriber, &packets::subscribe(Version::V3_1_1, &[TOPIC], qos));
    let publish = packets::publish(Version::V3_1_1, qos, TOPIC, &PAYLOAD);
    clients.seen = Seen::default();
    clients.send(publisher, &publish);
    let one = clients.seen;
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            clients.seen = Seen::default();
            clients.send(publisher, &publish);
            assert_eq!(clients.seen, one);
        });
    });
    one
}
