//! The store: what shards want kept, in a log of segments.
//!
//! The store is the one writer of a directory. It takes [`Batch`]es from all shards, applies them to an index in memory (where
//! on disk is each fact that still holds), and appends them to a log as one group, with one checksum and one sync: a group is on
//! disk as a whole or not at all. Facts that are forgotten before their group is written are not written.
//!
//! The log is cleaned from its oldest segment on: what still holds there is appended anew, then the segment is deleted. So a
//! record that only says that another is void can be dropped when its segment is the oldest: what it voids was before it.
//!
//! What a publish means for several shards comes in sections with a ticket, and waits until the last of them has come: then all of it
//! goes into one group, so that a crash leaves all or nothing. What is to be voided by such a section holds until then.
//!
//! In the order of a batch: `tickets` (what counts now), `facts` (what it changes, what is left to write), `log` (where it goes, and what
//! to do when the disk fails), `reports`. Beside it `clean` and `read`; at the start `recover`, which decides what counts, and
//! `contents`, which brings it back. The bytes are described in `format` and `record`. [`inspect`] and [`salvage`] are for a store
//! that nobody has open.
//!
//! Files are behind [`Disk`]; nothing here names one.

mod clean;
pub mod config;
mod contents;
pub mod disk;
pub mod error;
mod facts;
mod format;
mod index;
pub mod inspect;
mod log;
mod read;
mod record;
mod recover;
mod reports;
pub mod salvage;
mod tickets;
mod walk;

use crate::broker::batch::ReadRequest;
use crate::broker::{Batch, Millis, Recovered, Report};
use crate::routing::ShardIndex;
use clean::Cleaning;
use facts::Facts;
use format::GROUP_HEADER_LEN;
use log::{Log, Segment};
use read::ReadCache;
use record::Clock;
use reports::{News, Reports};
use tickets::Tickets;

pub use config::{Acknowledge, StoreConfig};
pub use disk::Disk;
pub use error::{OpenError, StoreError};

/// A store that is open.
pub struct Store<D> {
    config: StoreConfig,
    log: Log<D>,
    facts: Facts,
    tickets: Tickets,
    cleaning: Cleaning,
    reports: Reports,
    /// What becomes true with what waits.
    news: News,
    reads: Vec<(ShardIndex, ReadRequest)>,
    accepting: bool,
    bytes_relocated: u64,
}

/// What [`Store::open`] found.
pub struct Opened<D> {
    pub store: Store<D>,
    pub recovered: Recovered,
    pub findings: Findings,
}

/// What an operator wants to know of a recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The directory had no store.
    pub is_new: bool,
    pub segments: u64,
    pub bytes_read: u64,
    pub groups: u64,
    pub records: u64,
    /// Bytes of a last group that was not written to its end: nobody was told that they are kept.
    pub torn_bytes: u64,
    /// Sections without effect, because the other shards' parts of their publish were lost with the crash.
    pub incomplete_sections: u64,
    /// Entries or retained topics whose message is not there. 0, unless somebody has altered the files.
    pub dangling: u64,
}

/// How far a recovery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryProgress {
    pub bytes_read: u64,
    pub bytes_total: u64,
}

/// Levels and counters of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub segments: u64,
    /// Bytes of all segments, as far as they are written.
    pub bytes: u64,
    /// Of these, roughly, bytes of facts that hold.
    pub bytes_live: u64,
    pub sessions: u64,
    pub subscriptions: u64,
    pub entries: u64,
    pub messages: u64,
    pub retained: u64,
    /// Groups written, and their bytes, since the store was opened.
    pub groups_written: u64,
    pub bytes_written: u64,
    /// Of these, bytes that cleaning has written anew.
    pub bytes_relocated: u64,
    /// Records that were void before they were written.
    pub records_elided: u64,
    pub syncs: u64,
    pub segments_deleted: u64,
    /// Publishes whose other shards' parts have not come.
    pub tickets_waiting: u64,
    /// Operations without effect, because they named a message that the store did not have: 0, unless a shard is wrong.
    pub dangling: u64,
}

impl<D: Disk> Store<D> {
    /// Reads what the directory holds, and prepares to write behind it. `progress` is called about every 16 MiB.
    pub fn open(
        mut disk: D,
        config: StoreConfig,
        progress: &mut dyn FnMut(RecoveryProgress),
    ) -> Result<Opened<D>, OpenError> {
        let mut replayed = recover::replay(&mut disk, &config, progress)?;
        let clock = Clock { wall_at_zero_ms: config.wall_at_zero_ms };
        let segments = replayed.segments.iter().map(|segment| Segment { ..*segment });
        let recovered = contents::read(&mut disk, &mut replayed.index, segments, &config, clock, replayed.counter)?;
        let segments = recover::cut(&mut disk, replayed.segments, replayed.unsynced)?;
        let mut log = Log::new(disk, &config, replayed.hash_seed, segments, replayed.last_group);
        log.start()?;
        let store = Self {
            log,
            facts: Facts::new(replayed.index, clock, replayed.counter),
            tickets: Tickets::new(replayed.hash_seed),
            cleaning: Cleaning::default(),
            reports: Reports::new(config.shards),
            news: News::default(),
            reads: Vec::new(),
            accepting: true,
            bytes_relocated: 0,
            config,
        };
        Ok(Opened { store, recovered, findings: replayed.findings })
    }

    /// Seed of the hashes that give clients and topics their shards; as the store was created with.
    pub fn hash_seed(&self) -> u64 {
        self.log.hash_seed
    }

