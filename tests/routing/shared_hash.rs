//! Strategies by hash: every shard decides alike, and few keys move.

use std::collections::BTreeMap;

use ringmq::routing::{Choice, SessionKey, ShardIndex, Strategy};

use crate::shared::{Fixture, Session, idle};

const KEYS: u64 = 2_000;

fn key(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Shards with members in these numbers, and one without; each knows its own members and the others' counts.
fn shards(members: &BTreeMap<u8, u32>) -> BTreeMap<u8, Fixture> {
    let publisher_only = 9;
    let fixture = |own: u8| {
        let sessions = idle(members.get(&own).copied().unwrap_or(0) as usize);
        let others = members.iter().filter(|(shard, _)| **shard != own);
        let remotes: Vec<_> = others.map(|(&shard, &count)| (shard, count, count)).collect();
        (own, Fixture::new(ShardIndex(own), &sessions, &remotes))
    };
    members.keys().copied().chain([publisher_only]).map(fixture).collect()
}

/// The member that gets the message, wherever it was published: its shard and session.
fn owner(shards: &mut BTreeMap<u8, Fixture>, strategy: Strategy, key: u64) -> (u8, SessionKey) {
    let mut owners = Vec::new();
    let publishers: Vec<u8> = shards.keys().copied().collect();
    for publisher in publishers {
        let shard = match shards.get_mut(&publisher).unwrap().choose(strategy, key, false) {
            Choice::Local(..) => publisher,
            Choice::Shard(shard) => shard.0,
            Choice::Nobody => panic!("there are members"),
        };
        let Choice::Local(session, _) = shards.get_mut(&shard).unwrap().choose(strategy, key, true) else {
            panic!("shard {shard} was chosen and has no member");
        };
        owners.push((shard, session));
    }
    assert!(owners.windows(2).all(|pair| pair[0] == pair[1]), "{strategy:?} {key}: {owners:?}");
    owners[0]
}

#[test]
fn all_publishing_shards_agree() {
    for strategy in [Strategy::HashClientId, Strategy::HashTopic, Strategy::Sticky] {
        let mut shards = shards(&BTreeMap::from([(0, 3), (4, 1), (5, 6)]));
        for number in 0..KEYS {
            owner(&mut shards, strategy, key(number));
        }
    }
}

#[test]
fn a_shard_with_more_members_takes_keys_and_gives_none() {
    let before = BTreeMap::from([(0, 3), (4, 2), (5, 6)]);
    let after = BTreeMap::from([(0, 3), (4, 4), (5, 6)]);
    let (mut before, mut after) = (shards(&before), shards(&after));
    let mut moved = 0;
    for number in 0..KEYS {
        let old = owner(&mut before, Strategy::HashClientId, key(number));
        let new = owner(&mut after, Strategy::HashClientId, key(number));
        if old.0 != new.0 {
            assert_eq!(new.0, 4, "{old:?} to {new:?}");
            moved += 1;
        }
    }
    // From 2 of 11 to 4 of 13.
    let due = KEYS as f64 * (4.0 / 13.0 - 2.0 / 11.0);
    assert!((f64::from(moved) - due).abs() < due / 3.0, "{moved} of {due}");
}

fn local(fixture: &mut Fixture, number: u64) -> u32 {
    match fixture.choose(Strategy::HashTopic, key(number), true) {
        Choice::Local(session, _) => session.0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_keys_of_a_member_that_leaves_move_and_it_finds_them_again() {
    let mut fixture = Fixture::new(ShardIndex(0), &idle(20), &[]);
    let before: Vec<u32> = (0..KEYS).map(|number| local(&mut fixture, number)).collect();
    fixture.set_connected(7, false);
    for number in 0..KEYS {
        let owner = local(&mut fixture, number);
        let old = before[number as usize];
        assert!(if old == 7 { owner != 7 } else { owner == old }, "{number}: {old} to {owner}");
    }
    fixture.set_connected(7, true);
    let after: Vec<u32> = (0..KEYS).map(|number| local(&mut fixture, number)).collect();
    assert_eq!(before, after);
}

#[test]
fn in_a_very_large_group_few_keys_move() {
    let mut fixture = Fixture::new(ShardIndex(0), &vec![Session { connected: true, pending: 0 }; 1_000], &[]);
    let before: Vec<u32> = (0..KEYS).map(|number| local(&mut fixture, number)).collect();
    fixture.set_connected(300, false);
    let moved = (0..KEYS).filter(|&number| local(&mut fixture, number) != before[number as usize]).count();
    // About two of a thousand: those of the member, and those of the one that took its place.
    assert!(moved <= 20, "{moved}");
    let mut counts = BTreeMap::new();
    for owner in before {
        *counts.entry(owner).or_insert(0) += 1;
    }
    assert!(counts.len() > 800, "{}", counts.len());
}
