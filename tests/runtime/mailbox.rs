//! A lost wake-up is a hang, so these tests send shards to sleep as often as they can.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use ringmq::broker::PeerMessage;
use ringmq::net::{BufferRingConfig, Completion, SocketRing};
use ringmq::routing::ShardIndex;
use ringmq::runtime::mailbox::{Inbox, Mail, Mailboxes};

const SEED: u64 = 0x5EED_0001;

/// Longer than any wait that ends by itself, even on a busy machine: who sleeps that long was not woken.
const PATIENCE: Duration = Duration::from_secs(15);

/// A shard that passes batches on: it takes what is in its mailbox, sends each batch to a shard of its choice, wakes,
/// and sleeps as soon as there is nothing.
struct Passer {
    ring: SocketRing,
    inbox: Inbox,
    mailboxes: Arc<Mailboxes>,
    shards: usize,
    random: SmallRng,
    /// Messages that have arrived anywhere; the test ends at `goal`.
    arrived: Arc<AtomicU64>,
    goal: u64,
    start: Instant,
    sleeps: u64,
}

impl Passer {
    /// Takes what the ring reports; whether somebody woke it.
    fn take_wakes(&mut self) -> bool {
        let mut woken = false;
        while let Some(completion) = self.ring.next_completion() {
            match completion {
                Completion::Woken => woken = true,
                Completion::WakeFailed { ring } => self.mailboxes.wake_handle(ring as usize).unwrap().wake(),
                other => panic!("{other:?}"),
            }
        }
        woken
    }

    fn turn(&mut self) {
        self.take_wakes();
        for _ in 0..self.random.random_range(1..4) {
            match self.inbox.next() {
                Some(Mail::Peer { messages, weight, .. }) => {
                    self.inbox.handled(weight);
                    self.arrived.fetch_add(messages.len() as u64, Ordering::Relaxed);
                    let to = self.random.random_range(0..self.shards);
                    let from = ShardIndex(0);
                    self.mailboxes.push(to, Mail::Peer { from, messages, weight });
                    if self.mailboxes.needs_wake(to) {
                        self.ring.wake(self.mailboxes.wake_handle(to).unwrap(), to as u32);
                    }
                }
                Some(other) => panic!("{other:?}"),
                None => break,
            }
        }
    }

    fn elapsed_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    fn is_done(&self) -> bool {
        self.arrived.load(Ordering::Relaxed) >= self.goal
    }

    /// Wakes all others, who may sleep without a message on its way to them.
    fn finish(&mut self) {
        for to in 0..self.shards {
            self.mailboxes.wake_handle(to).unwrap().wake();
        }
    }

    fn sleep_in_ring(&mut self) {
        if self.inbox.prepare_to_sleep() {
            self.sleeps += 1;
            let until = self.elapsed_ms() + PATIENCE.as_millis() as u64;
            // The alarm of an earlier sleep may end this one; only a wake-up counts.
            while !self.take_wakes() && !self.is_done() {
                let now = self.elapsed_ms();
                assert!(now < until, "nobody woke this shard");
                self.ring.wait(now, until).unwrap();
            }
        } else {
            self.ring.submit().unwrap();
        }
        self.inbox.awake();
    }
}

