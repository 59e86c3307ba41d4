//! The store's part of a run: it takes what the shards have pushed, writes, answers, and has a disk that fails now and then.

use ringmq::store::Disk;

use super::{Finding, World, twin};
use crate::history::{Fault, What};
use crate::node::Item;

const FAULTS: [Fault; 6] = [Fault::Full, Fault::Full, Fault::Write, Fault::Sync, Fault::Read, Fault::Delete];

impl World {
    /// Takes, writes and answers some of what waits for the store, all of it if `all`.
    pub(super) fn advance_storage(&mut self, all: bool) -> Result<(), Finding> {
        let now = self.broker_now();
        let Some(storage) = &mut self.storage else { return Ok(()) };
        self.moved += storage.take(&mut self.random, all) as u64;
        let before = self.writes.is_some().then(|| twin::lengths(&self.disk));
        let written = storage.write(&mut self.random, all, now);
        if self.disk.has_crashed() {
            return self.crash();
        }
        if let Err(error) = written
            && self.fault_until.is_none()
        {
            return Err(Finding::new(format!("the store fails on a disk that does not: {error}"), 0, None));
        }
        if let Some(before) = before {
            self.note_writes(&before);
        }
        let Some(storage) = &mut self.storage else { return Ok(()) };
        for (shard, report) in storage.reports() {
            self.moved += 1;
            self.store_exists |= report.durable > 0;
            self.nodes[shard].inbox.push_back(Item::Report(report));
        }
        Ok(())
    }

    /// Now and then the disk fails for a while, or the broker crashes.
    pub(super) fn disturb(&mut self) -> Result<(), Finding> {
        let Some(durability) = self.scenario.durability.clone() else { return Ok(()) };
        if self.fault_until.is_some_and(|step| step <= self.history.step) {
            self.end_fault();
        }
        let steps = self.scenario.phases * self.scenario.steps_per_phase;
        if self.random.below(steps) < durability.faults && self.fault_until.is_none() {
            self.begin_fault();
        }
        if self.random.below(steps) < durability.crashes {
            match self.random.below(6) {
                0 => return self.crash(),
                1 => return self.stop(),
                // Somewhere in what the store does next.
                _ => self.disk.crash_in(self.random.between(0, 12)),
            }
        }
        Ok(())
    }

    fn begin_fault(&mut self) {
        let fault = *self.random.pick(&FAULTS);
        match fault {
            Fault::Full => {
                let reserved: u64 = self.disk.segments().map_or(0, |all| all.iter().map(|(_, size)| size).sum());
                self.room = Some(reserved + self.random.between(0, 8192));
                self.disk.set_room(self.room);
            }
            Fault::Write => self.disk.fail_writes(true),
            Fault::Sync => self.disk.fail_syncs(true),
            Fault::Read => self.disk.fail_reads(true),
            Fault::Delete => self.disk.fail_deletes(true),
        }
        self.fault_until = Some(self.history.step + self.random.between(5, 300));
        self.history.refusals = true;
        self.history.record(usize::MAX, 0, What::FaultBegan { fault });
    }

    pub(super) fn end_fault(&mut self) {
        if self.fault_until.take().is_none() {
            return;
        }
        self.room = None;
        self.disk.heal();
        self.history.record(usize::MAX, 0, What::FaultEnded);
    }
}
