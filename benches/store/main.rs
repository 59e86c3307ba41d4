//! What it costs to keep a message, on a real disk.
//!
//! A message of 240 bytes and an entry that waits for it are kept, and end one commit later; each commit has so many of both, is
//! synced, and is followed by a step of cleaning. Told are the CPU time of the process (the kernel's part included) and the bytes
//! written, per message; and how long a store with many messages takes to open.
//!
//! `--dir DIR` says where (a directory that is on the disk to be measured), `--messages N` how many for each size of a commit, `--open N`
//! how many retained and as many queued messages are opened.

mod files;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use files::Files;
use ringmq::broker::batch::{Entry, Progress, Section, SessionRecord};
use ringmq::broker::{Batch, Message, StoreOp};
use ringmq::codec::Qos;
use ringmq::routing::ShardIndex;
use ringmq::store::{Acknowledge, Opened, Store, StoreConfig};

/// What the broker has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCHES: [u64; 4] = [1, 8, 64, 512];

/// Few when tests run this without optimisation.
const MESSAGES: u64 = if cfg!(debug_assertions) { 600 } else { 100_000 };
const OPENED: u64 = if cfg!(debug_assertions) { 1_000 } else { 1_000_000 };

/// Commits of one message each wait for the disk longest.
const COMMITS_MAX: u64 = 10_000;

const SESSION: u64 = 1;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, default| value(name).map_or(default, |text| text.parse().expect("a number"));
    let dir =
        value("--dir").map_or_else(std::env::temp_dir, PathBuf::from).join(format!("store-{}", std::process::id()));
    let messages = number("--messages", MESSAGES);
    for batch in BATCHES {
        keep(&dir, batch, messages.min(batch * COMMITS_MAX));
    }
    open(&dir, number("--open", OPENED));
}

fn keep(dir: &Path, batch: u64, messages: u64) {
    std::fs::create_dir_all(dir).expect("a directory");
    let mut store = open_store(dir, u64::from(u32::MAX)).store;
    take(&mut store, 1, vec![session()]);
    store.commit(0).expect("a commit");
    let commits = (messages / batch).max(2);
    let (cpu, wall) = (ProcessTime::now(), Instant::now());
    let (before, disk_before) = (store.stats().bytes_written, disk_bytes());
    for commit in 0..commits {
        let mut ops = Vec::with_capacity(3 * batch as usize);
        for number in commit * batch + 1..=(commit + 1) * batch {
            ops.extend([StoreOp::Message(message(number)), entry(number)]);
            if number > batch {
                ops.push(StoreOp::EndEntry { session: SESSION, number: number - batch });
            }
        }
        take(&mut store, commit + 2, ops);
        store.commit(commit).expect("a commit");
        while store.poll_report().is_some() {}
        store.clean(commit).expect("cleaning");
    }
    let (cpu, wall) = (cpu.elapsed(), wall.elapsed());
    let stats = store.stats();
    let kept = (commits * batch) as f64;
    println!(
        "keep/batch {batch:>3}: {:>6.2} us CPU, {:>6.1} bytes of log, {:>6.1} bytes of disk a message; {:>7.1} us a commit; {} segments deleted",
        cpu.as_secs_f64() * 1e6 / kept,
        (stats.bytes_written - before) as f64 / kept,
        (disk_bytes() - disk_before) as f64 / kept,
        wall.as_secs_f64() * 1e6 / commits as f64,
        stats.segments_deleted,
    );
    assert_eq!((stats.entries, stats.messages), (batch, batch));
    drop(store);
    std::fs::remove_dir_all(dir).expect("the directory goes");
}

fn open(dir: &Path, messages: u64) {
    std::fs::create_dir_all(dir).expect("a directory");
    let mut store = open_store(dir, u64::from(u32::MAX)).store;
    take(&mut store, 1, vec![session()]);
    for number in 0..messages {
        let (queued, retained) = (2 * number + 1, 2 * number + 2);
        let ops = vec![
            StoreOp::Message(message(queued)),
            entry(queued),
            StoreOp::Message(message(retained)),
            StoreOp::Retain { stamp: retained },
        ];
        take(&mut store, number + 2, ops);
        if number % 512 == 0 {
            store.commit(0).expect("a commit");
        }
    }
    store.commit(0).expect("a commit");
    let bytes = store.stats().bytes;
    drop(store);
    let before = resident_bytes();
    let began = Instant::now();
    let opened = open_store(dir, u64::from(u32::MAX));
    let took = began.elapsed();
    let (with_all, queued) = (resident_bytes(), opened.recovered.sessions[0].queue.len());
    assert_eq!((queued as u64, opened.recovered.retained.len() as u64), (messages, messages));
    drop(opened.recovered);
    println!(
        "open/{messages} retained and {messages} queued: {:.2} s for {:.0} MB; {:.0} MB resident more with what was recovered, at most {:.0} MB",
        seconds(took),
        bytes as f64 / 1e6,
        with_all.saturating_sub(before) as f64 / 1e6,
        peak_bytes() as f64 / 1e6,
    );
    drop(opened.store);
    std::fs::remove_dir_all(dir).expect("the directory goes");
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn open_store(dir: &Path, queue_memory_max: u64) -> Opened<Files> {
    let config = StoreConfig {
        shards: 1,
        acknowledge: Acknowledge::Synced,
        segment_size: if cfg!(debug_assertions) { 1 << 16 } else { 64 << 20 },
        size_max: 64 << 30,
        queue_memory_max: queue_memory_max as usize,
        hash_seed: 1,
        wall_at_zero_ms: 0,
    };
    Store::open(Files::new(dir), config, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"))
}

fn take(store: &mut Store<Files>, number: u64, ops: Vec<StoreOp>) {
    let sections = vec![Section { ticket: 0, awaited: None, ops }];
    store.take(ShardIndex(0), Batch { number, sections, reads: Vec::new() });
}

fn session() -> StoreOp {
    let record = SessionRecord { client_id: "client".into(), expiry_s: 3_600, expires_at: None, will: None };
    StoreOp::Session { id: SESSION, record }
}

/// 40 bytes of topic, 200 of payload.
fn message(stamp: u64) -> Message {
    let topic = format!("building/{stamp:020}/temperature");
    let mut message = Message::new(&topic, &[], &[7; 200], Qos::AtLeastOnce, false);
    message.stamp = stamp;
    message
}

fn entry(number: u64) -> StoreOp {
    let entry = Entry {
        number,
        stamp: number,
        qos: Qos::AtLeastOnce,
        retain: false,
        subscription_ids: Default::default(),
        group: None,
        progress: Progress::Queued,
    };
    StoreOp::Entry { session: SESSION, entry }
}

/// Bytes of whole pages that this process has caused to be written.
fn disk_bytes() -> u64 {
    number_in("/proc/self/io", "write_bytes:")
}

fn resident_bytes() -> u64 {
    number_in("/proc/self/status", "VmRSS:") * 1024
}

fn peak_bytes() -> u64 {
    number_in("/proc/self/status", "VmHWM:") * 1024
}

fn number_in(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
