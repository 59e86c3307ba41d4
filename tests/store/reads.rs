//! Entries that are on disk only.

use ringmq::broker::StoreOp;
use ringmq::broker::batch::{Progress, Section};

use crate::op::{self, Op, message};
use crate::rig::{Rig, SESSION, ended, expiring, numbers, queued, recovered_numbers, request, session};

#[test]
fn a_session_gets_its_first_entries_at_the_start_and_asks_for_the_others() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    for number in 1..=50 {
        rig.keep(&queued(number));
    }
    let sizes: Vec<usize> = (1..=50).map(|number| message(number + 1_000).size()).collect();
    let in_memory = sizes[..10].iter().sum();
    rig.config.queue_memory_max = in_memory;
    let mut rig = rig.crash();
    assert_eq!(recovered_numbers(&rig.recovered), (1..=10).collect::<Vec<_>>());
    let found = &rig.recovered.sessions[0];
    assert_eq!((found.spilled, found.spilled_bytes), (40, sizes[10..].iter().sum::<usize>() as u64));
    let mut all = Vec::new();
    loop {
        rig.take_read(request(2_000));
        rig.commit().unwrap();
        let loaded = rig.loaded();
        assert!(!loaded.entries.is_empty() && loaded.expired == 0);
        assert!(loaded.entries.iter().all(|(entry, message)| op::same_message(message, &op::message(entry.stamp))));
        all.extend(numbers(&loaded));
        if loaded.is_last {
            break;
        }
    }
    assert_eq!(all, (11..=50).collect::<Vec<_>>());
}

#[test]
fn what_waits_to_be_written_is_read_too() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.keep(&queued(1));
    rig.take(&queued(2));
    rig.take(&queued(4));
    let sent = Op::Entry { session: SESSION, number: 1, stamp: 1_001, progress: Progress::InFlight { sequence: 1 } };
    rig.take(&[sent]);
    rig.take_read(request(1 << 20));
    rig.disk.fail_writes(true);
    assert!(rig.commit().is_err());
    let loaded = rig.loaded();
    assert_eq!((numbers(&loaded), loaded.is_last), (vec![2, 4], true));
}

#[test]
fn a_read_that_fails_is_repeated() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.keep(&queued(1));
    rig.disk.fail_reads(true);
    rig.take(&queued(2));
    rig.take_read(request(1 << 20));
    assert!(rig.commit().is_err());
    let reports = rig.reports();
    // What was written is acknowledged all the same.
    let last = reports.last().unwrap();
    assert!(last.1.loaded.is_empty() && last.1.durable == rig.last_batch());
    rig.disk.fail_reads(false);
    rig.commit().unwrap();
    assert_eq!(numbers(&rig.loaded()), [1, 2]);
}

#[test]
fn a_read_of_a_session_that_is_not_there_is_empty() {
    let mut rig = Rig::new();
    rig.take_read(request(100));
    rig.commit().unwrap();
    let loaded = rig.loaded();
    assert!(loaded.entries.is_empty() && loaded.is_last && loaded.key.0 == 5 && loaded.generation == 6);
}

fn keep_expiring(rig: &mut Rig, number: u64, expires_at: u64) {
    let [_, entry] = queued(number);
    let ops = vec![StoreOp::Message(expiring(number + 1_000, expires_at)), entry.to_store()];
    rig.take_ops(0, Section { ops, ..Section::default() });
    rig.commit().unwrap();
}

#[test]
fn expired_messages_are_counted_and_end() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    keep_expiring(&mut rig, 1, 500);
    keep_expiring(&mut rig, 2, 5_000);
    keep_expiring(&mut rig, 3, 500);
    rig.now = 1_000;
    rig.reports();
    rig.take_read(request(1 << 20));
    rig.commit().unwrap();
    let loaded = rig.loaded();
    assert_eq!((numbers(&loaded), loaded.expired), (vec![2], 2));
    assert_eq!(rig.stats().entries, 1);
    // The ends are written with the next group.
    rig.commit().unwrap();
    let rig = rig.crash();
    assert_eq!(recovered_numbers(&rig.recovered), [2]);
}

#[test]
fn cleaning_gives_up_what_has_expired_but_not_what_is_in_flight() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    for number in 1..=20 {
        keep_expiring(&mut rig, number, 500);
    }
    let stamp = 1_001;
    rig.keep(&[Op::Entry { session: SESSION, number: 1, stamp, progress: Progress::InFlight { sequence: 1 } }]);
    let retained = vec![StoreOp::Message(expiring(77, 500)), StoreOp::Retain { stamp: 77 }];
    rig.take_ops(0, Section { ops: retained, ..Section::default() });
    for number in 100..300 {
        rig.keep(&queued(number));
        rig.keep(&[ended(number)]);
    }
    rig.now = 1_000 + 61_000;
    rig.clean();
    rig.reports();
    assert_eq!((rig.stats().messages, rig.stats().retained), (1, 0));
    // The shard did not have them in memory: they are counted where it asks.
    rig.take_read(request(1 << 20));
    rig.commit().unwrap();
    let loaded = rig.loaded();
    assert_eq!((numbers(&loaded), loaded.expired, loaded.is_last), (vec![], 19, true));
    let rig = rig.crash();
    assert_eq!(rig.recovered.sessions[0].in_flight.len(), 1);
    assert_eq!(rig.recovered.retained.len(), 0);
    assert_eq!(rig.findings.dangling, 0);
}
