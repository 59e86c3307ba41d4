//! The facts that hold, and the records that wait to be written.
//!
//! An operation changes the index at once, and waits as a record. One that voids a record that still waits takes that out of the
//! queue; it is written itself only if an older record of the same fact is in the log. A message is written right before the first
//! record that needs it, so one that nothing needs any more is not written.

mod encode;

use crate::broker::Message;
use crate::broker::batch::{Entry, StoreOp};
use crate::broker::message::STAMP_SHARD_SHIFT;
use crate::store::index::{self, EntrySlot, Index, Position, SubscriptionSlot, UnreleasedSlot, packet_hash};
use crate::store::record::{self, Clock, ENTRY_LEN_MAX, EntryFlags, EntryState, MESSAGE_OVERHEAD_MAX};

/// The counter in a number that has its shard in the upper bits.
const COUNTER_MASK: u64 = (1 << STAMP_SHARD_SHIFT) - 1;

/// Places for messages, and for records that wait, that are kept without any.
const CONTENTS_KEPT: usize = 4_096;

/// Bytes of a record with a fixed part, a text apart.
const RECORD_LEN_MAX: usize = 64;

pub struct Facts {
    pub index: Index,
    pub clock: Clock,
    waiting: Vec<Waiting>,
    /// Messages that were not written, by the number in their positions.
    contents: Vec<Option<Message>>,
    contents_free: Vec<u32>,
    relocating: Relocating,
    /// Bytes, at most, of the records of `waiting`, and of those of `contents`.
    waiting_bytes: usize,
    contents_bytes: usize,
    /// The highest counter seen.
    pub counter: u64,
    pub records_elided: u64,
    /// Operations that named a message that the store does not have.
    pub dangling: u64,
}

struct Waiting {
    /// `None` once it was elided.
    op: Option<StoreOp>,
    /// The log has an older record of the same fact, that only this one voids.
    voids_written: bool,
}

/// Records of the segment that is being cleaned.
#[derive(Default)]
struct Relocating {
    bytes: Vec<u8>,
    /// Where each was, and its end in `bytes`.
    records: Vec<(Position, usize)>,
}

impl Facts {
    pub fn new(index: Index, clock: Clock, counter: u64) -> Self {
        Self {
            index,
            clock,
            waiting: Vec::new(),
            contents: Vec::new(),
            contents_free: Vec::new(),
            relocating: Relocating::default(),
            waiting_bytes: 0,
            contents_bytes: 0,
            counter,
            records_elided: 0,
            dangling: 0,
        }
    }

    /// Bytes, at most, that [`encode`](Self::encode) would append.
    pub fn bytes_waiting(&self) -> usize {
        self.waiting_bytes + self.contents_bytes + self.relocating.bytes.len()
    }

    pub fn has_waiting(&self) -> bool {
        self.waiting.iter().any(|waiting| waiting.op.is_some()) || !self.relocating.records.is_empty()
    }

    /// Keeps a message until [`release`](Self::release) is called as often, whether something names it or not.
    pub fn hold(&mut self, message: Message) -> u64 {
        let stamp = message.stamp;
        let number = self.contents_free.last().map_or(self.contents.len(), |number| *number as usize);
        let slot = self.index.message_or_new(stamp);
        slot.refs += 1;
        if slot.position != 0 {
            return stamp;
        }
        slot.position = index::pending(number);
        slot.content_len = record::content_len(&message) as u32;
        slot.expires_at_s = message.expires_at.map_or(0, |time| expiry_s(self.clock.to_wall(time)));
        self.contents_bytes += MESSAGE_OVERHEAD_MAX + slot.content_len as usize;
        match self.contents_free.pop() {
            Some(_) => self.contents[number] = Some(message),
            None => self.contents.push(Some(message)),
        }
        stamp
    }

    /// One thing less needs the message.
    pub fn release(&mut self, stamp: u64) {
        if let Some(slot) = self.index.message_mut(stamp) {
            slot.refs -= 1;
            if slot.refs == 0 {
                self.remove_if_unneeded(stamp);
            }
        }
    }

