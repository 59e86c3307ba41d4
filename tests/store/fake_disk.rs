//! A disk in memory that loses what was not synced when it crashes, and fails on demand.
//!
//! A handle is cheap to clone, and all clones are the same disk: a test keeps one while the store owns another.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use ringmq::store::Disk;

/// What a crash writes or loses as a whole, in bytes.
const SECTOR: usize = 512;

#[derive(Clone, Default)]
pub struct FakeDisk(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    segments: BTreeMap<u32, Segment>,
    /// Bytes that may be reserved; `None` is without end.
    room: Option<u64>,
    fail_reads: bool,
    fail_writes: bool,
    fail_syncs: bool,
    fail_deletes: bool,
    /// Mutating operations until the machine stops.
    crash_in: Option<u64>,
    has_crashed: bool,
    counts: Counts,
}

/// What was asked of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Writing, syncing, creating, sealing and deleting.
    pub mutations: u64,
    pub writes: u64,
    pub bytes_written: u64,
    pub syncs: u64,
}

#[derive(Default)]
struct Segment {
    /// As the kernel has it; zeros behind, up to `size`.
    bytes: Vec<u8>,
    /// As the platters have it.
    synced: Vec<u8>,
    /// Written and not synced, or lost by a sync that failed: a crash may keep any part.
    unsynced: Vec<Write>,
    size: u64,
}

struct Write {
    offset: usize,
    bytes: Vec<u8>,
    /// A failed sync has marked it clean: later syncs leave it alone.
    is_doubtful: bool,
}

impl FakeDisk {
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that all segments together may have; `None` is without end.
    pub fn set_room(&self, room: Option<u64>) {
        self.0.borrow_mut().room = room;
    }

    pub fn fail_reads(&self, fail: bool) {
        self.0.borrow_mut().fail_reads = fail;
    }

    pub fn fail_writes(&self, fail: bool) {
        self.0.borrow_mut().fail_writes = fail;
    }

    pub fn fail_syncs(&self, fail: bool) {
        self.0.borrow_mut().fail_syncs = fail;
    }

    pub fn fail_deletes(&self, fail: bool) {
        self.0.borrow_mut().fail_deletes = fail;
    }

    /// The machine stops at the operation after so many others that change something. From then on all fail, until
    /// [`crash`](Self::crash) starts it again.
    pub fn crash_in(&self, mutations: u64) {
        self.0.borrow_mut().crash_in = Some(mutations);
    }

    pub fn has_crashed(&self) -> bool {
        self.0.borrow().has_crashed
    }

    /// Power is lost and comes back: what was synced is there, and of what was not, what chance keeps. The faults are over, as
    /// after [`heal`](Self::heal).
    pub fn crash(&self, random: &mut dyn FnMut() -> u64) {
        self.heal();
        let mut state = self.0.borrow_mut();
        for segment in state.segments.values_mut() {
            segment.crash(random);
        }
    }

    /// The faults are over, and those that were still to come. Without a crash before it is as if only the process had died.
    pub fn heal(&self) {
        let mut state = self.0.borrow_mut();
        state.has_crashed = false;
        state.crash_in = None;
        state.room = None;
        (state.fail_reads, state.fail_writes, state.fail_syncs, state.fail_deletes) = (false, false, false, false);
    }

    pub fn counts(&self) -> Counts {
        self.0.borrow().counts
    }

    /// A disk of its own with what this one has, all of it synced.
    pub fn copy(&self) -> Self {
        let state = self.0.borrow();
        let segments = state.segments.iter().map(|(number, segment)| {
            let (bytes, synced) = (segment.bytes.clone(), segment.bytes.clone());
            (*number, Segment { bytes, synced, unsynced: Vec::new(), size: segment.size })
        });
        Self(Rc::new(RefCell::new(State { segments: segments.collect(), ..State::default() })))
    }

    pub fn numbers(&self) -> Vec<u32> {
        self.0.borrow().segments.keys().copied().collect()
    }

    /// What a segment has, without the zeros of what is only reserved.
    pub fn content(&self, segment: u32) -> Vec<u8> {
        self.0.borrow().segments[&segment].bytes.clone()
    }

    /// Puts a segment there that has just these bytes.
    pub fn put(&self, segment: u32, bytes: Vec<u8>) {
        let size = bytes.len() as u64;
        let segment_of = Segment { synced: bytes.clone(), bytes, unsynced: Vec::new(), size };
        self.0.borrow_mut().segments.insert(segment, segment_of);
    }

    pub fn remove(&self, segment: u32) {
        self.0.borrow_mut().segments.remove(&segment);
    }
}

