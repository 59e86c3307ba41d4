//! Worlds whose broker went down within a write of its store, one for each byte that the write could have left.

use std::collections::BTreeMap;

use super::World;
use crate::fake_disk::FakeDisk;
use crate::link::Link;
use crate::oracle::{self, Figures};
use crate::random::Random;
use crate::world::Finding;

/// Bytes of each segment that are written.
type Lengths = BTreeMap<u32, usize>;

/// A write of the store of which nobody has been told yet.
pub struct Write {
    /// Without a broker.
    world: World,
    /// With the write.
    disk: FakeDisk,
    segment: u32,
    from: usize,
    pub to: usize,
}

pub(super) fn lengths(disk: &FakeDisk) -> Lengths {
    disk.numbers().into_iter().map(|number| (number, disk.content(number).len())).collect()
}

impl World {
    /// A whole run; what each write of the store could have left in a crash.
    pub fn record_writes(&mut self) -> Result<Vec<Write>, Finding> {
        self.writes = Some(Vec::new());
        self.run(100)?;
        Ok(self.writes.take().unwrap_or_default())
    }

    /// Remembers what the store has just written, before anybody is told.
    pub(super) fn note_writes(&mut self, before: &Lengths) {
        for (segment, to) in lengths(&self.disk) {
            let from = before.get(&segment).copied().unwrap_or(0);
            if to > from {
                let write = Write { world: self.twin(), disk: self.disk.copy(), segment, from, to };
                self.writes.get_or_insert_default().push(write);
            }
        }
    }

    /// The broker starts anew and everybody comes back.
    fn recover(&mut self) -> Result<Figures, Finding> {
        self.go_down();
        self.shards = *self.random.pick(&[1, 2, 4]);
        self.start()?;
        self.come_to_rest(true)?;
        oracle::check(&self.history)
    }

    /// The same clients at the same moment, and no broker.
    fn twin(&self) -> Self {
        Self {
            random: Random::new(0),
            history: self.history.clone(),
            settings: self.settings.clone(),
            scenario: self.scenario.clone(),
            shards: self.shards,
            nodes: Vec::new(),
            disk: FakeDisk::new(),
            storage: None,
            clock_began: self.clock_began,
            store_exists: self.store_exists,
            fault_until: None,
            room: None,
            links: self.links.iter().map(Link::twin).collect(),
            active: self.active.clone(),
            clients: self.clients.clone(),
            orphans: self.orphans.clone(),
            moved: 0,
            writes: None,
        }
    }
}

impl Write {
    /// Numbers of bytes that a crash may leave of the segment.
    pub fn cuts(&self) -> std::ops::RangeInclusive<usize> {
        self.from..=self.to
    }

    /// The broker crashes when so many bytes of the segment are on disk, and starts again; everybody comes back, and gets what
    /// they were promised; if not, a text that says what is missing.
    pub fn crash_at(&self, cut: usize) -> Result<Figures, String> {
        let mut world = self.world.twin();
        world.random = Random::new(cut as u64);
        world.disk = self.disk.copy();
        let mut bytes = world.disk.content(self.segment);
        bytes.truncate(cut);
        // The rest of the segment is reserved, or the file ends there.
        if cut.is_multiple_of(2) {
            bytes.resize(self.to, 0);
        }
        world.disk.put(self.segment, bytes);
        world.recover().map_err(|Finding { rule, client, key }| {
            format!("client c{client}, message {key:?}:\n{rule}\n{}", world.history.tail(client, key, 60))
        })
    }
}