    /// The content of a message that was not written yet.
    pub fn content(&self, position: Position) -> Option<&Message> {
        self.contents.get(index::offset_of(position) as usize)?.as_ref()
    }

    /// The entry of a record that was not written yet.
    pub fn waiting_entry(&self, position: Position) -> Option<&Entry> {
        match &self.waiting.get(index::offset_of(position) as usize)?.op {
            Some(StoreOp::Entry { entry, .. }) => Some(entry),
            _ => None,
        }
    }

    /// Messages go to [`hold`](Self::hold) instead.
    pub fn apply(&mut self, op: StoreOp) {
        match &op {
            StoreOp::Message(_) => {}
            StoreOp::Session { id, .. } => {
                let slot = self.index.session_or_new(*id);
                let former = (slot.position, slot.record_len);
                slot.position = index::pending(self.waiting.len());
                let voids_written = self.void(former);
                self.push(op, voids_written);
            }
            StoreOp::EndSession { id } => self.end_session(*id),
            StoreOp::Subscription { session, filter, .. } => {
                let filter_hash = self.index.filter_hash(filter);
                let Some(slot) = self.index.session_mut(*session) else { return };
                let new = SubscriptionSlot { filter_hash, position: index::pending(self.waiting.len()), record_len: 0 };
                let former = match slot.subscriptions.find_mut(filter_hash, |slot| slot.filter_hash == filter_hash) {
                    Some(slot) => {
                        let former = std::mem::replace(slot, new);
                        (former.position, former.record_len)
                    }
                    None => {
                        slot.subscriptions.insert_unique(filter_hash, new, |slot| slot.filter_hash);
                        self.index.counts.subscriptions += 1;
                        (0, 0)
                    }
                };
                let voids_written = self.void(former);
                self.push(op, voids_written);
            }
            StoreOp::EndSubscription { session, filter } => {
                let filter_hash = self.index.filter_hash(filter);
                let Some(slot) = self.index.session_mut(*session) else { return };
                let found = slot.subscriptions.find_entry(filter_hash, |slot| slot.filter_hash == filter_hash);
                let Ok(found) = found else { return };
                let (former, _) = found.remove();
                self.index.counts.subscriptions -= 1;
                self.end((former.position, former.record_len), op);
            }
            StoreOp::Entry { .. } => self.entry(op),
            StoreOp::EndEntry { session, number } => {
                let (session, number) = (*session, *number);
                if let Some(former) = self.remove_entry(session, number) {
                    self.end((former.position, former.record_len), op);
                    if former.flags.holds_message() {
                        self.release(former.stamp);
                    }
                }
            }
            StoreOp::Unreleased { session, packet_id } => {
                let Some(slot) = self.index.session_mut(*session) else { return };
                let new = UnreleasedSlot { packet_id: *packet_id, position: index::pending(self.waiting.len()) };
                let hash = packet_hash(*packet_id);
                let former = match slot.unreleased.find_mut(hash, |slot| slot.packet_id == *packet_id) {
                    Some(slot) => std::mem::replace(slot, new).position,
                    None => {
                        slot.unreleased.insert_unique(hash, new, |slot| packet_hash(slot.packet_id));
                        0
                    }
                };
                let voids_written = self.void((former, index::UNRELEASED_LEN));
                self.push(op, voids_written);
            }
            StoreOp::Released { session, packet_id } => {
                let Some(slot) = self.index.session_mut(*session) else { return };
                let found = slot.unreleased.find_entry(packet_hash(*packet_id), |slot| slot.packet_id == *packet_id);
                let Ok(found) = found else { return };
                let (former, _) = found.remove();
                self.end((former.position, index::UNRELEASED_LEN), op);
            }
            StoreOp::Retain { stamp } => {
                let Some(slot) = self.index.message_mut(*stamp) else {
                    self.dangling += 1;
                    return;
                };
                let former = std::mem::replace(&mut slot.retained, index::pending(self.waiting.len()));
                self.index.counts.retained += u64::from(former == 0);
                let voids_written = self.void((former, index::RETAIN_LEN));
                self.push(op, voids_written);
            }
            StoreOp::Forget { stamp } => self.forget(*stamp),
        }
    }

