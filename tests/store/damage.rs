//! A log that is cut or altered at any byte: what opens is a prefix of what was written, or there is an error that says where.

use ringmq::broker::Recovered;
use ringmq::broker::batch::Progress;
use ringmq::store::OpenError;

use crate::fake_disk::FakeDisk;
use crate::op::Op;
use crate::rig::{Rig, SESSION, config, ended, queued, session, try_open};

/// All that a recovery gives, but for the counter.
fn print(recovered: &Recovered) -> String {
    format!("{:?} {:?}", recovered.sessions, recovered.retained)
}

/// A disk with two segments that have groups, and what held after each group.
fn small_run() -> (FakeDisk, Vec<String>) {
    let mut rig = Rig::with(ringmq::store::StoreConfig { segment_size: 1_024, ..config() });
    let mut states = vec![print(&rig.recovered)];
    let sent = Op::Entry { session: SESSION, number: 1, stamp: 1_001, progress: Progress::InFlight { sequence: 5 } };
    let steps: [&[Op]; 9] = [
        &[session()],
        &queued(1),
        &[Op::Message { stamp: 8 }, Op::Retain { stamp: 8 }],
        &queued(2),
        &[sent, Op::Subscription { session: SESSION, filter: 3, version: 4 }],
        &queued(3),
        &[ended(2), Op::Forget { stamp: 8 }],
        &queued(5),
        &[Op::Session { id: 9, version: 3 }, ended(1)],
    ];
    for ops in steps {
        rig.keep(ops);
        let copy = Rig::open(rig.disk.copy(), rig.config.clone());
        states.push(print(&copy.recovered));
    }
    let used = rig.disk.numbers().into_iter().filter(|number| rig.disk.content(*number).len() > 40).count();
    assert_eq!(used, 2);
    (rig.disk, states)
}

fn check(disk: &FakeDisk, states: &[String], what: &str) {
    match try_open(disk, &config()) {
        Ok(opened) => {
            let state = print(&opened.recovered);
            let at = states.iter().position(|expected| *expected == state);
            let at = at.unwrap_or_else(|| panic!("{what}: not a state that was: {state}"));
            if at + 1 < states.len() && !opened.findings.is_new {
                assert_eq!(opened.findings.groups, at as u64, "{what}");
            }
            assert_eq!(opened.findings.dangling, 0, "{what}");
        }
        Err(OpenError::Damaged { .. } | OpenError::Foreign { .. } | OpenError::Missing { .. }) => {}
        Err(error) => panic!("{what}: {error}"),
    }
}

#[test]
fn a_log_that_is_cut_anywhere() {
    let (disk, states) = small_run();
    for number in disk.numbers() {
        let content = disk.content(number);
        for end in 0..content.len() {
            let cut = disk.copy();
            cut.put(number, content[..end].to_vec());
            check(&cut, &states, &format!("segment {number} cut at {end}"));
        }
    }
}

#[test]
fn the_last_segment_that_is_cut_is_torn_and_nothing_else() {
    let (disk, states) = small_run();
    disk.remove(3);
    let content = disk.content(2);
    let mut seen = 0;
    for end in 40..=content.len() {
        let cut = disk.copy();
        cut.put(2, content[..end].to_vec());
        let opened = try_open(&cut, &config()).unwrap_or_else(|error| panic!("cut at {end}: {error}"));
        let groups = opened.findings.groups;
        assert_eq!(print(&opened.recovered), states[groups as usize]);
        assert!(groups >= seen);
        seen = groups;
        let in_group = opened.findings.torn_bytes;
        assert!(in_group <= end as u64 - 40 && (in_group > 0 || end == 40 || groups > 0), "cut at {end}");
    }
    assert_eq!(seen as usize, states.len() - 1);
}

#[test]
fn a_log_with_any_byte_altered() {
    let (disk, states) = small_run();
    for number in disk.numbers() {
        let content = disk.content(number);
        for at in 0..content.len() {
            for bits in [0x01, 0x80, 0xff] {
                let altered = disk.copy();
                let mut bytes = content.clone();
                bytes[at] ^= bits;
                altered.put(number, bytes);
                check(&altered, &states, &format!("segment {number}, byte {at} ^ {bits:#x}"));
            }
        }
    }
}

#[test]
fn damage_before_a_group_that_vouches_for_it_is_named() {
    let (disk, _) = small_run();
    for number in [1, 2] {
        let mut bytes = disk.content(number);
        bytes[90] ^= 1;
        let altered = disk.copy();
        altered.put(number, bytes);
        match try_open(&altered, &config()).map(|_| ()) {
            Err(OpenError::Damaged { segment, offset: 40, groups_behind }) => {
                assert_eq!(segment, number);
                assert!(groups_behind > 1);
            }
            result => panic!("{result:?}"),
        }
    }
}
