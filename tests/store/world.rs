//! A store under random operations, faults and crashes, beside its twin.

use std::collections::{BTreeMap, VecDeque};

use ringmq::broker::batch::{Progress, ReadRequest, Section};
use ringmq::broker::{Batch, Loaded};
use ringmq::routing::{SessionKey, ShardIndex};
use ringmq::store::{Acknowledge, Opened, Store, StoreConfig};

use crate::fake_disk::FakeDisk;
use crate::op::{self, Op};
use crate::random::Random;
use crate::twin::{self, Facts, Tickets};

const SHARD_SHIFT: u32 = 56;

pub struct World {
    random: Random,
    disk: FakeDisk,
    config: StoreConfig,
    store: Option<Store<FakeDisk>>,
    now: u64,
    counter: u64,
    shards: Vec<Shard>,
    facts: Facts,
    tickets: Tickets,
    /// What held at each commit, oldest first, from the one on that is known to be durable.
    snapshots: VecDeque<Facts>,
    /// Number of the first of them.
    first_snapshot: u64,
    /// The first snapshot that has a ticket's operations, and to how many shards it was not reported yet.
    tickets_done: BTreeMap<u64, (u64, Vec<u8>)>,
    parties: BTreeMap<u64, Vec<u8>>,
    reads: Vec<(u8, ReadRequest)>,
    is_committed: bool,
    trace: bool,
}

#[derive(Default)]
struct Shard {
    batch: u64,
    /// The snapshot that has each batch that was not reported.
    batches: BTreeMap<u64, u64>,
    /// Sections of other shards' tickets.
    owed: VecDeque<(u64, u32, Vec<Op>)>,
    packet_ids: u16,
}

