//! What a directory may have when a store opens.

use ringmq::store::OpenError;

use crate::fake_disk::FakeDisk;
use crate::rig::{Rig, config, ended, queued, recovered_numbers, session, try_open};

fn error(disk: &FakeDisk) -> OpenError {
    try_open(disk, &config()).err().expect("the store opens")
}

fn several_segments() -> FakeDisk {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    for number in 1..100 {
        rig.keep(&queued(number));
    }
    rig.disk
}

#[test]
fn an_empty_directory_becomes_a_store() {
    let rig = Rig::new();
    assert!(rig.findings.is_new);
    assert_eq!(rig.store.hash_seed(), 99);
    assert_eq!(rig.disk.numbers(), [1, 2]);
}

#[test]
fn the_seed_of_hashes_is_the_one_of_the_first_start() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    let config = ringmq::store::StoreConfig { hash_seed: 100, ..config() };
    let rig = Rig::open(rig.disk.copy(), config);
    assert!(!rig.findings.is_new);
    assert_eq!(rig.store.hash_seed(), 99);
}

#[test]
fn counters_survive_what_they_were_for() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    for number in 1..400 {
        rig.keep(&queued(number));
        rig.keep(&[ended(number)]);
    }
    rig.clean();
    let rig = rig.crash();
    assert_eq!(rig.recovered.counter, 1_399);
    // Also over a start in which nothing is written.
    assert_eq!(rig.crash().recovered.counter, 1_399);
}

#[test]
fn a_newer_format_is_refused() {
    let disk = several_segments();
    let mut bytes = disk.content(1);
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..36]);
    bytes[36..40].copy_from_slice(&crc.to_le_bytes());
    disk.put(1, bytes);
    assert!(matches!(error(&disk), OpenError::NewerFormat { segment: 1, found: 2, known: 1 }));
}

#[test]
fn a_foreign_file_is_refused() {
    let disk = several_segments();
    let last = disk.numbers().into_iter().max().unwrap();
    disk.put(last + 1, b"a letter to my aunt".to_vec());
    assert!(matches!(error(&disk), OpenError::Foreign { segment } if segment == last + 1));
    let other = Rig::with(ringmq::store::StoreConfig { hash_seed: 5, ..config() });
    disk.put(last + 1, other.disk.content(1));
    assert!(error(&disk).to_string().contains(&format!("segment {}", last + 1)));
}

#[test]
fn a_missing_segment_is_named() {
    let disk = several_segments();
    disk.remove(2);
    assert!(matches!(error(&disk), OpenError::Missing { segment: 2 }));
}

#[test]
fn a_segment_that_was_being_created_is_no_damage() {
    for bytes in [vec![], vec![0; 4_096], b"RingMQ".to_vec(), [b"RingMQ".to_vec(), vec![0; 4_000]].concat()] {
        let disk = several_segments();
        let last = disk.numbers().into_iter().max().unwrap();
        disk.put(last + 1, bytes);
        let rig = Rig::open(disk, config());
        assert_eq!(recovered_numbers(&rig.recovered).len(), 99);
    }
}

#[test]
fn each_start_is_like_the_one_before() {
    let mut rig = Rig::new();
    rig.keep(&[session()]);
    rig.keep(&queued(1));
    for _ in 0..20 {
        rig = rig.crash();
        assert_eq!(recovered_numbers(&rig.recovered), [1]);
        assert!(rig.disk.numbers().len() <= 3);
    }
}
