//! The storage thread on real files, with a disk that can be made to fail: what it reports, when it refuses, how it goes on,
//! how it ends.

mod rig;

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringmq::storage::Durability;

use rig::{Rig, batch, recover};

#[test]
fn what_is_reported_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(dir.path(), 2, Durability::Commit);
    for number in 1..=20 {
        rig.send(0, batch(number, 0));
        rig.send(1, batch(number, 1));
    }
    rig.await_durable(&[20, 20]);
    assert!(rig.faults.syncs.load(Ordering::Relaxed) > 0);
    let counters = rig.thread.counters();
    assert!(counters.groups > 0 && counters.bytes > 0 && counters.syncs > 0 && counters.accepting, "{counters:?}");
    assert_eq!(counters.pending_bytes, 0);
    // The process may end here: its files tell all.
    let copy = rig.copy_files();
    assert_eq!(recover(copy.path()).len(), 40);
}

#[test]
fn the_end_of_the_shards_ends_it_with_all_they_sent() {
    for durability in [Durability::Commit, Durability::Interval(Duration::from_secs(60)), Durability::Memory] {
        let dir = tempfile::tempdir().unwrap();
        let mut rig = Rig::start(dir.path(), 1, durability);
        for number in 1..=50 {
            rig.send(0, batch(number, 0));
        }
        assert!(rig.end());
        assert_eq!(recover(dir.path()).len(), 50, "{durability}");
    }
}

#[test]
fn a_full_disk_refuses_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(dir.path(), 2, Durability::Commit);
    rig.send(0, batch(1, 0));
    rig.await_durable(&[1, 0]);
    rig.faults.fail_writes_with(Some(ErrorKind::StorageFull));
    rig.send(0, batch(2, 0));
    rig.await_accepting(false);
    rig.send(1, batch(1, 1));
    assert_eq!(rig.durable, [1, 0]);
    assert!(!rig.thread.counters().accepting);
    assert!(rig.thread.counters().pending_bytes > 0);
    rig.faults.fail_writes_with(None);
    rig.await_accepting(true);
    rig.await_durable(&[2, 1]);
    assert!(rig.thread.counters().failures > 0);
    assert!(rig.end());
    assert_eq!(recover(dir.path()).len(), 3);
}

#[test]
fn a_sync_that_fails_acknowledges_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(dir.path(), 1, Durability::Commit);
    rig.faults.fail_syncs_with(Some(ErrorKind::Other));
    rig.send(0, batch(1, 0));
    rig.await_accepting(false);
    assert_eq!(rig.durable, [0]);
    rig.faults.fail_syncs_with(None);
    rig.await_durable(&[1]);
    rig.await_accepting(true);
    assert!(rig.end());
    assert_eq!(recover(dir.path()).len(), 1);
}

#[test]
fn low_space_refuses_what_is_new_and_writes_what_came() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(dir.path(), 1, Durability::Commit);
    rig.faults.free_space.store(rig::FREE_SPACE_MIN - 1, Ordering::Relaxed);
    rig.await_accepting(false);
    rig.send(0, batch(1, 0));
    rig.await_durable(&[1]);
    rig.faults.free_space.store(rig::FREE_SPACE_MIN * 2, Ordering::Relaxed);
    rig.await_accepting(true);
}

#[test]
fn an_interval_reports_before_it_syncs_and_syncs_soon() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(dir.path(), 1, Durability::Interval(Duration::from_millis(20)));
    rig.faults.fail_syncs_with(Some(ErrorKind::Other));
    rig.send(0, batch(1, 0));
    // The report does not wait for the sync, which fails and makes the store refuse.
    rig.await_durable(&[1]);
    rig.await_accepting(false);
    rig.faults.fail_syncs_with(None);
    rig.await_accepting(true);
    assert!(rig.faults.syncs.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_panic_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(dir.path(), 1, Durability::Commit);
    rig.faults.panic.store(true, Ordering::Relaxed);
    rig.send(0, batch(1, 0));
    rig.await_end_of_host();
    assert!(!rig.end());
}
