//! What is over before it is written is not written.

use ringmq::broker::batch::Progress;

use crate::op::Op;
use crate::rig::{Rig, SESSION, ended, queued, session};

/// Bytes that these operations, all in one group, add to the disk.
fn written(rig: &mut Rig, ops: &[Op]) -> u64 {
    let before = rig.stats().bytes_written;
    rig.keep(ops);
    assert_eq!(rig.durable(), Some(rig.last_batch()));
    rig.stats().bytes_written - before
}

#[test]
fn a_message_that_all_have_before_the_commit_is_not_written() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    let syncs = rig.disk.counts().syncs;
    let [message, entry] = queued(1);
    let in_flight =
        Op::Entry { session: SESSION, number: 1, stamp: 1_001, progress: Progress::InFlight { sequence: 7 } };
    assert_eq!(written(&mut rig, &[message, entry, in_flight, ended(1)]), 0);
    assert_eq!(written(&mut rig, &[]), 0);
    assert_eq!(rig.disk.counts().syncs, syncs);
    assert_eq!(rig.stats().messages, 0);
    assert!(rig.stats().records_elided >= 4);
}

#[test]
fn each_fact_that_ends_while_it_waits_is_not_written() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    let filter = |version| Op::Subscription { session: SESSION, filter: 1, version };
    let ops = [filter(1), filter(2), Op::EndSubscription { session: SESSION, filter: 1 }];
    assert_eq!(written(&mut rig, &ops), 0);
    let ops = [Op::Unreleased { session: SESSION, packet_id: 3 }, Op::Released { session: SESSION, packet_id: 3 }];
    assert_eq!(written(&mut rig, &ops), 0);
    assert_eq!(written(&mut rig, &[Op::Message { stamp: 5 }, Op::Retain { stamp: 5 }, Op::Forget { stamp: 5 }]), 0);
    let ops = [Op::Session { id: 2, version: 1 }, Op::Message { stamp: 6 }];
    let entry = Op::Entry { session: 2, number: 9, stamp: 6, progress: Progress::Queued };
    assert_eq!(written(&mut rig, &[ops[0], ops[1], entry, Op::EndSession { id: 2 }]), 0);
    assert_eq!(written(&mut rig, &[Op::Message { stamp: 7 }]), 0);
}

#[test]
fn an_end_is_written_if_an_older_record_is_on_disk() {
    let mut rig = Rig::new();
    rig.keep(&[session(), Op::Subscription { session: SESSION, filter: 1, version: 1 }]);
    // The replacement waits and is not written; what it would have replaced must not come back.
    let replaced = Op::Subscription { session: SESSION, filter: 1, version: 2 };
    assert!(written(&mut rig, &[replaced, Op::EndSubscription { session: SESSION, filter: 1 }]) > 0);
    let rig = rig.crash();
    assert_eq!(rig.recovered.sessions[0].subscriptions, []);
}

#[test]
fn a_message_is_written_once_for_all_its_sessions() {
    let mut rig = Rig::new();
    rig.keep(&[session(), Op::Session { id: 2, version: 1 }]);
    // Some 4,100 bytes.
    let stamp = 41 * 3 + 7;
    let entry = |session| Op::Entry { session, number: 1, stamp, progress: Progress::Queued };
    let first = written(&mut rig, &[Op::Message { stamp }, entry(1)]);
    let second = written(&mut rig, &[Op::Message { stamp }, entry(2)]);
    assert!(first > 4_096 && second < 100, "{first}, {second}");
    let rig = rig.crash();
    let queues: Vec<_> = rig.recovered.sessions.iter().map(|session| &session.queue[0].1).collect();
    // Also in memory: they share their bytes.
    assert_eq!(queues[0].payload().as_ptr(), queues[1].payload().as_ptr());
}

#[test]
fn a_received_message_is_not_needed_any_more() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.keep(&queued(1));
    assert_eq!(rig.stats().messages, 1);
    let received =
        Op::Entry { session: SESSION, number: 1, stamp: 1_001, progress: Progress::Received { sequence: 4 } };
    rig.keep(&[received]);
    assert_eq!(rig.stats().messages, 0);
    let rig = rig.crash();
    let in_flight = &rig.recovered.sessions[0].in_flight;
    assert!(in_flight.len() == 1 && in_flight[0].1.is_none());
}
