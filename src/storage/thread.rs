//! The storage thread: takes what shards hand over, commits it group by group, and tells them.
//!
//! It blocks in the channel while there is nothing to do. While it writes one group, the next one gathers in the channel: so the
//! slower the disk and the higher the load, the larger the groups. What cannot be written is tried again until it can: nothing
//! that waits is given up, and nobody is told that it is kept.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tracing::{debug, error, info, warn};

use super::backlog::{Backlog, BatchSender, Handed, channel};
use super::counters::{SharedCounters, StoreWatch};
use super::timing::Timing;
use super::{Durability, SpaceWatch, StorageError, StoreCounters, show};
use crate::broker::{Millis, Report};
use crate::limits;
use crate::routing::ShardIndex;
use crate::store::{Disk, Store, StoreError};

/// What the thread needs of those around it. It is dropped when the thread ends, also by a panic.
pub trait Host: Send + 'static {
    /// Time since the server started.
    fn elapsed(&self) -> Duration;

    /// Hands a report to a shard; must not wait.
    fn report(&self, shard: ShardIndex, report: Report);
}

/// What the thread is started with.
pub struct Job<D> {
    pub store: Store<D>,
    pub shards: usize,
    pub durability: Durability,
    pub space: SpaceWatch,
    /// The directory, for messages.
    pub name: String,
}

/// The running thread. It ends when the last [`BatchSender`] has been dropped and all is written.
#[derive(Debug)]
pub struct StorageThread {
    thread: JoinHandle<()>,
    watch: StoreWatch,
}

impl StorageThread {
    /// Starts it; the senders are those of the shards. `keep` is dropped after the store, when the thread ends.
    pub fn spawn<D: Disk + Send + 'static>(
        job: Job<D>,
        host: impl Host,
        keep: impl Send + 'static,
    ) -> Result<(Self, Vec<BatchSender>), StorageError> {
        let (senders, receiver, backlog) = channel(job.shards);
        let counters = Arc::new(SharedCounters::default());
        let watch = StoreWatch::new(counters.clone(), backlog.clone());
        let writer = Writer::new(job, host, receiver, backlog, counters);
        let live = move || {
            writer.run();
            drop(keep);
        };
        let thread = Builder::new().name("storage".into()).spawn(live).map_err(StorageError::Thread)?;
        Ok((Self { thread, watch }, senders))
    }

    pub fn counters(&self) -> StoreCounters {
        self.watch.counters()
    }

    /// A look at it for other threads.
    pub fn watch(&self) -> StoreWatch {
        self.watch.clone()
    }

    /// Waits for its end; false if it failed.
    pub fn join(self) -> bool {
        self.thread.join().is_ok()
    }
}

struct Writer<D, H> {
    store: Store<D>,
    host: H,
    durability: Durability,
    space: SpaceWatch,
    name: String,
    receiver: Receiver<Handed>,
    backlog: Arc<Backlog>,
    counters: Arc<SharedCounters>,
    /// Weight of what the store has taken since the last commit, and whether that was anything.
    taken: usize,
    has_taken: bool,
    /// What was cleaned waits for a commit.
    has_cleaned: bool,
    /// There may be more to clean, but not before that time.
    is_cleaning: bool,
    clean_after: Duration,
    /// When to sync what was written and not synced.
    sync_at: Option<Duration>,
    /// Of the bytes that the store has written, how many are synced.
    synced_bytes: u64,
    /// Why the last attempt to write failed.
    failure: Option<StoreError>,
    /// As the store itself says.
    store_accepts: bool,
    /// While one of the two is wrong: when to look whether it is over.
    retry_at: Duration,
    /// What the shards were told last. While they were told to wait: why, since when, and when to say so again.
    refusal: Option<Refusal>,
    /// Of each shard, the last batch reported as durable.
    durable: Vec<u64>,
    total: Timing,
    period: Timing,
    summary_at: Duration,
}

struct Refusal {
    cause: String,
    since: Duration,
    remind_at: Duration,
}