    pub fn forget(&mut self, stamp: u64) {
        let Some(slot) = self.index.message_mut(stamp) else { return };
        let former = std::mem::take(&mut slot.retained);
        if former == 0 {
            return;
        }
        self.index.counts.retained -= 1;
        self.end((former, index::RETAIN_LEN), StoreOp::Forget { stamp });
        self.remove_if_unneeded(stamp);
    }

    /// Takes an entry out of the index.
    pub fn remove_entry(&mut self, session: u64, number: u64) -> Option<EntrySlot> {
        let slot = self.index.session_mut(session)?;
        let at = slot.find_entry(number).ok()?;
        let removed = if at == 0 { slot.entries.pop_front() } else { slot.entries.remove(at) };
        if slot.entries.capacity() > 64 && slot.entries.len() < slot.entries.capacity() / 8 {
            slot.entries.shrink_to(slot.entries.len() * 2);
        }
        self.index.counts.entries -= 1;
        removed
    }

    /// Gives up an entry whose message has expired, and whose record goes away with its segment. Its slot stays until its shard
    /// knows.
    pub fn expire(&mut self, session: u64, number: u64) {
        let Some(slot) = self.index.session_mut(session) else { return };
        let Ok(at) = slot.find_entry(number) else { return };
        let slot = &mut slot.entries[at];
        let (former, stamp) = ((slot.position, slot.record_len), slot.stamp);
        (slot.position, slot.record_len, slot.flags) = (0, 0, slot.flags.expired());
        self.void(former);
        self.release(stamp);
    }

    /// A record that still holds, to be written anew.
    pub fn relocate(&mut self, from: Position, record: &[u8]) {
        self.relocating.bytes.extend_from_slice(record);
        self.relocating.records.push((from, self.relocating.bytes.len()));
    }

    /// Forgets the places of records that were elided, when there are no others.
    pub fn clear_elided(&mut self) {
        self.waiting.clear();
    }

    fn take_content(&mut self, number: usize) -> Option<Message> {
        let message = self.contents.get_mut(number)?.take()?;
        self.contents_bytes -= MESSAGE_OVERHEAD_MAX + record::content_len(&message);
        self.contents_free.push(number as u32);
        // After a burst the memory is given back, when its last message is gone.
        if self.contents_free.len() == self.contents.len() {
            self.contents.clear();
            self.contents_free.clear();
            self.contents.shrink_to(CONTENTS_KEPT);
            self.contents_free.shrink_to(CONTENTS_KEPT);
        }
        Some(message)
    }

    fn entry(&mut self, op: StoreOp) {
        let StoreOp::Entry { session, entry } = &op else { return };
        let (flags, stamp) = (EntryFlags::of(entry), entry.stamp);
        if self.index.session(*session).is_none() {
            return;
        }
        if flags.holds_message() {
            match self.index.message_mut(stamp) {
                Some(message) => message.refs += 1,
                None => {
                    self.dangling += 1;
                    return;
                }
            }
        }
        let position = index::pending(self.waiting.len());
        let new = EntrySlot { number: entry.number, stamp, position, record_len: 0, flags };
        let Some(slot) = self.index.session_mut(*session) else { return };
        let former = match slot.find_entry(entry.number) {
            Ok(at) => Some(std::mem::replace(&mut slot.entries[at], new)),
            Err(at) => {
                slot.entries.insert(at, new);
                self.index.counts.entries += 1;
                None
            }
        };
        let voids_written = former.is_some_and(|former| self.void((former.position, former.record_len)));
        self.push(op, voids_written);
        if let Some(former) = former.filter(|former| former.flags.holds_message()) {
            self.release(former.stamp);
        }
    }

