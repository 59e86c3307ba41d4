//! Which member of a group gets a message.
//!
//! First the shard, by the numbers of members that all shards tell each other, then, there, the member. Strategies by
//! hash, and sticky, come to the same shard wherever the message was published, because they use nothing but those
//! numbers and the key. The others keep their turn for each publishing shard by itself.
//!
//! The connected members are the first of the list, so that a choice among ten thousand is one index, not ten thousand
//! questions. That order is kept by those who say when a session comes or goes (`TopicIndex::set_connected`), and
//! checked here: a group of up to [`ASKED_MAX`] members is asked as a whole at every choice; in a larger one
//! whoever is chosen is asked, and a few of those who are away, in turn.

use super::groups::{Choice, Group, MemberState, Strategy};
use super::keyed_hash::spread;
use super::{SessionKey, ShardIndex};

/// Candidates up to which all are asked for their state.
const ASKED_MAX: usize = 16;

/// Members thought to be away that one choice asks, in a larger group.
const PROBES: usize = 2;

/// The same when nobody on this shard is known to be connected.
const PROBES_WHEN_NOBODY: usize = 64;

/// Candidates up to which rendezvous hashing looks at each, at about a nanosecond apiece.
const RENDEZVOUS_MAX: usize = 256;

/// Makes the hash of a shard independent of that of a member.
const SHARD_SALT: u64 = 0x5a17_ed00_c0de_0001;

/// How one choice is to be made.
pub(super) struct Draw {
    pub strategy: Strategy,
    pub client_id_hash: u64,
    pub topic_hash: u64,
    pub random: u64,
    pub local_only: bool,
}

impl Draw {
    fn key(&self) -> u64 {
        if self.strategy == Strategy::HashTopic { self.topic_hash } else { self.client_id_hash }
    }
}

type State<'a> = &'a mut dyn FnMut(SessionKey) -> MemberState;

impl Group {
    pub fn choose(&mut self, own: ShardIndex, draw: &Draw, state: State<'_>) -> Choice {
        self.check_members(state);
        loop {
            if !draw.local_only && !self.remotes.is_empty() {
                match self.choose_shard(own, draw) {
                    Some(shard) if shard == own => {}
                    Some(shard) => return Choice::Shard(shard),
                    None => return Choice::Nobody,
                }
            }
            if self.members.is_empty() {
                return Choice::Nobody;
            }
            let known_connected = self.connected > 0;
            let position = self.choose_member(draw, state);
            let (session, subscription) = self.members.as_slice()[position];
            // Only in a group that was not asked as a whole: each turn of the loop corrects one mistake.
            if known_connected && self.members.len() > ASKED_MAX && !state(session).connected {
                self.set_connected(position, false);
                continue;
            }
            if draw.strategy == Strategy::Sticky {
                self.sticky = Some(session);
            }
            return Choice::Local(session, subscription);
        }
    }

    /// Corrects what is known of who is connected, as far as that is cheap.
    fn check_members(&mut self, state: State<'_>) {
        let (connected, total) = (self.connected, self.members.len());
        if total > ASKED_MAX {
            return self.probe_members(state);
        }
        // From the end, so that what moves into a gap has been asked already.
        for position in (0..connected).rev() {
            if !state(self.members.as_slice()[position].0).connected {
                self.set_connected(position, false);
            }
        }
        for position in connected..total {
            if state(self.members.as_slice()[position].0).connected {
                self.set_connected(position, true);
            }
        }
    }

    fn probe_members(&mut self, state: State<'_>) {
        let probes = if self.connected > 0 { PROBES } else { PROBES_WHEN_NOBODY };
        for _ in 0..probes.min(self.members.len() - self.connected) {
            let away = self.members.len() - self.connected;
            if away == 0 {
                return;
            }
            let position = self.connected + self.probe % away;
            self.probe = self.probe.wrapping_add(1);
            if state(self.members.as_slice()[position].0).connected {
                self.set_connected(position, true);
            }
        }
    }

    /// The shard, weighted by members that are connected, or by all if none is; `None` if there are no members.
    fn choose_shard(&mut self, own: ShardIndex, draw: &Draw) -> Option<ShardIndex> {
        let connected = self.connected > 0 || self.remotes.iter().any(|remote| remote.connected > 0);
        let own_weight = if connected { self.connected } else { self.members.len() } as u64;
        let remotes = self.remotes.iter().map(|remote| (remote.shard, remote.weight(connected)));
        let candidates = std::iter::once((own, own_weight)).chain(remotes).filter(|&(_, weight)| weight > 0);
        match draw.strategy {
            Strategy::Sticky => candidates.map(|(shard, _)| shard).min(),
            Strategy::HashClientId | Strategy::HashTopic => rendezvous_shard(draw.key(), candidates),
            Strategy::Random => {
                let total = candidates.clone().map(|(_, weight)| weight).sum();
                let mut point = scale(spread(draw.random), total);
                for (shard, weight) in candidates {
                    if point < weight {
                        return Some(shard);
                    }
                    point -= weight;
                }
                None
            }
            Strategy::LeastInFlight | Strategy::RoundRobin => {
                let total = candidates.map(|(_, weight)| weight as i64).sum();
                self.next_shard(own, own_weight as i64, connected, total)
            }
        }
    }

