//! The log does not grow without end.

use ringmq::broker::batch::Progress;

use crate::op::Op;
use crate::rig::{Rig, SESSION, ended, queued, recovered_numbers, session};

#[test]
fn what_holds_survives_any_number_of_segments() {
    let mut rig = Rig::new();
    rig.keep(&[session(), Op::Message { stamp: 8 }, Op::Retain { stamp: 8 }]);
    rig.keep(&[Op::Subscription { session: SESSION, filter: 3, version: 4 }]);
    rig.keep(&[Op::Unreleased { session: SESSION, packet_id: 9 }]);
    rig.keep(&queued(1));
    let mut most = 0;
    for number in 2..3_000 {
        rig.keep(&queued(number));
        rig.keep(&[ended(number)]);
        if rig.store.clean(rig.now).unwrap() {
            rig.commit().unwrap();
        }
        most = most.max(rig.stats().bytes);
    }
    let stats = rig.stats();
    assert!(most < 6 * 4_096 + 8_000, "{most} bytes at the most");
    assert!(stats.segments_deleted > 50 && stats.bytes_relocated < stats.bytes_written / 5, "{stats:?}");
    let rig = rig.crash();
    let found = &rig.recovered.sessions[0];
    assert_eq!((found.subscriptions.len(), &found.unreleased[..]), (1, &[9][..]));
    assert_eq!(recovered_numbers(&rig.recovered), [1]);
    assert_eq!(rig.recovered.retained.len(), 1);
    assert_eq!(rig.findings.dangling, 0);
}

#[test]
fn what_is_replaced_while_it_moves_is_not_brought_back() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.keep(&queued(1));
    for number in 2..200 {
        rig.keep(&queued(number));
        rig.keep(&[ended(number)]);
    }
    assert!(rig.store.clean(0).unwrap());
    let sent = Op::Entry { session: SESSION, number: 1, stamp: 1_001, progress: Progress::InFlight { sequence: 5 } };
    rig.keep(&[sent, Op::Session { id: SESSION, version: 8 }]);
    rig.clean();
    let rig = rig.crash();
    assert_eq!(rig.recovered.sessions[0].record.expiry_s, 8);
    assert_eq!(rig.recovered.sessions[0].in_flight.len(), 1);
    assert!(recovered_numbers(&rig.recovered).is_empty());
}

#[test]
fn a_log_without_much_that_is_void_is_left_alone() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    for number in 1..500 {
        rig.keep(&queued(number));
    }
    assert!(!rig.store.clean(0).unwrap());
    assert_eq!(rig.stats().segments_deleted, 0);
}

#[test]
fn damage_stops_cleaning_before_anything_is_lost() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    for number in 1..200 {
        rig.keep(&queued(number));
        rig.keep(&[ended(number)]);
    }
    let mut bytes = rig.disk.content(1);
    bytes[100] ^= 1;
    rig.disk.put(1, bytes);
    assert!(rig.store.clean(0).is_err());
    assert!(!rig.store.clean(0).unwrap());
    assert!(rig.disk.numbers().contains(&1));
}
