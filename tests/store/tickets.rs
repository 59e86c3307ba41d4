//! Publishes that several shards keep, or none.

use ringmq::broker::batch::Progress;

use crate::op::Op;
use crate::rig::{Rig, SESSION, ended, numbers, queued, recovered_numbers, request, session};

const TICKET: u64 = 50;

fn tickets(rig: &mut Rig) -> Vec<(u8, Vec<u64>)> {
    rig.reports().into_iter().map(|(shard, report)| (shard, report.tickets)).collect()
}

#[test]
fn a_publish_counts_when_all_shards_have_sent_their_part() {
    let mut rig = Rig::new();
    rig.keep(&[session(), Op::Session { id: 2, version: 1 }]);
    rig.reports();
    rig.take_section(0, TICKET, 1, &queued(1));
    rig.commit().unwrap();
    // The batch is durable, its ticket is not: a crash now finds nothing of it.
    assert_eq!(tickets(&mut rig), [(0, vec![])]);
    let copy = Rig::open(rig.disk.copy(), rig.config.clone());
    assert!(recovered_numbers(&copy.recovered).is_empty());
    let other = Op::Entry { session: 2, number: 2, stamp: 1_001, progress: Progress::Queued };
    rig.take_section(1, TICKET, 0, &[Op::Message { stamp: 1_001 }, other]);
    rig.commit().unwrap();
    assert_eq!(tickets(&mut rig), [(0, vec![TICKET]), (1, vec![TICKET])]);
    let rig = rig.crash();
    assert_eq!(recovered_numbers(&rig.recovered), [1, 2]);
    assert!(rig.recovered.counter >= 1_001);
}

#[test]
fn the_part_of_the_shard_that_gave_the_ticket_may_come_last() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.take_section(1, TICKET, 0, &[]);
    rig.commit().unwrap();
    rig.reports();
    rig.take_section(0, TICKET, 1, &queued(1));
    rig.commit().unwrap();
    assert_eq!(tickets(&mut rig), [(0, vec![TICKET]), (1, vec![TICKET])]);
}

#[test]
fn a_retained_message_is_not_forgotten_for_one_that_is_not_complete() {
    let mut rig = Rig::new();
    rig.keep(&[session(), Op::Message { stamp: 7 }, Op::Retain { stamp: 7 }]);
    rig.take_section(0, TICKET, 1, &[Op::Message { stamp: 8 }, Op::Retain { stamp: 8 }, Op::Forget { stamp: 7 }]);
    // Cleaning must not take it away, either.
    for number in 1..200 {
        rig.keep(&queued(number));
        rig.keep(&[ended(number)]);
    }
    rig.clean();
    assert!(rig.stats().segments_deleted > 0);
    let copy = Rig::open(rig.disk.copy(), rig.config.clone());
    assert_eq!(copy.recovered.retained.iter().map(|message| message.stamp).collect::<Vec<_>>(), [7]);
    rig.take_section(1, TICKET, 0, &[]);
    rig.commit().unwrap();
    let rig = rig.crash();
    assert_eq!(rig.recovered.retained.iter().map(|message| message.stamp).collect::<Vec<_>>(), [8]);
}

#[test]
fn what_ends_before_its_ticket_is_complete_is_not_written() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.take_section(0, TICKET, 1, &queued(1));
    rig.reports();
    rig.keep(&[ended(1)]);
    // The end has no effect without the entry, so it is not durable without it.
    rig.take(&[]);
    rig.commit().unwrap();
    assert_eq!(rig.durable(), Some(rig.last_batch() - 2));
    rig.take_section(1, TICKET, 0, &[]);
    let before = rig.stats().bytes_written;
    rig.commit().unwrap();
    assert_eq!(rig.stats().bytes_written, before);
    assert_eq!(rig.durable(), Some(rig.last_batch()));
    assert_eq!((rig.stats().entries, rig.stats().messages), (0, 0));
}

#[test]
fn a_read_waits_for_entries_whose_ticket_is_not_complete() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.take_section(0, TICKET, 1, &queued(1));
    rig.keep(&queued(2));
    rig.take_read(request(1 << 20));
    rig.commit().unwrap();
    assert!(rig.reports().iter().all(|(_, report)| report.loaded.is_empty()));
    rig.take_section(1, TICKET, 0, &[]);
    rig.commit().unwrap();
    assert_eq!(numbers(&rig.loaded()), [1, 2]);
}

#[test]
fn too_many_tickets_are_kept_as_they_are_oldest_first() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.reports();
    for ticket in 0..=ringmq::limits::STORE_TICKETS_MAX as u64 {
        let op = Op::Unreleased { session: SESSION, packet_id: ticket as u16 };
        rig.take_section(0, TICKET + ticket, 1, if ticket == 0 { std::slice::from_ref(&op) } else { &[] });
    }
    rig.commit().unwrap();
    assert_eq!(tickets(&mut rig), [(0, vec![TICKET])]);
    assert_eq!(rig.crash().recovered.sessions[0].unreleased, [0]);
}

#[test]
fn a_batch_is_not_durable_before_what_its_operations_wait_for() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.take_section(0, TICKET, 1, &queued(1));
    let before = rig.last_batch();
    let progress = Progress::InFlight { sequence: 5 };
    rig.take(&[Op::Entry { session: SESSION, number: 1, stamp: 1_001, progress }]);
    // Nor is one behind it: a shard's batches become durable in their order.
    rig.take(&queued(2));
    rig.commit().unwrap();
    assert_eq!(rig.durable(), Some(before));
    rig.take_section(1, TICKET, 0, &[]);
    rig.commit().unwrap();
    assert_eq!(rig.durable(), Some(rig.last_batch()));
    assert_eq!(rig.crash().recovered.sessions[0].in_flight[0].0.progress, progress);
}

#[test]
fn an_entry_counts_only_with_the_publish_that_brought_its_message() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.take_section(0, TICKET, 1, &queued(1));
    // It takes the place of the first one, as what has waited behind retained messages does.
    let replacement = Op::Entry { session: SESSION, number: 2, stamp: 1_001, progress: Progress::Queued };
    rig.take(&[Op::Message { stamp: 1_001 }, replacement, ended(1)]);
    rig.commit().unwrap();
    let copy = Rig::open(rig.disk.copy(), rig.config.clone());
    assert!(recovered_numbers(&copy.recovered).is_empty());
    rig.take_section(1, TICKET, 0, &[]);
    rig.commit().unwrap();
    assert_eq!(recovered_numbers(&rig.crash().recovered), [2]);
}