/// Runs `shards` passers, with batches of one to `batch_max` messages on their way, until so many have arrived.
/// `run` drives one passer to its end and returns how often it slept.
fn pass(shards: usize, batches: usize, batch_max: usize, goal: u64, run: fn(Passer) -> u64) {
    println!("seed {SEED:#x}");
    let (mailboxes, inboxes) = Mailboxes::new(shards);
    let arrived = Arc::new(AtomicU64::new(0));
    let barrier = Arc::new(Barrier::new(shards + 1));
    let threads: Vec<_> = inboxes
        .into_iter()
        .enumerate()
        .map(|(index, inbox)| {
            let (mailboxes, arrived, barrier) = (mailboxes.clone(), arrived.clone(), barrier.clone());
            thread::spawn(move || {
                let ring = SocketRing::new(BufferRingConfig { count: 1, size: 64 }).unwrap();
                mailboxes.set_wake(index, ring.wake_handle().unwrap());
                let random = SmallRng::seed_from_u64(SEED + index as u64);
                barrier.wait();
                run(Passer { ring, inbox, mailboxes, shards, random, arrived, goal, start: Instant::now(), sleeps: 0 })
            })
        })
        .collect();
    barrier.wait();
    let mut random = SmallRng::seed_from_u64(SEED);
    for batch in 0..batches {
        let weight = random.random_range(1..=batch_max);
        let messages = vec![PeerMessage::InterestApplied { sequence: batch as u64 }; weight];
        // From a thread without a ring, as a stop or a command comes.
        mailboxes.push_and_wake(batch % shards, Mail::Peer { from: ShardIndex(0), messages, weight });
    }
    let sleeps: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(sleeps > 1_000, "only {sleeps} sleeps: the test did not reach what it is for");
    let left: usize = (0..shards).map(|shard| mailboxes.queued(shard)).sum();
    assert!(left > 0, "the batches are on their way for ever");
}

#[test]
fn millions_of_messages_between_shards_that_sleep_in_their_rings() {
    pass(3, 4, 64, 5_000_000, |mut passer| {
        while !passer.is_done() {
            passer.turn();
            passer.sleep_in_ring();
        }
        passer.finish();
        passer.sleeps
    });
}

#[test]
fn messages_between_shards_that_sleep_in_their_executors() {
    pass(2, 2, 64, 2_000_000, |mut passer| {
        let executor = glommio::LocalExecutorBuilder::default().io_memory(64 * 1024).make().unwrap();
        executor.run(async move {
            let mut notice = passer.ring.take_notice().unwrap();
            while !passer.is_done() {
                passer.turn();
                passer.ring.set_notice(true);
                passer.ring.submit().unwrap();
                if passer.inbox.prepare_to_sleep_in_executor() && !passer.ring.has_completions() {
                    passer.sleeps += 1;
                    let mut timer = Box::pin(glommio::timer::sleep(PATIENCE));
                    let woken = poll_fn(|context| match notice.poll_ready(context) {
                        Poll::Ready(()) => Poll::Ready(true),
                        Poll::Pending => timer.as_mut().poll(context).map(|()| false),
                    })
                    .await;
                    assert!(woken || passer.is_done(), "nobody woke this shard");
                }
                passer.ring.set_notice(false);
                passer.inbox.awake();
                passer.ring.submit().unwrap();
            }
            passer.finish();
            passer.sleeps
        })
    });
}

#[test]
fn a_thread_without_a_ring_wakes_an_executor_again_and_again() {
    const WAKES: u64 = 100;
    let (mailboxes, mut inboxes) = Mailboxes::new(1);
    let inbox = inboxes.remove(0);
    let senders = mailboxes.clone();
    let (told, hears) = std::sync::mpsc::channel();
    let shard = thread::spawn(move || {
        let executor = glommio::LocalExecutorBuilder::default().io_memory(64 * 1024).make().unwrap();
        executor.run(async move {
            let mut ring = SocketRing::new(BufferRingConfig { count: 1, size: 64 }).unwrap();
            mailboxes.set_wake(0, ring.wake_handle().unwrap());
            let mut notice = ring.take_notice().unwrap();
            let mut received = 0;
            while received < WAKES {
                ring.set_notice(true);
                ring.submit().unwrap();
                if inbox.prepare_to_sleep_in_executor() && !ring.has_completions() {
                    told.send(received).unwrap();
                    poll_fn(|context| notice.poll_ready(context)).await;
                }
                ring.set_notice(false);
                inbox.awake();
                while ring.next_completion().is_some() {}
                while inbox.next().is_some() {
                    received += 1;
                }
            }
        });
    });
    for sent in 0..WAKES {
        while hears.recv_timeout(PATIENCE).expect("nobody woke this shard") < sent {}
        // So that it sleeps indeed, most of the times.
        thread::sleep(Duration::from_millis(1));
        senders.push_and_wake(0, Mail::Report(ringmq::broker::Report::default()));
    }
    shard.join().unwrap();
}
