//! Batches from shard to shard: pushed and taken by one thread in turns, and by two at a time.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use criterion::{Criterion, Throughput};
use ringmq::runtime::mailbox::{Mail, Mailboxes};
use ringmq_benches::naive;
use ringmq_benches::steps::{batch, count_of};

/// Batches that wait in the mailbox at most, when one thread does both.
const WAITING: usize = 16;

pub fn bench(criterion: &mut Criterion) {
    let (mailboxes, mut inboxes) = Mailboxes::new(2);
    let inbox = inboxes.remove(0);
    let push = |mail| {
        mailboxes.push(0, mail);
        assert!(!mailboxes.needs_wake(0), "nobody sleeps");
    };
    let take = || {
        let mail = inbox.next()?;
        inbox.handled(count_of(&mail));
        Some(mail)
    };
    bench_one_thread(criterion, "ringmq", push, take);
    bench_two_threads(criterion, "ringmq", push, take);
    assert_eq!(inbox.queued(), 0);

    let mailbox = naive::mailbox::Mailbox::default();
    bench_one_thread(criterion, "naive", |mail| mailbox.push(mail), || mailbox.next());
    bench_two_threads(criterion, "naive", |mail| mailbox.push(mail), || mailbox.next());
}

fn bench_one_thread(criterion: &mut Criterion, name: &str, push: impl Fn(Mail), take: impl Fn() -> Option<Mail>) {
    let mut group = criterion.benchmark_group("mailbox/one_thread");
    group.throughput(Throughput::Elements(WAITING as u64));
    group.bench_function(name, |bencher| {
        let mut batches: Vec<Mail> = (0..WAITING).map(|_| batch()).collect();
        bencher.iter(|| {
            batches.drain(..).for_each(&push);
            batches.extend(std::iter::from_fn(&take));
            assert_eq!(batches.len(), WAITING);
        });
    });
}

/// The time for each batch from the first push to the last that is taken. On a machine that is busy with something else
/// this says how long a thread waits for a CPU, and nothing of the mailbox.
fn bench_two_threads(
    criterion: &mut Criterion,
    name: &str,
    push: impl Fn(Mail) + Sync,
    take: impl Fn() -> Option<Mail>,
) {
    let mut group = criterion.benchmark_group("mailbox/two_threads");
    group.throughput(Throughput::Elements(1));
    let barrier = Barrier::new(2);
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|batches| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    barrier.wait();
                    (0..batches).for_each(|_| push(batch()));
                });
                barrier.wait();
                let began = Instant::now();
                let mut taken = 0;
                while taken < batches {
                    match take() {
                        Some(mail) => taken += u64::from(count_of(&mail) > 0),
                        None => thread::yield_now(),
                    }
                }
                began.elapsed()
            })
        });
    });
}