    fn end_session(&mut self, id: u64) {
        let Some(slot) = self.index.remove_session(id) else { return };
        let mut voids_written = self.void((slot.position, slot.record_len));
        for slot in &slot.subscriptions {
            voids_written |= self.void((slot.position, slot.record_len));
        }
        for slot in &slot.unreleased {
            voids_written |= self.void((slot.position, index::UNRELEASED_LEN));
        }
        for slot in &slot.entries {
            voids_written |= self.void((slot.position, slot.record_len));
            if slot.flags.holds_message() {
                self.release(slot.stamp);
            }
        }
        if voids_written {
            self.push(StoreOp::EndSession { id }, true);
        }
    }

    /// A fact whose record was at `former` does not hold any more, as `op` says.
    fn end(&mut self, former: (Position, u32), op: StoreOp) {
        if self.void(former) {
            self.push(op, true);
        } else {
            self.records_elided += 1;
        }
    }

    /// A record does not hold any more. True if it, or an older one of the same fact, is in the log.
    fn void(&mut self, (position, record_len): (Position, u32)) -> bool {
        if index::is_written(position) {
            self.index.bytes_live = self.index.bytes_live.saturating_sub(u64::from(record_len));
            return true;
        }
        if position == 0 {
            return false;
        }
        let waiting = &mut self.waiting[index::offset_of(position) as usize];
        if let Some(op) = waiting.op.take() {
            self.waiting_bytes -= op_len_max(&op);
            self.records_elided += 1;
        }
        waiting.voids_written
    }

    fn push(&mut self, op: StoreOp, voids_written: bool) {
        self.waiting_bytes += op_len_max(&op);
        self.waiting.push(Waiting { op: Some(op), voids_written });
    }

    fn remove_if_unneeded(&mut self, stamp: u64) {
        let Some(slot) = self.index.remove_unneeded(stamp) else { return };
        if index::is_written(slot.position) {
            self.index.bytes_live = self.index.bytes_live.saturating_sub(u64::from(slot.record_len()));
        } else if index::is_pending(slot.position) {
            self.take_content(index::offset_of(slot.position) as usize);
            self.records_elided += 1;
        }
    }

    /// Takes the numbers of an operation into account, that must not be given again.
    pub fn count(&mut self, op: &StoreOp) {
        let counter = match op {
            StoreOp::Message(message) => message.stamp & COUNTER_MASK,
            StoreOp::Session { id, .. } => id & COUNTER_MASK,
            StoreOp::Entry { session, entry } => {
                (session & COUNTER_MASK).max(entry.stamp & COUNTER_MASK).max(entry.number)
            }
            StoreOp::Retain { stamp } => stamp & COUNTER_MASK,
            _ => return,
        };
        self.counter = self.counter.max(counter);
    }

    pub fn count_ticket(&mut self, ticket: u64) {
        self.counter = self.counter.max(ticket & COUNTER_MASK);
    }
}

/// Seconds since 1970, rounded up, at least 1.
pub fn expiry_s(wall_ms: u64) -> u32 {
    u32::try_from(wall_ms.div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

/// Bytes of an operation's record at most.
fn op_len_max(op: &StoreOp) -> usize {
    match op {
        StoreOp::Message(_) => 0,
        StoreOp::Session { record, .. } => {
            let will_len = record.will.as_ref().map_or(0, |will| record::content_len(&will.message));
            2 * RECORD_LEN_MAX + record.client_id.len() + will_len
        }
        StoreOp::Subscription { filter, .. } | StoreOp::EndSubscription { filter, .. } => RECORD_LEN_MAX + filter.len(),
        StoreOp::Entry { entry, .. } => {
            let group_len = entry.group.as_ref().map_or(0, |group| group.share.len() + group.filter.len());
            ENTRY_LEN_MAX + 8 + 4 * entry.subscription_ids.len() + group_len
        }
        _ => RECORD_LEN_MAX / 2,
    }
}

/// Whether an entry may be given up when its message expires: its delivery has not begun (section 3.3.2.3.3), and its shard does
/// not know of it.
pub fn may_expire(flags: EntryFlags) -> bool {
    flags.state() == EntryState::Queued && flags.is_spilled()
}
