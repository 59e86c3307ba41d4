//! A storage thread with a faulty disk, and somebody who listens to its reports.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringmq::broker::batch::{Batch, Section, StoreOp};
use ringmq::broker::{Message, Report};
use ringmq::codec::Qos;
use ringmq::routing::ShardIndex;
use ringmq::storage::thread::Job;
use ringmq::storage::{BatchSender, Durability, Files, Host, SpaceWatch, StorageThread};
use ringmq::store::{Disk, Store, StoreConfig};
use tempfile::TempDir;

/// Nothing here takes this long; it turns a hang into a failure.
const TIME_MAX: Duration = Duration::from_secs(30);

pub const FREE_SPACE_MIN: u64 = 1 << 20;

/// What is wrong with the disk, and what was asked of it.
#[derive(Debug, Default)]
pub struct Faults {
    writes: Mutex<Option<ErrorKind>>,
    fsyncs: Mutex<Option<ErrorKind>>,
    pub panic: AtomicBool,
    pub free_space: AtomicU64,
    /// That were successful.
    pub syncs: AtomicU64,
}

impl Faults {
    pub fn fail_writes_with(&self, error: Option<ErrorKind>) {
        *self.writes.lock().unwrap() = error;
    }

    pub fn fail_syncs_with(&self, error: Option<ErrorKind>) {
        *self.fsyncs.lock().unwrap() = error;
    }
}

struct FaultyFiles {
    files: Files,
    faults: Arc<Faults>,
}

impl FaultyFiles {
    fn check_write(&self) -> io::Result<()> {
        assert!(!self.faults.panic.load(Ordering::Relaxed), "a panic that the test wants");
        self.faults.writes.lock().unwrap().map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl Disk for FaultyFiles {
    fn segments(&mut self) -> io::Result<Vec<(u32, u64)>> {
        self.files.segments()
    }

    fn create(&mut self, segment: u32, size: u64) -> io::Result<()> {
        self.check_write()?;
        self.files.create(segment, size)
    }

    fn write(&mut self, segment: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_write()?;
        self.files.write(segment, offset, bytes)
    }

    fn sync(&mut self, segment: u32) -> io::Result<()> {
        if let Some(kind) = *self.faults.fsyncs.lock().unwrap() {
            return Err(kind.into());
        }
        self.faults.syncs.fetch_add(1, Ordering::Relaxed);
        self.files.sync(segment)
    }

    fn read(&mut self, segment: u32, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.files.read(segment, offset, bytes)
    }

    fn seal(&mut self, segment: u32, size: u64) -> io::Result<()> {
        self.files.seal(segment, size)
    }

    fn delete(&mut self, segment: u32) -> io::Result<()> {
        self.files.delete(segment)
    }
}

/// Passes reports on; its end is the end of the channel.
struct Listener {
    began: Instant,
    reports: Sender<(ShardIndex, Report)>,
}

impl Host for Listener {
    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn report(&self, shard: ShardIndex, report: Report) {
        // A test that has seen enough does not listen any more.
        let _ = self.reports.send((shard, report));
    }
}

pub struct Rig {
    dir: std::path::PathBuf,
    pub thread: StorageThread,
    pub faults: Arc<Faults>,
    senders: Vec<BatchSender>,
    reports: Receiver<(ShardIndex, Report)>,
    /// Of each shard, the last batch that was reported as durable.
    pub durable: Vec<u64>,
    accepting: Vec<bool>,
}

impl Rig {
    pub fn start(dir: &Path, shards: usize, durability: Durability) -> Self {
        let faults = Arc::new(Faults { free_space: u64::MAX.into(), ..Faults::default() });
        let disk = FaultyFiles { files: Files::new(dir).unwrap(), faults: faults.clone() };
        let config = StoreConfig { acknowledge: durability.acknowledge(), ..config(shards) };
        let store = Store::open(disk, config, &mut |_| {}).unwrap().store;
        let watched = faults.clone();
        let space = SpaceWatch::new(FREE_SPACE_MIN, move || Ok(watched.free_space.load(Ordering::Relaxed)));
        let (sender, reports) = channel();
        let job = Job { store, shards, durability, space, name: dir.display().to_string() };
        let host = Listener { began: Instant::now(), reports: sender };
        let (thread, senders) = StorageThread::spawn(job, host, ()).unwrap();
        let dir = dir.to_owned();
        Self { dir, thread, faults, senders, reports, durable: vec![0; shards], accepting: vec![true; shards] }
    }

    pub fn send(&mut self, shard: usize, batch: Batch) {
        self.senders[shard].send(batch);
    }

    pub fn await_durable(&mut self, durable: &[u64]) {
        while self.durable != durable {
            self.hear();
        }
    }

    /// On all shards.
    pub fn await_accepting(&mut self, accepting: bool) {
        while self.accepting.iter().any(|it| *it != accepting) {
            self.hear();
        }
    }

    pub fn await_end_of_host(&self) {
        while self.reports.recv_timeout(TIME_MAX).is_ok() {}
    }

    /// The shards end. False if the thread failed.
    pub fn end(self) -> bool {
        drop(self.senders);
        self.thread.join()
    }

    /// What another process would find now.
    pub fn copy_files(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for entry in self.dir.read_dir().unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        copy
    }

    fn hear(&mut self) {
        let (shard, report) = self.reports.recv_timeout(TIME_MAX).expect("a report in time");
        let shard = usize::from(shard.0);
        assert!(report.durable >= self.durable[shard], "{report:?} after {}", self.durable[shard]);
        self.durable[shard] = report.durable;
        if let Some(accepting) = report.accepting {
            assert_ne!(accepting, self.accepting[shard], "told twice");
            self.accepting[shard] = accepting;
        }
    }
}

/// A retained message on a topic of its own.
pub fn batch(number: u64, shard: u64) -> Batch {
    let topic = format!("topic/{shard}/{number}");
    let mut message = Message::new(&topic, &[], b"payload", Qos::AtLeastOnce, true);
    message.stamp = shard << 56 | number;
    let stamp = message.stamp;
    let ops = vec![StoreOp::Message(message), StoreOp::Retain { stamp }];
    Batch { number, sections: vec![Section { ops, ..Section::default() }], reads: Vec::new() }
}

/// Topics of the retained messages in a directory.
pub fn recover(dir: &Path) -> Vec<String> {
    let opened = Store::open(Files::new(dir).unwrap(), config(1), &mut |_| {}).unwrap();
    assert_eq!(opened.findings.torn_bytes, 0);
    opened.recovered.retained.iter().map(|message| message.topic().to_owned()).collect()
}

fn config(shards: usize) -> StoreConfig {
    StoreConfig {
        shards,
        acknowledge: Durability::Commit.acknowledge(),
        segment_size: 1 << 20,
        size_max: 64 << 20,
        queue_memory_max: 1 << 20,
        hash_seed: 7,
        wall_at_zero_ms: 0,
    }
}
