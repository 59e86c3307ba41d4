//! WebSocket frames to what they carry, and the opening handshake.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ringmq::net::websocket::{Handshake, Progress, WebSocket, WebSocketConfig};
use ringmq_benches::naive::websocket as naive;
use ringmq_benches::websocket::{FRAME_PAYLOAD, REQUEST, messages};

pub fn bench(criterion: &mut Criterion) {
    for count in [1, 64] {
        let frames = messages(count);
        let expected = naive::payloads(frames.clone()).concat();
        assert_eq!(expected.len(), count as usize * FRAME_PAYLOAD);
        let mut group = criterion.benchmark_group(format!("websocket/messages_{count}"));
        group.throughput(Throughput::Elements(count.into()));
        // Both copy the bytes first, as the kernel does.
        let (mut socket, mut out, mut buffer) = (WebSocket::default(), Vec::new(), frames.clone());
        group.bench_function("ringmq", |bencher| {
            bencher.iter(|| {
                buffer.copy_from_slice(black_box(&frames));
                let received = socket.receive(&mut buffer, &mut out);
                assert_eq!(black_box(received.plain).len(), expected.len());
            });
        });
        buffer.copy_from_slice(&frames);
        assert_eq!(socket.receive(&mut buffer, &mut out).plain, expected);
        group.bench_function("naive", |bencher| {
            bencher.iter(|| assert_eq!(naive::payloads(black_box(&frames).clone()).len(), count as usize));
        });
    }
    let config = WebSocketConfig::default();
    criterion.bench_function("websocket/handshake", |bencher| {
        bencher.iter(|| match Handshake::default().receive(&config, black_box(REQUEST)) {
            Progress::Accepted(accepted) => accepted,
            other => panic!("{other:?}"),
        });
    });
}
