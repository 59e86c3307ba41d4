//! Retained messages: all that a filter matches.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ringmq::routing::{RetainedTree, matches_filter};
use ringmq_benches::filters;
use ringmq_benches::steps::count_retained;

use crate::SIZES;

pub fn bench(criterion: &mut Criterion) {
    for &size in SIZES.iter().filter(|size| **size != 1_000 || SIZES.len() == 1) {
        let mut tree = RetainedTree::new();
        let topics: Vec<String> = (0..size).map(filters::topic).collect();
        for topic in &topics {
            tree.insert(topic, ());
        }
        // Devices are spread over 1,000 sites.
        let of_site = size / 1_000;
        let cases = [
            ("exact", filters::topic(size / 2), 1),
            ("plus", "site/0042/device/+/reading".to_owned(), of_site),
            ("hash", "site/0042/#".to_owned(), of_site),
            ("none", "site/0042/device/+/status".to_owned(), 0),
        ];
        for (name, filter, expected) in &cases {
            let mut group = criterion.benchmark_group(format!("retained/{name}/{size}"));
            group.throughput(Throughput::Elements((*expected).max(1).into()));
            group.bench_function("ringmq", |bencher| {
                bencher.iter(|| assert_eq!(count_retained(&tree, black_box(filter)), *expected));
            });
            group.bench_function("linear_scan", |bencher| {
                bencher.iter(|| {
                    let matching = topics.iter().filter(|topic| matches_filter(black_box(filter), topic));
                    assert_eq!(matching.count(), *expected as usize);
                });
            });
        }
    }
}