/// How often things go wrong, in percent.
#[derive(Clone, Copy)]
pub struct Faults {
    pub crash: u64,
    pub disk: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let shards = 1 + random.below(3) as usize;
        let config = StoreConfig {
            shards,
            acknowledge: if random.chance(75) { Acknowledge::Synced } else { Acknowledge::Written },
            segment_size: 512 << random.below(5),
            size_max: 1 << 40,
            queue_memory_max: 400 << random.below(4),
            hash_seed: random.next(),
            wall_at_zero_ms: 1_700_000_000_000,
        };
        let mut world = Self {
            random,
            disk: FakeDisk::new(),
            config,
            store: None,
            now: 0,
            counter: 0,
            shards: (0..shards).map(|_| Shard::default()).collect(),
            facts: Facts::default(),
            tickets: Tickets::default(),
            snapshots: VecDeque::from([Facts::default()]),
            first_snapshot: 0,
            tickets_done: BTreeMap::new(),
            parties: BTreeMap::new(),
            reads: Vec::new(),
            is_committed: false,
            trace: std::env::var_os("STORE_TRACE").is_some(),
        };
        world.open();
        world
    }

    pub fn run(&mut self, steps: u64, faults: Faults) {
        for _ in 0..steps {
            self.now += self.random.below(20);
            match self.random.below(100) {
                0..50 => self.batch(),
                50..85 => self.commit(),
                85..97 => {
                    let store = self.store.as_mut().unwrap();
                    let _ = store.clean(self.now);
                }
                _ => {
                    let synced = self.store.as_mut().unwrap().sync();
                    self.hear();
                    if synced.is_ok() && self.is_committed {
                        self.durable(self.next_snapshot() - 1);
                    }
                }
            }
            if self.random.chance(faults.disk) {
                let chance = self.random.below(100);
                self.disk.fail_syncs(chance < 20);
                self.disk.fail_writes((20..35).contains(&chance));
                self.disk.fail_reads((35..45).contains(&chance));
                self.disk.fail_deletes((45..55).contains(&chance));
                let room = (55..65).contains(&chance).then(|| self.random.below(16) * 1024);
                self.disk.set_room(room);
            }
            if self.random.chance(faults.crash) {
                self.disk.crash_in(self.random.below(12));
            }
            if self.disk.has_crashed() || self.random.chance(faults.crash) {
                self.crash();
            }
        }
    }

    /// Commits and cleans until nothing is left to do; then the log must be small.
    pub fn settle(&mut self) {
        self.disk.heal();
        for _ in 0..10_000 {
            self.now += 10_000;
            self.commit();
            let store = self.store.as_mut().unwrap();
            store.sync().unwrap();
            let goes_on = store.clean(self.now).unwrap();
            self.hear();
            if !goes_on {
                break;
            }
        }
        self.commit();
        self.store.as_mut().unwrap().sync().unwrap();
        self.hear();
        let stats = self.store.as_ref().unwrap().stats();
        let bound = 2 * stats.bytes_live + 4 * self.config.segment_size + 16_384;
        assert!(stats.bytes <= bound, "the log is not cleaned: {stats:?}");
        let sessions = self.facts.sessions.values();
        let entries: usize = sessions.clone().map(|session| session.entries.len()).sum();
        let subscriptions: usize = sessions.map(|session| session.subscriptions.len()).sum();
        let found = (stats.sessions, stats.entries, stats.subscriptions, stats.retained);
        let expected = (self.facts.sessions.len(), entries, subscriptions, self.facts.retained.len());
        assert_eq!(found, (expected.0 as u64, expected.1 as u64, expected.2 as u64, expected.3 as u64));
        assert_eq!(stats.dangling, 0);
        assert!(stats.messages >= self.facts.messages().len() as u64);
    }

    pub fn crash(&mut self) {
        let disk = self.disk.clone();
        self.store = None;
        if self.trace {
            eprintln!("crash");
        }
        // Or only the process dies, and the kernel goes on with what it was given.
        if self.random.chance(70) {
            disk.crash(&mut || self.random.next());
        } else {
            disk.heal();
        }
        if self.random.chance(20) {
            self.disk.crash_in(self.random.below(6));
        }
        self.open();
    }

    fn open(&mut self) {
        let opened = loop {
            match Store::open(self.disk.clone(), self.config.clone(), &mut |_| {}) {
                Ok(opened) => break opened,
                Err(_) if self.disk.has_crashed() => {
                    let disk = self.disk.clone();
                    disk.crash(&mut || self.random.next());
                }
                Err(error) => panic!("the store does not open: {error}"),
            }
        };
        let Opened { store, recovered, findings } = opened;
        assert_eq!(findings.dangling, 0, "{findings:?}");
        let max = self.config.queue_memory_max;
        let fits = |facts: &Facts| twin::difference(&recovered, facts, max).is_none();
        let Some(at) = self.snapshots.iter().position(fits) else {
            let last = twin::difference(&recovered, self.snapshots.back().unwrap(), max);
            let first = twin::difference(&recovered, self.snapshots.front().unwrap(), max);
            panic!(
                "{} states may hold, none does:\nnot the last: {last:?}\nnot the first: {first:?}",
                self.snapshots.len()
            );
        };
        self.facts = self.snapshots[at].clone();
        self.facts.sessions.values_mut().for_each(|session| session.spill(max));
        for session in self.facts.sessions.values() {
            assert!(session.entries.keys().all(|number| *number <= recovered.counter));
        }
        for stamp in self.facts.messages() {
            assert!(stamp & ((1 << SHARD_SHIFT) - 1) <= recovered.counter);
        }
        self.first_snapshot = 0;
        self.snapshots = VecDeque::from([self.facts.clone()]);
        self.tickets = Tickets::default();
        self.tickets_done.clear();
        self.parties.clear();
        self.is_committed = false;
        self.reads.clear();
        let shards = self.shards.len();
        self.shards = (0..shards).map(|_| Shard::default()).collect();
        self.store = Some(store);
    }

    fn commit(&mut self) {
        self.snapshots.push_back(self.facts.clone());
        let result = self.store.as_mut().unwrap().commit(self.now);
        // Then all that was taken is written, whatever the store calls durable.
        self.is_committed = result.is_ok();
        if self.trace {
            eprintln!("commit: {result:?}");
        }
        self.hear();
    }

    fn next_snapshot(&self) -> u64 {
        self.first_snapshot + self.snapshots.len() as u64
    }

    fn durable(&mut self, snapshot: u64) {
        while self.first_snapshot < snapshot && self.snapshots.len() > 1 {
            self.snapshots.pop_front();
            self.first_snapshot += 1;
        }
        assert!(self.first_snapshot >= snapshot, "durable before any commit");
    }

    fn hear(&mut self) {
        while let Some((shard, report)) = self.store.as_mut().unwrap().poll_report() {
            assert!(!self.tickets.is_late(shard.0, report.durable), "durable before what it waits for");
            let is_synced = self.config.acknowledge == Acknowledge::Synced;
            let batches = &mut self.shards[usize::from(shard.0)].batches;
            let later = batches.split_off(&(report.durable + 1));
            let reported = std::mem::replace(batches, later);
            if let Some(snapshot) = reported.into_values().max()
                && is_synced
            {
                self.durable(snapshot);
            }
            for ticket in report.tickets {
                let (snapshot, parties) =
                    self.tickets_done.get_mut(&ticket).expect("ticket reported before it was complete");
                let party = parties.iter().position(|party| *party == shard.0).expect("ticket reported twice");
                parties.swap_remove(party);
                let snapshot = *snapshot;
                if is_synced {
                    self.durable(snapshot);
                }
            }
            for loaded in report.loaded {
                self.check_loaded(shard.0, &loaded);
            }
        }
    }

    fn check_loaded(&mut self, shard: u8, loaded: &Loaded) {
        let at = self.reads.iter().position(|(of, request)| *of == shard && request.generation == loaded.generation);
        let (_, request) = self.reads.swap_remove(at.expect("an answer without a request"));
        assert!(!self.tickets.has_session(request.session));
        let expected = self.facts.sessions.get(&request.session).map_or(Vec::new(), |session| session.spilled());
        let count = loaded.entries.len();
        assert!(count > 0 || expected.is_empty(), "nothing was read");
        assert_eq!(loaded.is_last, count == expected.len());
        let mut bytes = 0;
        for ((entry, message), (number, stamp)) in loaded.entries.iter().zip(expected) {
            assert_eq!(*entry, op::entry(number, stamp, Progress::Queued));
            assert!(op::same_message(message, &op::message(stamp)));
            assert!(bytes < request.bytes_max.max(1));
            bytes += message.size();
            if let Some(session) = self.facts.sessions.get_mut(&request.session) {
                session.note_progress(number, Progress::Queued);
            }
        }
    }

    fn batch(&mut self) {
        let shard = self.random.below(self.shards.len() as u64) as u8;
        let mut sections = Vec::new();
        for _ in 0..self.random.below(3) {
            let section = if self.shards.len() > 1 && self.random.chance(40) {
                self.publish_to_several(shard)
            } else {
                let mut ops = Vec::new();
                for _ in 0..1 + self.random.below(6) {
                    self.operation(shard, &mut ops);
                }
                (0, 0, ops)
            };
            self.apply(shard, &section);
            sections.push(section);
        }
        while self.random.chance(60)
            && let Some(section) = self.shards[usize::from(shard)].owed.pop_front()
        {
            self.apply(shard, &section);
            sections.push(section);
        }
        let reads = if self.random.chance(15) { self.read(shard) } else { Vec::new() };
        let snapshot = self.next_snapshot();
        let own = &mut self.shards[usize::from(shard)];
        own.batch += 1;
        own.batches.insert(own.batch, snapshot);
        let sections = sections.into_iter().map(|(ticket, awaited, ops)| {
            if self.trace {
                eprintln!("shard {shard} batch {} ticket {ticket:x} awaits {awaited}: {ops:x?}", own.batch);
            }
            let awaited = (awaited > 0).then_some(awaited);
            Section { ticket, awaited, ops: ops.into_iter().map(Op::to_store).collect() }
        });
        let batch = Batch { number: own.batch, sections: sections.collect(), reads };
        self.store.as_mut().unwrap().take(ShardIndex(shard), batch);
    }

    fn apply(&mut self, shard: u8, (ticket, awaited, ops): &(u64, u32, Vec<Op>)) {
        let snapshot = self.next_snapshot();
        if *ticket != 0 {
            self.parties.entry(*ticket).or_default().push(shard);
        }
        let batch = (shard, self.shards[usize::from(shard)].batch + 1);
        for ticket in self.tickets.take(batch, *ticket, *awaited, ops, &mut self.facts) {
            self.tickets_done.insert(ticket, (snapshot, self.parties.remove(&ticket).unwrap()));
        }
    }

    fn new_number(&mut self, shard: u8) -> u64 {
        self.counter += 1 + self.random.below(3);
        u64::from(shard) << SHARD_SHIFT | self.counter
    }

    fn sessions_of(&self, shard: u8) -> Vec<u64> {
        self.facts.sessions.keys().copied().filter(|id| id >> SHARD_SHIFT == u64::from(shard)).collect()
    }

    fn publish_to_several(&mut self, shard: u8) -> (u64, u32, Vec<Op>) {
        let (ticket, stamp) = (self.new_number(shard), self.new_number(shard));
        let mut ops = Vec::new();
        if let Some(session) = self.random.pick(&self.sessions_of(shard)) {
            let own = &mut self.shards[usize::from(shard)];
            own.packet_ids = own.packet_ids.wrapping_add(1);
            ops.push(Op::Unreleased { session, packet_id: own.packet_ids });
            // A will that is published is not its session's any more.
            if self.random.chance(20) {
                ops.push(Op::Session { id: session, version: self.random.below(1000) as u32 });
            }
        }
        self.deliver(shard, stamp, &mut ops);
        let mut awaited = 0;
        for other in (0..self.shards.len() as u8).filter(|other| *other != shard) {
            if awaited == 0 || self.random.chance(50) {
                awaited += 1;
                let mut ops = Vec::new();
                self.deliver(other, stamp, &mut ops);
                self.shards[usize::from(other)].owed.push_back((ticket, 0, ops));
            }
        }
        (ticket, awaited, ops)
    }

    /// What a shard keeps of a publish.
    fn deliver(&mut self, shard: u8, stamp: u64, ops: &mut Vec<Op>) {
        if self.random.chance(20) {
            return;
        }
        ops.push(Op::Message { stamp });
        for session in self.sessions_of(shard) {
            if self.random.chance(40) && !ops.contains(&Op::EndSession { id: session }) {
                self.counter += 1;
                let number = self.counter;
                let progress = if self.random.chance(50) { Progress::Queued } else { Progress::Spilled };
                ops.push(Op::Entry { session, number, stamp, progress });
                // The queue is full: the oldest is dropped.
                let oldest = self.facts.sessions[&session].entries.keys().next().copied();
                if let Some(number) = oldest.filter(|_| self.random.chance(20)) {
                    ops.push(Op::EndEntry { session, number });
                }
            }
        }
        if self.random.chance(20) {
            ops.push(Op::Retain { stamp });
            let retained: Vec<u64> = self.facts.retained.iter().copied().collect();
            if let Some(stamp) = self.random.pick(&retained) {
                ops.push(Op::Forget { stamp });
            }
        }
    }

    fn operation(&mut self, shard: u8, ops: &mut Vec<Op>) {
        let sessions = self.sessions_of(shard);
        let version = self.random.below(1000) as u32;
        let Some(session) = self.random.pick(&sessions).filter(|_| !self.random.chance(3)) else {
            return ops.push(Op::Session { id: self.new_number(shard), version });
        };
        if ops.contains(&Op::EndSession { id: session }) {
            return;
        }
        let entries = &self.facts.sessions[&session].entries;
        let entry = if self.random.chance(60) {
            entries.iter().next().map(|(number, (stamp, progress))| (*number, *stamp, *progress))
        } else {
            let all: Vec<_> = entries.iter().map(|(number, (stamp, progress))| (*number, *stamp, *progress)).collect();
            self.random.pick(&all)
        };
        let filter = self.random.below(6) as u32;
        match self.random.below(100) {
            0..3 => ops.push(Op::Session { id: session, version }),
            3..5 if sessions.len() > 3 => ops.push(Op::EndSession { id: session }),
            5..10 => ops.push(Op::Subscription { session, filter, version }),
            10..14 => ops.push(Op::EndSubscription { session, filter }),
            14..40 => {
                let stamp = self.new_number(shard);
                self.deliver(shard, stamp, ops);
            }
            40..75 => {
                // Numbers are never used again: no entry comes back after its end.
                let is_free = |(number, ..): &(u64, u64, Progress)| {
                    !ops.iter().any(|op| matches!(op, Op::EndEntry { number: other, .. } | Op::Entry { number: other, .. } if other == number))
                };
                let Some((number, stamp, progress)) = entry.filter(is_free) else { return };
                let sequence = self.random.below(1 << 20) << 20 | number;
                match progress {
                    Progress::Queued | Progress::Spilled if self.random.chance(50) => {
                        ops.push(Op::Entry { session, number, stamp, progress: Progress::InFlight { sequence } });
                    }
                    Progress::InFlight { sequence } if self.random.chance(50) => {
                        ops.push(Op::Entry { session, number, stamp, progress: Progress::Received { sequence } });
                    }
                    _ => ops.push(Op::EndEntry { session, number }),
                }
            }
            75..80 => ops.push(Op::Unreleased { session, packet_id: self.random.below(8) as u16 }),
            80..88 => ops.push(Op::Released { session, packet_id: self.random.below(8) as u16 }),
            88..92 => {
                let stamp = self.new_number(shard);
                ops.extend([Op::Message { stamp }, Op::Retain { stamp }]);
            }
            _ => {
                let retained: Vec<u64> = self.facts.retained.iter().copied().collect();
                if let Some(stamp) = self.random.pick(&retained) {
                    ops.push(Op::Forget { stamp });
                }
            }
        }
    }

    fn read(&mut self, shard: u8) -> Vec<ReadRequest> {
        let Some(session) = self.random.pick(&self.sessions_of(shard)) else { return Vec::new() };
        self.counter += 1;
        let bytes_max = self.random.below(3_000) as usize;
        let request = ReadRequest { session, key: SessionKey(1), generation: self.counter as u32, bytes_max };
        self.reads.push((shard, request.clone()));
        vec![request]
    }
}
