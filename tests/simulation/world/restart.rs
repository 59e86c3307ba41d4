//! Crash and restart: all but the disk and the clients is gone, and the broker starts from what the disk has.

use std::rc::Rc;

use ringmq::broker::{self, Recovered, Settings, Shard};
use ringmq::routing::ShardIndex;
use ringmq::store::{Acknowledge, Opened, Store, StoreConfig};

use super::{Finding, World};
use crate::fake_disk::FakeDisk;
use crate::history::What;
use crate::node::Node;
use crate::settings::{self, Durability};
use crate::storage::Storage;

/// Wall-clock time at which the virtual clock was 0, in milliseconds since 1970.
const WALL_BEGAN_MS: u64 = 1_700_000_000_000;

impl World {
    /// The broker stops at once, and starts again, perhaps after a while and with another number of shards.
    pub(super) fn crash(&mut self) -> Result<(), Finding> {
        for own in 0..self.nodes.len() {
            let since = self.nodes[own].turn_began;
            self.poll_events(own, since)?;
        }
        // The store must be there to be opened on a full disk.
        if self.room.is_none() || !self.store_exists || self.random.chance(50) {
            self.end_fault();
        }
        self.go_down();
        self.stop_disk();
        self.start_again()
    }

    /// The broker is told to stop: it sends everybody away, and its store writes all that there is.
    pub(super) fn stop(&mut self) -> Result<(), Finding> {
        self.end_fault();
        self.disk.heal();
        self.history.refusals = true;
        self.history.record(usize::MAX, 0, What::Stopping);
        let now = self.broker_now();
        for node in &mut self.nodes {
            node.turn_began = self.history.entries.len();
            node.shard.handle_shutdown(now);
        }
        let mut before = None;
        while before != Some(self.moved) {
            before = Some(self.moved);
            for own in 0..self.nodes.len() {
                self.advance_node(own, true)?;
            }
            self.advance_storage(true)?;
            for link in &self.active {
                self.moved += u64::from(self.links[*link].take_output(usize::MAX));
            }
        }
        if !self.storage.as_ref().is_some_and(Storage::is_at_rest) {
            return Err(Finding::new("the store has still something to write when the broker has stopped", 0, None));
        }
        self.forget_broker("stopped");
        self.stop_disk();
        self.start_again()
    }

    /// Perhaps after a while, and perhaps with other settings.
    fn start_again(&mut self) -> Result<(), Finding> {
        self.history.now += match self.random.below(10) {
            0..4 => 0,
            4..7 => self.random.between(1, 1000),
            7..9 => self.random.between(1000, 12_000),
            _ => self.random.between(12_000, 100_000),
        };
        self.shards = *self.random.pick(&[1, 2, 4]);
        if self.random.chance(30) {
            let queue_memory_max = *self.random.pick(&settings::QUEUE_MEMORY_MAX);
            self.settings = Rc::new(Settings { queue_memory_max, ..Settings::clone(&self.settings) });
        }
        self.start()
    }

    /// Nothing is left of the broker but its disk.
    pub(super) fn go_down(&mut self) {
        self.history.record(usize::MAX, 0, What::Crashed);
        self.forget_broker("crash");
        for client in &mut self.clients {
            client.note_crash();
        }
    }

    fn forget_broker(&mut self, why: &str) {
        let since = self.history.entries.len() - 1;
        self.nodes.clear();
        self.storage = None;
        for index in std::mem::take(&mut self.active) {
            self.links[index].crash(&mut self.random);
            self.note_end(index, since, why);
        }
    }

    fn stop_disk(&mut self) {
        let only_the_process_dies = self.scenario.durability.as_ref().is_some_and(|d| d.only_the_process_dies);
        if only_the_process_dies || self.random.chance(20) {
            self.disk.heal();
        } else {
            self.disk.crash(&mut || self.random.next());
        }
        self.disk.set_room(self.room);
    }

    /// The broker starts, and finds what its disk has.
    pub(super) fn start(&mut self) -> Result<(), Finding> {
        let recovered = match self.scenario.durability.clone() {
            Some(durability) => self.open_store(&durability)?,
            None => Recovered::default(),
        };
        let now = self.broker_now();
        let settings = self.settings.clone();
        let (partitions, interests) = broker::partition(recovered, &settings, self.shards);
        let mut partitions = partitions.into_iter();
        for own in 0..self.shards {
            let seed = self.random.next();
            let mut shard = Shard::new(settings.clone(), ShardIndex(own as u8), self.shards, seed, now);
            self.history.denials = self.scenario.verdicts.is_some();
            shard.set_listeners(vec![self.policy()], now);
            if let Some(partition) = partitions.next().filter(|_| self.storage.is_some()) {
                shard.restore(partition, &interests, now);
            }
            self.nodes.push(Node::new(shard));
        }
        self.history.record(usize::MAX, 0, What::Restarted { shards: self.shards });
        Ok(())
    }

    /// Opens the store; the machine may go down again while it does.
    fn open_store(&mut self, durability: &Durability) -> Result<Recovered, Finding> {
        self.clock_began = if self.random.chance(50) { self.history.now } else { self.clock_began };
        let config = StoreConfig {
            shards: self.shards,
            acknowledge: if durability.only_the_process_dies { Acknowledge::Written } else { Acknowledge::Synced },
            segment_size: *self.random.pick(&[durability.segment_size, durability.segment_size, 4096, 65_536]),
            size_max: u64::MAX,
            queue_memory_max: self.settings.queue_memory_max,
            hash_seed: self.random.next(),
            wall_at_zero_ms: WALL_BEGAN_MS + self.clock_began,
        };
        loop {
            if self.random.chance(20) {
                self.disk.crash_in(self.random.between(0, 6));
            }
            match Store::open(self.disk.clone(), config.clone(), &mut |_| {}) {
                Ok(opened) => return self.opened(opened, durability.cleans),
                Err(_) if self.disk.has_crashed() => self.stop_disk(),
                Err(error) => return Err(Finding::new(format!("the store cannot be opened: {error}"), 0, None)),
            }
        }
    }

    fn opened(&mut self, opened: Opened<FakeDisk>, cleans: bool) -> Result<Recovered, Finding> {
        let Opened { store, recovered, findings } = opened;
        if findings.dangling > 0 || (findings.is_new && self.store_exists) {
            return Err(Finding::new(format!("the store has lost something: {findings:?}"), 0, None));
        }
        self.settings = Rc::new(Settings { hash_seed: store.hash_seed(), ..Settings::clone(&self.settings) });
        self.storage = Some(Storage::new(store, cleans));
        Ok(recovered)
    }
}