    /// Takes over a shard's batch; nothing is written yet.
    pub fn take(&mut self, shard: ShardIndex, batch: Batch) {
        for section in batch.sections {
            self.tickets.take((shard, batch.number), section, &mut self.facts, &mut self.news.tickets);
        }
        self.reads.extend(batch.reads.into_iter().map(|request| (shard, request)));
        match self.news.batches.iter_mut().find(|(of, _)| *of == shard) {
            Some((_, number)) => *number = batch.number,
            None => self.news.batches.push((shard, batch.number)),
        }
    }

    /// Bytes, roughly, that [`commit`](Self::commit) would write.
    pub fn pending_bytes(&self) -> usize {
        self.facts.bytes_waiting()
    }

    /// Appends all that was taken to the log as one group, and syncs it if the configuration acknowledges what is synced. Answers reads.
    /// After an error nothing is lost, and what was not written is not acknowledged: it waits for the next call, as reads do that
    /// the disk could not answer.
    pub fn commit(&mut self, now: Millis) -> Result<(), StoreError> {
        let written = self.write();
        let read = self.answer_reads(now);
        self.log.prepare_spare(now);
        if self.log.is_accepting() != self.accepting {
            self.accepting = !self.accepting;
            self.reports.tell_accepting(self.accepting);
        }
        written.and(read)
    }

    /// Syncs what was written and not synced: all that was taken before a call of [`commit`](Self::commit) that gave no error.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        let mut news = Vec::new();
        // After a sync that failed, this writes to the next segment what it was for.
        let flushed = self.log.flush(&mut self.facts.index, &mut news);
        let synced = flushed.and_then(|()| self.log.sync(&mut news));
        news.into_iter().for_each(|news| self.reports.tell(news));
        synced
    }

    /// What to tell a shard; `None` when there is no more.
    pub fn poll_report(&mut self) -> Option<(ShardIndex, Report)> {
        self.reports.poll()
    }

    /// Reads a bounded piece of the oldest segment, and takes what still holds there into the next group; true if there is
    /// more to do now, which is the case while more than half of the log is void. Each call wants a [`commit`](Self::commit) after it.
    pub fn clean(&mut self, now: Millis) -> Result<bool, StoreError> {
        self.cleaning.step(&mut self.log, &mut self.facts, self.config.segment_size, now)
    }

    pub fn stats(&self) -> Stats {
        let counts = self.facts.index.counts;
        Stats {
            segments: self.log.segments.len() as u64,
            bytes: self.log.segments.iter().map(|segment| segment.end).sum(),
            bytes_live: self.facts.index.bytes_live,
            sessions: counts.sessions,
            subscriptions: counts.subscriptions,
            entries: counts.entries,
            messages: counts.messages,
            retained: counts.retained,
            groups_written: self.log.groups_written,
            bytes_written: self.log.bytes_written,
            bytes_relocated: self.bytes_relocated,
            records_elided: self.facts.records_elided,
            syncs: self.log.syncs,
            segments_deleted: self.log.segments_deleted,
            tickets_waiting: self.tickets.len() as u64,
            dangling: self.facts.dangling,
        }
    }

    /// Gives the disk back.
    pub fn into_disk(self) -> D {
        self.log.disk
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let mut told = Vec::new();
        let written = self.write_groups(&mut told);
        told.into_iter().for_each(|news| self.reports.tell(news));
        written
    }

    fn write_groups(&mut self, told: &mut Vec<News>) -> Result<(), StoreError> {
        // What an earlier call could not write goes first.
        self.log.flush(&mut self.facts.index, told)?;
        let finished = self.cleaning.finished;
        if self.facts.has_waiting() {
            let len = GROUP_HEADER_LEN + format::padded(self.facts.bytes_waiting());
            let start = self.log.place(&mut self.facts.index, len)?;
            let mut bytes = self.log.begin_group();
            self.bytes_relocated += self.facts.encode(&mut bytes, start) as u64;
            let news = self.news();
            self.log.append(start, bytes, self.facts.counter, news);
        } else {
            self.facts.clear_elided();
            told.push(self.news());
        }
        if let Some(segment) = finished {
            self.log.free(segment);
            self.cleaning.finished = None;
        }
        self.log.flush(&mut self.facts.index, told)
    }

    /// What becomes true when all that was applied is durable.
    fn news(&mut self) -> News {
        let mut news = std::mem::take(&mut self.news);
        for (shard, number) in &mut news.batches {
            if let Some(late) = self.tickets.first_late(*shard).filter(|late| late <= number) {
                self.news.batches.push((*shard, *number));
                *number = late - 1;
            }
        }
        news
    }

    fn answer_reads(&mut self, now: Millis) -> Result<(), StoreError> {
        if self.reads.is_empty() {
            return Ok(());
        }
        let mut cache = ReadCache::default();
        let mut result = Ok(());
        for (shard, request) in std::mem::take(&mut self.reads) {
            // Entries that other shards' parts are awaited for come with the answer, or the shard would believe that they do not exist.
            if result.is_err() || self.tickets.has_waiting(request.session) {
                self.reads.push((shard, request));
                continue;
            }
            match read::load(&mut self.log, &mut self.facts, &mut cache, &request, now) {
                Ok(loaded) => self.reports.tell_loaded(shard, loaded),
                Err(error) => {
                    result = Err(StoreError::Io(error));
                    self.reads.push((shard, request));
                }
            }
        }
        result
    }
}
