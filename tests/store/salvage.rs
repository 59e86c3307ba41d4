//! Reading and copying a store that is damaged.

use ringmq::store::inspect::{Item, inspect};
use ringmq::store::salvage::{SalvageError, salvage};

use crate::fake_disk::FakeDisk;
use crate::op::Op;
use crate::rig::{Rig, SESSION, config, ended, queued, recovered_numbers, session, try_open};

fn full() -> FakeDisk {
    let mut rig = Rig::new();
    rig.keep(&[session(), Op::Message { stamp: 8 }, Op::Retain { stamp: 8 }]);
    for number in 1..100 {
        rig.keep(&queued(number));
    }
    rig.keep(&[ended(5), Op::Subscription { session: SESSION, filter: 1, version: 2 }]);
    rig.disk
}

fn items(disk: &FakeDisk) -> Vec<Item> {
    let mut items = Vec::new();
    inspect(&mut disk.clone(), &mut |item| items.push(item)).unwrap();
    items
}

fn findings(disk: &FakeDisk) -> Vec<(u32, u64)> {
    let places = items(disk).into_iter().filter_map(|item| match item {
        Item::Finding(finding) => Some((finding.place.segment, finding.place.offset)),
        _ => None,
    });
    places.collect()
}

#[test]
fn a_sound_store_is_told_record_by_record() {
    let disk = full();
    let items = items(&disk);
    let groups = items.iter().filter(|item| matches!(item, Item::Group { .. })).count();
    let records = items.iter().filter(|item| matches!(item, Item::Record { .. })).count();
    assert_eq!((groups, records), (101, 3 + 99 * 2 + 2));
    assert_eq!(findings(&disk), []);
}

#[test]
fn damage_is_told_and_what_is_behind_it_too() {
    let disk = full();
    let mut bytes = disk.content(1);
    bytes[500] ^= 4;
    disk.put(1, bytes);
    disk.remove(2);
    let found = findings(&disk);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[0].0 == 1 && found[0].1 < 500, "the damage");
    assert_eq!(found[1].0, 1, "groups missing behind it");
    assert_eq!(found[2], (2, 0), "the missing segment");
    assert_eq!(found[3].0, 3, "groups missing before it");
    assert!(try_open(&disk, &config()).is_err());
}

#[test]
fn a_copy_of_a_sound_store_is_the_same() {
    let source = full();
    let target = FakeDisk::new();
    let salvaged = salvage(&mut source.clone(), target.clone(), &config()).unwrap();
    assert_eq!((salvaged.groups_lost, salvaged.bytes_lost, salvaged.dangling_lost), (0, 0, 0));
    assert_eq!((salvaged.sessions, salvaged.entries, salvaged.messages, salvaged.retained), (1, 98, 99, 1));
    let before = Rig::open(source, config()).recovered;
    let after = Rig::open(target.clone(), config());
    assert_eq!(format!("{:?}", after.recovered), format!("{before:?}"));
    assert_eq!(after.store.hash_seed(), 99);
    let again = salvage(&mut target.clone(), target.clone(), &config());
    assert!(matches!(again, Err(SalvageError::TargetNotEmpty)));
}

#[test]
fn a_copy_of_a_damaged_store_has_what_is_readable() {
    let source = full();
    let mut bytes = source.content(1);
    bytes[1_500] ^= 4;
    source.put(1, bytes);
    let target = FakeDisk::new();
    let salvaged = salvage(&mut source.clone(), target.clone(), &config()).unwrap();
    assert_eq!((salvaged.groups_lost, salvaged.dangling_lost, salvaged.entries), (1, 0, 97));
    assert!(salvaged.bytes_lost > 0 && salvaged.findings.len() == 1);
    let rig = Rig::open(target, config());
    assert_eq!(recovered_numbers(&rig.recovered).len(), 97);
}

#[test]
fn facts_of_a_session_that_was_lost_are_counted() {
    let source = full();
    let mut bytes = source.content(1);
    bytes[90] ^= 4;
    source.put(1, bytes);
    let salvaged = salvage(&mut source.clone(), FakeDisk::new(), &config()).unwrap();
    // All its entries and its subscription; the retained message was in the same group, and its loss is not known.
    assert_eq!((salvaged.sessions, salvaged.entries, salvaged.dangling_lost), (0, 0, 99));
    // The first group of all: nothing before it tells that it was there, but its bytes do.
    assert!(salvaged.bytes_lost > 0);
}
