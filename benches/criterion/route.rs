//! The topic index: one topic against many filters.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use ringmq::routing::{Matches, SessionKey, ShardIndex, TopicIndex};
use ringmq_benches::filters::{self, ALARM, ALARMED, KINDS, Kind, PLAIN};
use ringmq_benches::naive::matcher::{LinearScan, SplitScan};

use crate::SIZES;

/// Topics that are published in turn.
const TOPICS: u32 = 1_024;

/// Up to so many filters a scan takes part: it takes five milliseconds for each 100,000.
const SCANNED_MAX: u32 = 1_000;

pub fn bench(criterion: &mut Criterion) {
    for (name, kind) in KINDS {
        for &size in SIZES {
            let index = kind.index(size);
            let mut matches = Matches::default();
            for (aim, topics, receivers) in cases(size) {
                let mut topics = topics.iter().cycle();
                criterion.bench_function(&format!("route/{name}/{size}/{aim}/ringmq"), |bencher| {
                    bencher.iter(|| {
                        index.matches(black_box(topics.next().expect("a cycle")), &mut matches);
                        assert_eq!(matches.local.len(), receivers);
                    });
                });
            }
            if size <= SCANNED_MAX {
                scan(criterion, name, kind, size);
            }
        }
    }
    subscribe(criterion);
}

/// What is published, and how many get it.
fn cases(size: u32) -> [(&'static str, Vec<String>, usize); 3] {
    [
        ("one", filters::topics_of_one(size, TOPICS), 1),
        ("none", filters::topics_of_none(size, TOPICS), 0),
        ("many", vec![ALARM.to_owned()], ALARMED as usize),
    ]
}

/// The twins, which have the same filters in lists.
fn scan(criterion: &mut Criterion, name: &str, kind: Kind, size: u32) {
    let (mut linear, mut split) = (LinearScan::default(), SplitScan::default());
    for (filter, session) in kind.entries(size) {
        split.insert(&filter, session);
        linear.entries.push((filter, session));
    }
    let mut out = Vec::new();
    for (aim, topics, receivers) in cases(size) {
        let mut topics = topics.iter().cycle();
        criterion.bench_function(&format!("route/{name}/{size}/{aim}/linear_scan"), |bencher| {
            bencher.iter(|| {
                linear.matches(black_box(topics.next().expect("a cycle")), &mut out);
                assert_eq!(out.len(), receivers);
            });
        });
        criterion.bench_function(&format!("route/{name}/{size}/{aim}/split_scan"), |bencher| {
            bencher.iter(|| {
                split.matches(black_box(topics.next().expect("a cycle")), &mut out);
                assert_eq!(out.len(), receivers);
            });
        });
    }
}

/// Subscribing, from an empty index on: growth of the tables included.
fn subscribe(criterion: &mut Criterion) {
    let size = *SIZES.last().expect("there are sizes");
    let mut group = criterion.benchmark_group("subscribe");
    group.throughput(Throughput::Elements(size.into())).sample_size(10).measurement_time(Duration::from_secs(5));
    for (name, kind) in KINDS {
        let filters: Vec<String> = (0..size).map(|number| kind.filter(number)).collect();
        group.bench_function(format!("{name}/{size}/ringmq"), |bencher| {
            bencher.iter_with_large_drop(|| {
                let mut index = TopicIndex::new(ShardIndex(0), 1, 7);
                for (number, filter) in (0..).zip(&filters) {
                    index.subscribe(filter, SessionKey(number), PLAIN);
                }
                assert_eq!(index.subscription_count(), size as usize);
                index
            });
        });
        group.bench_function(format!("{name}/{size}/split_scan"), |bencher| {
            bencher.iter_with_large_drop(|| {
                let mut index = SplitScan::default();
                for (number, filter) in (0..).zip(&filters) {
                    index.insert(filter, SessionKey(number));
                }
                assert_eq!(index.entries.len(), size as usize);
                index
            });
        });
    }
}
