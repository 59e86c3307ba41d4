//! Timers, a million of them: set, set again, expired.

use criterion::{BatchSize, Criterion, Throughput};
use ringmq::broker::timer_wheel::TimerWheel;
use ringmq_benches::naive::timers::Timers;
use ringmq_benches::scatter;
use ringmq_benches::steps::deadline;

use crate::SIZES;

/// After all deadlines.
const END: u64 = 300_000;

pub fn bench(criterion: &mut Criterion) {
    let size = u64::from(*SIZES.last().expect("there are sizes"));
    let wheel_of_all = || {
        let mut wheel = TimerWheel::new(0);
        let ids: Vec<_> = (0..size).map(|number| wheel.insert(deadline(0, number), number)).collect();
        (wheel, ids)
    };
    let map_of_all = || {
        let mut timers = Timers::default();
        let ids: Vec<_> = (0..size).map(|number| timers.insert(deadline(0, number), number)).collect();
        (timers, ids)
    };

    // Which timer is next has no pattern, as with clients.
    let mut group = criterion.benchmark_group(format!("timers/again/{size}"));
    let (mut wheel, mut ids) = wheel_of_all();
    let mut round = 0;
    group.bench_function("ringmq", |bencher| {
        bencher.iter(|| {
            round += 1;
            let number = scatter(round) % size;
            let id = &mut ids[number as usize];
            assert!(wheel.cancel(*id));
            *id = wheel.insert(deadline(1_000, round), number);
        });
    });
    assert_eq!(wheel.len() as u64, size);
    let (mut timers, mut ids) = map_of_all();
    let mut round = 0;
    group.bench_function("ordered_map", |bencher| {
        bencher.iter(|| {
            round += 1;
            let number = scatter(round) % size;
            let id = &mut ids[number as usize];
            assert!(timers.cancel(*id));
            *id = timers.insert(deadline(1_000, round), number);
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group(format!("timers/insert/{size}"));
    group.throughput(Throughput::Elements(size)).sample_size(10);
    group.bench_function("ringmq", |bencher| bencher.iter_with_large_drop(wheel_of_all));
    group.bench_function("ordered_map", |bencher| bencher.iter_with_large_drop(map_of_all));
    group.finish();

    let mut group = criterion.benchmark_group(format!("timers/expire/{size}"));
    group.throughput(Throughput::Elements(size)).sample_size(10);
    group.bench_function("ringmq", |bencher| {
        bencher.iter_batched_ref(
            || (wheel_of_all().0, Vec::with_capacity(size as usize)),
            |(wheel, due)| {
                wheel.expire(END, due);
                assert_eq!(due.len() as u64, size);
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("ordered_map", |bencher| {
        bencher.iter_batched_ref(
            || (map_of_all().0, Vec::with_capacity(size as usize)),
            |(timers, due)| {
                timers.expire(END, due);
                assert_eq!(due.len() as u64, size);
            },
            BatchSize::PerIteration,
        );
    });
}
