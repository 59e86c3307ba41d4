//! Shared subscriptions (section 4.8.2): who may be chosen, how often, and at what cost.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use ringmq::routing::{Choice, GroupId, MemberState, SessionKey, ShardIndex, Strategy, TopicIndex};

use crate::{config, plain};

pub const OWN: ShardIndex = ShardIndex(2);
pub const ALL: [Strategy; 6] = [
    Strategy::LeastInFlight,
    Strategy::RoundRobin,
    Strategy::Random,
    Strategy::Sticky,
    Strategy::HashClientId,
    Strategy::HashTopic,
];

/// A member's session as the broker would know it.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    pub connected: bool,
    pub pending: u32,
}

/// An index with one group, and what is true of its members.
pub struct Fixture {
    pub index: TopicIndex,
    pub group: GroupId,
    pub sessions: BTreeMap<SessionKey, Session>,
    /// By shard: connected and total.
    pub remotes: BTreeMap<u8, (u32, u32)>,
    pub random: u64,
    /// Questions asked of sessions.
    pub asked: usize,
}

impl Fixture {
    /// The index is told of each member who is away.
    pub fn new(own: ShardIndex, sessions: &[Session], remotes: &[(u8, u32, u32)]) -> Self {
        let mut index = TopicIndex::new(own, 128, 3);
        let sessions: BTreeMap<_, _> = (0..).map(SessionKey).zip(sessions.iter().copied()).collect();
        for (&session, state) in &sessions {
            index.join("s", "f", session, plain(session.0));
            index.set_connected("s", "f", session, state.connected);
        }
        for &(shard, connected, total) in remotes {
            index.set_group_interest("s", "f", ShardIndex(shard), connected, total, false);
        }
        let remotes = remotes.iter().map(|&(shard, connected, total)| (shard, (connected, total))).collect();
        let group = index.group("s", "f").expect("the group has a member");
        Self { index, group, sessions, remotes, random: 1, asked: 0 }
    }

    pub fn choose(&mut self, strategy: Strategy, key: u64, local_only: bool) -> Choice {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (sessions, asked) = (&self.sessions, &mut self.asked);
        let mut state = |session: SessionKey| {
            *asked += 1;
            let state = sessions[&session];
            MemberState { connected: state.connected, pending: state.pending }
        };
        // A strategy that took the wrong key would see the same one every time.
        let (client_id_hash, topic_hash) = if strategy == Strategy::HashTopic { (0, key) } else { (key, 0) };
        self.index.choose(self.group, strategy, client_id_hash, topic_hash, self.random, local_only, &mut state)
    }

    pub fn set_connected(&mut self, session: u32, connected: bool) {
        self.sessions.get_mut(&SessionKey(session)).unwrap().connected = connected;
        self.index.set_connected("s", "f", SessionKey(session), connected);
    }

    /// The twin: everybody who may be chosen.
    fn admissible(&self, local_only: bool) -> Vec<Choice> {
        let remotes = || self.remotes.iter().filter(|_| !local_only);
        let anybody = self.sessions.values().any(|state| state.connected) || remotes().any(|(_, counts)| counts.0 > 0);
        let local = self.sessions.iter().filter(|(_, state)| state.connected || !anybody);
        let local = local.map(|(&session, _)| Choice::Local(session, plain(session.0)));
        let shards = remotes().filter(|(_, counts)| if anybody { counts.0 > 0 } else { counts.1 > 0 });
        let mut all: Vec<_> = local.chain(shards.map(|(&shard, _)| Choice::Shard(ShardIndex(shard)))).collect();
        if all.is_empty() {
            all.push(Choice::Nobody);
        }
        all
    }
}

/// How often each was chosen.
pub fn count(fixture: &mut Fixture, strategy: Strategy, times: usize, local_only: bool) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for key in 0..times as u64 {
        let name = match fixture.choose(strategy, key.wrapping_mul(0x9e37_79b9_7f4a_7c15), local_only) {
            Choice::Local(session, _) => format!("member {}", session.0),
            Choice::Shard(shard) => format!("shard {}", shard.0),
            Choice::Nobody => "nobody".into(),
        };
        *counts.entry(name).or_default() += 1;
    }
    counts
}

pub fn idle(count: usize) -> Vec<Session> {
    vec![Session { connected: true, pending: 0 }; count]
}