impl State {
    /// True if the machine goes down with this operation.
    fn mutate(&mut self) -> io::Result<bool> {
        self.counts.mutations += 1;
        self.check()?;
        match &mut self.crash_in {
            Some(0) => {
                self.has_crashed = true;
                Ok(true)
            }
            Some(left) => {
                *left -= 1;
                Ok(false)
            }
            None => Ok(false),
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.has_crashed { Err(io::Error::other("the machine is down")) } else { Ok(()) }
    }

    fn has_room(&self, additional: u64) -> bool {
        let reserved: u64 = self.segments.values().map(|segment| segment.size).sum();
        self.room.is_none_or(|room| reserved + additional <= room)
    }

    fn segment(&mut self, segment: u32) -> io::Result<&mut Segment> {
        self.segments.get_mut(&segment).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Segment {
    fn write(&mut self, offset: usize, bytes: Vec<u8>) {
        put(&mut self.bytes, offset, &bytes);
        self.size = self.size.max((offset + bytes.len()) as u64);
        self.unsynced.push(Write { offset, bytes, is_doubtful: false });
    }

    fn sync(&mut self) {
        let (doubtful, clean) = std::mem::take(&mut self.unsynced).into_iter().partition(|write| write.is_doubtful);
        self.unsynced = doubtful;
        for Write { offset, bytes, .. } in clean {
            put(&mut self.synced, offset, &bytes);
        }
    }

    fn crash(&mut self, random: &mut dyn FnMut() -> u64) {
        let unsynced: usize = self.unsynced.iter().map(|write| write.bytes.len()).sum();
        let mut left = match random() % 4 {
            0 => 0,
            1 => unsynced,
            _ => (random() % (unsynced as u64 + 1)) as usize,
        };
        // Sectors may be written in any order, but for none and all of them.
        let in_any_order = left != 0 && left != unsynced && random().is_multiple_of(2);
        for Write { offset, bytes, .. } in std::mem::take(&mut self.unsynced) {
            let mut start = 0;
            while start < bytes.len() {
                let end = bytes.len().min(((offset + start) / SECTOR + 1) * SECTOR - offset);
                let kept = match in_any_order {
                    true if random().is_multiple_of(2) => end - start,
                    true => 0,
                    false => left.min(end - start),
                };
                left -= if in_any_order { 0 } else { kept };
                put(&mut self.synced, offset + start, &bytes[start..start + kept]);
                start = end;
            }
        }
        self.synced.truncate(self.size as usize);
        self.bytes = self.synced.clone();
    }
}

fn put(target: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if target.len() < offset + bytes.len() {
        target.resize(offset + bytes.len(), 0);
    }
    target[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl Disk for FakeDisk {
    fn segments(&mut self) -> io::Result<Vec<(u32, u64)>> {
        let state = self.0.borrow();
        state.check()?;
        Ok(state.segments.iter().map(|(number, segment)| (*number, segment.size)).collect())
    }

    fn create(&mut self, segment: u32, size: u64) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let goes_down = state.mutate()?;
        if !state.has_room(size) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if state.segments.contains_key(&segment) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.segments.insert(segment, Segment { size, ..Segment::default() });
        if goes_down { state.check() } else { Ok(()) }
    }

    fn write(&mut self, segment: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let goes_down = state.mutate()?;
        if state.fail_writes {
            return Err(io::Error::other("the disk cannot write"));
        }
        let size = state.segment(segment)?.size;
        if !state.has_room((offset + bytes.len() as u64).saturating_sub(size)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.counts.writes += 1;
        state.counts.bytes_written += bytes.len() as u64;
        state.segment(segment)?.write(offset as usize, bytes.to_vec());
        if goes_down { state.check() } else { Ok(()) }
    }

    fn sync(&mut self, segment: u32) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let goes_down = state.mutate()?;
        state.counts.syncs += 1;
        if goes_down {
            return state.check();
        }
        let fails = state.fail_syncs;
        let segment = state.segment(segment)?;
        if fails {
            segment.unsynced.iter_mut().for_each(|write| write.is_doubtful = true);
            return Err(io::Error::other("the disk cannot sync"));
        }
        segment.sync();
        Ok(())
    }

    fn read(&mut self, segment: u32, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        state.check()?;
        if state.fail_reads {
            return Err(io::Error::other("the disk cannot read"));
        }
        let segment = state.segment(segment)?;
        let count = (bytes.len() as u64).min(segment.size.saturating_sub(offset)) as usize;
        let bytes = &mut bytes[..count];
        bytes.fill(0);
        let written = segment.bytes.get(offset as usize..).unwrap_or_default();
        let written = &written[..written.len().min(count)];
        bytes[..written.len()].copy_from_slice(written);
        Ok(count)
    }

    fn seal(&mut self, segment: u32, size: u64) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let goes_down = state.mutate()?;
        let segment = state.segment(segment)?;
        segment.size = size;
        segment.bytes.truncate(size as usize);
        segment.synced.truncate(size as usize);
        if goes_down { state.check() } else { Ok(()) }
    }

    fn delete(&mut self, segment: u32) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let goes_down = state.mutate()?;
        if state.fail_deletes {
            return Err(io::Error::other("the disk cannot delete"));
        }
        state.segments.remove(&segment);
        if goes_down { state.check() } else { Ok(()) }
    }
}
