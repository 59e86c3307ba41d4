//! The store over a disk in memory: what was acknowledged is there after any crash, and nothing else.

mod cleaning;
mod crashes;
mod damage;
mod elision;
mod fake_disk;
mod faults;
mod op;
mod open;
mod random;
mod reads;
mod rig;
mod salvage;
mod tickets;
mod twin;
mod world;

use fake_disk::FakeDisk;
use ringmq::store::Disk;

#[test]
fn a_crash_loses_only_what_was_not_synced() {
    for seed in 0..100_u64 {
        let mut random = seed;
        let mut disk = FakeDisk::new();
        disk.create(1, 4096).unwrap();
        disk.write(1, 0, &[1; 1000]).unwrap();
        disk.sync(1).unwrap();
        disk.write(1, 1000, &[2; 1000]).unwrap();
        disk.crash(&mut || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random >> 33
        });
        let content = disk.content(1);
        assert_eq!(content[..1000], [1; 1000]);
        assert!(content[1000..].iter().all(|byte| matches!(byte, 0 | 2)));
    }
}