impl<D: Disk, H: Host> Writer<D, H> {
    fn new(
        job: Job<D>,
        host: H,
        receiver: Receiver<Handed>,
        backlog: Arc<Backlog>,
        counters: Arc<SharedCounters>,
    ) -> Self {
        let summary_at = host.elapsed() + SUMMARY_INTERVAL;
        Self {
            store: job.store,
            host,
            durability: job.durability,
            space: job.space,
            name: job.name,
            receiver,
            backlog,
            counters,
            taken: 0,
            has_taken: false,
            // So that the first turn commits, by which the store finds out whether there is room.
            has_cleaned: true,
            is_cleaning: true,
            clean_after: Duration::ZERO,
            sync_at: None,
            synced_bytes: 0,
            failure: None,
            store_accepts: true,
            retry_at: Duration::ZERO,
            refusal: None,
            durable: vec![0; job.shards],
            total: Timing::new(),
            period: Timing::new(),
            summary_at,
        }
    }

    fn run(mut self) {
        while self.gather() {
            let now = self.host.elapsed();
            self.space.look(now);
            if self.failure.is_none() || self.retry_at <= now {
                self.write(now);
            }
            self.tell(now);
            self.summarize(now);
        }
        self.finish();
    }

    /// Waits for batches, or for something that is due, and takes what has come. False when there will be no more.
    fn gather(&mut self) -> bool {
        match self.receiver.recv_timeout(self.time_to_wait()) {
            Ok(handed) => self.take(handed),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        // While nothing can be written, what waits may still become void, so all is taken; the backlog bounds it.
        while self.failure.is_some() || self.store.pending_bytes() < limits::STORE_GROUP_BYTES_MAX {
            match self.receiver.try_recv() {
                Ok(handed) => self.take(handed),
                Err(_) => break,
            }
        }
        true
    }

    fn time_to_wait(&self) -> Duration {
        let now = self.host.elapsed();
        let is_well = self.failure.is_none();
        if is_well && self.is_cleaning && self.clean_after <= now {
            return Duration::ZERO;
        }
        let retry_at = (!is_well || !self.store_accepts).then_some(self.retry_at);
        let sync_at = self.sync_at.filter(|_| is_well);
        let next = [retry_at, sync_at].into_iter().flatten().fold(self.space.next(), Duration::min);
        next.saturating_sub(now)
    }

    fn take(&mut self, Handed { shard, batch, weight }: Handed) {
        self.taken += weight;
        self.has_taken = true;
        self.store.take(shard, batch);
    }

    fn write(&mut self, now: Duration) {
        self.clean(now);
        let written = self.commit(now).and_then(|()| self.sync(now));
        self.failure = written.err();
        if self.failure.is_some() {
            self.counters.count_failure();
        }
        if self.retry_at <= now {
            self.retry_at = now + RETRY_INTERVAL;
        }
        let stats = self.store.stats();
        self.counters.set_written(stats.groups_written, stats.bytes_written, stats.syncs, self.total.max_us());
        self.report();
    }

    /// One piece before each commit, and as many as make a group while nobody waits.
    fn clean(&mut self, now: Duration) {
        while (self.is_cleaning || self.failure.is_some()) && self.clean_after <= now {
            match self.store.clean(millis(now)) {
                Ok(more) => {
                    self.is_cleaning = more;
                    self.has_cleaned |= more;
                }
                Err(error) => {
                    // New facts can be written all the same, as long as there is room.
                    warn!("the store ({}) could not be cleaned, and grows meanwhile: {error}", self.name);
                    self.is_cleaning = false;
                    self.clean_after = now + REMINDER_INTERVAL;
                }
            }
            let is_group = self.store.pending_bytes() >= limits::STORE_GROUP_BYTES_MAX;
            if !self.is_cleaning || is_group || self.has_taken || !self.receiver.is_empty() {
                break;
            }
        }
    }

    fn commit(&mut self, now: Duration) -> Result<(), StoreError> {
        // A store that does not accept looks for room when it commits.
        let must_look = !self.store_accepts && self.retry_at <= now;
        let has_work = self.has_taken || self.has_cleaned || self.store.pending_bytes() > 0;
        if !has_work && !must_look {
            return Ok(());
        }
        let groups = self.store.stats().groups_written;
        let began = self.host.elapsed();
        self.store.commit(millis(now))?;
        let time = self.host.elapsed().saturating_sub(began);
        self.backlog.written(std::mem::take(&mut self.taken));
        self.has_taken = false;
        self.is_cleaning |= must_look || std::mem::take(&mut self.has_cleaned);
        if self.store.stats().groups_written > groups {
            self.is_cleaning = true;
            self.total.record(time);
            self.period.record(time);
            self.counters.record_commit(time, millis(now));
            if let (Some(interval), None) = (self.durability.sync_interval(), self.sync_at) {
                self.sync_at = Some(now + interval);
            }
        }
        Ok(())
    }

    fn sync(&mut self, now: Duration) -> Result<(), StoreError> {
        let Some(sync_at) = self.sync_at else { return Ok(()) };
        let bytes = self.store.stats().bytes_written;
        if sync_at <= now || bytes - self.synced_bytes > limits::STORE_UNSYNCED_MAX {
            self.store.sync()?;
            self.sync_at = None;
            self.synced_bytes = bytes;
        }
        Ok(())
    }

    fn report(&mut self) {
        while let Some((shard, mut report)) = self.store.poll_report() {
            // Whether to accept depends on more than the store, so the shards hear it from `tell`.
            self.store_accepts = report.accepting.take().unwrap_or(self.store_accepts);
            let durable = &mut self.durable[usize::from(shard.0)];
            *durable = report.durable.max(*durable);
            self.host.report(shard, report);
        }
    }

    /// Tells shards and log when the store begins to refuse and when it accepts again.
    fn tell(&mut self, now: Duration) {
        let cause = self.cause();
        match (&mut self.refusal, cause) {
            (None, None) => {}
            (Some(refusal), Some(cause)) => {
                if refusal.cause != cause || refusal.remind_at <= now {
                    refusal.cause = cause;
                    refusal.remind_at = now + REMINDER_INTERVAL;
                    complain(&refusal.cause, &self.name);
                }
            }
            (None, Some(cause)) => {
                complain(&cause, &self.name);
                self.refusal = Some(Refusal { cause, since: now, remind_at: now + REMINDER_INTERVAL });
                self.tell_shards(false);
            }
            (Some(refusal), None) => {
                info!(
                    "the store ({}) accepts again, after {}",
                    self.name,
                    show::seconds(now.saturating_sub(refusal.since))
                );
                self.refusal = None;
                self.tell_shards(true);
            }
        }
    }

    fn cause(&self) -> Option<String> {
        match &self.failure {
            Some(error) => Some(error.to_string()),
            None if self.space.is_low() => Some(self.space.complaint()),
            None if self.store_accepts => None,
            None => Some("there is no room for a further segment, on the device or within storage.size_max".to_owned()),
        }
    }

    fn tell_shards(&self, accepting: bool) {
        self.counters.set_accepting(accepting);
        for (shard, &durable) in self.durable.iter().enumerate() {
            let report = Report { durable, accepting: Some(accepting), ..Report::default() };
            self.host.report(ShardIndex(shard as u8), report);
        }
    }

    fn summarize(&mut self, now: Duration) {
        if now < self.summary_at {
            return;
        }
        self.summary_at = now + SUMMARY_INTERVAL;
        let stats = self.store.stats();
        if let Some(summary) = self.period.summary(&stats) {
            debug!("the store wrote {summary}");
        }
        self.period.restart(stats);
    }

    /// The last commit: the shards have ended, and what they handed over is here.
    fn finish(mut self) {
        let now = self.host.elapsed();
        if let Err(error) = self.commit(now).and_then(|()| self.store.sync()) {
            error!("the store ({}) could not write what came last, which was not acknowledged: {error}", self.name);
        }
        if let Some(summary) = self.total.summary(&self.store.stats()) {
            info!("the store wrote {summary}");
        }
    }
}

const RETRY_INTERVAL: Duration = Duration::from_millis(limits::STORE_RETRY_MS);
const REMINDER_INTERVAL: Duration = Duration::from_millis(limits::STORE_REMINDER_MS);
const SUMMARY_INTERVAL: Duration = Duration::from_millis(limits::STORE_SUMMARY_MS);

fn complain(cause: &str, name: &str) {
    error!(
        "the store does not accept: {cause} ({name}); QoS 1/2 publishes for persistent sessions and retained messages are \
         not acknowledged until there is room"
    );
}

fn millis(elapsed: Duration) -> Millis {
    elapsed.as_millis() as Millis
}
