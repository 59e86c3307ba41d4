//! What waits becomes records of a group.

use super::{CONTENTS_KEPT, Facts, Relocating};
use crate::broker::StoreOp;
use crate::store::index::{self, FactKey, Position};
use crate::store::record::{self, EntryFlags, Record};

impl Facts {
    /// Appends all that waits to a group that begins at `start`. Returns how many of the bytes are of relocated records.
    pub fn encode(&mut self, bytes: &mut Vec<u8>, start: Position) -> usize {
        let relocated = self.encode_relocated(bytes, start);
        let mut waiting = std::mem::take(&mut self.waiting);
        for op in waiting.drain(..).filter_map(|waiting| waiting.op) {
            self.encode_op(bytes, start, &op);
        }
        waiting.shrink_to(CONTENTS_KEPT);
        self.waiting = waiting;
        self.waiting_bytes = 0;
        relocated
    }

    fn encode_relocated(&mut self, bytes: &mut Vec<u8>, start: Position) -> usize {
        let before = bytes.len();
        let Relocating { bytes: records, records: places } = std::mem::take(&mut self.relocating);
        let mut record_start = 0;
        for (from, record_end) in places {
            let record = &records[record_start..record_end];
            record_start = record_end;
            let Some(key) = Record::decode(record).and_then(|(record, _)| self.index.key_of(&record)) else { continue };
            if self.index.position_of(key) == from {
                self.index.move_to(key, start + bytes.len() as u64);
                bytes.extend_from_slice(record);
            }
        }
        bytes.len() - before
    }

    fn encode_op(&mut self, bytes: &mut Vec<u8>, start: Position, op: &StoreOp) {
        match op {
            StoreOp::Entry { entry, .. } if EntryFlags::of(entry).holds_message() => {
                self.encode_message(bytes, start, entry.stamp);
            }
            StoreOp::Retain { stamp } => self.encode_message(bytes, start, *stamp),
            _ => {}
        }
        let before = bytes.len();
        let key = match op {
            StoreOp::Message(_) => return,
            StoreOp::Session { id, record } => {
                record::encode_session(bytes, *id, record, self.clock);
                FactKey::Session { id: *id }
            }
            StoreOp::Subscription { session, filter, subscription } => {
                record::encode_subscription(bytes, *session, filter, subscription);
                FactKey::Subscription { session: *session, filter_hash: self.index.filter_hash(filter) }
            }
            StoreOp::Entry { session, entry } => {
                record::encode_entry(bytes, *session, entry);
                FactKey::Entry { session: *session, number: entry.number }
            }
            StoreOp::Unreleased { session, packet_id } => {
                record::encode_unreleased(bytes, *session, *packet_id);
                FactKey::Unreleased { session: *session, packet_id: *packet_id }
            }
            StoreOp::Retain { stamp } => {
                record::encode_retain(bytes, *stamp);
                FactKey::Retained { stamp: *stamp }
            }
            StoreOp::EndSession { id } => return record::encode_end_session(bytes, *id),
            StoreOp::EndSubscription { session, filter } => {
                return record::encode_end_subscription(bytes, *session, filter);
            }
            StoreOp::EndEntry { session, number } => return record::encode_end_entry(bytes, *session, *number),
            StoreOp::Released { session, packet_id } => {
                return record::encode_released(bytes, *session, *packet_id);
            }
            StoreOp::Forget { stamp } => return record::encode_forget(bytes, *stamp),
        };
        self.index.set_written(key, start + before as u64, (bytes.len() - before) as u32);
    }

    fn encode_message(&mut self, bytes: &mut Vec<u8>, start: Position, stamp: u64) {
        let Some(slot) = self.index.message_mut(stamp) else { return };
        if !index::is_pending(slot.position) {
            return;
        }
        let number = index::offset_of(slot.position) as usize;
        slot.position = start + bytes.len() as u64;
        let record_len = slot.record_len();
        let Some(message) = self.take_content(number) else { return };
        record::encode_message(bytes, &message, self.clock);
        self.index.bytes_live += u64::from(record_len);
    }
}