fn sessions() -> impl proptest::strategy::Strategy<Value = Vec<Session>> {
    let session = (any::<bool>(), 0..5u32).prop_map(|(connected, pending)| Session { connected, pending });
    // Mostly away, so that the last ones are reached; around the sizes at which the ways of choosing change.
    let away = (0..10u32).prop_map(|number| Session { connected: number == 0, pending: number });
    prop_oneof![prop::collection::vec(session, 0..20), prop::collection::vec(away, 0..60)]
}

fn remotes() -> impl proptest::strategy::Strategy<Value = Vec<(u8, u32, u32)>> {
    let remote = (0..6u8, 0..3u32, 1..4u32);
    prop::collection::vec(remote, 0..4).prop_map(|remotes| {
        let by_shard: BTreeMap<u8, (u32, u32)> = remotes.into_iter().map(|(s, c, t)| (s, (c.min(t), t))).collect();
        by_shard.into_iter().filter(|(shard, _)| *shard != OWN.0).map(|(shard, (c, t))| (shard, c, t)).collect()
    })
}

proptest! {
    #![proptest_config(config(500))]

    /// Connected members before those that are away, on all shards; somebody if there is anybody.
    #[test]
    fn only_candidates_are_chosen(
        sessions in sessions(),
        remotes in remotes(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..20),
        keys in prop::collection::vec(any::<u64>(), 20),
    ) {
        prop_assume!(!sessions.is_empty() || !remotes.is_empty());
        let mut fixture = Fixture::new(OWN, &sessions, &remotes);
        let mut changes = changes.into_iter();
        for key in keys {
            for strategy in ALL {
                for local_only in [false, true] {
                    let choice = fixture.choose(strategy, key, local_only);
                    let admissible = fixture.admissible(local_only);
                    prop_assert!(admissible.contains(&choice), "{strategy:?} {choice:?} {admissible:?}");
                }
            }
            if let Some((index, connected)) = changes.next().filter(|_| !sessions.is_empty()) {
                fixture.set_connected(index.index(sessions.len()) as u32, connected);
            }
        }
    }

    /// The same in small groups, of which nobody tells the index who comes and goes.
    #[test]
    fn a_small_group_is_asked(sessions in prop::collection::vec(any::<bool>(), 1..=16), keys: [u64; 4]) {
        let mut fixture = Fixture::new(OWN, &idle(sessions.len()), &[]);
        for (round, key) in keys.into_iter().enumerate() {
            for (state, connected) in fixture.sessions.values_mut().zip(&sessions) {
                state.connected = *connected == (round % 2 == 0);
            }
            for strategy in ALL {
                let choice = fixture.choose(strategy, key, false);
                let admissible = fixture.admissible(false);
                prop_assert!(admissible.contains(&choice), "{strategy:?} {choice:?} {admissible:?}");
            }
        }
    }

    /// The one with the fewest pending, and nobody twice before all who have as few were chosen.
    #[test]
    fn least_in_flight_finds_the_least(pending in prop::collection::vec(0..4u32, 1..=16)) {
        let sessions: Vec<_> = pending.iter().map(|&pending| Session { connected: true, pending }).collect();
        let mut fixture = Fixture::new(OWN, &sessions, &[]);
        let least = pending.iter().min().unwrap();
        let candidates = pending.iter().filter(|pending| *pending == least).count();
        let counts = count(&mut fixture, Strategy::LeastInFlight, 3 * candidates, true);
        prop_assert_eq!(counts.len(), candidates);
        for (name, times) in counts {
            let session: usize = name.strip_prefix("member ").unwrap().parse().unwrap();
            prop_assert_eq!((pending[session], times), (*least, 3), "{}", name);
        }
    }

    /// In turn means: over as many messages as there are candidates each member, on whatever shard, gets one.
    #[test]
    fn turns_are_exact(own in 1..8usize, remotes in prop::collection::btree_map(3..20u8, 1..6u32, 0..5)) {
        let remotes: Vec<_> = remotes.into_iter().map(|(shard, connected)| (shard, connected, connected + 1)).collect();
        for strategy in [Strategy::RoundRobin, Strategy::LeastInFlight] {
            let mut fixture = Fixture::new(OWN, &idle(own), &remotes);
            let all = own + remotes.iter().map(|remote| remote.1 as usize).sum::<usize>();
            let counts = count(&mut fixture, strategy, 3 * all, false);
            for session in 0..own {
                prop_assert_eq!(counts[&format!("member {session}")], 3);
            }
            for (shard, connected, _) in &remotes {
                prop_assert_eq!(counts[&format!("shard {shard}")], 3 * *connected as usize);
            }
        }
    }
}