    /// Smooth weighted round robin: each shard earns its weight, the richest is chosen and pays the sum of all weights.
    /// Credit from a time when the weights were larger is cut to what can be earned now.
    fn next_shard(&mut self, own: ShardIndex, own_weight: i64, connected: bool, total: i64) -> Option<ShardIndex> {
        let earn = |credit: i64, weight: i64| (credit + weight).clamp(-total, total);
        let mut richest = None;
        if own_weight > 0 {
            self.credit = earn(self.credit, own_weight);
            richest = Some((self.credit, own));
        }
        for remote in &mut self.remotes {
            let weight = remote.weight(connected) as i64;
            if weight > 0 {
                remote.credit = earn(remote.credit, weight);
                if richest.is_none_or(|(credit, _)| remote.credit > credit) {
                    richest = Some((remote.credit, remote.shard));
                }
            }
        }
        let (_, shard) = richest?;
        match self.remotes.iter_mut().find(|remote| remote.shard == shard) {
            Some(remote) => remote.credit -= total,
            None => self.credit -= total,
        }
        Some(shard)
    }

    /// A position among the connected members, or among all if none is; there is at least one.
    fn choose_member(&mut self, draw: &Draw, state: State<'_>) -> usize {
        let candidates = if self.connected > 0 { self.connected } else { self.members.len() };
        let members = &self.members.as_slice()[..candidates];
        match draw.strategy {
            Strategy::RoundRobin => {
                let position = self.cursor % candidates;
                self.cursor = position + 1;
                position
            }
            Strategy::Random => random_below(draw.random, 1, candidates),
            Strategy::Sticky => {
                let known = self.sticky.and_then(|session| self.members.position(session));
                known
                    .filter(|&position| position < candidates)
                    .unwrap_or_else(|| random_below(draw.random, 1, candidates))
            }
            Strategy::HashClientId | Strategy::HashTopic if candidates <= RENDEZVOUS_MAX => {
                let key = draw.key();
                let score = |position: &usize| spread(key ^ spread(u64::from(members[*position].0.0)));
                (0..candidates).max_by_key(score).unwrap_or(0)
            }
            Strategy::HashClientId | Strategy::HashTopic => jump(spread(draw.key()), candidates),
            Strategy::LeastInFlight if candidates <= ASKED_MAX => {
                let start = self.cursor;
                let in_turn = (0..candidates).map(|step| (start + step) % candidates);
                let position = in_turn.min_by_key(|&position| state(members[position].0).pending).unwrap_or(0);
                self.cursor = position + 1;
                position
            }
            Strategy::LeastInFlight => {
                let one = random_below(draw.random, 1, candidates);
                let other = (one + 1 + random_below(draw.random, 2, candidates - 1)) % candidates;
                let (pending_one, pending_other) = (state(members[one].0).pending, state(members[other].0).pending);
                if pending_other < pending_one { other } else { one }
            }
        }
    }
}

/// Weighted rendezvous hashing: the highest `weight / -ln(u)`, with `u` uniform by key and shard (Schindelhauer and
/// Schomaker 2005). A shard that gains members takes keys from the others, and gives none away.
fn rendezvous_shard(key: u64, candidates: impl Iterator<Item = (ShardIndex, u64)>) -> Option<ShardIndex> {
    let score = |shard: ShardIndex, weight: u64| {
        let hash = spread(key ^ spread(u64::from(shard.0) ^ SHARD_SALT));
        // In the middle of one of 2^53 steps: never 0, never 1.
        let uniform = ((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        weight as f64 / -uniform.ln()
    };
    candidates
        .map(|(shard, weight)| (score(shard, weight), shard))
        .max_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)))
        .map(|(_, shard)| shard)
}

/// Jump consistent hashing (Lamping and Veach 2014): a bucket below `buckets`, in logarithmic time.
fn jump(mut key: u64, buckets: usize) -> usize {
    let (mut bucket, mut next) = (0, 0);
    while next < buckets as u64 {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((bucket + 1) as f64 * ((1u64 << 31) as f64 / ((key >> 33) + 1) as f64)) as u64;
    }
    bucket as usize
}

/// The `index`-th number below `bound` that follows from `random`.
fn random_below(random: u64, index: u64, bound: usize) -> usize {
    scale(spread(random ^ spread(index)), bound as u64) as usize
}

/// Maps 64 uniform bits to a number below `bound`.
fn scale(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}
