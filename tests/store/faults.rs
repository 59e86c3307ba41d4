//! Disks that are full or fail.

use ringmq::store::{Acknowledge, StoreConfig, StoreError};

use crate::rig::{Rig, config, ended, queued, recovered_numbers, session};

#[test]
fn a_sync_that_failed_is_not_repeated_on_its_segment() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.reports();
    let segment = *rig.disk.numbers().first().unwrap();
    rig.disk.fail_syncs(true);
    rig.take(&queued(1));
    assert!(matches!(rig.commit(), Err(StoreError::Io(_))));
    assert_eq!(rig.durable(), None);
    rig.disk.fail_syncs(false);
    rig.take(&queued(2));
    rig.commit().unwrap();
    assert_eq!(rig.durable(), Some(rig.last_batch()));
    // Linux has marked the pages clean, so the disk does not have them: they count only in the new segment.
    let rig = rig.crash();
    assert_eq!(recovered_numbers(&rig.recovered), [1, 2]);
    assert!(rig.disk.numbers().len() > 2 && rig.disk.numbers()[0] == segment);
}

#[test]
fn a_write_that_failed_is_repeated() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.reports();
    rig.disk.fail_writes(true);
    rig.take(&queued(1));
    for _ in 0..3 {
        assert!(matches!(rig.commit(), Err(StoreError::Io(_))));
        assert_ne!(rig.durable(), Some(rig.last_batch()));
    }
    rig.take(&[ended(1)]);
    rig.take(&queued(2));
    rig.disk.fail_writes(false);
    rig.commit().unwrap();
    assert_eq!(rig.durable(), Some(rig.last_batch()));
    assert_eq!(recovered_numbers(&rig.crash().recovered), [2]);
}

#[test]
fn without_room_for_the_spare_segment_nothing_new_is_accepted() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    // Room for the current segment and its spare.
    rig.disk.set_room(Some(2 * 4_096));
    let mut number = 0;
    while rig.accepting().is_empty() {
        number += 1;
        rig.keep(&queued(number));
        assert!(number < 100);
    }
    // The current segment is new: there is room to go on for a while, and it is said once to each shard.
    for _ in 0..4 {
        number += 1;
        rig.keep(&queued(number));
        assert!(rig.accepting().is_empty());
    }
    rig.disk.set_room(None);
    rig.now += 1_000;
    rig.commit().unwrap();
    assert_eq!(rig.accepting(), [true, true]);
    assert_eq!(recovered_numbers(&rig.crash().recovered), (1..=number).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_acknowledges_nothing_and_loses_nothing() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.disk.set_room(Some(2 * 4_096));
    let mut number = 0;
    let failed = loop {
        number += 1;
        rig.take(&queued(number));
        match rig.commit() {
            Ok(()) => assert_eq!(rig.durable(), Some(rig.last_batch())),
            Err(error) => break error,
        }
        assert!(number < 1_000);
    };
    assert!(matches!(failed, StoreError::NoSpace));
    assert_ne!(rig.durable(), Some(rig.last_batch()));
    // Reads of what waits are answered all the same.
    rig.take_read(crate::rig::request(1 << 30));
    assert!(rig.commit().is_err());
    assert_eq!(crate::rig::numbers(&rig.loaded()).last(), Some(&number));
    rig.disk.set_room(None);
    rig.commit().unwrap();
    assert_eq!(rig.durable(), Some(rig.last_batch()));
    assert_eq!(recovered_numbers(&rig.crash().recovered), (1..=number).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_opens_and_cleans() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    for number in 1..200 {
        rig.keep(&queued(number));
    }
    for number in 1..199 {
        rig.keep(&[ended(number)]);
    }
    let segments = rig.disk.numbers().len();
    let disk = rig.disk.clone();
    let config = rig.config.clone();
    drop(rig);
    disk.set_room(Some(0));
    let mut rig = Rig::open(disk, config);
    assert_eq!(recovered_numbers(&rig.recovered), [199]);
    rig.commit().unwrap();
    assert_eq!(rig.accepting(), [false, false]);
    rig.disk.set_room(Some(segments as u64 * 4_096));
    rig.now += 1_000;
    rig.commit().unwrap();
    rig.clean();
    rig.commit().unwrap();
    assert!(rig.disk.numbers().len() < segments);
    rig.now += 1_000;
    rig.commit().unwrap();
    assert_eq!(rig.accepting(), [true, true]);
}

#[test]
fn above_the_size_limit_nothing_new_is_accepted_until_enough_is_void() {
    let mut rig = Rig::with(StoreConfig { size_max: 8 * 4_096, ..config() });
    rig.keep(&[session()]);
    let mut number = 0;
    while rig.accepting().is_empty() {
        number += 1;
        rig.keep(&queued(number));
        assert!(number < 1_000);
    }
    // Facts may still end, and make room.
    for number in 1..=number * 3 / 4 {
        rig.keep(&[ended(number)]);
    }
    rig.clean();
    assert_eq!(rig.accepting(), [true, true]);
}

#[test]
fn written_is_not_synced() {
    let mut rig = Rig::with(StoreConfig { acknowledge: Acknowledge::Written, ..config() });
    rig.keep(&[session()]);
    rig.store.sync().unwrap();
    rig.keep(&queued(1));
    assert_eq!(rig.durable(), Some(2));
    let mut rig = rig.crash();
    assert!(recovered_numbers(&rig.recovered).is_empty());
    rig.keep(&queued(2));
    rig.store.sync().unwrap();
    assert_eq!(recovered_numbers(&rig.crash().recovered), [2]);
}

#[test]
fn a_sync_that_fails_later_is_made_good() {
    let mut rig = Rig::with(StoreConfig { acknowledge: Acknowledge::Written, ..config() });
    rig.keep(&[session()]);
    rig.keep(&queued(1));
    rig.disk.fail_syncs(true);
    assert!(rig.store.sync().is_err());
    rig.disk.fail_syncs(false);
    rig.store.sync().unwrap();
    assert_eq!(recovered_numbers(&rig.crash().recovered), [1]);
}

#[test]
fn a_segment_that_cannot_be_deleted_is_deleted_later() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    for number in 1..200 {
        rig.keep(&queued(number));
        rig.keep(&[ended(number)]);
    }
    rig.disk.fail_deletes(true);
    rig.clean();
    let oldest = rig.disk.numbers()[0];
    assert_eq!(oldest, 1);
    rig.disk.fail_deletes(false);
    rig.keep(&queued(300));
    assert!(rig.disk.numbers()[0] > oldest);
    assert_eq!(recovered_numbers(&rig.crash().recovered), [300]);
}