/// The other strategies are fair in the mean: each member's share is within a fifth of what is due.
#[test]
fn random_and_hashes_are_fair() {
    for strategy in [Strategy::Random, Strategy::HashClientId, Strategy::HashTopic] {
        let mut fixture = Fixture::new(OWN, &idle(5), &[(0, 10, 10), (7, 5, 9)]);
        let counts = count(&mut fixture, strategy, 20_000, false);
        let due = |name: &str| {
            if name == "shard 0" {
                10_000
            } else if name == "shard 7" {
                5_000
            } else {
                1_000
            }
        };
        assert_eq!(counts.len(), 7, "{strategy:?}");
        for (name, times) in counts {
            assert!(times.abs_diff(due(&name)) < due(&name) / 5, "{strategy:?} {name} {times}");
        }
    }
}

#[test]
fn a_sticky_member_stays_until_it_goes_away() {
    let mut fixture = Fixture::new(OWN, &idle(10), &[(5, 3, 3)]);
    let first = fixture.choose(Strategy::Sticky, 0, false);
    for key in 0..50 {
        assert_eq!(fixture.choose(Strategy::Sticky, key, false), first);
    }
    let Choice::Local(SessionKey(session), _) = first else { panic!("shard 2 is the lowest: {first:?}") };
    fixture.set_connected(session, false);
    let second = fixture.choose(Strategy::Sticky, 0, false);
    assert_ne!(second, first);
    fixture.set_connected(session, true);
    assert_eq!(fixture.choose(Strategy::Sticky, 1, false), second);
    // A lower shard with a connected member goes first, for this is what all publishing shards agree on.
    fixture.index.set_group_interest("s", "f", ShardIndex(1), 0, 4, false);
    assert_eq!(fixture.choose(Strategy::Sticky, 2, false), second);
    fixture.index.set_group_interest("s", "f", ShardIndex(1), 1, 4, false);
    assert_eq!(fixture.choose(Strategy::Sticky, 3, false), Choice::Shard(ShardIndex(1)));
    assert_eq!(fixture.choose(Strategy::Sticky, 3, true), second);
}

/// A choice asks a handful of questions, however large the group and however few of it are there.
#[test]
fn a_large_group_costs_no_more_than_a_small_one() {
    for strategy in ALL {
        let mut sessions = vec![Session { connected: false, pending: 0 }; 10_000];
        sessions[7_777].connected = true;
        let mut fixture = Fixture::new(OWN, &sessions, &[]);
        for key in 0..100 {
            let choice = fixture.choose(strategy, key, false);
            assert_eq!(choice, Choice::Local(SessionKey(7_777), plain(7_777)), "{strategy:?}");
        }
        assert!(fixture.asked <= 100 * 8, "{strategy:?} asked {}", fixture.asked);

        let mut fixture = Fixture::new(OWN, &idle(10_000), &[]);
        count(&mut fixture, strategy, 100, false);
        assert!(fixture.asked <= 100 * 8, "{strategy:?} asked {}", fixture.asked);
    }
}

/// Nobody told the index that all but one of a large group left, and later that another came back.
#[test]
fn a_large_group_corrects_itself() {
    let mut fixture = Fixture::new(OWN, &idle(1_000), &[]);
    for (session, state) in &mut fixture.sessions {
        state.connected = session.0 == 500;
    }
    for strategy in ALL {
        assert_eq!(fixture.choose(strategy, 1, false), Choice::Local(SessionKey(500), plain(500)));
    }
    fixture.sessions.get_mut(&SessionKey(600)).unwrap().connected = true;
    let counts = count(&mut fixture, Strategy::RoundRobin, 3_000, false);
    assert!(counts["member 600"] > 1_000, "{counts:?}");
    assert_eq!(fixture.index.group_counts(fixture.group), (2, 1_000));
}

/// Two choices at random keep the queues of a large group level.
#[test]
fn least_in_flight_levels_a_large_group() {
    let mut fixture = Fixture::new(OWN, &idle(100), &[]);
    for _ in 0..10_000 {
        let Choice::Local(session, _) = fixture.choose(Strategy::LeastInFlight, 0, false) else { panic!() };
        fixture.sessions.get_mut(&session).unwrap().pending += 1;
    }
    let longest = fixture.sessions.values().map(|state| state.pending).max().unwrap();
    assert!(longest <= 105, "{longest}");
}
