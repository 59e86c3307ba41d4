//! Reading a store that nobody has open, damaged or not.

use std::io;

use super::disk::Disk;
use super::format::{FORMAT, GROUP_HEADER_LEN, Header, SEGMENT_HEADER_LEN};
use super::record::{Clock, Record, decode_entry, decode_message, decode_session};
use super::walk::{Piece, Walk, read_whole};
use crate::broker::StoreOp;

/// Where something is: a segment, and bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub segment: u32,
    pub offset: u64,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub place: Place,
    pub what: String,
}

/// What a store has, in the order in which it is on disk.
#[derive(Debug)]
pub enum Item {
    Segment {
        number: u32,
        /// Bytes, with those that are only reserved.
        size: u64,
    },
    Group {
        place: Place,
        /// Bytes.
        len: u64,
        number: u64,
        /// The last group that was synced when this one was written.
        synced: u64,
        counter: u64,
    },
    /// A record of the last group. Times are milliseconds since 1970.
    Record {
        place: Place,
        /// Bytes.
        len: u64,
        op: StoreOp,
    },
    Finding(Finding),
}

/// Visits all that is readable, also behind damage. Whether a record still holds is not looked at. An error is one of the disk
/// as a whole; what it cannot read of a segment is a finding.
pub fn inspect<D: Disk>(disk: &mut D, visit: &mut dyn FnMut(Item)) -> io::Result<()> {
    let clock = Clock { wall_at_zero_ms: 0 };
    let mut hash_seed = None;
    let mut last_group: Option<u64> = None;
    let listed = disk.segments()?;
    let last_segment = listed.last().map(|(number, _)| *number);
    let mut expected = listed.first().map_or(0, |(number, _)| *number);
    for (segment, size) in listed {
        for missing in expected..segment {
            visit(finding(missing, 0, "the segment is missing".into()));
        }
        expected = segment + 1;
        visit(Item::Segment { number: segment, size });
        let Some(bytes) = read_segment(disk, segment, size, visit) else { continue };
        match Header::decode(segment, &bytes) {
            Header::Valid(header) => hash_seed = Some(header.hash_seed),
            Header::Unfinished if Some(segment) == last_segment => continue,
            Header::Unfinished | Header::Damaged => visit(finding(segment, 0, "the header is damaged".into())),
            Header::Newer { format } => {
                let what = format!("format {format}, written by a newer version; this one reads up to {FORMAT}");
                visit(finding(segment, 0, what));
                continue;
            }
            Header::Foreign => {
                visit(finding(segment, 0, "not a segment of a store".into()));
                continue;
            }
        }
        // With a damaged header, the seed of the segment before is good.
        let Some(hash_seed) = hash_seed else { continue };
        for piece in Walk::new(segment, hash_seed, &bytes).pieces() {
            match piece {
                Piece::Group { at, header, body } => {
                    let place = Place { segment, offset: at as u64 };
                    if let Some(last) = last_group.filter(|last| header.number > last + 1) {
                        let what = format!("{} groups are missing before this one", header.number - last - 1);
                        visit(Item::Finding(Finding { place, what }));
                    }
                    last_group = Some(header.number);
                    let len = (GROUP_HEADER_LEN + body.len()) as u64;
                    let (number, synced, counter) = (header.number, header.synced, header.counter);
                    visit(Item::Group { place, len, number, synced, counter });
                    inspect_records(segment, at + GROUP_HEADER_LEN, body, clock, visit);
                }
                Piece::Damage { at, end } => {
                    visit(finding(segment, at as u64, format!("{} bytes are not a whole group", end - at)));
                }
            }
        }
    }
    Ok(())
}

/// `None`, after a finding, if the disk cannot read it.
pub(super) fn read_segment<D: Disk>(
    disk: &mut D,
    segment: u32,
    size: u64,
    visit: &mut dyn FnMut(Item),
) -> Option<Vec<u8>> {
    let mut bytes = vec![0; size as usize];
    match read_whole(disk, segment, 0, &mut bytes) {
        Ok(()) => Some(bytes),
        Err(error) => {
            visit(finding(segment, 0, format!("the segment cannot be read: {error}")));
            None
        }
    }
}

fn inspect_records(segment: u32, offset: usize, body: &[u8], clock: Clock, visit: &mut dyn FnMut(Item)) {
    let mut at = 0;
    while at < body.len() {
        let place = Place { segment, offset: (offset + at) as u64 };
        let Some((record, len)) = Record::decode(&body[at..]) else {
            return visit(finding(segment, place.offset, "a record cannot be decoded, nor those behind it".into()));
        };
        match to_op(&record, clock) {
            Some(op) => visit(Item::Record { place, len: len as u64, op }),
            None => visit(finding(segment, place.offset, "a record cannot be decoded".into())),
        }
        at += len;
    }
}

fn to_op(record: &Record<'_>, clock: Clock) -> Option<StoreOp> {
    Some(match *record {
        Record::Message { body, .. } => StoreOp::Message(decode_message(body, clock)?),
        Record::Session { id, body } => StoreOp::Session { id, record: decode_session(body, clock)? },
        Record::EndSession { id } => StoreOp::EndSession { id },
        Record::Subscription { session, filter, subscription } => {
            StoreOp::Subscription { session, filter: filter.into(), subscription }
        }
        Record::EndSubscription { session, filter } => StoreOp::EndSubscription { session, filter: filter.into() },
        Record::Entry { session, body, .. } => StoreOp::Entry { session, entry: decode_entry(body)? },
        Record::EndEntry { session, number } => StoreOp::EndEntry { session, number },
        Record::Unreleased { session, packet_id } => StoreOp::Unreleased { session, packet_id },
        Record::Released { session, packet_id } => StoreOp::Released { session, packet_id },
        Record::Retain { stamp } => StoreOp::Retain { stamp },
        Record::Forget { stamp } => StoreOp::Forget { stamp },
    })
}

fn finding(segment: u32, offset: u64, what: String) -> Item {
    Item::Finding(Finding { place: Place { segment, offset }, what })
}

const _: () = assert!(SEGMENT_HEADER_LEN.is_multiple_of(8));
